"""Metrics of sound event localisation and detection (SELD) as DCASE counts them.

Conventions
-----------
A recording is divided into frames of 100 ms. Truth and predictions are rows (`FrameRows`): one
for every source that sounds in a frame. Rows of one class in one frame are matched so that the
sum of angles is least; matched rows have the same class by construction.

`dcase2023` counts in segments of one second (Mesaros et al. 2019; Politis et al. 2020): a class
has as many references in a segment as its fullest frame, a match's error is the mean over the
segment's frames, and a class without matches has an error of 180 degrees. `dcase2024` counts in
frames and knows distances; a class without matches has no error and is left out of its mean.

Everything is counted per recording first (`Counts`), so that recordings can be drawn again: a
score is a function of summed counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from st_audioqa.conventions import angular_distance_deg
from st_audioqa.errors import UserError

__all__ = [
    "FRAMES_PER_SEGMENT",
    "Counts",
    "FrameRows",
    "count_frames",
    "count_segments",
    "dcase2023",
    "dcase2024",
]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

FRAMES_PER_SEGMENT = 10
_THRESHOLD_DEG = 20.0
_RELATIVE_DISTANCE = 1.0


@dataclass(frozen=True, eq=False)
class FrameRows:
    """Sources that sound, frame by frame."""

    recording: Ints
    """[shape=(n,)]"""
    frame: Ints
    """[shape=(n,)] of 100 ms, counted from 0 in each recording"""
    label: Ints
    """[shape=(n,)] class"""
    vector: Floats
    """[shape=(n, 3)] towards the source; need not be of unit length"""
    distance_m: Floats | None = None
    """[shape=(n,)]"""

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: Any) -> FrameRows:
        """Some of the rows, in the order given."""
        distance = None if self.distance_m is None else self.distance_m[rows]
        return FrameRows(
            self.recording[rows],
            self.frame[rows],
            self.label[rows],
            self.vector[rows],
            distance,
        )


@dataclass(frozen=True, eq=False)
class Counts:
    """What each recording adds to the scores; arrays [shape=(..., n_classes)]."""

    near: Floats
    """Matches within the thresholds."""
    far: Floats
    """Matches beyond one of them."""
    extra: Floats
    """Predictions beyond the number of references."""
    missed: Floats
    """References beyond the number of predictions."""
    error_deg: Floats
    """Sum of the angles of all matches."""
    error_m: Floats
    """Sum of their errors of distance; zero where distances are not known."""
    relative_error: Floats
    """Sum of their errors of distance, each divided by the true distance."""
    references: Floats
    errors: Floats
    """[shape=(...,)] substitutions, deletions and insertions, classes taken together"""

    @property
    def matched(self) -> Floats:
        """All matches."""
        return self.near + self.far

    def columns(self) -> Floats:
        """All counts side by side [shape=(..., 8 * n_classes + 1)]."""
        return np.concatenate([*self._arrays(), self.errors[..., None]], axis=-1)

    @staticmethod
    def of_columns(columns: Floats) -> Counts:
        """Counts from what `columns` gives, or from weighted sums of it."""
        parts = np.split(columns[..., :-1], len(_NAMES), axis=-1)
        return Counts(**dict(zip(_NAMES, parts, strict=True)), errors=columns[..., -1])

    def total(self) -> Counts:
        """Sum over all recordings."""
        return Counts.of_columns(self.columns().sum(axis=0))

    def _arrays(self) -> list[Floats]:
        return [getattr(self, name) for name in _NAMES]


_NAMES = (
    "near",
    "far",
    "extra",
    "missed",
    "error_deg",
    "error_m",
    "relative_error",
    "references",
)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Matched rows, and how many rows of one class each frame has."""

    key: Ints
    """[shape=(n,)] (recording, frame, class) of a match as one number"""
    place: Ints
    """[shape=(n,)] number of the reference among those of its class in its frame"""
    error_deg: Floats
    error_m: Floats
    relative: Floats
    groups: Ints
    """[shape=(k,)] every (recording, frame, class) with a row, sorted"""
    n_true: Ints
    """[shape=(k,)]"""
    n_given: Ints
    """[shape=(k,)]"""


def count_frames(
    truth: FrameRows,
    predicted: FrameRows,
    n_frames: Sequence[int],
    n_classes: int,
    *,
    threshold_deg: float = _THRESHOLD_DEG,
    threshold_m: float = np.inf,
    threshold_relative: float = _RELATIVE_DISTANCE,
) -> Counts:
    """Counts of DCASE2024: every frame by itself.

    Parameters
    ----------
    truth, predicted : FrameRows
        Distances are compared where both have them.
    n_frames : sequence of int
        Frames of each recording; later rows are not looked at.
    n_classes : int
    threshold_deg, threshold_m, threshold_relative : float
        A match is right that is beyond none of them. DCASE2024 takes 20 degrees and a relative
        error of distance of 1.

    Raises
    ------
    UserError
        A row has an impossible recording, class, direction or distance.
    """
    pairs, width = _matched(truth, predicted, n_frames, n_classes)
    beyond = (
        (pairs.error_deg > threshold_deg)
        | (pairs.error_m > threshold_m)
        | (pairs.relative > threshold_relative)
    )
    shape = (len(n_frames), n_classes)

    def add(keys: Ints, values: Any) -> Floats:
        recording, label = keys // (width * n_classes), keys % n_classes
        place = recording * n_classes + label
        counted = np.bincount(place, values, int(np.prod(shape)))
        return np.asarray(counted.reshape(shape), dtype=float)

    extra = np.maximum(pairs.n_given - pairs.n_true, 0)
    missed = np.maximum(pairs.n_true - pairs.n_given, 0)
    by_frame = pairs.groups // n_classes
    false = np.bincount(by_frame, extra, len(n_frames) * width)
    false += np.bincount(pairs.key // n_classes, beyond, len(n_frames) * width)
    absent = np.bincount(by_frame, missed, len(n_frames) * width)
    return Counts(
        near=add(pairs.key, ~beyond),
        far=add(pairs.key, beyond),
        extra=add(pairs.groups, extra),
        missed=add(pairs.groups, missed),
        error_deg=add(pairs.key, pairs.error_deg),
        error_m=add(pairs.key, pairs.error_m),
        relative_error=add(pairs.key, pairs.relative),
        references=add(pairs.groups, pairs.n_true),
        errors=np.maximum(false, absent).reshape(len(n_frames), width).sum(axis=1),
    )


def count_segments(
    truth: FrameRows,
    predicted: FrameRows,
    n_frames: Sequence[int],
    n_classes: int,
    *,
    threshold_deg: float = _THRESHOLD_DEG,
) -> Counts:
    """Counts of DCASE2023: segments of ten frames; distances are not looked at.

    Where a class sounds and is predicted in one segment but never in one frame, its predictions
    count as missed references and as nothing else, as in the challenge.

    Parameters
    ----------
    truth, predicted : FrameRows
    n_frames : sequence of int
        Frames of each recording, rounded up to whole segments.
    n_classes : int
    threshold_deg : float

    Raises
    ------
    UserError
        A row has an impossible recording, class or direction.
    """
    whole = [-(-each // FRAMES_PER_SEGMENT) * FRAMES_PER_SEGMENT for each in n_frames]
    pairs, width = _matched(truth, predicted, whole, n_classes)
    n_segments = width // FRAMES_PER_SEGMENT

    def segment(keys: Ints) -> Ints:
        """(recording, segment, class) of a (recording, frame, class)."""
        frame = keys // n_classes
        recording, within = frame // width, frame % width // FRAMES_PER_SEGMENT
        return np.asarray((recording * n_segments + within) * n_classes + keys % n_classes)

    shape = (len(n_frames), n_segments, n_classes)
    size = int(np.prod(shape))
    n_true, n_given = np.zeros(size, np.int64), np.zeros(size, np.int64)
    np.maximum.at(n_true, segment(pairs.groups), pairs.n_true)
    np.maximum.at(n_given, segment(pairs.groups), pairs.n_given)
    most = int(pairs.place.max(initial=0)) + 1
    track, inverse = np.unique(segment(pairs.key) * most + pairs.place, return_inverse=True)
    mean = np.bincount(inverse, pairs.error_deg, len(track)) / np.bincount(
        inverse, minlength=len(track)
    )
    beyond = mean > threshold_deg
    place = track // most
    n_matched = np.bincount(place, minlength=size)
    never = (n_true > 0) & (n_given > 0) & (n_matched == 0)
    extra = np.where(never, 0, np.maximum(n_given - n_true, 0))
    missed = np.where(never, n_given, np.maximum(n_true - n_given, 0))
    far = np.bincount(place, beyond, size)
    false, absent = (each.reshape(-1, n_classes).sum(axis=1) for each in (extra + far, missed))
    summed = {
        "near": np.bincount(place, ~beyond, size),
        "far": far,
        "extra": extra,
        "missed": missed,
        "error_deg": np.bincount(place, mean, size),
        "references": n_true,
    }
    counts = {
        name: np.asarray(each, dtype=float).reshape(shape).sum(axis=1)
        for name, each in summed.items()
    }
    nothing = np.zeros((len(n_frames), n_classes))
    errors = np.maximum(false, absent).reshape(len(n_frames), n_segments).sum(axis=1)
    return Counts(**counts, error_m=nothing, relative_error=nothing, errors=errors)


def dcase2023(counts: Counts, classes: Any = slice(None)) -> dict[str, Floats]:
    """Scores of DCASE2023 from summed counts.

    Parameters
    ----------
    counts : Counts
        From `count_segments`, summed over recordings (or several such sums at once).
    classes : index, optional
        Classes over which the means go; all if left out, also those that never sound.

    Returns
    -------
    dict
        ER20, F20, LE_CD (degrees), LR_CD and SELD, their mean error [shape=(...,)].
    """
    matched = counts.matched
    rate = _ratio(counts.errors, counts.references.sum(axis=-1), 0.0)
    f = _ratio(counts.near, matched + 0.5 * (counts.extra + counts.missed), 0.0)
    error = _ratio(counts.error_deg, matched, 180.0)
    recall = _ratio(matched, matched + counts.missed, 0.0)
    f, error, recall = (each[..., classes].mean(axis=-1) for each in (f, error, recall))
    seld = (rate + (1.0 - f) + error / 180.0 + (1.0 - recall)) / 4.0
    return {"ER20": rate, "F20": f, "LE_CD": error, "LR_CD": recall, "SELD": seld}


def dcase2024(counts: Counts, classes: Any = slice(None)) -> dict[str, Floats]:
    """Scores of DCASE2024 from summed counts.

    Parameters
    ----------
    counts : Counts
        From `count_frames`, summed over recordings (or several such sums at once).
    classes : index, optional
        Classes over which the means go; all if left out, also those that never sound.

    Returns
    -------
    dict
        F20, AngE (degrees), DistE (m), RelDistE and SELD [shape=(...,)]; NaN where nothing was
        matched. Also ER20 and LR_CD, which are no longer part of the ranking.
    """
    matched = counts.matched
    rate = _ratio(counts.errors, counts.references.sum(axis=-1), 0.0)
    f = _ratio(counts.near, matched + 0.5 * (counts.extra + counts.missed), 0.0)[..., classes]
    recall = _ratio(matched, matched + counts.missed, 0.0)[..., classes]
    angle, metres, relative = (
        _ratio(each, matched, np.nan)[..., classes]
        for each in (counts.error_deg, counts.error_m, counts.relative_error)
    )
    seld = _mean(np.stack([1.0 - f, angle / 180.0, relative])).mean(axis=-1)
    return {
        "F20": f.mean(axis=-1),
        "AngE": _last(angle),
        "DistE": _last(metres),
        "RelDistE": _last(relative),
        "SELD": seld,
        "ER20": rate,
        "LR_CD": recall.mean(axis=-1),
    }


def _ratio(part: Floats, whole: Floats, empty: float) -> Floats:
    out = np.full(np.shape(whole), empty)
    return np.divide(part, whole, out=out, where=np.asarray(whole) > 0)


def _mean(values: Floats) -> Floats:
    """Mean over the first axis without NaN."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return _ratio(total, known.sum(axis=0), np.nan)


def _last(values: Floats) -> Floats:
    return _mean(np.moveaxis(values, -1, 0))


def _matched(
    truth: FrameRows, predicted: FrameRows, n_frames: Sequence[int], n_classes: int
) -> tuple[_Pairs, int]:
    """Matches rows of one class in one frame; also gives the frames of the longest recording."""
    width = max([1, *n_frames])
    true, true_key = _sorted(truth, n_frames, n_classes, width)
    given, given_key = _sorted(predicted, n_frames, n_classes, width)
    groups = np.union1d(true_key, given_key)
    first_true = np.searchsorted(true_key, groups)
    first_given = np.searchsorted(given_key, groups)
    n_true = np.searchsorted(true_key, groups, side="right") - first_true
    n_given = np.searchsorted(given_key, groups, side="right") - first_given
    alone = (n_true == 1) & (n_given == 1)
    rows = [np.stack([first_true[alone], first_given[alone]], axis=1)]
    for group in np.flatnonzero((n_true > 0) & (n_given > 0) & ~alone):
        of_true = first_true[group] + np.arange(n_true[group])
        of_given = first_given[group] + np.arange(n_given[group])
        apart = angular_distance_deg(true.vector[of_true][:, None], given.vector[of_given])
        one, other = linear_sum_assignment(apart)
        rows.append(np.stack([of_true[one], of_given[other]], axis=1))
    i, j = np.concatenate(rows).T
    error_m = relative = np.zeros(len(i))
    if true.distance_m is not None and given.distance_m is not None:
        error_m = np.abs(true.distance_m[i] - given.distance_m[j])
        relative = error_m / (true.distance_m[i] + np.finfo(float).eps)
    place = i - np.searchsorted(true_key, true_key[i])
    error_deg = angular_distance_deg(true.vector[i], given.vector[j])
    return _Pairs(
        true_key[i], place, error_deg, error_m, relative, groups, n_true, n_given
    ), width


def _sorted(
    rows: FrameRows, n_frames: Sequence[int], n_classes: int, width: int
) -> tuple[FrameRows, Ints]:
    """Rows within their recordings, sorted by the number of recording, frame and class."""
    _validate(rows, len(n_frames), n_classes)
    lengths = np.asarray(n_frames, dtype=np.int64)
    kept = rows.take(rows.frame < lengths[rows.recording] if len(rows) else slice(0, 0))
    key = (kept.recording * width + kept.frame) * n_classes + kept.label
    order = np.argsort(key, kind="stable")
    return kept.take(order), key[order].astype(np.int64)


def _validate(rows: FrameRows, n_recordings: int, n_classes: int) -> None:
    if not len(rows):
        return
    for name, values, limit in (
        ("recording", rows.recording, n_recordings),
        ("label", rows.label, n_classes),
        ("frame", rows.frame, np.inf),
    ):
        if values.min() < 0 or values.max() >= limit:
            raise UserError(
                f"Rows must have a {name} from 0 to {limit - 1:.0f}, got {values.min()} to "
                f"{values.max()}: number them anew."
            )
    if not np.isfinite(rows.vector).all() or not rows.vector.any(axis=1).all():
        raise UserError(
            "Directions must be finite vectors with a length, got NaN, infinity or zero: leave "
            "out rows of sources that do not sound."
        )
    if rows.distance_m is not None and not (rows.distance_m >= 0).all():
        raise UserError(
            "Distances must be numbers of at least 0 m, got a negative one or NaN: mend them."
        )
