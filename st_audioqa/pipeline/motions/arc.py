"""Round a bend at constant speed: an arc of a circle seen from above, height changing evenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.pipeline.motions._drawing import Paths, shaped_paths
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.scene import Room

__all__ = ["paths"]

Floats = NDArray[np.floating]

_BULGE = (0.15, 0.5)
"""How far the arc leaves its chord, as a share of the chord's length; 0.5 is half a circle."""


def paths(
    room: Room, ears: Floats, rng: np.random.Generator, limits: PlacementRecipe, count: int
) -> Paths:
    """Up to `count` arcs to either side of their chords."""
    return shaped_paths(room, ears, rng, limits, count, _shape)


def _shape(ends: Floats, time: Floats, rng: np.random.Generator) -> Floats:
    chord = ends[:, 1] - ends[:, 0]
    length = np.hypot(chord[:, 0], chord[:, 2])
    bulge = rng.uniform(*_BULGE, size=len(ends)) * rng.choice([-1.0, 1.0], size=len(ends))
    half_angle = 2.0 * np.arctan(2.0 * np.abs(bulge))
    radius = length / (2.0 * np.sin(half_angle))
    angle = (2.0 * time - 1.0) * half_angle[:, None]
    forward = length[:, None] / 2.0 + radius[:, None] * np.sin(angle)
    sideways = radius[:, None] * (np.cos(angle) - np.cos(half_angle)[:, None])
    ahead = chord[:, [0, 2]] / np.maximum(length, 1e-9)[:, None]
    aside = np.sign(bulge)[:, None] * ahead[:, ::-1] * np.array([-1.0, 1.0])
    flat = forward[..., None] * ahead[:, None] + sideways[..., None] * aside[:, None]
    rise = chord[:, 1, None] * time
    return np.asarray(ends[:, :1] + np.stack([flat[..., 0], rise, flat[..., 1]], axis=-1))
