"""Metrics of trajectories of single sources, as in the paper's Table 3.

Conventions
-----------
Truth and predictions are arrays over n clips of 40 bins; directions are vectors (x front, y left,
z up) of any length. Only bins count in which the source sounds. A predicted direction that is
zero or not a number is wrong by 180 degrees, a predicted distance that is not a number counts as
0 m: nothing is left out because a model gave no answer.

Every metric is a ratio of two sums over clips. The functions give both sums for each clip
[shape=(n, 2)], so that clips can be drawn again; `ratio` makes the metric of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import angular_distance_deg, distance_bin
from st_audioqa.evaluation.metrics import macro, validate

__all__ = [
    "clip_direction",
    "clip_distance",
    "clip_errors",
    "direction_errors_deg",
    "distance_accuracy",
    "distance_errors",
    "doa_errors",
    "ratio",
    "resampled_map",
    "trajectory_accuracy",
]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

TRAJECTORY_DEG = 20.0


def ratio(sums: ArrayLike) -> Floats:
    """First sum over second sum [shape=(..., 2)] -> [shape=(...)]; NaN where that is zero."""
    part, whole = np.moveaxis(np.asarray(sums, dtype=float), -1, 0)
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def direction_errors_deg(truth: ArrayLike, predicted: ArrayLike) -> Floats:
    """Angle on the sphere between directions [shape=(..., 3)] -> [shape=(...)], in degrees."""
    given = np.nan_to_num(np.asarray(predicted, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    found = angular_distance_deg(np.asarray(truth, dtype=float), given)
    return np.where(given.any(axis=-1), found, 180.0)


def doa_errors(error_deg: Floats, active: Bools) -> Floats:
    """Sums of the mean angle ("DoA MAE") over all active bins of all clips.

    Parameters
    ----------
    error_deg : ndarray [shape=(n, 40)]
        From `direction_errors_deg`.
    active : ndarray [shape=(n, 40)]
        Whether the source sounds in truth.
    """
    return _sums(np.where(active, error_deg, 0.0).sum(axis=1), active.sum(axis=1))


def clip_direction(predicted: ArrayLike, active: Bools) -> Floats:
    """One direction for each clip: the sum of the unit vectors of its active bins.

    Parameters
    ----------
    predicted : array [shape=(n, 40, 3)]
    active : ndarray [shape=(n, 40)]

    Returns
    -------
    ndarray [shape=(n, 3)]
        Zero where there is none.
    """
    given = np.nan_to_num(np.asarray(predicted, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    length = np.linalg.norm(given, axis=-1, keepdims=True)
    unit = np.divide(given, length, out=np.zeros_like(given), where=length > 0)
    return np.asarray((unit * active[..., None]).sum(axis=1))


def clip_distance(predicted_m: Floats, active: Bools) -> Floats:
    """One distance for each clip: the median over its active bins [shape=(n, 40)] -> (n,)."""
    given = np.where(active, np.nan_to_num(predicted_m, nan=0.0), np.nan)
    found = np.zeros(len(given))
    some = active.any(axis=1)
    found[some] = np.nanmedian(given[some], axis=1)
    return found


def clip_errors(error: Floats, active: Bools) -> Floats:
    """Sums of the mean of one error for each clip, clips without sound left out."""
    some = active.any(axis=1)
    return _sums(np.where(some, error, 0.0), some)


def distance_accuracy(
    true_m: Floats, predicted_m: Floats, active: Bools, *, within_bins: int = 0
) -> Floats:
    """Sums of the share of clips whose distance falls into the right bin of 0.5 m.

    Parameters
    ----------
    true_m, predicted_m : ndarray [shape=(n,)]
        One distance a clip.
    active : ndarray [shape=(n, 40)]
    within_bins : int
        Bins by which a prediction may be off; 1 is the tolerance of Spatial-AST's own script.
    """
    given = np.nan_to_num(predicted_m, nan=0.0, posinf=1e9)
    off = np.abs(distance_bin(true_m) - distance_bin(given))
    return clip_errors((off <= within_bins).astype(float), active)


def distance_errors(true_m: Floats, predicted_m: Floats, active: Bools) -> Floats:
    """Sums of the mean error of distance ("Dist. MAE", metres) over all active bins.

    Parameters
    ----------
    true_m, predicted_m, active : ndarray [shape=(n, 40)]
    """
    error = np.abs(true_m - np.nan_to_num(predicted_m, nan=0.0))
    return _sums(np.where(active, error, 0.0).sum(axis=1), active.sum(axis=1))


def trajectory_accuracy(
    error_deg: Floats, active: Bools, *, within_deg: float = TRAJECTORY_DEG
) -> Floats:
    """Sums of "Traj. Acc@20": a clip is right if every active bin is within the angle.

    Parameters
    ----------
    error_deg, active : ndarray [shape=(n, 40)]
    within_deg : float
    """
    right = (np.where(active, error_deg, 0.0) <= within_deg).all(axis=1)
    return clip_errors(right.astype(float), active)


def resampled_map(
    truth: Bools, scores: Floats, weights: Iterable[Floats] = ()
) -> tuple[Floats, int]:
    """Mean average precision over classes with positives, plain and resampled.

    Ties are kept, as in `metrics.average_precision`. In a resample a class that has lost all its
    positives is left out of the mean.

    Parameters
    ----------
    truth, scores : ndarray [shape=(n_clips, n_classes)]
    weights : iterable of ndarray [shape=(n_chunk, n_clips)]
        As `bootstrap.scene_weights` gives them.

    Returns
    -------
    values : ndarray [shape=(1 + resamples,)]
    n_classes : int
        Classes with positives.
    """
    validate(truth, scores, None)
    classes = np.flatnonzero(truth.any(axis=0))
    found = []
    for chunk in ([np.ones((1, len(truth)))], weights):
        for weight in chunk:
            columns = [_precision(truth[:, c], scores[:, c], weight) for c in classes]
            found.append(macro(np.stack(columns, axis=1)) if columns else weight[:, 0] * np.nan)
    return np.concatenate(found), len(classes)


def _precision(truth: Bools, score: Floats, weights: Floats) -> Floats:
    """Average precision of one class for every row of weights [shape=(r, n)] -> [shape=(r,)]."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    sorted_weights = weights[:, order]
    predicted = np.cumsum(sorted_weights, axis=1)[:, ends]
    correct = np.cumsum(sorted_weights * truth[order], axis=1)[:, ends]
    precision = np.divide(correct, predicted, out=np.zeros_like(correct), where=predicted > 0)
    gained = np.diff(correct, prepend=0.0, axis=1)
    return ratio(np.stack([(gained * precision).sum(axis=1), correct[:, -1]], axis=-1))


def _sums(part: ArrayLike, whole: ArrayLike) -> Floats:
    return np.stack([np.asarray(part, dtype=float), np.asarray(whole, dtype=float)], axis=1)
