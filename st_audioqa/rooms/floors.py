"""Finds the floors of a mesh that a listener can walk on, by rays.

A grid of columns is looked through from top to bottom. A level surface with headroom over it and
something over that is floor; what lies within a step of its neighbours is one floor. Table tops,
cabinets and the insides of walls drop out, because they are too small once a margin is taken off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from st_audioqa.rooms.surfaces import Surfaces

__all__ = ["FloorRegion", "find_floors"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HEADROOM_M = 1.9
MARGIN_M = 0.2
"""Taken off every floor: nobody stands that close to a wall. Whole columns of the grid."""
LEAST_AREA_M2 = 1.0
"""Of a floor without its margin."""
_STEP_M = 0.06
"""Between cells of one floor: door sills and ramps are, stairs are not, so that no floor lies
over itself."""
_LEVEL = 0.85
"""Least vertical part of the normal of a floor: 32 degrees."""
_CELL_M = 0.1
_MOST_CELLS = 400_000
_MOST_LAYERS = 40
_AGAIN_M = 1e-3


@dataclass(frozen=True, eq=False)
class FloorRegion:
    """One connected floor with the space over it."""

    walkable: Floats
    """[shape=(n, 3, 3)] triangles, its margin taken off"""
    area_m2: float
    floor_y_m: float
    height_m: float
    outline: Floats
    """[shape=(4, 2)] rectangle (x, z) around the whole floor"""


def find_floors(vertices: Floats, faces: Ints, rays: Surfaces) -> list[FloorRegion]:
    """All floors of a mesh, the largest first.

    Parameters
    ----------
    vertices : ndarray [shape=(n_vertices, 3)]
    faces : ndarray [shape=(n_faces, 3)]
    rays : Surfaces
        Of the whole mesh.
    """
    low, high = vertices[faces].min(axis=(0, 1)), vertices[faces].max(axis=(0, 1))
    area = float(np.prod((high - low)[[0, 2]]))
    cell = max(_CELL_M, float(np.sqrt(area / _MOST_CELLS)))
    counts = np.ceil((high - low)[[0, 2]] / cell).astype(np.int64)
    x = low[0] + (np.arange(counts[0]) + 0.5) * cell
    z = low[2] + (np.arange(counts[1]) + 0.5) * cell
    column_x, column_z = (each.ravel() for each in np.meshgrid(x, z, indexing="ij"))
    column, height, headroom = _standing_places(
        column_x, column_z, high[1], _steepness(vertices, faces), rays
    )
    label = _connect(column, height, counts)
    regions = []
    for number in np.flatnonzero(np.bincount(label) * cell**2 >= LEAST_AREA_M2):
        own = label == number
        grid = np.full(tuple(counts), np.nan)
        np.fmin.at(grid.ravel(), column[own], height[own])
        region = _region(grid, x, z, cell, float(headroom[own].max()))
        if region is not None:
            regions.append(region)
    return sorted(regions, key=lambda each: -each.area_m2)


def _steepness(vertices: Floats, faces: Ints) -> Floats:
    """Vertical part of each face's normal, whichever way it points [shape=(n_faces,)]."""
    a, b, c = vertices[faces].swapaxes(0, 1)
    normal = np.cross(b - a, c - a)
    return np.asarray(np.abs(normal[:, 1]) / np.linalg.norm(normal, axis=1))


def _standing_places(
    x: Floats, z: Floats, top: float, steepness: Floats, rays: Surfaces
) -> tuple[Ints, Floats, Floats]:
    """Level places with headroom in every column.

    Returns
    -------
    column : ndarray [shape=(n,)]
    height : ndarray [shape=(n,)]
        World y in metres.
    headroom : ndarray [shape=(n,)]
        Up to whatever is next above.
    """
    down = (0.0, -1.0, 0.0)
    live = np.arange(len(x))
    from_y = np.full(len(x), top + 1.0)
    above = np.full(len(x), np.inf)
    found: list[tuple[Ints, Floats, Floats]] = []
    for _ in range(_MOST_LAYERS):
        origins = np.column_stack([x[live], from_y[live], z[live]])
        distance = rays.hit_distance(origins, down)
        hit = np.isfinite(distance)
        live, distance = live[hit], distance[hit]
        if len(live) == 0:
            break
        height = from_y[live] - distance
        face = rays.hit_face(origins[hit], down)
        room = above[live] - height
        stands = np.isfinite(room) & (room >= HEADROOM_M) & (steepness[face] >= _LEVEL)
        found.append((live[stands], height[stands], room[stands]))
        above[live] = height
        from_y[live] = height - _AGAIN_M
    if not found:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    column, height, headroom = (np.concatenate(each) for each in zip(*found, strict=True))
    return column, height, headroom


def _connect(column: Ints, height: Floats, counts: Ints) -> Ints:
    """Number of the floor that each place belongs to: neighbours a step apart are of one."""
    order = np.lexsort((height, column))
    first = np.searchsorted(column[order], np.arange(counts.prod() + 1))
    pairs = []
    most = int(np.diff(first).max(initial=0))
    index_x, index_z = column // counts[1], column % counts[1]
    for step, inside in (
        (counts[1], index_x + 1 < counts[0]),
        (1, index_z + 1 < counts[1]),
    ):
        places = np.flatnonzero(inside)
        neighbour = column[places] + step
        for layer in range(most):
            at = first[neighbour] + layer
            there = at < first[neighbour + 1]
            one, other = places[there], order[at[there]]
            near = np.abs(height[one] - height[other]) <= _STEP_M
            pairs.append(np.stack([one[near], other[near]]))
    if not pairs or len(column) == 0:
        return np.zeros(len(column), np.int64)
    one, other = np.concatenate(pairs, axis=1)
    links = sparse.coo_matrix((np.ones(len(one)), (one, other)), shape=(len(column),) * 2)
    _, label = sparse.csgraph.connected_components(links, directed=False)
    return label.astype(np.int64)


def _region(
    grid: Floats, x: Floats, z: Floats, cell: float, height_m: float
) -> FloorRegion | None:
    """A floor from its heights per column (NaN where it is not); None where it is too small."""
    there = np.isfinite(grid)
    reach = int(np.ceil(MARGIN_M / cell))
    span = np.arange(-reach, reach + 1)
    disc = span[:, None] ** 2 + span[None] ** 2 <= (MARGIN_M / cell) ** 2 + 1e-9
    inner = ndimage.binary_erosion(there, disc)
    area = float(inner.sum()) * cell**2
    if area < LEAST_AREA_M2:
        return None
    in_x, in_z = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    x_low, x_high = x[in_x[0]] - cell, x[in_x[-1]] + cell
    z_low, z_high = z[in_z[0]] - cell, z[in_z[-1]] + cell
    lowest, highest = float(np.nanmin(grid)), float(np.nanmax(grid))
    return FloorRegion(
        walkable=_triangles(np.where(inner, grid, np.nan), x, z, cell),
        area_m2=area,
        floor_y_m=lowest,
        height_m=highest - lowest + height_m,
        outline=np.array([[x_low, z_low], [x_high, z_low], [x_high, z_high], [x_low, z_high]]),
    )


def _triangles(grid: Floats, x: Floats, z: Floats, cell: float) -> Floats:
    """Two triangles for each run of cells of one height [shape=(2 n, 3, 3)]."""
    rounded = np.round(grid, 3)
    before = np.column_stack([np.full(len(grid), np.nan), rounded[:, :-1]])
    after = np.column_stack([rounded[:, 1:], np.full(len(grid), np.nan)])
    there = np.isfinite(rounded)
    start_x, start_z = np.nonzero(there & (rounded != before))
    _, end_z = np.nonzero(there & (rounded != after))
    half = cell / 2.0
    x_low, x_high = x[start_x] - half, x[start_x] + half
    z_low, z_high = z[start_z] - half, z[end_z] + half
    y = rounded[start_x, start_z]
    a, b = np.stack([x_low, y, z_low], axis=1), np.stack([x_high, y, z_low], axis=1)
    c, d = np.stack([x_high, y, z_high], axis=1), np.stack([x_low, y, z_high], axis=1)
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
