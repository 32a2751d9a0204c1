"""Average precision and set metrics against scikit-learn and by hand."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, precision_score

from st_audioqa.errors import UserError
from st_audioqa.evaluation.metrics import (
    accuracy,
    average_precision,
    example_f1,
    example_jaccard,
    hallucinated,
    labelset_average_precision,
    macro,
)


def reference(truth, scores, weights=None):
    return np.array(
        [
            average_precision_score(truth[:, c], scores[:, c], sample_weight=weights)
            for c in range(truth.shape[1])
        ]
    )


@pytest.mark.parametrize("levels", [1, 2, 3, 10, 10_000])
@pytest.mark.parametrize("weighting", ["none", "counts", "floats"])
def test_average_precision_equals_sklearn(levels, weighting):
    random = np.random.default_rng(levels)
    for n in (1, 2, 7, 200):
        truth = random.random((n, 12)) < 0.3
        truth[0] = True
        scores = random.integers(levels, size=(n, 12)) / levels
        weights = {
            "none": None,
            "counts": np.maximum(random.poisson(1.0, n), np.arange(n) == 0).astype(float),
            "floats": random.random(n) + 0.01,
        }[weighting]
        found = average_precision(truth, scores, weights)
        np.testing.assert_allclose(found, reference(truth, scores, weights), rtol=0, atol=1e-12)


def test_labelset_average_precision_equals_the_general_one():
    random = np.random.default_rng(1)
    for _ in range(50):
        truth = random.random((60, 20)) < random.random()
        named = random.random((60, 20)) < random.random()
        weights = random.poisson(1.0, 60).astype(float)
        counts = [weights @ matrix for matrix in (truth & named, named, truth)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = labelset_average_precision(*counts, weights.sum())
        general = average_precision(truth, named, weights)
        np.testing.assert_allclose(found, general, rtol=0, atol=1e-12)


def test_constant_scores_have_the_prevalence_as_average_precision():
    truth = np.arange(10)[:, None] < 3
    np.testing.assert_allclose(average_precision(truth, np.zeros((10, 1))), [0.3])
    np.testing.assert_allclose(labelset_average_precision([0], [0], [3], 10), [0.3])
    np.testing.assert_allclose(labelset_average_precision([3], [10], [3], 10), [0.3])


def test_ties_are_not_broken():
    truth = np.array([[True], [False]])
    assert average_precision(truth, [[0.5], [0.5]])[0] == 0.5


def test_classes_without_positives_have_no_value():
    found = average_precision([[True, False], [False, False]], [[1.0, 0.0], [0.0, 1.0]])
    assert found[0] == 1.0
    assert np.isnan(found[1])
    assert macro(found) == 1.0
    assert np.isnan(macro([np.nan, np.nan]))
    assert np.isnan(average_precision(np.zeros((0, 1), bool), np.zeros((0, 1)))[0])


def test_set_metrics_equal_sklearn():
    random = np.random.default_rng(2)
    truth, guess = random.random((40, 9)) < 0.4, random.random((40, 9)) < 0.4
    truths, guesses = ([set(np.flatnonzero(row)) for row in rows] for rows in (truth, guess))
    options = {"average": "samples", "zero_division": 1.0}
    assert example_f1(truths, guesses).mean() == pytest.approx(
        f1_score(truth, guess, **options)
    )
    assert example_jaccard(truths, guesses).mean() == pytest.approx(
        jaccard_score(truth, guess, **options)
    )
    assert example_f1([set()], [set()])[0] == example_jaccard([set()], [set()])[0] == 1.0
    with pytest.raises(UserError):
        example_f1([set()], [])


def test_hallucinated_labels_are_the_complement_of_micro_precision():
    random = np.random.default_rng(3)
    truth, guess = random.random((40, 9)) < 0.4, random.random((40, 9)) < 0.4
    truths, guesses = ([set(np.flatnonzero(row)) for row in rows] for rows in (truth, guess))
    wanted = 1.0 - precision_score(truth, guess, average="micro")
    assert hallucinated(truths, guesses) == pytest.approx(wanted)
    assert np.isnan(hallucinated([{1}], [set()]))


def test_accuracy():
    assert accuracy([True, False, True, True]) == 0.75
    assert accuracy([True, False], [1.0, 3.0]) == 0.25
    assert np.isnan(accuracy([]))


@pytest.mark.parametrize(
    ("truth", "scores", "weights"),
    [
        ([[True]], [[1.0, 2.0]], None),
        ([True], [1.0], None),
        ([[True]], [[np.nan]], None),
        ([[True]], [[1.0]], [-1.0]),
        ([[True]], [[1.0]], [1.0, 2.0]),
    ],
)
def test_misfits_are_told(truth, scores, weights):
    with pytest.raises(UserError):
        average_precision(truth, scores, weights)
