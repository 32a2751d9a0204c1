"""Draws paths of any shape: two free points, a shape between them, and what a path must pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import BIN_TIMES_S, DURATION_S
from st_audioqa.errors import RejectedDraw
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.rooms.placement import is_free, line_of_sight, points_around, varied
from st_audioqa.rooms.space import blocked
from st_audioqa.scene import Room

__all__ = ["Paths", "Shape", "along_line", "shaped_paths"]

Floats = NDArray[np.floating]
Shape = Callable[[Floats, Floats, np.random.Generator], Floats]
"""(ends [shape=(n, 2, 3)], share of the scene's time [shape=(k,)], rng) -> positions
[shape=(n, k, 3)]"""

_BATCH = 512
_MAX_BATCHES = 16
_TIMES = np.concatenate([[0.0], BIN_TIMES_S / DURATION_S, [1.0]])


@dataclass(frozen=True, eq=False)
class Paths:
    """Valid paths of one kind."""

    positions: Floats
    """[shape=(n, 40, 3)] at the bin centres, world axes"""
    ends: Floats
    """[shape=(n, 2, 3)] at 0 s and 10 s"""
    speed_m_s: Floats
    """[shape=(n,)] mean, pauses included"""


def shaped_paths(
    room: Room,
    ears: Floats,
    rng: np.random.Generator,
    limits: PlacementRecipe,
    count: int,
    shape: Shape,
) -> Paths:
    """Up to `count` paths of a shape between free points, at least one.

    A path keeps clear of walls and furniture and within the range of distance in every bin, is
    in sight of the listener, passes through nothing between bins, has a mean speed within
    `limits.speed_m_s` and is never faster than its upper end.

    Raises
    ------
    RejectedDraw
        "no_source_path".
    """
    found: list[Floats] = []
    speeds: list[Floats] = []
    total = 0
    for _ in range(_MAX_BATCHES):
        points = points_around(room, ears, rng, limits, 2 * _BATCH)
        points = points[is_free(room, points, limits)]
        half = len(points) // 2
        ends = np.stack([points[:half], points[half : 2 * half]], axis=1)
        sampled = shape(ends, _TIMES, rng)
        steps = np.linalg.norm(np.diff(sampled, axis=1), axis=-1)
        speed = steps.sum(axis=1) / DURATION_S
        fastest = (steps / np.diff(_TIMES)).max(axis=1, initial=0.0) / DURATION_S
        good = (speed >= limits.speed_m_s[0]) & (fastest <= limits.speed_m_s[1])
        sampled, speed = sampled[good], speed[good]
        good = _stays_valid(room, ears, sampled, limits)
        found.append(sampled[good])
        speeds.append(speed[good])
        total += int(good.sum())
        if total >= 2 * count:
            break
    if total == 0:
        raise RejectedDraw("no_source_path", room.info.name)
    sampled, speed = np.concatenate(found), np.concatenate(speeds)
    distance = np.linalg.norm(sampled[:, 1:-1] - ears, axis=-1)
    chosen = varied(speed, distance, rng, count)
    sampled = sampled[chosen]
    return Paths(sampled[:, 1:-1], sampled[:, [0, -1]], speed[chosen])


def along_line(ends: Floats, progress: Floats) -> Floats:
    """Points on straight lines [shape=(n, k, 3)], 0 at the first end and 1 at the second.

    Parameters
    ----------
    ends : ndarray [shape=(n, 2, 3)]
    progress : ndarray [shape=(n, k)]
    """
    return np.asarray(ends[:, :1] + progress[..., None] * (ends[:, 1:] - ends[:, :1]))


def _stays_valid(
    room: Room, ears: Floats, sampled: Floats, limits: PlacementRecipe
) -> NDArray[np.bool_]:
    if len(sampled) == 0:
        return np.zeros(0, dtype=bool)
    distance = np.linalg.norm(sampled - ears, axis=-1)
    good = (distance >= limits.distance_m[0]).all(axis=1)
    good &= (distance <= limits.distance_m[1]).all(axis=1)
    good[good] = is_free(room, sampled[good], limits).all(axis=1)
    good[good] = ~blocked(room, sampled[good][:, :-1], sampled[good][:, 1:]).any(axis=1)
    seen = line_of_sight(room, ears, sampled[good][:, 1:-1]).mean(axis=1)
    good[good] = seen >= limits.min_line_of_sight
    return np.asarray(good)
