"""What a room provider is."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from st_audioqa.registry import Registry
from st_audioqa.scene import Room, RoomInfo

__all__ = ["PROVIDERS", "RoomProvider"]


class RoomProvider(Protocol):
    """Draws rooms, and builds a drawn room again from what was stored of it."""

    name: str
    makes: frozenset[str]
    """Every `Room.shape` that may come out: an engine must render all of them."""

    def draw(self, rng: np.random.Generator, name: str) -> RoomInfo:
        """A room called `name`; everything random comes from `rng`."""
        ...

    def build(self, info: RoomInfo) -> Room:
        """The geometry and surfaces of a drawn room."""
        ...


PROVIDERS = Registry(
    "room provider", "st_audioqa.rooms.providers", "Provider", "st_audioqa.rooms"
)
