"""SELD metrics: against the numbers of the challenges' own code, and on cases worked by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from seld_tracks import CASES, random_tracks

from st_audioqa.conventions import unit_vectors
from st_audioqa.errors import UserError
from st_audioqa.evaluation.seld import (
    Counts,
    FrameRows,
    count_frames,
    count_segments,
    dcase2023,
    dcase2024,
)

GOLDEN = json.loads((Path(__file__).parent / "fixtures/seld/golden.json").read_text("utf-8"))


def rows(*values: tuple[int, int, int, float, float]) -> FrameRows:
    """Rows of recording, frame, class, azimuth and distance, in the horizontal plane."""
    table = np.array(values, dtype=float).reshape(-1, 5)
    recording, frame, label = table[:, :3].T.astype(np.int64)
    vector = unit_vectors(table[:, 3], np.zeros(len(table)))
    return FrameRows(recording, frame, label, vector, table[:, 4])


def agrees(found: dict[str, object], wanted: dict[str, float]) -> None:
    for name, value in wanted.items():
        # The original's arc cosine of regularised vectors is off by up to 1e-3 degrees.
        limit = 1e-3 if name in ("LE_CD", "AngE") else 1e-5
        assert float(found[name]) == pytest.approx(value, abs=limit, nan_ok=True), name


@pytest.mark.parametrize("name", CASES)
def test_dcase2023_scores_are_those_of_the_original_code(name):
    truth, predicted, n_frames = random_tracks(**CASES[name])
    counts = count_segments(truth, predicted, n_frames, CASES[name]["n_classes"])
    agrees(dcase2023(counts.total()), GOLDEN[name]["dcase2023"])


@pytest.mark.parametrize("name", CASES)
def test_dcase2024_scores_are_those_of_the_original_code(name):
    truth, predicted, n_frames = random_tracks(**CASES[name])
    n_classes = CASES[name]["n_classes"]
    counts = count_frames(truth, predicted, n_frames, n_classes)
    agrees(dcase2024(counts.total()), GOLDEN[name]["dcase2024"])
    strict = count_frames(
        truth, predicted, n_frames, n_classes, threshold_m=0.5, threshold_relative=0.2
    )
    agrees(dcase2024(strict.total()), GOLDEN[name]["strict"])


def test_the_golden_cases_tell_right_from_wrong_matching():
    values = [case["dcase2024"]["F20"] for case in GOLDEN.values()]
    assert min(values) < 0.2
    assert max(values) > 0.5


def test_a_perfect_prediction_has_no_error():
    truth, _, n_frames = random_tracks(**CASES["same-class"])
    segments = count_segments(truth, truth, n_frames, 3).total()
    found = dcase2023(segments)
    assert found["ER20"] == 0
    assert found["F20"] == 1
    assert found["LR_CD"] == 1
    assert found["LE_CD"] == pytest.approx(0, abs=1e-6)
    frames = dcase2024(count_frames(truth, truth, n_frames, 3).total())
    assert frames["F20"] == 1
    assert frames["SELD"] == pytest.approx(0, abs=1e-9)


def test_matching_takes_the_least_sum_of_angles_and_keeps_sources_of_one_class_apart():
    truth = rows((0, 0, 0, 0, 1), (0, 0, 0, 90, 1))
    predicted = rows((0, 0, 0, 85, 1), (0, 0, 0, 3, 1))
    counts = count_frames(truth, predicted, [1], 1).total()
    assert counts.near == 2
    assert counts.error_deg == pytest.approx(8.0)


def test_thresholds_of_angle_and_relative_distance_make_a_match_wrong():
    truth = rows((0, 0, 0, 0, 1), (0, 1, 0, 0, 1), (0, 2, 0, 0, 1))
    predicted = rows((0, 0, 0, 19, 1), (0, 1, 0, 21, 1), (0, 2, 0, 0, 2.5))
    counts = count_frames(truth, predicted, [3], 1).total()
    assert (counts.near, counts.far) == (1, 2)
    assert dcase2024(counts)["DistE"] == pytest.approx(0.5)


def test_a_class_without_matches_counts_180_degrees_in_2023_and_is_left_out_in_2024():
    truth = rows((0, 0, 0, 0, 1), (0, 0, 1, 0, 1))
    predicted = rows((0, 0, 0, 10, 1))
    old = dcase2023(count_segments(truth, predicted, [10], 2).total())
    new = dcase2024(count_frames(truth, predicted, [10], 2).total())
    assert old["LE_CD"] == pytest.approx(95.0)
    assert new["AngE"] == pytest.approx(10.0)


def test_means_can_be_taken_over_some_classes():
    truth, predicted = rows((0, 0, 0, 0, 1)), rows((0, 0, 0, 10, 1))
    counts = count_segments(truth, predicted, [10], 3).total()
    assert dcase2023(counts)["LE_CD"] == pytest.approx((10 + 360) / 3)
    assert dcase2023(counts, [0])["LE_CD"] == pytest.approx(10)


def test_counts_of_recordings_add_up_and_come_back_from_columns():
    truth, predicted, n_frames = random_tracks(**CASES["noisy"])
    counts = count_frames(truth, predicted, n_frames, 13)
    again = Counts.of_columns(counts.columns())
    assert np.array_equal(again.near, counts.near)
    assert np.array_equal(again.errors, counts.errors)
    one = truth.recording == 2
    alone = count_frames(
        replace_recording(truth.take(one)),
        replace_recording(predicted.take(predicted.recording == 2)),
        [n_frames[2]],
        13,
    )
    assert np.array_equal(alone.near[0], counts.near[2])
    assert alone.errors[0] == counts.errors[2]


def replace_recording(found: FrameRows) -> FrameRows:
    return replace(found, recording=np.zeros_like(found.recording))


def test_rows_beyond_the_end_of_a_recording_are_not_counted():
    truth = rows((0, 0, 0, 0, 1), (0, 5, 0, 0, 1))
    assert count_frames(truth, truth, [3], 1).total().references == 1


def test_nothing_predicted_and_nothing_true_give_scores():
    truth, nothing = rows((0, 0, 0, 0, 1)), rows()
    found = dcase2023(count_segments(truth, nothing, [10], 1).total())
    assert found["ER20"] == 1
    assert found["F20"] == 0
    assert found["LE_CD"] == 180
    assert np.isnan(dcase2024(count_frames(truth, nothing, [10], 1).total())["AngE"])
    assert dcase2023(count_segments(nothing, truth, [10], 1).total())["F20"] == 0


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (rows((0, 0, 5, 0, 1)), "label"),
        (rows((3, 0, 0, 0, 1)), "recording"),
        (rows((0, -1, 0, 0, 1)), "frame"),
        (rows((0, 0, 0, np.nan, 1)), "Directions"),
        (rows((0, 0, 0, 0, -1)), "Distances"),
    ],
)
def test_impossible_rows_are_refused(wrong, what):
    with pytest.raises(UserError, match=what):
        count_frames(wrong, rows(), [10], 2)
