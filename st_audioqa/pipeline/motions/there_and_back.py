"""Straight ahead, and part of the way or all of it back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.pipeline.motions._drawing import Paths, along_line, shaped_paths
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.scene import Room

__all__ = ["paths"]

Floats = NDArray[np.floating]

_LEFT_OVER = (0.0, 0.4)
"""Share of the way that is not gone back."""


def paths(
    room: Room, ears: Floats, rng: np.random.Generator, limits: PlacementRecipe, count: int
) -> Paths:
    """Up to `count` straight paths at constant speed that turn back once."""
    return shaped_paths(room, ears, rng, limits, count, _shape)


def _shape(ends: Floats, time: Floats, rng: np.random.Generator) -> Floats:
    gone = (2.0 - rng.uniform(*_LEFT_OVER, size=(len(ends), 1))) * time
    return along_line(ends, np.minimum(gone, 2.0 - gone))
