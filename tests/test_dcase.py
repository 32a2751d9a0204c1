"""Reading the DCASE format: annotations, folders, classes, windows, and frames to bins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from starss23_miniature import Path_, annotate, miniature, still, turning

from st_audioqa.conventions import angular_distance_deg, unit_vectors, wrap_deg
from st_audioqa.dcase.classes import read_classes, starss23_classes, write_classes
from st_audioqa.dcase.folder import find_recordings
from st_audioqa.dcase.metadata import Annotation, read_annotation
from st_audioqa.dcase.tracks import N_FRAMES, active_bins, frames_from_bins, interpolate
from st_audioqa.dcase.windows import choose_windows
from st_audioqa.errors import UserError
from st_audioqa.events.labels import confusable, label


def annotation(*sounds: tuple[int, int, int, Path_], known: bool = True) -> Annotation:
    """Sounds of class, source, first frame and path."""
    rows = np.array(
        [
            (first + i, kind, source, *state)
            for kind, source, first, path in sounds
            for i, state in enumerate(path)
        ],
        dtype=float,
    ).reshape(-1, 6)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    frame, kind, source = rows[:, :3].T.astype(np.int64)
    metres = rows[:, 5] / 100 if known else None
    return Annotation(frame, kind, source, wrap_deg(rows[:, 3]), rows[:, 4], metres)


def windows(found: Annotation, seconds: float):
    return choose_windows(found, seconds, starss23_classes(), confusable)


def read(tmp_path: Path, text: str) -> Annotation:
    annotate(tmp_path, "a", text)
    return read_annotation(tmp_path / "metadata_dev" / "a.csv", range(13))


def test_activity_goes_from_bins_to_frames_and_back_unchanged():
    random = np.random.default_rng(0)
    for _ in range(200):
        active = random.random(40) < 0.5
        frame, *_ = frames_from_bins(np.zeros(40), np.zeros(40), np.ones(40), active)
        frames = np.zeros(N_FRAMES, dtype=bool)
        frames[frame] = True
        assert (active_bins(frames) == active).all()
    second = frames_from_bins(np.zeros(40), np.zeros(40), np.ones(40), np.arange(40) == 1)
    assert second[0].tolist() == [2, 3, 4]


def test_a_bin_is_active_where_frames_fill_half_of_it():
    frames = np.zeros(N_FRAMES, dtype=bool)
    frames[[0, 10]] = True  # 0.1 s of bin 0 and of bin 4
    assert not active_bins(frames).any()
    frames[1] = True
    assert np.flatnonzero(active_bins(frames)).tolist() == [0]


def test_directions_are_interpolated_on_the_sphere_and_through_the_back():
    vectors = unit_vectors([170.0, -170.0], [0.0, 0.0])
    azimuth, _, metres = interpolate(
        np.array([0.0, 0.5, 2.0]), np.array([0.0, 1.0]), vectors, np.array([1.0, 3.0])
    )
    assert azimuth == pytest.approx([170.0, 180.0, -170.0])
    assert metres == pytest.approx([1.0, 2.0, 3.0])
    over = unit_vectors([0.0, 180.0], [80.0, 80.0])
    _, elevation, _ = interpolate(np.array([0.5]), np.array([0.0, 1.0]), over, np.ones(2))
    assert elevation == pytest.approx([90.0])


def test_an_annotation_is_read_in_our_conventions(tmp_path):
    found = read(tmp_path, "3,8,0,-9,-30,155\n0,0,1,190,5,90\n")
    assert found.frame.tolist() == [0, 3]
    assert found.label.tolist() == [0, 8]
    assert found.azimuth_deg.tolist() == [-170.0, -9.0]
    assert found.elevation_deg.tolist() == [5.0, -30.0]
    assert found.distance_m.tolist() == [0.9, 1.55]


def test_annotations_of_2020_to_2022_have_no_distance(tmp_path):
    assert read(tmp_path, "3,8,0,-9,-30\n").distance_m is None


def test_an_empty_annotation_has_no_rows(tmp_path):
    assert len(read(tmp_path, "\n")) == 0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-1,0,0,0,0,100\n", "frame"),
        ("1.5,0,0,0,0,100\n", "frame"),
        ("999999999,0,0,0,0,100\n", "frame"),
        ("0,0,0,nan,0,100\n", "azimuth"),
        ("0,0,0,0,nan,100\n", "elevation"),
        ("0,0,0,0,91,100\n", "elevation"),
        ("0,0,0,0,0,nan\n", "distance"),
        ("0,0,0,0,0,0\n", "distance"),
        ("0,13,0,0,0,100\n", "class table"),
        ("0,0,0,0\n", "4 columns"),
        ("0,0,0,0,0,100\n1,0,0,0,0\n", "every row or in none"),
        ("sound_event_recording,start_time,end_time,ele,azi,dist\n", "numbers"),
    ],
)
def test_a_broken_row_is_refused_with_its_line(text, what, tmp_path):
    with pytest.raises(UserError, match=what) as error:
        read(tmp_path, text)
    assert "a.csv" in str(error.value)


def test_splits_and_rooms_come_from_the_names(tmp_path):
    miniature(tmp_path)
    (tmp_path / "foa_dev" / "dev-test-tau" / "._fold4_room2_mix001.wav").write_bytes(b"x")
    found = find_recordings(tmp_path)
    assert [(each.name, each.split, each.room) for each in found] == [
        ("dev-test-sony/fold4_room23_mix001", "test", "sony-room23"),
        ("dev-test-tau/fold4_room2_mix001", "test", "tau-room2"),
        ("dev-train-sony/fold3_room21_mix001", "train", "sony-room21"),
        ("dev-train-tau/fold3_room4_mix001", "train", "tau-room4"),
    ]


def test_files_in_no_folder_are_all_test(tmp_path):
    annotate(tmp_path, "a", "")
    (tmp_path / "foa_dev").mkdir()
    assert [each.split for each in find_recordings(tmp_path)] == ["test"]


def test_a_folder_without_recordings_or_without_test_is_refused(tmp_path):
    with pytest.raises(UserError, match="foa_dev"):
        find_recordings(tmp_path)
    annotate(tmp_path, "dev-train/a", "")
    (tmp_path / "foa_dev").mkdir()
    with pytest.raises(UserError, match="split named test"):
        find_recordings(tmp_path)


def test_starss23_classes_are_audioset_names_but_for_domestic_sounds():
    classes = starss23_classes()
    assert sorted(classes) == list(range(13))
    own = [name for index, name in classes.items() if index != 5 and not label(name)]
    assert own == []
    assert classes[5] == "Domestic sounds"


def test_class_tables_come_back_and_broken_ones_are_refused(tmp_path):
    path = tmp_path / "classes.csv"
    write_classes(path, {0: "Walk, footsteps", 1: "my own"})
    assert read_classes(path) == {0: "Walk, footsteps", 1: "my own"}
    for text in (
        "",
        "index,label\n",
        "a,b\n0,Dog\n",
        "index,label\nx,Dog\n",
        "index,label\n0,\n",
    ):
        path.write_text(text, "utf-8")
        with pytest.raises(UserError, match=r"classes\.csv"):
            read_classes(path)
    with pytest.raises(UserError, match="--classes"):
        read_classes(tmp_path / "none.csv")


def test_windows_take_the_most_activity_and_do_not_overlap():
    found, _ = windows(annotation((0, 1, 50, still(0, 0, 100, 100))), 20)
    assert [window.start_s for window in found] == [5]
    both = annotation((0, 1, 0, still(0, 0, 100, 250)))
    starts = [window.start_s for window in windows(both, 25)[0]]
    assert starts == [0, 10]


def test_sources_that_stay_come_first_and_name_the_configuration():
    found, _ = windows(
        annotation((0, 1, 0, turning(0, 90, 0, 200, 100)), (8, 2, 5, still(90, 0, 100, 90))), 10
    )
    (window,) = found
    assert window.configuration == "SD"
    assert [source.label for source in window.sources] == [8, 0]


def test_a_source_that_only_comes_closer_moves():
    near = [(0.0, 0.0, 300 - 2 * i) for i in range(100)]
    assert windows(annotation((0, 1, 0, near)), 10)[0][0].configuration == "D"
    found, rejected = windows(annotation((0, 1, 0, near), known=False), 10)
    assert found[0].configuration == "S"
    assert not rejected


@pytest.mark.parametrize(
    ("sounds", "reason"),
    [
        ([], "no_source"),
        ([(k, k, 0, still(40 * k, 0, 100, 50)) for k in (0, 2, 8)], "3_sources"),
        (
            [(k, k, 0, still(40 * k, 0, 100, 50)) for k in (0, 2, 3, 8, 10, 12)],
            "5_or_more_sources",
        ),
        (
            [(0, 1, 0, still(0, 0, 100, 50)), (0, 2, 0, still(90, 0, 100, 50))],
            "two_of_one_class",
        ),
        (
            [(0, 1, 0, still(0, 0, 100, 50)), (0, 1, 0, still(90, 0, 100, 50))],
            "one_source_at_two_places",
        ),
        ([(8, 1, 0, still(0, 0, 100, 50)), (9, 2, 0, still(90, 0, 100, 50))], "labels_alike"),
        ([(0, 1, 0, still(0, 0, 100, 1))], "too_brief"),
        (
            [(0, 1, 0, still(0, 0, 100, 30)), (0, 1, 60, still(90, 0, 100, 30))],
            "jump_in_silence",
        ),
        ([(0, 1, 0, turning(0, 15, 0, 100, 100))], "unclear_whether_it_moves"),
    ],
)
def test_a_window_of_no_use_is_counted_with_its_reason(sounds, reason):
    found, rejected = windows(annotation(*sounds), 10)
    assert found == []
    assert rejected == {reason: 1}


def test_a_recording_shorter_than_a_scene_gives_none():
    assert windows(annotation((0, 1, 0, still(0, 0, 100, 50))), 9.5) == ([], {})


def test_tracks_of_a_window_are_those_of_its_frames():
    (window,), _ = windows(annotation((2, 1, 0, turning(150, 249, 0, 120, 100))), 10)
    (source,) = window.sources
    assert source.activity.all()
    times = (np.arange(40) + 0.5) * 0.25
    wanted = unit_vectors(150 + (times - 0.05) * 10, np.zeros(40))
    given = unit_vectors(source.azimuth_deg, source.elevation_deg)
    assert angular_distance_deg(wanted, given).max() < 0.1
    assert source.distance_m == pytest.approx(np.full(40, 1.2))
