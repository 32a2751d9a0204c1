"""What a room provider is."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from st_audioqa.registry import Registry
from st_audioqa.scene import Room, RoomInfo

__all__ = ["PROVIDERS", "RoomProvider"]


class RoomProvider(Protocol):
    """Draws rooms, and builds a drawn room again from what was stored of it.

    It is made of the recipe's `rooms.options`, both to draw and to build again. What it needs
    from elsewhere (a folder of meshes) is named there and not in what is stored per room. It may
    have a method `check()`, which looks at all of that once before a corpus is begun and raises
    `UserError`, and a method `report()`, which says what its files hold: tables by name, each a
    list of rows, each row a mapping of column to value. Where other packages decide what a room is
    like, `versions` maps their names to their versions, for the manifest.
    """

    name: str
    makes: frozenset[str]
    """Every `Room.shape` that may come out: an engine must render all of them."""

    def draw(self, rng: np.random.Generator, name: str, split: str) -> RoomInfo:
        """A room called `name` for scenes of a split; everything random comes from `rng`.

        Where rooms are parts of something that must not serve two splits, such as a building,
        its identity stands in the room's parameters as `building`: `verify` looks there.
        """
        ...

    def build(self, info: RoomInfo) -> Room:
        """The geometry and surfaces of a drawn room.

        Raises
        ------
        UserError
            What the room was drawn from is missing or has changed.
        """
        ...


PROVIDERS = Registry(
    "room provider", "st_audioqa.rooms.providers", "Provider", "st_audioqa.rooms"
)
