"""From the axes of Matterport3D's scans (z up) to those of this package (y up), in one place.

The meshes and the `.house` file of a building are z-up, its `.navmesh` is y-up already: habitat
turns the building by (x, y, z) -> (x, z, -y) and computes the navmesh from what it turned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["to_y_up"]


def to_y_up(points: ArrayLike) -> NDArray[np.float64]:
    """Points of a z-up file in world axes [shape=(..., 3)]: (x, y, z) -> (x, z, -y)."""
    p = np.asarray(points, dtype=np.float64)
    # 0 - y and not -y: there is no -0 in what is stored.
    return np.stack([p[..., 0], p[..., 2], 0.0 - p[..., 1]], axis=-1)
