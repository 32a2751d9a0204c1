"""Buildings by the AudioSensor of habitat-sim, as SoundSpaces 2.0 renders them (Chen et al. 2022).

It wants a build of habitat-sim with audio, which can only be had from source (docs/habitat.md),
and rooms that know the files of their building (`Room.files`), in habitat's own axes. What it
hears is the mesh of those files: the mesh of the room serves for placing listener and sources.

Of the acoustic library behind it, RLRAudioPropagation, see the rlr engine. Two things differ
here, because habitat-sim cannot be told otherwise:

- The listener is a sphere of 0.1 m. All sound arrives 0.1 m / 344 m/s too early, and the direct
  sound has the gain 1.0185 / sqrt((r - 0.1)^2 + 0.1). Responses are delayed by those 9 samples
  and the direct sound is scaled to 1 / r.
- All positions of a call share one simulation, because a new one copies the whole building. It
  starts from the library's fixed seed, so a call repeats to the bit as far as the library does;
  its reflections at a position depend on how many positions came before. `seed` changes nothing.

When a building is opened, the engine listens to a few sources where it knows the answer, and
refuses builds that put the source in a wrong place and buildings whose acoustic mesh is turned.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import SAMPLE_RATE, SPEED_OF_SOUND_M_S
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.renderers.engine import checked_query, find_preset
from st_audioqa.renderers.engines._habitat_probes import (
    LISTENER_RADIUS_M,
    check_orientation,
    direct_gain,
    probed_level,
)
from st_audioqa.renderers.engines._habitat_sim import (
    House,
    Settings,
    find_dialect,
    load,
)
from st_audioqa.renderers.engines.rlr import TO_AMBIX, level_direct_sound
from st_audioqa.rooms.habitat import version
from st_audioqa.scene import Room, SceneFiles

__all__ = ["PRESETS", "Engine"]

PRESETS = {
    "fast": Settings(rays=200, frequency_bands=12),
    "default": Settings(rays=500, frequency_bands=12),
    "reference": Settings(rays=5000, frequency_bands=12),
}

ADAPTER = "1"
"""Counted up whenever the same response of habitat-sim comes to give another output."""

MOST_OPEN = 2
"""Buildings kept open; the one that was not used for longest gives way."""

LATE_SAMPLES = round(LISTENER_RADIUS_M / SPEED_OF_SOUND_M_S * SAMPLE_RATE)


class Engine:
    """The `habitat` engine (see `RIREngine`).

    Parameters
    ----------
    preset : str
        "fast", "default" or "reference".

    Raises
    ------
    UserError
        If habitat-sim is not installed, was built without audio, or has an unknown interface,
        or there is no preset of that name.
    """

    name = "habitat"
    native = True
    shapes = frozenset({"mesh"})

    def __init__(self, preset: str = "default") -> None:
        self._settings = find_preset(self.name, PRESETS, preset)
        habitat_sim = load()
        dialect = find_dialect(habitat_sim)
        self.preset = preset
        self.version = f"{version(habitat_sim)} {dialect.name} {ADAPTER}"
        self._open: OrderedDict[SceneFiles, tuple[House, float]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def rirs(
        self,
        room: Room,
        listener_position: ArrayLike,
        source_positions: ArrayLike,
        *,
        seed: int,
    ) -> NDArray[np.float32]:
        """Impulse responses (see `RIREngine.rirs`).

        Raises
        ------
        UserError
            Also if the room is not part of a building with files, a file is missing, the build
            misplaces the source, or the acoustic mesh of the building is turned against its
            navmesh.
        RejectedDraw
            "source_at_listener" if a source is within 0.1 m of the listener, "silent_rir" if
            nothing arrives, "bad_rir" if samples are not finite.
        """
        listener, sources = checked_query(self, room, listener_position, source_positions)
        if room.files is None:
            raise UserError(
                f"The {self.name} engine renders scanned buildings from their own files and "
                f"{room.info.name!r}, of the room provider {room.info.provider!r}, has none that "
                "say all (as those of habitat do, and of matterport3d with materials and close = "
                "'none'): take the rlr engine, which is the same acoustic simulation."
            )
        distance = np.linalg.norm(sources - listener, axis=-1)
        if not (distance > LISTENER_RADIUS_M).all():
            raise RejectedDraw(
                "source_at_listener",
                f"{distance.min():.3f} m away, within the sphere that hears",
            )
        house, level = self._house(room.files, listener)
        house.renew_sensor(self._settings)
        found = [_usable(house.response(listener, position), position) for position in sources]
        length = LATE_SAMPLES + max(response.shape[1] for response in found)
        rirs = np.zeros((len(found), 4, length), dtype=np.float32)
        for rir, response in zip(rirs, found, strict=True):
            rir[:, LATE_SAMPLES : LATE_SAMPLES + response.shape[1]] = (
                TO_AMBIX @ response / level
            )
        early = (distance - LISTENER_RADIUS_M) / SPEED_OF_SOUND_M_S * SAMPLE_RATE
        arrival = np.rint(early).astype(np.int64) + LATE_SAMPLES
        level_direct_sound(rirs, arrival, 1.0 / (distance * direct_gain(distance)))
        return rirs

    def _house(self, files: SceneFiles, listener: NDArray[np.floating]) -> tuple[House, float]:
        """The building, open and found to be in order, and the level of its direct sound."""
        if files not in self._open:
            while len(self._open) >= MOST_OPEN:
                _, (oldest, _) = self._open.popitem(last=False)
                oldest.close()
            house = House(load(), files)
            try:
                house.renew_sensor(Settings(rays=1, frequency_bands=4, indirect=False))
                level = probed_level(house, listener, self.version)
                check_orientation(house, level)
            except UserError:
                house.close()
                raise
            self._open[files] = house, level
        self._open.move_to_end(files)
        return self._open[files]


def _usable(
    response: NDArray[np.float32], position: NDArray[np.floating]
) -> NDArray[np.float32]:
    where = f"source at {position.round(3).tolist()}"
    if not np.isfinite(response).all():
        raise RejectedDraw("bad_rir", where)
    if not response.any():
        raise RejectedDraw("silent_rir", where)
    return response
