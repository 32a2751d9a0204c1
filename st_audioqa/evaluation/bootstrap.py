"""Intervals by drawing whole scenes again: questions about one scene are not independent.

Conventions
-----------
A resample gives each scene a whole-number weight, multinomial with the number of scenes as its
sum. Weights depend on the seed, the number of scenes and nothing else, so two results on the
same scenes share them and can be compared in pairs. Everything here works on sums: a metric is
a function of sums over scenes, and a resample replaces them by weighted sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.seeding import generator

__all__ = ["CONFIDENCE", "interval", "paired_interval", "resampled_sums", "scene_weights"]

Floats = NDArray[np.floating]

CONFIDENCE = 0.95
CHUNK_VALUES = 4_000_000
"""How many weights are held in memory at once."""


def scene_weights(n_scenes: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Multinomial weights in chunks [shape=(n_chunk, n_scenes)], `resamples` rows in all."""
    random = generator(seed, "bootstrap", n_scenes)
    chunk = max(1, CHUNK_VALUES // max(1, n_scenes))
    for begin in range(0, resamples, chunk):
        rows = min(chunk, resamples - begin)
        drawn = random.integers(n_scenes, size=(rows, n_scenes))
        drawn += np.arange(rows)[:, None] * n_scenes
        counts = np.bincount(drawn.ravel(), minlength=rows * n_scenes)
        yield counts.reshape(rows, n_scenes).astype(np.float64)


def resampled_sums(sums: Any, resamples: int, seed: int) -> Floats:
    """Sums over all scenes, plain and resampled.

    Parameters
    ----------
    sums : array or scipy sparse array [shape=(n_scenes, n_sums)]
        What each scene adds to each sum.
    resamples : int
        How often to resample; 0 gives the plain sums alone.
    seed : int

    Returns
    -------
    ndarray [shape=(1 + resamples, n_sums)]
        Row 0 holds the plain sums.
    """
    n_scenes = sums.shape[0]
    by_sum = sums.T
    parts = [np.ones((1, n_scenes))]
    found = [np.asarray(by_sum @ weights.T).T for weights in parts]
    found += [
        np.asarray(by_sum @ weights.T).T for weights in scene_weights(n_scenes, resamples, seed)
    ]
    return np.concatenate(found)


def interval(samples: ArrayLike) -> tuple[float, float] | None:
    """Percentile interval of resampled values; None where there are none.

    Resamples in which a value is not defined (NaN) are left out.
    """
    values = np.asarray(samples, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)


def paired_interval(first: ArrayLike, second: ArrayLike) -> tuple[float, float] | None:
    """Interval of second minus first, resampled with the same weights."""
    return interval(np.asarray(second, dtype=float) - np.asarray(first, dtype=float))
