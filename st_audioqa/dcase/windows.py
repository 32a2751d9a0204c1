"""Which ten seconds of a recording become scenes.

Rules
-----
A window may begin at every whole second. It is of use if

- one or two sources sound in it (`MAX_SOURCES`), each for at least half a bin;
- no source number stands for two places of one class at once;
- no two of its sources could be called by one name;
- no source comes back from a silence more than `JUMP_DEG` away from where it was last heard,
  since nobody can say which way it went;
- each source clearly moves or clearly stays: over its annotated frames it moves if two of its
  directions are at least `MOVES_DEG` apart or two of its distances `MOVES_M`, and stays if none
  are farther apart than `STAYS_DEG` and `STAYS_M`.

Of all sets of useful windows that do not overlap the one is taken in which most sources sound for
most of the time, measured by the sum over windows of the square of their active bins, so that one
full window counts for more than two half empty ones; of equal sets that which begins earlier.
Nothing is random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import BIN_TIMES_S, angular_distance_deg, unit_vectors
from st_audioqa.dcase.metadata import Annotation
from st_audioqa.dcase.tracks import FRAME_S, N_FRAMES, active_bins, interpolate

__all__ = ["MAX_SOURCES", "Heard", "Window", "choose_windows"]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

MAX_SOURCES = 2
"""Sources of a window; `st_audioqa.conventions.CONFIGURATIONS` must name the mixtures."""
MOVES_DEG, STAYS_DEG = 20.0, 10.0
MOVES_M, STAYS_M = 0.5, 0.3
JUMP_DEG = 45.0
_FRAMES_PER_STEP = 10
_STEPS = N_FRAMES // _FRAMES_PER_STEP


@dataclass(frozen=True, eq=False)
class Heard:
    """One source of a window over the 40 bins of a scene."""

    label: int
    """Class index."""
    number: int
    """Source number of the annotation."""
    moving: bool
    azimuth_deg: Floats
    elevation_deg: Floats
    distance_m: Floats
    """1 m throughout where distances are not known: the track is a direction, no more."""
    activity: Bools


@dataclass(frozen=True, eq=False)
class Window:
    """Ten seconds of a recording; sources that stay come first."""

    start_s: int
    sources: tuple[Heard, ...]

    @property
    def configuration(self) -> str:
        """S for each source that stays, D for each that moves."""
        return "".join("D" if source.moving else "S" for source in self.sources)


@dataclass(frozen=True, eq=False)
class _Source:
    """All frames of one class and source number."""

    label: int
    number: int
    frame: NDArray[np.int64]
    vector: Floats
    distance_m: Floats
    double: Bools
    """Whether the frame has another row of the same class and number."""


class _Unfit(Exception):
    """A window that is of no use; its text is the reason."""


def choose_windows(
    annotation: Annotation,
    duration_s: float,
    names: Mapping[int, str],
    alike: Callable[[str, str], bool],
) -> tuple[list[Window], Counter[str]]:
    """The windows of a recording that become scenes.

    Parameters
    ----------
    annotation : Annotation
    duration_s : float
        Of the audio.
    names : mapping
        Class index -> label.
    alike : callable
        Whether two labels could be given to one sound.

    Returns
    -------
    windows : list of Window
        In order of time.
    rejected : Counter
        Reason -> how many of the whole seconds cannot begin a window.
    """
    sources = _sources(annotation)
    last = int(np.floor(duration_s + 1e-6)) - round(N_FRAMES * FRAME_S)
    candidates: dict[int, tuple[int, Window]] = {}
    rejected: Counter[str] = Counter()
    for start in range(last + 1):
        try:
            window = _window(sources, start, names, alike)
        except _Unfit as reason:
            rejected[str(reason)] += 1
        else:
            sounding = sum(int(source.activity.sum()) for source in window.sources)
            candidates[start] = (sounding**2, window)
    best = np.zeros(last + 1 + _STEPS + 1, dtype=np.int64)
    for start in range(last, -1, -1):
        best[start] = best[start + 1]
        if start in candidates:
            best[start] = max(best[start], candidates[start][0] + best[start + _STEPS])
    chosen, start = [], 0
    while start <= last:
        if start in candidates and (candidates[start][0] + best[start + _STEPS] == best[start]):
            chosen.append(candidates[start][1])
            start += _STEPS
        else:
            start += 1
    return chosen, rejected


def _sources(annotation: Annotation) -> list[_Source]:
    keys = sorted(set(zip(annotation.label.tolist(), annotation.source.tolist(), strict=True)))
    vectors = unit_vectors(annotation.azimuth_deg, annotation.elevation_deg)
    metres = annotation.distance_m
    metres = np.ones(len(annotation)) if metres is None else metres
    found = []
    for label, number in keys:
        rows = np.flatnonzero((annotation.label == label) & (annotation.source == number))
        frame, first, count = np.unique(
            annotation.frame[rows], return_index=True, return_counts=True
        )
        kept = rows[first]
        found.append(_Source(label, number, frame, vectors[kept], metres[kept], count > 1))
    return found


def _window(
    sources: list[_Source],
    start_s: int,
    names: Mapping[int, str],
    alike: Callable[[str, str], bool],
) -> Window:
    begin = start_s * _FRAMES_PER_STEP
    parts = []
    for source in sources:
        low, high = np.searchsorted(source.frame, (begin, begin + N_FRAMES))
        if high > low:
            parts.append((source, slice(int(low), int(high))))
    if not parts:
        raise _Unfit("no_source")
    if len(parts) > MAX_SOURCES:
        raise _Unfit(f"{min(len(parts), 5)}{'_or_more' if len(parts) > 4 else ''}_sources")
    labels = [source.label for source, _ in parts]
    if len(set(labels)) < len(labels):
        raise _Unfit("two_of_one_class")
    if any(alike(names[a], names[b]) for i, a in enumerate(labels) for b in labels[:i]):
        raise _Unfit("labels_alike")
    heard = [_heard(source, part, begin) for source, part in parts]
    heard.sort(key=lambda each: (each.moving, int(np.argmax(each.activity)), each.label))
    return Window(start_s, tuple(heard))


def _heard(source: _Source, part: slice, begin: int) -> Heard:
    if source.double[part].any():
        raise _Unfit("one_source_at_two_places")
    frame, vector = source.frame[part] - begin, source.vector[part]
    metres = source.distance_m[part]
    active = np.zeros(N_FRAMES, dtype=bool)
    active[frame] = True
    activity = active_bins(active)
    if not activity.any():
        raise _Unfit("too_brief")
    steps = angular_distance_deg(vector[1:], vector[:-1])
    if (steps[np.diff(frame) > 1] > JUMP_DEG).any():
        raise _Unfit("jump_in_silence")
    states = interpolate(BIN_TIMES_S, (frame + 0.5) * FRAME_S, vector, metres)
    return Heard(source.label, source.number, _moves(vector, metres), *states, activity)


def _moves(vector: Floats, metres: Floats) -> bool:
    apart = float(angular_distance_deg(vector[:, None], vector).max())
    depth = float(np.ptp(metres))
    if apart >= MOVES_DEG or depth >= MOVES_M:
        return True
    if apart > STAYS_DEG or depth > STAYS_M:
        raise _Unfit("unclear_whether_it_moves")
    return False
