"""Straight ahead with one pause on the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import DURATION_S
from st_audioqa.pipeline.motions._drawing import Paths, along_line, shaped_paths
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.scene import Room

__all__ = ["paths"]

Floats = NDArray[np.floating]

_PAUSE_S = (1.5, 4.0)
_MOVES_S = 2.0
"""At least so long before the pause, and after it."""


def paths(
    room: Room, ears: Floats, rng: np.random.Generator, limits: PlacementRecipe, count: int
) -> Paths:
    """Up to `count` straight paths at constant speed, each with one pause."""
    return shaped_paths(room, ears, rng, limits, count, _shape)


def _shape(ends: Floats, time: Floats, rng: np.random.Generator) -> Floats:
    pause = rng.uniform(*_PAUSE_S, size=(len(ends), 1)) / DURATION_S
    least = _MOVES_S / DURATION_S
    start = least + rng.random((len(ends), 1)) * (1.0 - pause - 2.0 * least)
    moved = np.minimum(time, start) + np.maximum(time - start - pause, 0.0)
    return along_line(ends, moved / (1.0 - pause))
