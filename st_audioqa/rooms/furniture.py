"""Furniture: boxes of a few kinds that stand on the floor, at walls or anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.rooms.flats import Rectangle
from st_audioqa.rooms.geometry import points_in_outline
from st_audioqa.rooms.materials import choose_material

__all__ = ["furnish"]

Floats = NDArray[np.floating]

_GAP_M = 0.35
"""Free space kept between two pieces of furniture."""
_LIFT_M = 0.01
"""Furniture stands this far above the floor, so that no two surfaces coincide."""


@dataclass(frozen=True)
class _Kind:
    """A kind of furniture: ranges of length, depth and height in metres."""

    name: str
    length_m: tuple[float, float]
    depth_m: tuple[float, float]
    height_m: tuple[float, float]
    at_wall: bool


_KINDS = (
    _Kind("table", (0.8, 1.8), (0.6, 0.9), (0.70, 0.80), at_wall=False),
    _Kind("cabinet", (0.6, 1.6), (0.40, 0.65), (0.8, 2.1), at_wall=True),
    _Kind("sofa", (1.4, 2.2), (0.80, 1.00), (0.65, 0.95), at_wall=True),
    _Kind("shelf", (0.6, 2.0), (0.28, 0.45), (1.4, 2.2), at_wall=True),
)


def furnish(
    rng: np.random.Generator,
    outline: Floats,
    height_m: float,
    count: int,
    kept_free: Sequence[Rectangle] = (),
) -> list[dict[str, Any]]:
    """Pieces that stand on the floor, apart from each other; fewer than asked if it is full."""
    zones = [{"lower": [a, 0.0, b], "upper": [c, 0.0, d]} for a, b, c, d in kept_free]
    pieces: list[dict[str, Any]] = []
    low, high = outline.min(axis=0), outline.max(axis=0)
    for _ in range(40 * count):
        if len(pieces) == count:
            break
        kind = _KINDS[rng.integers(len(_KINDS))]
        size = np.array([rng.uniform(*kind.length_m), rng.uniform(*kind.depth_m)]).round(2)
        if rng.random() < 0.5:
            size = size[::-1]
        corner = rng.uniform(low, np.maximum(high - size, low))
        if kind.at_wall:
            axis = int(np.argmin(size))
            corner[axis] = (low[axis] + 0.05, high[axis] - size[axis] - 0.05)[rng.integers(2)]
        top = min(float(rng.uniform(*kind.height_m)), height_m - 0.3)
        lower = [float(corner[0]), _LIFT_M, float(corner[1])]
        upper = [float(corner[0] + size[0]), top, float(corner[1] + size[1])]
        if _stands_free(lower, upper, outline, [*pieces, *zones]):
            pieces.append(
                {
                    "kind": kind.name,
                    "lower": [round(value, 3) for value in lower],
                    "upper": [round(value, 3) for value in upper],
                    "material": choose_material(rng, kind.name).name,
                }
            )
    return pieces


def _stands_free(
    lower: list[float], upper: list[float], outline: Floats, pieces: list[dict[str, Any]]
) -> bool:
    """Whether a box lies inside the room (2 cm from walls) and clear of the other pieces."""
    low, high = np.array([lower[0], lower[2]]) - 0.02, np.array([upper[0], upper[2]]) + 0.02
    corners = np.array([[x, z] for x in (low[0], high[0]) for z in (low[1], high[1])])
    notched = ((outline > low) & (outline < high)).all(axis=1).any()
    if notched or not points_in_outline(corners, outline).all():
        return False
    for piece in pieces:
        overlap = [
            lower[axis] - _GAP_M < piece["upper"][axis]
            and piece["lower"][axis] - _GAP_M < upper[axis]
            for axis in (0, 2)
        ]
        if all(overlap):
            return False
    return True
