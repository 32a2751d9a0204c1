"""Flats: rectangular rooms side by side, joined by doorways in walls with a thickness.

A flat is a rectangle that walls cut in two, and its parts again. The surfaces of all rooms and
doorways together are one closed mesh. All rooms have one height and one level of floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DOOR_HEIGHT_M", "Doorway", "Rectangle", "door_zones", "draw_flat", "flat_mesh"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

WALL_M = (0.10, 0.25)
DOOR_WIDTH_M = (0.80, 1.00)
DOOR_HEIGHT_M = 2.1
LEAST_SIDE_M = 2.8
_LENGTH_M = (9.0, 14.0)
_WIDTH_M = (6.0, 10.0)
_N_ROOMS = (3, 6)
_FROM_CORNER_M = 0.15
_EXTRA_DOOR = 0.3
_ZONE_M = 0.8
"""Kept free of furniture on both sides of a doorway."""

Rectangle = tuple[float, float, float, float]
"""(x_low, z_low, x_high, z_high) in metres"""


@dataclass(frozen=True)
class Doorway:
    """An opening between two rooms, from the floor up."""

    rooms: tuple[int, int]
    """The first lies on the lower side."""
    axis: int
    """The axis that one walks along through it: 0 is x, 1 is z."""
    along: tuple[float, float]
    """Both ends of its width, on the other axis."""


def draw_flat(rng: np.random.Generator) -> tuple[list[Rectangle], list[Doorway]]:
    """Rooms of a flat, and doorways by which every room can be reached from every other."""
    length, width = round(rng.uniform(*_LENGTH_M), 2), round(rng.uniform(*_WIDTH_M), 2)
    wall = round(rng.uniform(*WALL_M), 2)
    rooms: list[Rectangle] = [(0.0, 0.0, length, width)]
    wanted = int(rng.integers(_N_ROOMS[0], _N_ROOMS[1]))
    while len(rooms) < wanted:
        # The largest room that can be cut is cut next.
        for i in sorted(range(len(rooms)), key=lambda each: -_area(rooms[each])):
            halves = _cut(rng, rooms[i], wall)
            if halves is not None:
                rooms[i : i + 1] = halves
                break
        else:
            break
    return rooms, _doorways(rng, rooms, wall)


def door_zones(room: int, rooms: list[Rectangle], doors: list[Doorway]) -> list[Rectangle]:
    """Parts of a room's floor before its doorways."""
    zones = []
    for door in doors:
        if room not in door.rooms:
            continue
        across = _edge(rooms, door)[door.rooms.index(room)]
        inward = -_ZONE_M if room == door.rooms[0] else _ZONE_M
        reach = sorted((across, across + inward))
        low, high = [0.0, 0.0], [0.0, 0.0]
        low[door.axis], high[door.axis] = reach
        low[1 - door.axis], high[1 - door.axis] = door.along
        zones.append((low[0], low[1], high[0], high[1]))
    return zones


def flat_mesh(
    rooms: list[Rectangle], doors: list[Doorway], height_m: float
) -> tuple[Floats, Ints, Ints]:
    """All surfaces of a flat as one closed mesh, normals outward.

    Returns
    -------
    vertices : ndarray [shape=(n, 3)]
    faces : ndarray [shape=(m, 3)]
    surface : ndarray [shape=(m,)]
        6 i + 0 floor of room i, + 1 its ceiling, + 2 to + 5 its walls at low z, high x, high z and
        low x; 6 times the number of rooms for the frames of all doorways.
    """
    quads: list[Floats] = []
    surface: list[int] = []

    def add(number: int, axis: int, at: float, low: Floats, high: Floats, out: int) -> None:
        """A rectangle across an axis; `out` is the sign of its normal."""
        others = [(axis + 1) % 3, (axis + 2) % 3]
        quad = np.full((4, 3), at)
        quad[:, others[0]] = [low[0], high[0], high[0], low[0]]
        quad[:, others[1]] = [low[1], low[1], high[1], high[1]]
        quads.append(quad[::out])
        surface.append(number)

    def pair(axis: int, other: float, height: float) -> Floats:
        """A place on a wall across x (0) or z (1), in the order `add` wants."""
        return np.array([height, other] if axis == 0 else [other, height])

    for i, (x_low, z_low, x_high, z_high) in enumerate(rooms):
        low, high = np.array([z_low, x_low]), np.array([z_high, x_high])
        add(6 * i, 1, 0.0, low, high, -1)
        add(6 * i + 1, 1, height_m, low, high, 1)
        for wall, (axis, at, start, end, out) in enumerate(
            [
                (1, z_low, x_low, x_high, -1),
                (0, x_high, z_low, z_high, 1),
                (1, z_high, x_low, x_high, 1),
                (0, x_low, z_low, z_high, -1),
            ]
        ):
            # A room is first of a doorway's two where the doorway is in its high wall.
            side = 0 if out == 1 else 1
            openings = sorted(d.along for d in doors if d.axis == axis and d.rooms[side] == i)
            number = 6 * i + 2 + wall
            world = 0 if axis == 0 else 2
            reached = start
            for first, last in openings:
                add(
                    number,
                    world,
                    at,
                    pair(axis, reached, 0.0),
                    pair(axis, first, height_m),
                    out,
                )
                above = pair(axis, first, DOOR_HEIGHT_M)
                add(number, world, at, above, pair(axis, last, height_m), out)
                reached = last
            add(number, world, at, pair(axis, reached, 0.0), pair(axis, end, height_m), out)
    frame = 6 * len(rooms)
    for door in doors:
        near, far = _edge(rooms, door)
        first, last = door.along
        # On a level: (z, x). On the jambs, across the other axis: (y, z) or (x, y).
        level = [(near, first), (far, last)] if door.axis == 1 else [(first, near), (last, far)]
        add(frame, 1, 0.0, np.array(level[0]), np.array(level[1]), -1)
        add(frame, 1, DOOR_HEIGHT_M, np.array(level[0]), np.array(level[1]), 1)
        world = 2 if door.axis == 0 else 0
        for at, out in ((first, -1), (last, 1)):
            foot = [near, 0.0] if door.axis == 0 else [0.0, near]
            head = [far, DOOR_HEIGHT_M] if door.axis == 0 else [DOOR_HEIGHT_M, far]
            add(frame, world, at, np.array(foot), np.array(head), out)
    vertices = np.concatenate(quads)
    base = 4 * np.arange(len(quads))[:, None]
    faces = np.stack([base + np.array([0, 1, 2]), base + np.array([0, 2, 3])], axis=1).reshape(
        -1, 3
    )
    return vertices, faces.astype(np.int64), np.repeat(np.array(surface, dtype=np.int64), 2)


def _area(room: Rectangle) -> float:
    return (room[2] - room[0]) * (room[3] - room[1])


def _cut(
    rng: np.random.Generator, room: Rectangle, wall_m: float
) -> tuple[Rectangle, Rectangle] | None:
    """Two rooms with a wall between them, across the longer side; None where it is too short."""
    low, high = np.array(room[:2]), np.array(room[2:])
    axis = int(np.argmax(high - low))
    first, last = low[axis] + LEAST_SIDE_M, high[axis] - LEAST_SIDE_M - wall_m
    if first >= last:
        return None
    middle = (first + last) / 2.0
    reach = min((last - first) / 2.0, 0.2 * (high - low)[axis])
    at = round(float(rng.uniform(middle - reach, middle + reach)), 2)
    one_high, other_low = high.copy(), low.copy()
    one_high[axis], other_low[axis] = at, round(at + wall_m, 2)
    one = (float(low[0]), float(low[1]), float(one_high[0]), float(one_high[1]))
    other = (float(other_low[0]), float(other_low[1]), float(high[0]), float(high[1]))
    return one, other


def _doorways(rng: np.random.Generator, rooms: list[Rectangle], wall_m: float) -> list[Doorway]:
    """Doorways in walls that two rooms share, in random order until all are joined, and more."""
    shared = []
    for i, one in enumerate(rooms):
        for j, other in enumerate(rooms):
            for axis in (0, 1):
                if abs(other[axis] - one[axis + 2] - wall_m) > 1e-6:
                    continue
                start = max(one[1 - axis], other[1 - axis]) + _FROM_CORNER_M
                end = min(one[3 - axis], other[3 - axis]) - _FROM_CORNER_M
                if end - start >= DOOR_WIDTH_M[1]:
                    shared.append((i, j, axis, start, end))
    group = list(range(len(rooms)))
    doors = []
    for k in rng.permutation(len(shared)):
        i, j, axis, start, end = shared[k]
        if group[i] == group[j] and rng.random() >= _EXTRA_DOOR:
            continue
        width = rng.uniform(*DOOR_WIDTH_M)
        first = round(float(rng.uniform(start, end - width)), 2)
        doors.append(Doorway((i, j), axis, (first, round(first + float(width), 2))))
        group = [group[i] if each == group[j] else each for each in group]
    return doors


def _edge(rooms: list[Rectangle], door: Doorway) -> tuple[float, float]:
    """Where the doorway begins and ends, along its axis."""
    one, other = door.rooms
    return rooms[one][door.axis + 2], rooms[other][door.axis]
