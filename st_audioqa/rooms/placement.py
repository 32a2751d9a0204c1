"""Where a listener can stand, where a source can be, and the paths a source can take.

All functions draw candidates by rejection and return those that are valid; a draw that finds
none is a `RejectedDraw`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    ANCHORS,
    BIN_TIMES_S,
    DISTANCE_BIN_M,
    DURATION_S,
    distance_bin,
)
from st_audioqa.errors import RejectedDraw
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.rooms.space import blocked, can_stand, floor_points, keeps_clear
from st_audioqa.scene import Room

__all__ = [
    "is_free",
    "line_of_sight",
    "linear_paths",
    "place_listener",
    "points_around",
    "static_positions",
    "varied",
]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_BATCH = 256
_MAX_BATCHES = 12
_TRIES = 4
_RADIAL_M_S = 0.35
"""At this speed towards the listener a source stays in a bin of half a metre for a second."""


def place_listener(room: Room, rng: np.random.Generator, limits: PlacementRecipe) -> Floats:
    """Ear position of a standing or sitting listener [shape=(3,)].

    Raises
    ------
    RejectedDraw
        "no_listener_position".
    """
    for _ in range(_MAX_BATCHES):
        feet = floor_points(room, rng, _BATCH)
        height = rng.uniform(*limits.listener_height_m, size=_BATCH)
        free = can_stand(
            room, feet, height, limits.listener_clearance_m, limits.ceiling_clearance_m
        )
        if free.any():
            first = int(np.argmax(free))
            return feet[first] + np.array([0.0, height[first], 0.0])
    raise RejectedDraw("no_listener_position", room.info.name)


def static_positions(
    room: Room, listener: Floats, rng: np.random.Generator, limits: PlacementRecipe, count: int
) -> Floats:
    """Up to `count` valid source positions [shape=(n, 3)], at least one.

    Raises
    ------
    RejectedDraw
        "no_source_position".
    """
    found: list[Floats] = []
    total = 0
    for _ in range(_MAX_BATCHES):
        points = points_around(room, listener, rng, limits, _BATCH)
        points = points[is_free(room, points, limits)]
        seen = line_of_sight(room, listener, points)
        points = points[seen >= limits.min_line_of_sight]
        found.append(points)
        total += len(points)
        if total >= count:
            break
    if total == 0:
        raise RejectedDraw("no_source_position", room.info.name)
    return np.concatenate(found)[:count]


def linear_paths(
    room: Room, listener: Floats, rng: np.random.Generator, limits: PlacementRecipe, count: int
) -> tuple[Floats, Floats]:
    """Up to `count` straight paths at constant speed over the whole scene, at least one.

    Returns
    -------
    ends : ndarray [shape=(n, 2, 3)]
        Positions at 0 s and 10 s.
    positions : ndarray [shape=(n, 40, 3)]
        Positions at the bin centres.

    Raises
    ------
    RejectedDraw
        "no_source_path".
    """
    found: list[tuple[Floats, Floats]] = []
    total = 0
    for _ in range(_MAX_BATCHES):
        points = points_around(room, listener, rng, limits, 2 * _BATCH)
        points = points[is_free(room, points, limits)]
        third = len(points) // 3
        between = np.stack([points[:third], points[third : 2 * third]], axis=1)
        passing = _passing(points[2 * third :], listener, rng)
        passing = passing[is_free(room, passing, limits).all(axis=1)]
        ends = np.concatenate([between, passing])
        speed = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1) / DURATION_S
        ends = ends[(speed >= limits.speed_m_s[0]) & (speed <= limits.speed_m_s[1])]
        clear = ~blocked(room, ends[:, 0], ends[:, 1])
        ends = ends[clear]
        along = (BIN_TIMES_S / DURATION_S)[None, :, None]
        positions = ends[:, :1] + along * (ends[:, 1:] - ends[:, :1])
        good = is_free(room, positions, limits).all(axis=1)
        distance = np.linalg.norm(positions - listener, axis=-1)
        good &= (distance >= limits.distance_m[0]).all(axis=1)
        good &= (distance <= limits.distance_m[1]).all(axis=1)
        ends, positions = ends[good], positions[good]
        seen = line_of_sight(room, listener, positions).mean(axis=1)
        keep = seen >= limits.min_line_of_sight
        found.append((ends[keep], positions[keep]))
        total += int(keep.sum())
        if total >= 4 * count:
            break
    if total == 0:
        raise RejectedDraw("no_source_path", room.info.name)
    all_ends, all_positions = (np.concatenate(part) for part in zip(*found, strict=True))
    speed = np.linalg.norm(all_ends[:, 1] - all_ends[:, 0], axis=-1) / DURATION_S
    distance = np.linalg.norm(all_positions - listener, axis=-1)
    chosen = varied(speed, distance, rng, count)
    return all_ends[chosen], all_positions[chosen]


def _passing(points: Floats, listener: Floats, rng: np.random.Generator) -> Floats:
    """Paths that go through points at an anchor and hardly change their distance there.

    Of random paths few stay within one bin of distance for a second, and then near the listener
    only: distances would be asked of slow and near sources alone.

    Parameters
    ----------
    points : ndarray [shape=(n, 3)]

    Returns
    -------
    ndarray [shape=(n * _TRIES, 2, 3)]
        Positions at 0 s and 10 s.
    """
    points = np.repeat(points, _TRIES, axis=0)
    n = len(points)
    out = points - listener
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    across = rng.normal(size=(n, 3)) * [1.0, 0.4, 1.0]
    across -= (across * out).sum(axis=-1, keepdims=True) * out
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    velocity = (0.2 + 0.8 * rng.random(size=(n, 1)) ** 2) * across
    velocity += rng.uniform(-_RADIAL_M_S, _RADIAL_M_S, size=(n, 1)) * out
    centres = [np.mean(BIN_TIMES_S[list(bins)]) for bins in ANCHORS.values()]
    at = rng.choice(centres, size=(n, 1))
    return np.stack([points - at * velocity, points + (DURATION_S - at) * velocity], axis=1)


def line_of_sight(room: Room, listener: Floats, positions: Floats) -> Bools:
    """Whether nothing stands between the listener and each position [shape=(...,)]."""
    return ~blocked(room, listener, positions)


def varied(
    speed: Floats, distance: Floats, rng: np.random.Generator, count: int
) -> NDArray[np.int64]:
    """Up to `count` of some paths, by index: half of them with all speeds about equally often.

    Most pairs of points in a room are near each other; taken as they come, fast sources would
    hardly be heard. The other half has all distances that hold for a window equally often.

    Parameters
    ----------
    speed : ndarray [shape=(n,)]
        Greatest speed of each path.
    distance : ndarray [shape=(n, 40)]
        Metres to the listener.
    """
    edges = np.linspace(speed.min(), speed.max() + 1e-9, 9)
    weight = _even(np.digitize(speed, edges) - 1)
    windows = [distance[:, list(bins)] for bins in ANCHORS.values()]
    held = np.stack([_held(window) for window in windows])
    cells = np.where(held < 0, 0, 1 + held + 20 * np.arange(len(held))[:, None])
    # A path that holds several distances counts for the one that occurs least.
    rarity = _even(cells.ravel()).reshape(cells.shape).max(axis=0)
    weight += rarity / rarity.sum()
    size = min(count, len(speed))
    return rng.choice(len(speed), size=size, replace=False, p=weight / weight.sum())


def _held(distance: Floats) -> NDArray[np.int64]:
    """Bin of distance that a window stays in, off its edges; -1 where there is none."""
    bins = distance_bin(distance)
    within = distance - DISTANCE_BIN_M * bins
    inside = ((within > 0.1) | (bins == 0)) & (within < DISTANCE_BIN_M - 0.1)
    same = (bins == bins[:, :1]).all(axis=1) & inside.all(axis=1)
    return np.where(same, bins[:, 0], -1)


def _even(which: NDArray[np.int64]) -> Floats:
    """Weights, in sum 1, that give all values equal chances."""
    _, index, count = np.unique(which, return_inverse=True, return_counts=True)
    weight: Floats = 1.0 / count[index]
    return weight / weight.sum()


def is_free(room: Room, points: Floats, limits: PlacementRecipe) -> Bools:
    """Whether points keep clear of walls, floor, ceiling and furniture."""
    return keeps_clear(
        room,
        points,
        walls_m=limits.wall_clearance_m,
        furniture_m=limits.furniture_clearance_m,
        floor_m=limits.floor_clearance_m,
        ceiling_m=limits.ceiling_clearance_m,
    )


def points_around(
    room: Room, listener: Floats, rng: np.random.Generator, limits: PlacementRecipe, count: int
) -> Floats:
    """Points within reach of the listener, equally often at every distance.

    Half of the directions are spread over the sphere, half over the horizon, so that sources
    far above and below come up as well as level ones.
    """
    distance = rng.uniform(*limits.distance_m, size=count)
    azimuth = rng.uniform(-np.pi, np.pi, size=count)
    flat = rng.uniform(-0.25, 0.25, size=count)
    round_ = np.arcsin(rng.uniform(-1.0, 1.0, size=count))
    elevation = np.where(np.arange(count) % 2 == 0, flat, round_)
    offset = np.column_stack(
        [
            -np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
            -np.cos(elevation) * np.cos(azimuth),
        ]
    )
    return listener + distance[:, None] * offset
