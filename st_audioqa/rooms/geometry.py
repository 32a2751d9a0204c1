"""Geometry of rooms: outlines, boxes, clearances and lines of sight (world axes, metres).

A room is a floor outline (a simple polygon with axis-aligned edges is not required) raised to a
height, with axis-aligned boxes standing in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LARGEST_M",
    "box_distance",
    "box_mesh",
    "outline_distance",
    "outline_mesh",
    "points_in_outline",
    "segments_blocked",
    "triangle_areas",
]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LARGEST_M = 200.0
"""Longest side of a building: what is larger has its vertices in other units."""


def points_in_outline(points: ArrayLike, outline: Floats) -> Bools:
    """Whether (x, z) points lie inside a simple polygon, by the crossing rule."""
    p = np.asarray(points, dtype=np.float64)[..., None, :]
    a, b = outline, np.roll(outline, -1, axis=0)
    straddles = (a[:, 1] > p[..., 1]) != (b[:, 1] > p[..., 1])
    rise = np.where(b[:, 1] == a[:, 1], 1.0, b[:, 1] - a[:, 1])
    crossing = a[:, 0] + (p[..., 1] - a[:, 1]) / rise * (b[:, 0] - a[:, 0])
    return np.asarray((straddles & (p[..., 0] < crossing)).sum(axis=-1) % 2 == 1)


def outline_distance(points: ArrayLike, outline: Floats) -> Floats:
    """Distance of (x, z) points to the nearest edge of a polygon, in metres."""
    p = np.asarray(points, dtype=np.float64)[..., None, :]
    a, edge = outline, np.roll(outline, -1, axis=0) - outline
    along = ((p - a) * edge).sum(axis=-1) / (edge * edge).sum(axis=-1)
    nearest = a + np.clip(along, 0.0, 1.0)[..., None] * edge
    return np.asarray(np.linalg.norm(p - nearest, axis=-1).min(axis=-1))


def box_distance(points: ArrayLike, boxes: Floats) -> Floats:
    """Distance of points to the nearest box, 0 inside one, infinite where there is none.

    Parameters
    ----------
    points : array [shape=(..., 3)]
    boxes : ndarray [shape=(n, 2, 3)]
        Lower and upper corners.
    """
    p = np.asarray(points, dtype=np.float64)[..., None, :]
    if len(boxes) == 0:
        return np.full(p.shape[:-2], np.inf)
    outside = np.maximum(np.maximum(boxes[:, 0] - p, p - boxes[:, 1]), 0.0)
    return np.asarray(np.linalg.norm(outside, axis=-1).min(axis=-1))


def segments_blocked(
    starts: ArrayLike, ends: ArrayLike, outline: Floats, boxes: Floats
) -> Bools:
    """Whether the straight line between two points meets a wall or a box.

    Floor and ceiling are not looked at: both ends are taken to lie between them.

    Parameters
    ----------
    starts, ends : array [shape=(..., 3)]
    """
    a, b = np.broadcast_arrays(
        np.asarray(starts, dtype=np.float64), np.asarray(ends, dtype=np.float64)
    )
    return np.asarray(_meets_outline(a[..., [0, 2]], b[..., [0, 2]], outline)) | _meets_box(
        a, b, boxes
    )


def _meets_outline(a: Floats, b: Floats, outline: Floats) -> Bools:
    """Proper crossings of segments a-b with the edges of a polygon, both in (x, z)."""
    c, d = outline, np.roll(outline, -1, axis=0)
    a, b = a[..., None, :], b[..., None, :]

    def side(p: Floats, q: Floats, r: Floats) -> Floats:
        first, second = q - p, r - p
        return np.sign(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])

    crosses = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    return np.asarray(crosses.any(axis=-1))


def _meets_box(a: Floats, b: Floats, boxes: Floats) -> Bools:
    """Slab test of segments a-b against boxes."""
    if len(boxes) == 0:
        return np.zeros(a.shape[:-1], dtype=bool)
    a, along = a[..., None, :], (b - a)[..., None, :]
    parallel = np.abs(along) < 1e-12
    step = np.where(parallel, 1.0, along)
    first, second = (boxes[:, 0] - a) / step, (boxes[:, 1] - a) / step
    enter, leave = np.minimum(first, second), np.maximum(first, second)
    within = (a >= boxes[:, 0]) & (a <= boxes[:, 1])
    enter = np.where(parallel, np.where(within, -np.inf, np.inf), enter)
    leave = np.where(parallel, np.where(within, np.inf, -np.inf), leave)
    near, far = enter.max(axis=-1), leave.min(axis=-1)
    return np.asarray(((near <= far) & (far >= 0.0) & (near <= 1.0)).any(axis=-1))


def triangle_areas(triangles: Floats) -> Floats:
    """Area of each triangle [shape=(..., 3, 3)], in square metres [shape=(...,)]."""
    a, b, c = np.moveaxis(triangles, -2, 0)
    return np.asarray(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=-1))


def box_mesh(lower: ArrayLike, upper: ArrayLike) -> tuple[Floats, Ints]:
    """A closed box: vertices [shape=(8, 3)], triangles [shape=(12, 3)], normals outward.

    Triangles come in pairs: -x, +x, -y, +y, -z, +z.
    """
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, 8).T
    low, high = np.asarray(lower, float), np.asarray(upper, float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [tri for a, b, c, d in quads for tri in ((a, b, c), (a, c, d))]
    return low + corners * (high - low), np.array(faces)


def outline_mesh(outline: Floats, height_m: float) -> tuple[Floats, Ints, Ints]:
    """Walls, floor and ceiling over a polygon as one closed mesh.

    Returns
    -------
    vertices : ndarray [shape=(2 n, 3)]
    faces : ndarray [shape=(m, 3)]
    surface : ndarray [shape=(m,)]
        0 floor, 1 ceiling, 2 + i for the wall over edge i.
    """
    n = len(outline)
    low = np.column_stack([outline[:, 0], np.zeros(n), outline[:, 1]])
    vertices = np.concatenate([low, low + np.array([0.0, height_m, 0.0])])
    flat = _triangulate(outline)
    after = (np.arange(n) + 1) % n
    here = np.arange(n)
    walls = np.concatenate(
        [
            np.stack([here, after, after + n], axis=1),
            np.stack([here, after + n, here + n], axis=1),
        ]
    )
    faces = np.concatenate([flat, flat[:, ::-1] + n, walls])
    surface = np.concatenate([np.zeros(len(flat)), np.ones(len(flat)), 2 + here, 2 + here])
    return vertices, faces.astype(np.int64), surface.astype(np.int64)


def _triangulate(outline: Floats) -> Ints:
    """Ear clipping of a simple polygon."""
    indices = list(range(len(outline)))
    following = np.roll(outline, -1, axis=0)
    area = (outline[:, 0] * following[:, 1] - following[:, 0] * outline[:, 1]).sum()
    if area < 0:
        indices.reverse()
    triangles = []
    while len(indices) > 3:
        for k in range(len(indices)):
            i, j, m = indices[k - 1], indices[k], indices[(k + 1) % len(indices)]
            a, b, c = outline[i], outline[j], outline[m]
            turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
            ear = np.array([a, b, c])
            others = [outline[o] for o in indices if o not in (i, j, m)]
            if turn > 1e-12 and not points_in_outline(np.array(others), ear).any():
                triangles.append((i, j, m))
                del indices[k]
                break
        else:
            raise ValueError("the floor outline crosses itself")
    triangles.append((indices[0], indices[1], indices[2]))
    return np.array(triangles)
