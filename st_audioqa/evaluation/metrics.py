"""Metrics of event detection and of closed answers, as pure functions on arrays.

Conventions
-----------
Truth and scores are arrays [shape=(n_questions, n_classes)]; truth is boolean. Average
precision groups ties (every question of one score enters at once) and is the sum over scores of
precision times the gain in recall, as in scikit-learn; ties are never broken. A class without
positives has no average precision (NaN), and means are taken over the classes that have one.

The set metrics take one set of names per question. `labelset` scoring turns a set of names into
scores 0 and 1; a random answer then has an average precision near the share of positives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.errors import UserError

__all__ = [
    "accuracy",
    "average_precision",
    "example_f1",
    "example_jaccard",
    "hallucinated",
    "labelset_average_precision",
    "macro",
]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Names = Sequence[AbstractSet[str]]


def validate(truth: ArrayLike, scores: ArrayLike, weights: ArrayLike | None) -> None:
    """Check that arrays fit each other.

    Raises
    ------
    UserError
        Where shapes differ, a score is not finite or a weight is negative.
    """
    shape, other = np.shape(truth), np.shape(scores)
    if len(shape) != 2 or shape != other:
        raise UserError(
            "Truth and scores must both be arrays (questions, classes) of one shape, got "
            f"{shape} and {other}: line them up."
        )
    if not np.isfinite(scores).all():
        raise UserError(
            "Scores must be finite numbers, got NaN or infinity: mend the model's output."
        )
    if weights is not None and (np.shape(weights) != shape[:1] or np.any(np.less(weights, 0))):
        raise UserError(
            f"Weights must be {shape[0]} numbers of at least 0, one per question, got shape "
            f"{np.shape(weights)}: give one weight per row of truth."
        )


def average_precision(
    truth: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None
) -> Floats:
    """Tie-aware average precision of each class.

    Parameters
    ----------
    truth : array of bool [shape=(n_questions, n_classes)]
    scores : array [shape=(n_questions, n_classes)]
        Higher means more likely.
    weights : array [shape=(n_questions,)], optional
        How often each question counts.

    Returns
    -------
    ndarray [shape=(n_classes,)]
        0 to 1; NaN for a class without positive weight.

    Examples
    --------
    >>> average_precision([[1], [0], [1]], [[0.9], [0.9], [0.1]])
    array([0.58333333])
    """
    validate(truth, scores, weights)
    hits, score = np.asarray(truth, dtype=bool), np.asarray(scores, dtype=np.float64)
    weight = np.ones(len(hits)) if weights is None else np.asarray(weights, dtype=np.float64)
    columns = range(hits.shape[1])
    return np.array([_average_precision(hits[:, c], score[:, c], weight) for c in columns])


def _average_precision(hits: Bools, score: Floats, weight: Floats) -> float:
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    predicted = np.cumsum(weight[order])[ends] if len(score) else np.zeros(0)
    correct = np.cumsum((weight * hits)[order])[ends] if len(score) else np.zeros(0)
    if not len(correct) or correct[-1] == 0:
        return float("nan")
    precision = np.divide(correct, predicted, out=np.zeros_like(correct), where=predicted > 0)
    return float(np.sum(np.diff(correct, prepend=0.0) * precision) / correct[-1])


def labelset_average_precision(
    correct: ArrayLike, predicted: ArrayLike, positives: ArrayLike, total: ArrayLike
) -> Floats:
    """Average precision for scores of 0 and 1, from (weighted) counts; shapes broadcast.

    Parameters
    ----------
    correct, predicted, positives, total : array
        Questions where the class is named rightly, is named, is true, and all questions.

    Returns
    -------
    ndarray
        The same value as `average_precision` on the 0/1 scores; NaN without positives.
    """
    hit, named, true, n = (
        np.asarray(count, dtype=np.float64) for count in (correct, predicted, positives, total)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = hit / true
        precision = np.where(named > 0, hit / named, 0.0)
        return np.asarray(recall * precision + (1.0 - recall) * (true / n))


def macro(values: ArrayLike) -> Floats:
    """Mean over the last axis without NaN; NaN where nothing is left."""
    found = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(found)
    count = known.sum(axis=-1)
    total = np.where(known, found, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def accuracy(correct: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Share of right answers; NaN where there is no question."""
    right = np.asarray(correct, dtype=np.float64)
    weight = np.ones_like(right) if weights is None else np.asarray(weights, dtype=np.float64)
    return float((right * weight).sum() / weight.sum()) if weight.sum() > 0 else float("nan")


def example_f1(truth: Names, predicted: Names) -> Floats:
    """F1 of each question's set of names [shape=(n_questions,)]; two empty sets agree."""
    return np.array(
        [
            2.0 * len(a & b) / (len(a) + len(b)) if a or b else 1.0
            for a, b in _pairs(truth, predicted)
        ]
    )


def example_jaccard(truth: Names, predicted: Names) -> Floats:
    """Intersection over union of each question's names; two empty sets agree."""
    return np.array(
        [len(a & b) / len(a | b) if a or b else 1.0 for a, b in _pairs(truth, predicted)]
    )


def hallucinated(truth: Names, predicted: Names) -> float:
    """Share of all named labels that are not true; NaN where nothing is named."""
    named = sum(len(b) for _, b in _pairs(truth, predicted))
    false = sum(len(b - a) for a, b in _pairs(truth, predicted))
    return false / named if named else float("nan")


def _pairs(
    truth: Names, predicted: Names
) -> Iterator[tuple[AbstractSet[str], AbstractSet[str]]]:
    if len(truth) != len(predicted):
        raise UserError(
            f"Each question needs its true and its named labels, got {len(truth)} and "
            f"{len(predicted)} sets: line them up."
        )
    return zip(truth, predicted, strict=True)
