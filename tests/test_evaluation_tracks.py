"""Table 3 metrics, the tracks file, and `st-audioqa eval tracks`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from st_audioqa.cli import main
from st_audioqa.conventions import unit_vectors
from st_audioqa.corpus import Corpus
from st_audioqa.errors import UserError
from st_audioqa.evaluation.bootstrap import scene_weights
from st_audioqa.evaluation.localisation import (
    clip_direction,
    direction_errors_deg,
    distance_accuracy,
    distance_errors,
    doa_errors,
    ratio,
    resampled_map,
    trajectory_accuracy,
)
from st_audioqa.evaluation.track_file import read_tracks
from st_audioqa.evaluation.track_scores import score_tracks


def metric(sums: np.ndarray) -> float:
    return float(ratio(sums.sum(axis=0)))


def oracle_rows(corpus: Corpus, turned_deg: float = 0.0, farther_m: float = 0.0) -> list[Any]:
    return [
        {
            "scene_id": scene.scene_id,
            "labels": {label: 1.0 for s in scene.sources for label in s.event.labels},
            "tracks": [
                {
                    "label": source.event.name,
                    "activity": source.activity.tolist(),
                    "azimuth_deg": (source.azimuth_deg + turned_deg).tolist(),
                    "elevation_deg": source.elevation_deg.tolist(),
                    "distance_m": (source.distance_m + farther_m).tolist(),
                }
                for source in scene.sources
            ],
        }
        for scene in corpus.scenes("test")
    ]


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_angles_are_on_the_sphere_and_no_direction_is_wrong_by_180():
    truth = unit_vectors([170.0, 0.0, 0.0, 0.0], [0.0, 89.0, 0.0, 0.0])
    given = unit_vectors([-170.0, 180.0, 0.0, 0.0], [0.0, 89.0, 0.0, 0.0])
    given[2], given[3] = 0.0, np.nan
    assert direction_errors_deg(truth, given) == pytest.approx([20.0, 2.0, 180.0, 180.0])


def test_doa_mae_counts_active_bins_alone():
    error = np.array([[10.0, 90.0], [20.0, 30.0]])
    active = np.array([[True, False], [True, True]])
    assert metric(doa_errors(error, active)) == pytest.approx(20.0)


def test_a_trajectory_is_right_only_if_every_active_bin_is_within_20_degrees():
    error = np.array([[20.0, 170.0, 3.0], [5.0, 5.0, 20.1], [0.0, 0.0, 0.0]])
    active = np.array([[True, False, True], [True, True, True], [False, False, False]])
    sums = trajectory_accuracy(error, active)
    assert sums.tolist() == [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]


def test_distance_accuracy_is_exact_or_within_one_bin():
    active = np.ones((4, 1), dtype=bool)
    truth, given = np.array([0.4, 1.0, 2.2, 3.0]), np.array([0.1, 0.99, 3.4, np.nan])
    assert metric(distance_accuracy(truth, given, active)) == pytest.approx(0.25)
    within = distance_accuracy(truth, given, active, within_bins=1)
    assert metric(within) == pytest.approx(0.5)


def test_a_missing_distance_counts_as_no_metres():
    active = np.array([[True, True]])
    sums = distance_errors(np.array([[2.0, 3.0]]), np.array([[2.5, np.nan]]), active)
    assert metric(sums) == pytest.approx(1.75)


def test_the_direction_of_a_clip_is_the_mean_over_its_active_bins():
    vectors = unit_vectors([[0.0, 90.0, 180.0]], [[0.0, 0.0, 0.0]])
    found = clip_direction(vectors, np.array([[True, True, False]]))
    assert direction_errors_deg(found, unit_vectors([45.0], [0.0])) == pytest.approx([0.0])


def test_map_agrees_with_scikit_learn_plain_and_weighted_with_ties():
    random = np.random.default_rng(3)
    truth = random.random((60, 7)) < 0.2
    truth[:, 6] = False
    scores = np.round(random.random((60, 7)) + 0.3 * truth, 1)
    weights = list(scene_weights(60, 5, 1))
    values, n_classes = resampled_map(truth, scores, weights)
    assert n_classes == 6
    for value, weight in zip(values, [np.ones(60), *weights[0]], strict=True):
        wanted = [
            average_precision_score(truth[:, c], scores[:, c], sample_weight=weight)
            for c in range(6)
            if truth[weight > 0, c].any()
        ]
        assert value == pytest.approx(np.mean(wanted), abs=1e-12)


def test_the_truth_scores_perfectly_in_every_column(corpus_dir, tmp_path):
    corpus = Corpus(corpus_dir)
    path = written(tmp_path / "t.jsonl", oracle_rows(corpus))
    found = score_tracks(list(corpus.scenes("test")), read_tracks(path).scenes, resamples=20)
    perfect = {"DoA MAE": 0, "Dist. MAE": 0, "ER20": 0, "LE_CD": 0, "SELD": 0, "AngE": 0}
    perfect |= {"DistE": 0, "RelDistE": 0}
    for table in ("static", "dynamic", "dcase2023", "dcase2024"):
        for column, cell in found[table].items():
            assert cell["value"] == pytest.approx(perfect.get(column, 100), abs=1e-4), column


def test_a_turn_and_a_shift_show_in_the_columns_they_belong_to(corpus_dir, tmp_path):
    corpus = Corpus(corpus_dir)
    scenes = list(corpus.scenes("test"))
    rows = oracle_rows(corpus, turned_deg=90.0, farther_m=0.7)
    found = score_tracks(scenes, read_tracks(written(tmp_path / "t", rows)).scenes, resamples=0)
    assert found["dynamic"]["Dist. MAE"]["value"] == pytest.approx(0.7, abs=1e-3)
    assert found["dynamic"]["Traj. Acc@20"]["value"] == 0
    assert found["static"]["Dist. Acc"]["value"] == 0
    assert found["static"]["DoA MAE"]["value"] > 30
    assert found["dcase2024"]["DistE"]["value"] == pytest.approx(0.7, abs=1e-3)
    assert found["dcase2023"]["F20"]["value"] < 30


def test_scenes_without_a_row_are_wrong_and_do_not_shrink_the_count(corpus_dir, tmp_path):
    corpus = Corpus(corpus_dir)
    scenes = list(corpus.scenes("test"))
    rows = oracle_rows(corpus)
    moving = next(scene.scene_id for scene in scenes if scene.configuration == "D")
    kept = [row for row in rows if row["scene_id"] != moving]
    found = score_tracks(scenes, read_tracks(written(tmp_path / "t", kept)).scenes, resamples=0)
    assert found["counts"]["missing"] == 1
    assert found["dynamic"]["DoA MAE"] == {"value": 180.0, "low": None, "high": None, "n": 1}
    assert found["dcase2023"]["LR_CD"]["value"] < 100


def test_columns_that_a_model_has_nothing_for_are_not_scored(corpus_dir, tmp_path):
    corpus = Corpus(corpus_dir)
    rows = [
        {
            "scene_id": row["scene_id"],
            "tracks": [
                {k: track[k] for k in ("azimuth_deg", "elevation_deg")}
                for track in row["tracks"]
            ],
        }
        for row in oracle_rows(corpus)
    ]
    found = score_tracks(
        list(corpus.scenes("test")),
        read_tracks(written(tmp_path / "t", rows)).scenes,
        resamples=0,
    )
    for table, column in (
        ("static", "mAP"),
        ("static", "Dist. Acc"),
        ("dynamic", "Dist. MAE"),
        ("dcase2023", "F20"),
    ):
        assert found[table][column]["value"] is None
    assert found["dynamic"]["DoA MAE"]["value"] == pytest.approx(0, abs=1e-4)


def test_one_number_stands_for_all_bins(tmp_path):
    row = {"scene_id": "a", "tracks": [{"azimuth_deg": 10, "elevation_deg": -5}]}
    found = read_tracks(written(tmp_path / "t", [{"type": "run", "model": "m"}, row]))
    assert found.model == "m"
    assert found.scenes["a"].tracks[0].azimuth_deg == 10


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "has none"),
        ("scene_id,azimuth\n", "JSON"),
        ("[1]\n", "Line 1"),
        (
            '{"scene_id": "a", "tracks": [{"azimuth_deg": [1, 2], "elevation_deg": 0}]}',
            "azimuth",
        ),
        ('{"scene_id": "a", "tracks": [{"azimuth_deg": 1, "elevation_deg": 91}]}', "elevation"),
        ('{"scene_id": "a", "tracks": [{"azimuth_deg": NaN, "elevation_deg": 1}]}', "azimuth"),
        (
            '{"scene_id": "a", "tracks": [{"azimuth_deg": 1, "elevation_deg": 1, '
            '"distance_m": -1}]}',
            "distance",
        ),
        ('{"scene_id": "a", "guess": 1}', "guess|row"),
        ('{"scene_id": "a"}\n{"scene_id": "a"}', "second row"),
        ('{"scene_id": "a"', "JSON"),
    ],
)
def test_a_broken_tracks_file_is_told_in_one_sentence(text, what, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match=what):
        read_tracks(path)


def test_unknown_scenes_and_labels_are_refused(corpus_dir, tmp_path):
    scenes = list(Corpus(corpus_dir).scenes("test"))
    stranger = written(tmp_path / "a", [{"scene_id": "nowhere"}])
    with pytest.raises(UserError, match="nowhere"):
        score_tracks(scenes, read_tracks(stranger).scenes)
    wrong = written(tmp_path / "b", [{"scene_id": scenes[0].scene_id, "labels": {"Dgo": 1}}])
    with pytest.raises(UserError, match="Dgo"):
        score_tracks(scenes, read_tracks(wrong).scenes)


def test_the_command_prints_the_tables_and_writes_json(corpus_dir, tmp_path, capsys):
    rows = [
        {"type": "run", "model": "oracle", "split": "test"},
        *oracle_rows(Corpus(corpus_dir)),
    ]
    path = written(tmp_path / "t.jsonl", rows)
    result = tmp_path / "r.json"
    main(
        [
            "eval",
            "tracks",
            str(path),
            str(corpus_dir),
            "--resamples",
            "10",
            "--json",
            str(result),
        ]
    )
    said = capsys.readouterr().out
    assert "Traj. Acc@20" in said
    assert "DCASE2024" in said
    assert json.loads(result.read_text())["dynamic"]["Traj. Acc@20"]["value"] == 100
    with pytest.raises(SystemExit) as stop:
        main(["eval", "tracks", str(path), str(corpus_dir), "--split", "train"])
    assert stop.value.code == 2
