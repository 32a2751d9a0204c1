"""Closes a scan that has holes: the whole building by a box, or one room by its own hull.

Scans have holes where there are windows, mirrors and doors to the open, and where the camera never
looked. Rays that leave through them are lost, and an engine refuses a room that loses many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.rooms.geometry import box_mesh, outline_mesh
from st_audioqa.rooms.matterport.house import Region

__all__ = ["HULL_CATEGORIES", "close_building", "close_room"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

HULL_CATEGORIES = ("floor", "ceiling", "wall")

_MARGIN_M = 0.05
"""The hull stands this far outside, so that it does not coincide with the scan."""

_BOX_CATEGORIES = np.repeat([2, 2, 0, 1, 2, 2], 2)
"""Of the triangles of a box, in the order of `box_mesh`."""


def close_building(vertices: Floats, faces: Ints) -> tuple[Floats, Ints, Ints]:
    """A building within a box.

    Rooms stay joined by their doorways; what leaves through a hole comes back from the box.

    Returns
    -------
    vertices, faces, origin
        As of `close_room`.
    """
    used = vertices[np.unique(faces)]
    box, box_faces = box_mesh(used.min(axis=0) - _MARGIN_M, used.max(axis=0) + _MARGIN_M)
    return (
        np.concatenate([vertices, box]),
        np.concatenate([faces, box_faces + len(vertices)]),
        np.concatenate([np.arange(len(faces)), -1 - _BOX_CATEGORIES]),
    )


def close_room(
    region: Region, vertices: Floats, faces: Ints, floor_y: float
) -> tuple[Floats, Ints, Ints]:
    """The triangles in and around a region, within a closed hull.

    Parameters
    ----------
    region : Region
    vertices : ndarray [shape=(n_vertices, 3)]
    faces : ndarray [shape=(n_faces, 3)]
        The whole building.
    floor_y : float
        Height of the lowest place of the floor.

    Returns
    -------
    vertices : ndarray [shape=(m_vertices, 3)]
    faces : ndarray [shape=(m_faces, 3)]
        Kept faces of the scan first, then those of the hull.
    origin : ndarray [shape=(m_faces,)]
        Index of the face in the building, or -1 - i for the i-th of `HULL_CATEGORIES`.
    """
    low_y = min(region.floor_y, floor_y) - _MARGIN_M
    high_y = region.floor_y + region.height_m + _MARGIN_M
    hull, hull_faces, surface = _hull(region.outline, high_y - low_y)
    hull = hull + np.array([0.0, low_y, 0.0])
    corners = vertices[faces]
    near = (corners.max(axis=1) >= hull.min(axis=0)) & (corners.min(axis=1) <= hull.max(axis=0))
    kept = np.flatnonzero(near.all(axis=1))
    used, compact = np.unique(faces[kept], return_inverse=True)
    return (
        np.concatenate([vertices[used], hull]),
        np.concatenate([compact.reshape(-1, 3), hull_faces + len(used)]),
        np.concatenate([kept, -1 - np.minimum(surface, 2)]),
    )


def _hull(outline: Floats, height_m: float) -> tuple[Floats, Ints, Ints]:
    try:
        return outline_mesh(_grown(outline), height_m)
    except ValueError:  # a gap narrower than two margins has closed
        return outline_mesh(outline, height_m)


def _grown(outline: Floats) -> Floats:
    """A polygon with its edges moved outward by the margin, corners mitred."""
    along = np.roll(outline, -1, axis=0) - outline
    along /= np.linalg.norm(along, axis=1)[:, None]
    after = np.roll(outline, -1, axis=0)
    area = (outline[:, 0] * after[:, 1] - after[:, 0] * outline[:, 1]).sum()
    out = np.sign(area) * np.column_stack([along[:, 1], -along[:, 0]])
    before = np.roll(out, 1, axis=0)
    # The point that lies one margin off both edges; a sharp corner is cut at four margins.
    share = np.maximum(1.0 + (out * before).sum(axis=1), 1.0 / 8.0)
    return np.asarray(outline + _MARGIN_M * (out + before) / share[:, None])
