"""Straight ahead, ever faster; taken backwards, ever slower."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.pipeline.motions._drawing import Paths, along_line, shaped_paths
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.scene import Room

__all__ = ["paths"]

Floats = NDArray[np.floating]

_RATIO = (2.5, 6.0)
"""Speed at the end over speed at the beginning."""


def paths(
    room: Room, ears: Floats, rng: np.random.Generator, limits: PlacementRecipe, count: int
) -> Paths:
    """Up to `count` straight paths at constant acceleration."""
    return shaped_paths(room, ears, rng, limits, count, _shape)


def _shape(ends: Floats, time: Floats, rng: np.random.Generator) -> Floats:
    ratio = rng.uniform(*_RATIO, size=(len(ends), 1))
    return along_line(ends, (2.0 * time + (ratio - 1.0) * time**2) / (1.0 + ratio))
