"""Straight ahead at constant speed: the paper's motion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import DURATION_S
from st_audioqa.pipeline.motions._drawing import Paths
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.rooms.placement import linear_paths
from st_audioqa.scene import Room

__all__ = ["paths"]


def paths(
    room: Room,
    ears: NDArray[np.floating],
    rng: np.random.Generator,
    limits: PlacementRecipe,
    count: int,
) -> Paths:
    """Up to `count` straight paths; see `rooms.placement.linear_paths`."""
    ends, positions = linear_paths(room, ears, rng, limits, count)
    return Paths(positions, ends, np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1) / DURATION_S)
