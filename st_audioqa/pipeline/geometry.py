"""Where a scene takes place: a room, a listener's place, and tracks for its sources.

A scene has a geometry of its own or, with `reuse` in the recipe, shares one with other scenes of
its shard. A shared geometry has few tracks, so that their impulse responses, which cost most,
serve many scenes; each scene pairs them anew, faces elsewhere, hears other events and may take a
path backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from st_audioqa.pipeline.aims import track_score
from st_audioqa.pipeline.plan import deal_track_aims
from st_audioqa.pipeline.tools import Tools
from st_audioqa.pipeline.tracks import Tracks, draw_tracks, stored
from st_audioqa.rooms.placement import place_listener
from st_audioqa.scene import Room, SceneSpec, SharedGeometry
from st_audioqa.seeding import generator

__all__ = ["DRAWS_PER_GEOMETRY", "Geometry", "draw_geometry"]

Floats = NDArray[np.floating]

DRAWS_PER_GEOMETRY = 8
"""Rejected draws after which a scene leaves a shared geometry for another one."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """A room, a place to listen from, and the tracks each source of a scene can take."""

    room: Room
    ears: Floats
    """[shape=(3,)]"""
    tracks: tuple[Tracks, ...]
    """One per source; the same object where two sources choose from the same tracks."""


def draw_geometry(
    spec: SceneSpec, attempt: int, rng: np.random.Generator, tools: Tools
) -> Geometry:
    """The geometry of one draw of a scene; `rng` is used only for one of its own.

    Raises
    ------
    RejectedDraw
        There is no place for listener, source or path.
    """
    limits = tools.recipe.placement
    if spec.geometry is None:
        room, ears = _room_and_ears(spec.split, rng, tools)
        tracks = [
            draw_tracks(
                room, ears, rng, limits, moving=movement == "D", motion=aims.get("motion", "")
            )
            for movement, aims in zip(spec.configuration, spec.aims["sources"], strict=True)
        ]
        return Geometry(room, ears, tuple(tracks))
    room, ears, static, moving = _shared(
        spec.geometry, spec.split, attempt // DRAWS_PER_GEOMETRY, tools
    )
    return Geometry(
        room, ears, tuple(moving if each == "D" else static for each in spec.configuration)
    )


def _room_and_ears(split: str, rng: np.random.Generator, tools: Tools) -> tuple[Room, Floats]:
    recipe = tools.recipe
    n_rooms = -(-sum(recipe.splits[split].values()) // recipe.rooms.scenes_per_room)
    number = int(rng.integers(n_rooms))
    room_rng = generator(recipe.seed, "room", split, number)
    name = f"{split}-room-{number:05d}"
    room = tools.provider.build(tools.provider.draw(room_rng, name, split))
    return room, stored(place_listener(room, rng, recipe.placement))


@lru_cache(maxsize=4)
def _shared(
    geometry: SharedGeometry, split: str, attempt: int, tools: Tools
) -> tuple[Room, Floats, Tracks, Tracks]:
    """Room, ears, static and moving tracks that several scenes have in common."""
    rng = generator(tools.recipe.seed, "geometry", geometry.name, attempt)
    room, ears = _room_and_ears(split, rng, tools)
    limits = tools.recipe.placement
    static, moving = (
        _spread(draw_tracks(room, ears, rng, limits, moving=moves), count, rng, limits.motions)
        for moves, count in ((False, geometry.n_static), (True, geometry.n_moving))
    )
    return room, ears, static, moving


def _spread(
    tracks: Tracks, count: int, rng: np.random.Generator, motions: Sequence[str]
) -> Tracks:
    """Up to `count` paths, there and back, that lie as far apart as tracks of scenes do.

    Each is the best for aims of its own, dealt as those of scenes are.
    """
    movement = "D" if tracks.motions[0]["kind"] != "static" else "S"
    free = np.ones(len(tracks.path), dtype=bool)
    for aims in deal_track_aims(rng, movement, count, motions):
        if free.any():
            score = np.where(free, track_score(tracks, aims), -np.inf)
            free &= tracks.path != tracks.path[int(np.argmax(score))]
    return tracks.take(np.flatnonzero(~free).tolist())
