"""Rays and clearances among many triangles (world axes, metres).

Rays are traced by Embree (package embreex, extra `meshes`), in single precision. Clearances need
only scipy: points are laid over the triangles, a k-d tree finds those nearby, and whatever is too
close to call is settled by the exact distance to the triangles they lie on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from st_audioqa.errors import MissingPackageError
from st_audioqa.rooms.geometry import triangle_areas

__all__ = ["Surfaces", "cover_triangles", "triangle_distance"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SPACING_M = 0.1
_MOST_POINTS = 1_000_000
"""Points laid over the triangles; in large rooms they lie farther apart instead."""


class Surfaces:
    """The triangles in and around a box of space; built once per room.

    Parameters
    ----------
    vertices : ndarray [shape=(n_vertices, 3)]
    faces : ndarray [shape=(n_faces, 3)]
    low, high : array [shape=(3,)]
        Corners of the box in which questions are asked; everything by default. Fewer triangles
        answer faster.
    """

    def __init__(
        self,
        vertices: Floats,
        faces: Ints,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
    ) -> None:
        triangles = np.asarray(vertices, dtype=np.float64)[faces]
        self._lows, self._highs = triangles.min(axis=1), triangles.max(axis=1)
        self._low = self._lows.min(axis=0) if low is None else np.asarray(low, np.float64)
        self._high = self._highs.max(axis=0) if high is None else np.asarray(high, np.float64)
        self._triangles = triangles
        self._rays: Any = None
        self._near: _Near | None = None

    def blocked(self, starts: ArrayLike, ends: ArrayLike) -> Bools:
        """Whether the straight line between two points of the box meets a triangle.

        Parameters
        ----------
        starts, ends : array [shape=(..., 3)]

        Raises
        ------
        MissingPackageError
            If embreex is not installed.
        """
        a, b = np.broadcast_arrays(
            np.asarray(starts, dtype=np.float64), np.asarray(ends, dtype=np.float64)
        )
        length = np.linalg.norm(b - a, axis=-1)
        along = (b - a) / np.maximum(length, 1e-12)[..., None]
        # One part in 10^6 short of the end, which single precision could overshoot.
        reached = self._trace(a, along, length * (1.0 - 1e-6), "OCCLUDED")
        return np.asarray(reached >= 0)

    def hit_distance(self, origins: ArrayLike, direction: ArrayLike) -> Floats:
        """Distance from each point of the box to the first triangle in a direction.

        Parameters
        ----------
        origins : array [shape=(..., 3)]
        direction : array [shape=(3,) or (..., 3)]
            Of length one.

        Returns
        -------
        ndarray [shape=(...,)]
            Infinite where nothing is hit.
        """
        points = np.asarray(origins, dtype=np.float64)
        far = 4.0 * float(np.linalg.norm(self._high - self._low)) + 1e3
        limit = np.full(points.shape[:-1], far)
        found = self._trace(points, np.broadcast_to(direction, points.shape), limit, "DISTANCE")
        return np.where(found < far * (1.0 - 1e-6), found, np.inf)

    def hit_face(self, origins: ArrayLike, direction: ArrayLike) -> Ints:
        """Index of the first face in a direction, -1 where nothing is hit [shape=(...,)]."""
        points = np.asarray(origins, dtype=np.float64)
        limit = np.full(points.shape[:-1], 1e6)
        along = np.broadcast_to(direction, points.shape)
        found = self._trace(points, along, limit, "INTERSECT")
        return np.where(found >= 0, self._kept[found], -1)

    def farther_than(self, points: ArrayLike, least_m: float) -> Bools:
        """Whether points of the box are at least so far from every triangle [shape=(...,)]."""
        where = np.asarray(points, dtype=np.float64)
        flat = where.reshape(-1, 3)
        if self._near is None or self._near.reach_m < least_m:
            touching = self._overlapping(least_m)
            self._near = _Near(self._triangles[touching], least_m)
        return self._near.farther_than(flat, least_m).reshape(where.shape[:-1])

    def _overlapping(self, margin_m: float) -> Bools:
        """Faces whose bounds come within a margin of the box."""
        below = self._highs >= self._low - margin_m
        above = self._lows <= self._high + margin_m
        return np.asarray((below & above).all(axis=1))

    def _trace(self, origins: Floats, along: Floats, limit: Floats, query: str) -> Floats:
        if self._rays is None:
            self._kept = np.flatnonzero(self._overlapping_upright())
            self._rays = _embree(self._triangles[self._kept] - self._low)
        shape = origins.shape[:-1]
        if origins.size == 0 or len(self._kept) == 0:
            miss = limit if query == "DISTANCE" else np.full(shape, -1)
            return np.asarray(miss)
        found = self._rays.run(
            np.ascontiguousarray((origins - self._low).reshape(-1, 3), dtype=np.float32),
            np.ascontiguousarray(along.reshape(-1, 3), dtype=np.float32),
            dists=np.ascontiguousarray(limit.reshape(-1), dtype=np.float32),
            query=query,
        )
        return np.asarray(found).reshape(shape)

    def _overlapping_upright(self) -> Bools:
        """Faces over, under or in the box: what rays straight up and down can meet as well."""
        below = self._highs[:, [0, 2]] >= self._low[[0, 2]]
        above = self._lows[:, [0, 2]] <= self._high[[0, 2]]
        return np.asarray((below & above).all(axis=1))


class _Near:
    """Clearance to triangles."""

    def __init__(self, triangles: Floats, reach_m: float) -> None:
        self.reach_m = reach_m
        self._triangles = triangles
        area = float(triangle_areas(triangles).sum())
        spacing = max(_SPACING_M, float(np.sqrt(area / _MOST_POINTS)))
        points, self._face = cover_triangles(triangles, spacing)
        self._tree = cKDTree(points) if len(points) else None
        # Rows are a spacing apart at most, points half a spacing from any place in their row.
        self._spread_m = 1.12 * spacing

    def farther_than(self, points: Floats, least_m: float) -> Bools:
        if self._tree is None:
            return np.ones(len(points), dtype=bool)
        reach = least_m + self._spread_m
        nearest, _ = self._tree.query(points, distance_upper_bound=reach)
        clear = nearest >= least_m
        open_ = np.flatnonzero(clear & (nearest < reach))
        around = self._tree.query_ball_point(points[open_], reach)
        counts = np.array([len(each) for each in around], dtype=np.int64)
        if counts.sum() == 0:
            return np.asarray(clear)
        of = np.repeat(open_, counts)
        pairs = np.unique(
            np.stack([of, self._face[np.concatenate([np.asarray(a) for a in around])]]), axis=1
        )
        distance = triangle_distance(points[pairs[0]], self._triangles[pairs[1]])
        clear[pairs[0][distance < least_m]] = False
        return np.asarray(clear)


def cover_triangles(triangles: Floats, spacing_m: float) -> tuple[Floats, Ints]:
    """Points over triangles, such that none of their surface is 1.12 spacings from a point.

    Rows of points run along the longest side of each triangle, from it to the corner opposite;
    one corner is enough for a triangle whose sides are at most a spacing long.

    Parameters
    ----------
    triangles : ndarray [shape=(n, 3, 3)]
    spacing_m : float

    Returns
    -------
    points : ndarray [shape=(m, 3)]
    face : ndarray [shape=(m,)]
        The triangle of each point.
    """
    sides = np.linalg.norm(np.roll(triangles, -1, axis=1) - triangles, axis=-1)
    first = sides.argmax(axis=1)
    order = (first[:, None] + np.arange(3)) % 3
    a, b, c = np.take_along_axis(triangles, order[..., None], axis=1).swapaxes(0, 1)
    longest = sides.max(axis=1)
    height = 2.0 * triangle_areas(triangles) / np.maximum(longest, 1e-12)
    small = longest <= spacing_m
    rows = np.where(small, 1, np.ceil(height / spacing_m).astype(np.int64) + 1)
    face = np.repeat(np.arange(len(triangles)), rows)
    step = _counter(rows) / np.maximum(rows[face] - 1, 1)
    start = a[face] + step[:, None] * (c - a)[face]
    along = (1.0 - step)[:, None] * (b - a)[face]
    columns = np.ceil((1.0 - step) * longest[face] / spacing_m).astype(np.int64) + 1
    columns[small[face]] = 1
    row = np.repeat(np.arange(len(face)), columns)
    share = _counter(columns) / np.maximum(columns[row] - 1, 1)
    return start[row] + share[:, None] * along[row], face[row]


def triangle_distance(points: Floats, triangles: Floats) -> Floats:
    """Distance between each point and its triangle.

    The nearest place is the foot of the perpendicular where that lies within the triangle, and
    on one of the sides elsewhere.

    Parameters
    ----------
    points : ndarray [shape=(n, 3)]
    triangles : ndarray [shape=(n, 3, 3)]

    Returns
    -------
    ndarray [shape=(n,)]
    """
    after = np.roll(triangles, -1, axis=1)
    side, to = after - triangles, points[:, None] - triangles
    square = np.maximum((side * side).sum(axis=-1), 1e-24)
    along = np.clip((side * to).sum(axis=-1) / square, 0.0, 1.0)
    to_sides = np.linalg.norm(to - along[..., None] * side, axis=-1).min(axis=1)
    normal = np.cross(side[:, 0], side[:, 1])
    size = np.linalg.norm(normal, axis=1)
    turns = (np.cross(side, to) * normal[:, None]).sum(axis=-1)
    within = (turns >= 0).all(axis=1) & (size > 1e-12)
    to_plane = np.abs((to[:, 0] * normal).sum(axis=1)) / np.maximum(size, 1e-24)
    return np.where(within, np.minimum(to_plane, to_sides), to_sides)


def _counter(counts: Ints) -> Ints:
    """0, 1, ... count - 1 for each count, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(counts.sum()) - np.repeat(ends - counts, counts)


def _embree(triangles: Floats) -> Any:
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError as error:
        purpose = "Looking along lines through a mesh"
        raise MissingPackageError("embreex", "meshes", purpose) from error
    scene = EmbreeScene(robust=True)
    corners = np.ascontiguousarray(triangles.reshape(-1, 3), dtype=np.float32)
    TriangleMesh(scene, corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3))
    return scene
