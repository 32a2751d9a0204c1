"""Importing and exporting whole data sets in the DCASE format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile
from starss23_miniature import Take, annotate, miniature, still

from st_audioqa.cli import main
from st_audioqa.conventions import angular_distance_deg, unit_vectors
from st_audioqa.corpus import Corpus
from st_audioqa.dcase.export import export_seld
from st_audioqa.errors import UserError
from st_audioqa.foa import bin_directions
from st_audioqa.pipeline.datasets import any_dcase, starss23
from st_audioqa.pipeline.recordings import import_recordings
from st_audioqa.pipeline.verify import verify
from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.scene_table import SceneTable
from st_audioqa.templates.facts import UNCLEAR, Facts


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> Corpus:
    folder = miniature(tmp_path_factory.mktemp("starss23"))
    out = tmp_path_factory.mktemp("out") / "corpus"
    import_recordings(folder, out, starss23(folder), seed=3)
    return Corpus(out)


@pytest.fixture(scope="module")
def again(corpus_dir, tmp_path_factory) -> tuple[Corpus, Corpus, Path]:
    """A corpus, what comes back of it through the DCASE format, and its export."""
    corpus = Corpus(corpus_dir)
    folder = tmp_path_factory.mktemp("export") / "seld"
    export_seld(corpus, folder)
    out = tmp_path_factory.mktemp("back") / "corpus"
    import_recordings(folder, out, any_dcase(folder, None, "back", "CC0-1.0", ""))
    return corpus, Corpus(out), folder


def scenes_of(corpus: Corpus):
    return [scene for split in corpus.splits for scene in corpus.scenes(split)]


def test_windows_become_scenes_with_their_splits_and_classes(imported):
    found = {scene.scene_id: scene for scene in scenes_of(imported)}
    assert {(name, scene.configuration) for name, scene in found.items()} == {
        ("dev-train-tau-fold3_room4_mix001-0000", "S"),
        ("dev-train-tau-fold3_room4_mix001-0010", "D"),
        ("dev-train-tau-fold3_room4_mix001-0020", "SS"),
        ("dev-train-sony-fold3_room21_mix001-0000", "S"),
        ("dev-train-sony-fold3_room21_mix001-0010", "S"),
        ("dev-test-tau-fold4_room2_mix001-0001", "D"),
        ("dev-test-sony-fold4_room23_mix001-0000", "SD"),
        ("dev-test-sony-fold4_room23_mix001-0012", "S"),
    }
    steps = found["dev-train-tau-fold3_room4_mix001-0010"].sources[0]
    assert steps.event.labels == ("Walk, footsteps",)
    assert steps.azimuth_deg[0] == pytest.approx(-100, abs=1)
    assert steps.azimuth_deg[-3] == pytest.approx(40, abs=4)
    assert steps.distance_m[5] == pytest.approx(2.2)
    assert steps.event.licence == "MIT"


def test_the_audio_of_a_window_is_that_of_its_seconds_at_32_khz(imported):
    for scene in scenes_of(imported):
        audio = imported.audio(scene.scene_id)
        assert audio.shape == (4, 320_000)
        sounding = np.zeros(40, dtype=bool)
        for source in scene.sources:
            sounding |= source.activity
        level = np.sqrt((audio[0].reshape(40, -1) ** 2).mean(axis=1))
        assert (level[sounding] > 0.01).all()
        if len(scene.sources) == 1:
            (source,) = scene.sources
            measured, _ = bin_directions(audio)
            labelled = unit_vectors(source.azimuth_deg, source.elevation_deg)
            inner = source.activity & np.roll(source.activity, 1) & np.roll(source.activity, -1)
            assert np.median(angular_distance_deg(measured, labelled)[inner]) < 3.0


def test_an_imported_corpus_verifies_and_its_card_tells_what_it_is(imported):
    report = verify(imported.folder)
    assert report.faults == []
    assert report.median_doa_error_deg < 3.0
    card = (imported.folder / "README.md").read_text("utf-8")
    assert "license: mit" in card
    assert "not on the published recordings" in card
    assert "starss23: MIT" in card
    assert "zenodo" in (imported.folder / "ATTRIBUTION.csv").read_text("utf-8")


def test_verify_finds_labels_that_lie_on_the_wrong_side(tmp_path):
    folder = tmp_path / "data"
    for number in range(6):
        take = Take(10).sound(number % 3, 1, 5, still(50 + 10 * number, 0, 200, 90))
        take.rows = [(*row[:3], -row[3], *row[4:]) for row in take.rows]
        take.save(folder, f"dev-test-tau/fold4_room{number}_mix001")
    import_recordings(folder, tmp_path / "c", starss23(folder))
    assert any("direction of arrival" in fault for fault in verify(tmp_path / "c").faults)


def test_all_families_that_two_sources_allow_are_asked(imported):
    asked = {q.family for split in imported.splits for q in imported.questions(split)}
    assert {"event_semantics", "movement_status", "spatial_location"} <= asked
    assert any("distance" in q.attribute for q in imported.questions("train"))


def test_without_distances_nothing_is_asked_that_needs_them(tmp_path):
    folder = miniature(tmp_path / "data", distance=False)
    found = import_recordings(folder, tmp_path / "c", starss23(folder))
    corpus = Corpus(tmp_path / "c")
    asked = [q for split in corpus.splits for q in corpus.questions(split)]
    assert asked
    assert not any("distance" in q.attribute for q in asked)
    assert not any(q.family == "spatial_change" and q.attribute == "elevation" for q in asked)
    assert found.manifest.recipe.questions.unasked
    assert verify(tmp_path / "c").faults == []
    rows = export_rows(corpus, tmp_path / "e")
    assert {len(row.split(",")) for row in rows} == {5}


def export_rows(corpus: Corpus, folder: Path) -> list[str]:
    export_seld(corpus, folder)
    paths = sorted(folder.glob("metadata_dev/*/*.csv"))
    return [line for path in paths for line in path.read_text("utf-8").splitlines()]


def test_recordings_with_and_without_distances_are_not_mixed_unasked(tmp_path):
    folder = miniature(tmp_path / "data")
    Take(10).sound(0, 1, 0, still(0, 0, 100, 90)).save(
        folder, "dev-test-tau/fold4_room9_mix001", distance=False
    )
    with pytest.raises(UserError, match="--directions-only"):
        import_recordings(folder, tmp_path / "a", starss23(folder))
    import_recordings(folder, tmp_path / "b", starss23(folder), directions_only=True)
    assert all(
        not s.room.parameters["distance_known"] for s in scenes_of(Corpus(tmp_path / "b"))
    )


def test_broken_recordings_are_left_out_and_named_and_the_others_stay(tmp_path):
    folder = miniature(tmp_path / "data")
    good = Take(10).sound(0, 1, 0, still(0, 0, 100, 90))
    for name in ("nan", "late", "mono", "slow", "noaudio", "noise", "nothing", "class"):
        good.save(folder, f"dev-test-tau/{name}")
    place = folder / "foa_dev" / "dev-test-tau"
    annotate(folder, "dev-test-tau/nan", "0,0,1,nan,0,100\n")
    annotate(folder, "dev-test-tau/late", "500,0,1,0,0,100\n")
    annotate(folder, "dev-test-tau/class", "0,13,1,0,0,100\n")
    annotate(folder, "dev-test-tau/nothing", "")
    soundfile.write(place / "mono.wav", np.zeros(240_000), 24_000)
    soundfile.write(place / "slow.wav", np.zeros((160_000, 4)), 16_000)
    (place / "noaudio.wav").unlink()
    (place / "noise.wav").write_bytes(b"no audio at all")
    found = import_recordings(folder, tmp_path / "c", starss23(folder))
    told = "\n".join(found.refused)
    assert len(found.refused) == 7
    for name in ("nan", "late", "mono", "slow", "noaudio", "noise", "class"):
        assert f"dev-test-tau/{name}" in told
    assert found.manifest.events["recordings"] == "5"
    assert len(scenes_of(Corpus(tmp_path / "c"))) == 8
    assert found.manifest.rejections["no_source"] > 0


def test_a_data_set_of_no_use_is_refused_and_nothing_is_written(tmp_path):
    annotate(tmp_path / "d", "dev-test-tau/a", "0,0,1,nan,0,100\n")
    Take(12).save(tmp_path / "d", "dev-test-tau/b")
    annotate(tmp_path / "d", "dev-test-tau/b", "")
    (tmp_path / "d/foa_dev").mkdir(exist_ok=True)
    with pytest.raises(UserError, match="no_source 3"):
        import_recordings(tmp_path / "d", tmp_path / "c", starss23(tmp_path / "d"))
    assert not (tmp_path / "c").exists()
    (tmp_path / "c").mkdir()
    (tmp_path / "c/mine.txt").write_text("x")
    with pytest.raises(UserError, match="new or empty"):
        import_recordings(tmp_path / "d", tmp_path / "c", starss23(tmp_path / "d"))


def test_rooms_that_serve_two_splits_are_a_fault(tmp_path):
    folder = miniature(tmp_path / "data")
    Take(10).sound(0, 1, 0, still(10, 0, 100, 90)).save(
        folder, "dev-test-tau/fold4_room4_mix009"
    )
    import_recordings(folder, tmp_path / "c", starss23(folder))
    assert any("tau-room4" in fault for fault in verify(tmp_path / "c").faults)


def test_the_same_data_set_gives_the_same_bytes(imported, tmp_path):
    folder = miniature(tmp_path / "data")
    import_recordings(folder, tmp_path / "c", starss23(folder), seed=3)
    for path in sorted(imported.folder.rglob("*.parquet")):
        other = tmp_path / "c" / path.relative_to(imported.folder)
        assert other.read_bytes() == path.read_bytes()


def test_loud_recordings_get_one_gain_that_is_told(tmp_path):
    folder = tmp_path / "data"
    take = Take(10).sound(0, 1, 0, still(0, 0, 100, 90))
    take.audio *= 0.999 / np.abs(take.audio).max()
    take.save(folder, "dev-test-tau/fold4_room1_mix001")
    import_recordings(folder, tmp_path / "c", starss23(folder))
    corpus = Corpus(tmp_path / "c")
    (scene,) = scenes_of(corpus)
    assert -6.0 < scene.gain_db <= 0.0
    assert np.abs(corpus.audio(scene.scene_id)).max() <= 1.0


def test_an_export_is_as_dcase_lays_it_out(again):
    corpus, _, folder = again
    scene = scenes_of(corpus)[0]
    rate, audio = wavfile.read(folder / f"foa_dev/dev-{scene.split}/{scene.scene_id}.wav")
    assert rate == 24_000
    assert audio.shape == (240_000, 4)
    assert audio.dtype == np.int16
    path = folder / f"metadata_dev/dev-{scene.split}/{scene.scene_id}.csv"
    rows = [list(map(int, line.split(","))) for line in path.read_text().splitlines()]
    assert {len(row) for row in rows} == {6}
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert all(-180 <= row[3] <= 180 and -90 <= row[4] <= 90 for row in rows)
    classes = (folder / "classes.csv").read_text("utf-8").splitlines()
    assert classes[0] == "index,label"
    assert max(row[1] for row in rows) < len(classes) - 1


def test_tracks_come_back_within_a_degree_and_a_centimetre(again):
    corpus, back, _ = again
    before = {scene.scene_id: scene for scene in scenes_of(corpus)}
    found = scenes_of(back)
    assert len(found) >= 0.8 * len(before)
    for scene in found:
        old = before[scene.room.parameters["recording"].split("/")[1]]
        assert scene.configuration == old.configuration
        by_name = {source.event.name: source for source in old.sources}
        for source in scene.sources:
            was = by_name[source.event.name]
            active = was.activity
            assert (source.activity == active).all()
            apart = angular_distance_deg(
                unit_vectors(source.azimuth_deg, source.elevation_deg),
                unit_vectors(was.azimuth_deg, was.elevation_deg),
            )
            assert apart[active].max() < 1.0
            assert np.abs(source.distance_m - was.distance_m)[active].max() < 0.0125
            assert source.moving == was.moving


def test_what_is_true_of_scenes_is_true_of_them_when_they_come_back(again):
    corpus, back, _ = again
    old = {scene.scene_id: scene for scene in scenes_of(corpus)}
    pairs = 0
    for scene in scenes_of(back):
        was = old[scene.room.parameters["recording"].split("/")[1]]
        order = [
            next(s.index for s in was.sources if s.event.name == source.event.name)
            for source in scene.sources
        ]
        one = Facts.of([SceneTable.of([was])], QuestionsRecipe())
        other = Facts.of([SceneTable.of([scene])], QuestionsRecipe())
        for key, places in one.places.items():
            for i, j in enumerate(order):
                a, b = places[0, j], other.places[key][0, i]
                if UNCLEAR not in (a, b):
                    assert a == b, key
                    pairs += 1
        for key, sign in one.change_sign.items():
            for i, j in enumerate(order):
                a, b = sign[0, j], other.change_sign[key][0, i]
                if UNCLEAR not in (a, b):
                    assert a == b, key
                    pairs += 1
    assert pairs > 60


def test_answers_to_the_same_question_are_the_same_when_scenes_come_back(again):
    corpus, back, _ = again
    alike = 0
    for split in corpus.splits:
        answers = {
            (q.scene_id, q.family, q.attribute, q.anchor, q.question): q.answer
            for q in corpus.questions(split)
        }
        for q in back.questions(split):
            scene_id = q.scene_id.removeprefix(f"dev-{split}-").removesuffix("-0000")
            key = (scene_id, q.family, q.attribute, q.anchor, q.question)
            if key in answers and ";" not in q.answer:
                assert answers[key] == q.answer
                alike += 1
    assert alike > 10


def test_an_export_goes_only_where_nothing_else_lies(again, tmp_path):
    corpus, _, folder = again
    export_seld(corpus, folder)
    with pytest.raises(UserError, match="something else"):
        export_seld(corpus, folder, sample_rate=32_000)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="something else"):
        export_seld(corpus, tmp_path)


def test_the_commands_import_and_export(corpus_dir, tmp_path, capsys):
    seld, back = tmp_path / "seld", tmp_path / "back"
    main(["export", str(corpus_dir), "--format", "seld", "--out", str(seld), "--split", "test"])
    assert json.loads((seld / "export.json").read_text())["sample_rate"] == 24_000
    main(["import", "dcase", str(seld), "--out", str(back), "--licence", "CC0-1.0"])
    said = capsys.readouterr().out
    assert "scenes of" in said
    assert "recordings were left out" in said
    with pytest.raises(SystemExit) as stop:
        main(["import", "starss23", str(tmp_path / "nowhere"), "--out", str(tmp_path / "x")])
    assert stop.value.code == 2
    for wrong in (["--audio", "mono", "--format", "seld"], []):
        with pytest.raises(SystemExit) as stop:
            main(["export", str(corpus_dir), "--out", str(tmp_path / "y"), *wrong])
        assert stop.value.code == 2
