"""When things happen: irregular onsets, and short sounds placed at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["onsets", "place", "repeated"]

Floats = NDArray[np.float64]
Range = tuple[float, float]

LAST_ONSET_S = 0.1
"""Nothing starts later than this before the end."""


def onsets(
    rng: np.random.Generator,
    duration_s: float,
    gap_s: Range,
    group: tuple[int, int] = (1, 1),
    pause_s: Range = (0.0, 0.0),
) -> list[float]:
    """Onset times in groups, over the whole duration.

    Parameters
    ----------
    rng : numpy.random.Generator
    duration_s : float
    gap_s : (shortest, longest)
        From one onset to the next, in seconds.
    group : (fewest, most)
        Onsets between two pauses.
    pause_s : (shortest, longest)
        Added after a group, in seconds.
    """
    times: list[float] = []
    time_s = rng.uniform(0.0, min(0.5, gap_s[1]))
    while True:
        for _ in range(rng.integers(group[0], group[1] + 1)):
            if time_s > duration_s - LAST_ONSET_S:
                return times
            times.append(time_s)
            time_s += rng.uniform(*gap_s)
        time_s += rng.uniform(*pause_s)


def place(
    n_samples: int, sample_rate: int, times_s: Iterable[float], sounds: Iterable[Floats]
) -> Floats:
    """Add each sound at its time; what runs over the end is cut off.

    Parameters
    ----------
    n_samples, sample_rate : int
        Length and rate of the result.
    times_s : iterable of float
        Onsets in [0, duration).
    sounds : iterable of ndarray
        One for each onset; made as they are taken, if a generator.
    """
    total = np.zeros(n_samples)
    for time_s, sound in zip(times_s, sounds, strict=True):
        start = int(time_s * sample_rate)
        stop = min(start + len(sound), n_samples)
        total[start:stop] += sound[: stop - start]
    return total


def repeated(
    one: Callable[[], Floats],
    rng: np.random.Generator,
    n_samples: int,
    sample_rate: int,
    softest: float,
    gap_s: Range,
    group: tuple[int, int] = (1, 1),
    pause_s: Range = (0.0, 0.0),
) -> Floats:
    """A short sound made anew at every onset, at levels from `softest` to 1.

    Parameters
    ----------
    one : callable
        Makes the sound.
    rng : numpy.random.Generator
    n_samples, sample_rate : int
        Length and rate of the result.
    softest : float
        Least amplitude.
    gap_s, group, pause_s
        Rhythm; see `onsets`.
    """
    times = onsets(rng, n_samples / sample_rate, gap_s, group, pause_s)
    return place(
        n_samples, sample_rate, times, (one() * rng.uniform(softest, 1) for _ in times)
    )
