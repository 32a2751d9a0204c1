"""Tracks that sources could take in a room, drawn in numbers so that the best can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import N_BINS
from st_audioqa.pipeline.motions import MOTIONS
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.rooms.placement import static_positions
from st_audioqa.scene import Listener, Room, track_directions

__all__ = ["Tracks", "draw_tracks", "stored"]

Floats = NDArray[np.floating]

_CANDIDATES = 128


@dataclass(frozen=True, eq=False)
class Tracks:
    """Valid tracks of one kind, seen by a listener at yaw 0."""

    positions: Floats
    """[shape=(n, 40, 3)]"""
    motions: list[dict[str, Any]]
    path: NDArray[np.int64]
    """[shape=(n,)] tracks of one number are one path, there and back"""
    azimuth_deg: Floats
    """[shape=(n, 40)]"""
    elevation_deg: Floats
    """[shape=(n, 40)]"""
    distance_m: Floats
    """[shape=(n, 40)]"""

    def take(self, which: Sequence[int]) -> Tracks:
        """Some of the tracks, in that order."""
        index = np.asarray(which, dtype=np.int64)
        return Tracks(
            self.positions[index],
            [self.motions[i] for i in index],
            self.path[index],
            self.azimuth_deg[index],
            self.elevation_deg[index],
            self.distance_m[index],
        )


def stored(values: Floats) -> Floats:
    """Values as they will be read back from a shard, so that nothing changes on the way."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def draw_tracks(
    room: Room,
    ears: Floats,
    rng: np.random.Generator,
    limits: PlacementRecipe,
    *,
    moving: bool,
    motion: str = "",
) -> Tracks:
    """Valid static places, or valid paths each taken both ways.

    The paths are of the kind `motion`, or of all kinds of `limits.motions`.

    Raises
    ------
    RejectedDraw
        There is none.
    """
    motions: list[dict[str, Any]]
    if moving:
        kinds = (motion,) if motion else limits.motions
        count = -(-_CANDIDATES // len(kinds))
        drawn = [MOTIONS.get(kind)(room, ears, rng, limits, count) for kind in kinds]
        names = [k for k, each in zip(kinds, drawn, strict=True) for _ in each.speed_m_s] * 2
        ends = np.concatenate([each.ends for each in drawn])
        positions = np.concatenate([each.positions for each in drawn])
        speed = np.tile(np.concatenate([each.speed_m_s for each in drawn]), 2)
        path = np.tile(np.arange(len(ends)), 2)
        # A path taken backwards is as good a path and turns every change round.
        ends = np.concatenate([ends, ends[:, ::-1]])
        positions = np.concatenate([positions, positions[:, ::-1]])
        motions = [
            {
                "kind": name,
                "speed_m_s": float(s),
                "start": e[0].tolist(),
                "end": e[1].tolist(),
            }
            for name, s, e in zip(names, speed, ends, strict=True)
        ]
    else:
        points = static_positions(room, ears, rng, limits, _CANDIDATES)
        path = np.arange(len(points))
        positions = np.repeat(points[:, None], N_BINS, axis=1)
        motions = [
            {"kind": "static", "speed_m_s": 0.0, "start": p.tolist(), "end": p.tolist()}
            for p in points
        ]
    positions = stored(positions)
    return Tracks(positions, motions, path, *track_directions(positions, Listener(ears, 0.0)))
