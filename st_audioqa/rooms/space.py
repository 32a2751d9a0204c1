"""Where in a room one can be, how clear of its surfaces, and what one sees from there.

The one place that knows the two kinds of room. A room whose `walkable` is None is all outline and
boxes: its walls stand on the edges of `floor`, its furniture is `obstacles`, and a few lines of
numpy answer everything exactly. In every other room the triangles of the mesh count: the
outline only says in which part of the mesh listener and sources are to be, and the feet of a
listener are on the triangles of `walkable`.
"""

from __future__ import annotations

import weakref

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.rooms.geometry import (
    box_distance,
    outline_distance,
    points_in_outline,
    segments_blocked,
    triangle_areas,
)
from st_audioqa.rooms.surfaces import Surfaces
from st_audioqa.scene import Room

__all__ = ["blocked", "can_stand", "floor_points", "keeps_clear", "surfaces"]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_UP = (0.0, 1.0, 0.0)
_DOWN = (0.0, -1.0, 0.0)
_SLACK_M = 0.02

_built: weakref.WeakKeyDictionary[Room, Surfaces] = weakref.WeakKeyDictionary()


def floor_points(room: Room, rng: np.random.Generator, count: int) -> Floats:
    """Places for a listener's feet, even over the floor [shape=(count, 3)].

    In a room of outline and boxes they are even over the rectangle around the outline: those
    outside it are for `can_stand` to sort out.
    """
    if room.walkable is None:
        low, high = room.floor.min(axis=0), room.floor.max(axis=0)
        spot = rng.uniform(low, high, size=(count, 2))
        return np.column_stack([spot[:, 0], np.full(count, room.floor_y_m), spot[:, 1]])
    a, b, c = room.walkable.swapaxes(0, 1)
    area = triangle_areas(room.walkable)
    which = rng.choice(len(area), size=count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1.0, 1.0 - u, u), np.where(u + v > 1.0, 1.0 - v, v)
    return np.asarray(a[which] + u * (b - a)[which] + v * (c - a)[which])


def can_stand(
    room: Room, feet: Floats, ear_height_m: Floats, clearance_m: float, ceiling_m: float
) -> Bools:
    """Whether a listener can be there, upright.

    Parameters
    ----------
    room : Room
    feet : ndarray [shape=(n, 3)]
        From `floor_points`.
    ear_height_m : ndarray [shape=(n,)]
        Above the feet.
    clearance_m : float
        Least distance from body to walls and furniture.
    ceiling_m : float
        Least distance from ears to ceiling.

    Returns
    -------
    ndarray [shape=(n,)]
    """
    flat = feet[:, [0, 2]]
    ears = feet + np.outer(ear_height_m, _UP)
    free = points_in_outline(flat, room.floor)
    free &= ears[:, 1] <= room.floor_y_m + room.height_m - ceiling_m
    if room.walkable is None:
        standing = room.obstacles.copy()
        standing[:, 0, 1] = room.floor_y_m
        standing[:, 1, 1] = room.floor_y_m + room.height_m
        free &= outline_distance(flat, room.floor) >= clearance_m
        free &= box_distance(ears, standing) >= clearance_m
        return np.asarray(free)
    # Balls of the clearance's radius stacked from just above the floor to the ears.
    lowest = np.minimum(clearance_m + _SLACK_M, ear_height_m)
    for share in np.linspace(1.0, 0.0, 4):
        where = np.flatnonzero(free)
        height = ear_height_m[where] * share + lowest[where] * (1.0 - share)
        body = feet[where] + np.outer(height, _UP)
        free[where] = surfaces(room).farther_than(body, clearance_m)
    where = np.flatnonzero(free)
    free[where] = _covered(room, ears[where])
    above = np.outer(np.full(len(feet), ceiling_m), _UP)
    free &= ~blocked(room, feet + np.array([0.0, _SLACK_M, 0.0]), ears + above)
    return free


def keeps_clear(
    room: Room,
    points: ArrayLike,
    *,
    walls_m: float = 0.0,
    furniture_m: float = 0.0,
    floor_m: float = 0.0,
    ceiling_m: float = 0.0,
) -> Bools:
    """Whether points lie in the room and so far from its surfaces.

    A mesh does not say which of its triangles are walls: there, all of them are kept off by the
    largest of the four distances, and `floor_m` and `ceiling_m` hold for the room's own floor
    height and height as well.

    Parameters
    ----------
    room : Room
    points : array [shape=(..., 3)]

    Returns
    -------
    ndarray [shape=(...,)]
    """
    points = np.asarray(points, dtype=np.float64)
    flat, height = points[..., [0, 2]], points[..., 1] - room.floor_y_m
    within = np.asarray(
        points_in_outline(flat, room.floor)
        & (height >= floor_m)
        & (height <= room.height_m - ceiling_m)
    )
    if room.walkable is None:
        return np.asarray(
            within
            & (outline_distance(flat, room.floor) >= walls_m)
            & (box_distance(points, room.obstacles) >= furniture_m)
        )
    least_m = max(walls_m, furniture_m, floor_m, ceiling_m)
    inside = points[within]
    clear = surfaces(room).farther_than(inside, least_m)
    clear[clear] = _covered(room, inside[clear])
    within[within] = clear
    return within


def blocked(room: Room, starts: ArrayLike, ends: ArrayLike) -> Bools:
    """Whether anything of the room stands between two points [shape=(..., 3)] in it."""
    if room.walkable is None:
        return segments_blocked(starts, ends, room.floor, room.obstacles)
    return surfaces(room).blocked(starts, ends)


def surfaces(room: Room) -> Surfaces:
    """The triangles in and around a room; built at the first question and kept with the room."""
    found = _built.get(room)
    if found is None:
        (x_low, z_low), (x_high, z_high) = room.floor.min(axis=0), room.floor.max(axis=0)
        low = (x_low, room.floor_y_m, z_low)
        high = (x_high, room.floor_y_m + room.height_m, z_high)
        found = _built[room] = Surfaces(room.vertices, room.faces, low, high)
    return found


def _covered(room: Room, points: Floats) -> Bools:
    """Whether the mesh has something over and something under each point."""
    over = surfaces(room).hit_distance(points, _UP)
    under = surfaces(room).hit_distance(points, _DOWN)
    return np.asarray(np.isfinite(over) & np.isfinite(under))
