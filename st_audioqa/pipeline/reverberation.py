"""How reverberant the rooms of a corpus are, from their geometry and surfaces."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from st_audioqa.conventions import BANDS_HZ
from st_audioqa.errors import UserError
from st_audioqa.pipeline.tools import open_rooms
from st_audioqa.recipes import Recipe
from st_audioqa.renderers.acoustics import decay_rates
from st_audioqa.scene import RECORDED, Room, Scene

__all__ = ["room_t60_s", "t60_of_scenes"]

_BANDS = [i for i, hertz in enumerate(BANDS_HZ) if hertz in (500.0, 1000.0)]


def room_t60_s(room: Room) -> float:
    """Reverberation time by Eyring with air, the mean of the octaves 500 Hz and 1 kHz.

    The volume is that over the floor; furniture is not taken off it. What an engine renders
    decays a little otherwise, since no real field is as diffuse as the formula wants.
    """
    x, z = room.floor.T
    area_m2 = 0.5 * abs(float((x * np.roll(z, -1) - z * np.roll(x, -1)).sum()))
    rates = decay_rates(room, area_m2 * float(room.height_m))[_BANDS]
    return float(np.mean(math.log(1e6) / rates))


def t60_of_scenes(recipe: Recipe, scenes: Iterable[Scene]) -> dict[str, float]:
    """scene_id -> T60; nothing for rooms that were recorded or cannot be built again here."""
    if recipe.rooms.provider == RECORDED:
        return {}
    try:
        provider = open_rooms(recipe)
    except UserError:
        return {}
    known: dict[str, float | None] = {}
    found = {}
    for scene in scenes:
        name = scene.room.name
        if name not in known:
            try:
                known[name] = room_t60_s(provider.build(scene.room))
            except UserError:
                known[name] = None
        t60_s = known[name]
        if t60_s is not None and math.isfinite(t60_s):
            found[scene.scene_id] = t60_s
    return found
