"""Which regions of a building are rooms that scenes can be in, and where one can walk in them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from st_audioqa.rooms.geometry import outline_mesh, triangle_areas
from st_audioqa.rooms.matterport.house import House, Region
from st_audioqa.rooms.matterport.navmesh import NavMesh

__all__ = ["RegionSurvey", "survey"]

Floats = NDArray[np.floating]

_OUTSIDE = frozenset("pxy")
_BELOW_M, _ABOVE_M = 0.3, 1.0
"""Feet are on a region's floor if they are no farther below and above the height it states: a
navmesh follows the floor in steps, and what is higher is furniture or another storey."""
_LEAST_AREA_M2 = 1.0
_LEAST_HEIGHT_M = 1.6


@dataclass(frozen=True, eq=False)
class RegionSurvey:
    """A region and whether it is a room."""

    region: Region
    walkable: Floats
    """[shape=(n, 3, 3)] the navmesh within the outline: the island that has most of it"""
    excluded: str
    """Why it is not used; empty where it is."""

    @property
    def walkable_m2(self) -> float:
        """Area that can be walked on."""
        return float(triangle_areas(self.walkable).sum())


def survey(house: House, navmesh: NavMesh) -> tuple[RegionSurvey, ...]:
    """All regions of a building, in the order of the `.house` file.

    A region is a room unless it is `outdoors`, `junk`, has `no_label`, is a flight of `stairs`
    (there is no one floor), has `no_outline`, has a `crossed_outline`, is `too_low` (less than
    1.6 m) or has less than a square metre that can be walked on (`not_walkable`).
    """
    return tuple(_survey(region, navmesh) for region in house.regions)


def _survey(region: Region, navmesh: NavMesh) -> RegionSurvey:
    nothing = np.zeros((0, 3, 3))
    if reason := _unsuitable(region):
        return RegionSurvey(region, nothing, reason)
    try:
        vertices, faces, surface = outline_mesh(region.outline, region.height_m)
    except ValueError:  # no triangulation was found
        return RegionSurvey(region, nothing, "crossed_outline")
    walkable = _within(region, vertices[faces[surface == 0]][..., [0, 2]], navmesh)
    found = RegionSurvey(region, walkable, "")
    if found.walkable_m2 < _LEAST_AREA_M2:
        return RegionSurvey(region, walkable, "not_walkable")
    return found


def _unsuitable(region: Region) -> str:
    if region.label in _OUTSIDE:
        return "outdoors"
    named = {"Z": "junk", "-": "no_label", "s": "stairs"}
    if region.label in named:
        return named[region.label]
    if len(region.outline) < 3:
        return "no_outline"
    if _crosses_itself(region.outline):
        return "crossed_outline"
    return "too_low" if region.height_m < _LEAST_HEIGHT_M else ""


def _crosses_itself(outline: Floats) -> bool:
    """Whether two edges of a polygon cross; edges that only touch do not."""
    n = len(outline)
    after = np.roll(outline, -1, axis=0)
    i, j = np.triu_indices(n, k=1)
    a, b, c, d = outline[i], after[i], outline[j], after[j]

    def side(p: Floats, q: Floats, r: Floats) -> Floats:
        return np.sign(
            (q - p)[:, 0] * (r - p)[:, 1] - (q - p)[:, 1] * (r - p)[:, 0]
        )  # of r, seen along p to q

    crosses = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    return bool(crosses.any())


def _within(region: Region, parts: Floats, navmesh: NavMesh) -> Floats:
    """The navmesh on the floor of a region, cut off at its outline: the largest island of it.

    Parameters
    ----------
    region : Region
    parts : ndarray [shape=(n, 3, 2)]
        The outline as triangles (x, z).
    navmesh : NavMesh
    """
    height = navmesh.triangles[..., 1].mean(axis=1)
    on_floor = (height >= region.floor_y - _BELOW_M) & (height <= region.floor_y + _ABOVE_M)
    low, high = region.outline.min(axis=0), region.outline.max(axis=0)
    flat = navmesh.triangles[..., [0, 2]]
    near = on_floor & ((flat.max(axis=1) > low) & (flat.min(axis=1) < high)).all(axis=1)
    pieces: list[Floats] = []
    islands: list[int] = []
    for part in parts:
        touching = near & (
            (flat.max(axis=1) > part.min(axis=0)) & (flat.min(axis=1) < part.max(axis=0))
        ).all(axis=1)
        for k in np.flatnonzero(touching):
            piece = _clip(navmesh.triangles[k], part)
            pieces.extend(piece)
            islands.extend([int(navmesh.island[k])] * len(piece))
    if not pieces:
        return np.zeros((0, 3, 3))
    found, island = np.array(pieces), np.array(islands)
    return found[island == np.bincount(island, weights=triangle_areas(found)).argmax()]


def _clip(triangle: Floats, window: Floats) -> list[Floats]:
    """What of a triangle [shape=(3, 3)] lies over a triangle of (x, z), as triangles.

    Cut by one edge of the window after the other (Sutherland and Hodgman 1974).
    """
    a, b, c = window
    if (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) < 0:
        a, c = c, a
    corners = list(triangle)
    for start, end in ((a, b), (b, c), (c, a)):
        normal = np.array([start[1] - end[1], end[0] - start[0]])
        side = [float(normal @ (corner[[0, 2]] - start)) for corner in corners]
        cut: list[Floats] = []
        for k, here in enumerate(side):
            before = side[k - 1]
            if (here >= 0) != (before >= 0):
                share = before / (before - here)
                cut.append(corners[k - 1] + share * (corners[k] - corners[k - 1]))
            if here >= 0:
                cut.append(corners[k])
        corners = cut
        if len(corners) < 3:
            return []
    fan = [np.array([corners[0], p, q]) for p, q in pairwise(corners[1:])]
    return [each for each in fan if triangle_areas(each[None])[0] > 1e-8]
