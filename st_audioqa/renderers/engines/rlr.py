"""Any closed mesh by RLRAudioPropagation, the engine of SoundSpaces 2.0 (Chen et al. 2022).

What is known of the engine was measured (version 0.0.1). Its direct sound has the gain
1.0185 / sqrt(r^2 + 0.1), falls on whole samples and travels at 344 m/s; we scale it to 1 / r.
The absorption of materials acts on energy: the decay follows Eyring's formula within a few per
cent. The engine draws its rays and the noise of its tails from a fixed seed of its own, so all
sources and rooms would share one tail, which falls short of directional energy besides:
`renewed_tails` mends both from the `seed` of the query.

Every position has a context of its own and one thread. So a response depends on its position
and the seed alone, a source that stays is a trajectory of equal responses, and the output
repeats to the bit.
The engine's temporal coherence, which shares rays between the positions of one context, is off:
it makes the reflections of a moving source trail it, which turns the whole sound field.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import BANDS_HZ, SAMPLE_RATE, SPEED_OF_SOUND_M_S
from st_audioqa.errors import RejectedDraw
from st_audioqa.renderers.acoustics import mean_absorption
from st_audioqa.renderers.engine import checked_query, find_preset
from st_audioqa.renderers.engines._rlr_library import Context, load, package_version
from st_audioqa.renderers.tails import mixing_time_s, renewed_tails
from st_audioqa.scene import Material, Room

__all__ = ["PRESETS", "Engine", "Preset"]

REVISION = 2
"""Counted up whenever the same input and library come to give another output."""

MIN_RAY_EFFICIENCY = 0.95
"""In a closed room every ray stays inside; a listener outside or a missing wall costs rays."""

SHIFTS_M = ((0.0, 0.0, 0.0), (1.237, 0.31, -2.11), (-4.0, -1.5, -5.0))
"""Where the engine is shown a room, one after the other until rays stay inside. By a coincidence
of coordinates it loses a tenth to half of them in one closed room of some hundreds; a few
metres aside it does not. A room with a hole leaks everywhere."""

MIN_DISTANCE_M = 0.1
"""The engine's direct sound hardly grows below this distance and has no direction at zero."""

_K = math.sqrt(4.0 * math.pi)
TO_AMBIX: NDArray[np.float32] = np.array(
    [
        [_K, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, -_K / math.sqrt(3.0)],
        [0.0, _K / math.sqrt(3.0), 0.0, 0.0],
        [0.0, 0.0, -_K / math.sqrt(3.0), 0.0],
    ],
    dtype=np.float32,
)
"""The engine's (W, world y, world z, world x), orthonormal, to AmbiX with -z in front."""


@dataclass(frozen=True)
class Preset:
    """What trades accuracy for time."""

    rays: int
    decay_db: float
    """Rays are followed until walls of mean absorption took this much, in the band where they
    take least."""
    frequency_bands: int = 12
    """The engine has 4, 8 or 12; with fewer, bands of unlike absorption blur into each other."""


PRESETS = {
    "fast": Preset(rays=200, decay_db=45.0),
    "default": Preset(rays=500, decay_db=45.0),
    "reference": Preset(rays=5000, decay_db=60.0),
}


class Engine:
    """The `rlr` engine (see `RIREngine`).

    Parameters
    ----------
    preset : str
        "fast", "default" or "reference".

    Raises
    ------
    MissingPackageError
        If the package rlr-audio-propagation is not installed.
    UserError
        If there is no preset of that name, or the engine does not run on this platform.
    """

    name = "rlr"
    native = True
    shapes = frozenset({"shoebox", "mesh"})

    def __init__(self, preset: str = "default") -> None:
        self._preset = find_preset(self.name, PRESETS, preset)
        load()  # so that a missing library is told now and not at the first scene
        self.preset = preset
        self.version = f"{package_version()}+{REVISION}"

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
        RejectedDraw
            "source_at_listener" if a source is closer than 0.1 m, "leaky_room" if rays leave
            the room wherever it is, "silent_rir" if nothing arrives, "bad_rir" if samples are
            not finite.
        EngineError
            If the engine returns an error code.
        """
        listener, sources = checked_query(self, room, listener_position, source_positions)
        distance_m = np.linalg.norm(sources - listener, axis=-1)
        if distance_m.min() < MIN_DISTANCE_M:
            raise RejectedDraw("source_at_listener", f"{distance_m.min():.3f} m away")
        found = self._responses(room, listener, sources)
        length = max(response.shape[1] for response in found)
        rirs = np.zeros((len(found), 4, length), dtype=np.float32)
        for rir, response in zip(rirs, found, strict=True):
            rir[:, : response.shape[1]] = TO_AMBIX @ response
        arrival = np.rint(distance_m / SPEED_OF_SOUND_M_S * SAMPLE_RATE).astype(np.int64)
        level_direct_sound(rirs, arrival, 1.0 / (distance_m * direct_gain(distance_m)))
        return renewed_tails(rirs, arrival, mixing_time_s(_volume_m3(room)), seed)

    def _responses(
        self, room: Room, listener: NDArray[np.floating], sources: NDArray[np.floating]
    ) -> list[NDArray[np.float32]]:
        """In the engine's axes, from the first of `SHIFTS_M` at which no position leaks."""
        leaks: list[RejectedDraw] = []
        for shift in np.array(SHIFTS_M):
            found = []
            try:
                with surfaces(room) as (database, parts):
                    for position in sources:
                        with open_context(self._preset, room) as context:
                            context.set_mesh(database, room.vertices + shift, parts)
                            context.add_listener(listener + shift)
                            found.append(usable_response(context, position + shift))
            except RejectedDraw as rejected:
                if rejected.reason != "leaky_room":
                    raise
                leaks.append(rejected)
            else:
                return found
        raise leaks[0]


def open_context(preset: Preset, room: Room) -> Context:
    """A simulation with the settings of a preset."""
    return Context(load(), **settings(preset, room))


def settings(preset: Preset, room: Room) -> dict[str, float]:
    """Settings of a simulation; it follows rays as long as the room asks."""
    return {
        "sampleRate": SAMPLE_RATE,
        "directSHOrder": 1,
        "indirectSHOrder": 1,
        "frequencyBands": preset.frequency_bands,
        "indirectRayCount": preset.rays,
        "indirectRayDepth": ray_depth(float(mean_absorption(room).min()), preset.decay_db),
        "temporalCoherence": False,
        "threadCount": 1,
    }


def ray_depth(absorption: float, decay_db: float) -> int:
    """Reflections after which a ray has lost `decay_db`, from 20 to 400.

    A ray keeps (1 - absorption) of its energy at each reflection, so for 60 dB it takes
    13.8 / -ln(1 - absorption) of them, in a room of any size.
    """
    loss = -math.log1p(-min(absorption, 1.0 - 1e-9))
    wanted = decay_db / 10.0 * math.log(10.0)
    return min(max(math.ceil(wanted / max(loss, 1e-9)), 20), 400)


def direct_gain(distance_m: NDArray[np.floating]) -> NDArray[np.floating]:
    """Gain of the engine's direct sound, fitted to measurements from 0.1 to 9.5 m."""
    return np.asarray(1.0185 / np.sqrt(distance_m**2 + 0.1))


def level_direct_sound(
    rirs: NDArray[np.float32], arrival: NDArray[np.integer], factors: NDArray[np.floating]
) -> None:
    """Scales the direct sound that arrives at a sample by a factor per position, in place.

    Nothing else arrives within the few samples that are scaled.
    """
    for rir, first, factor in zip(rirs, arrival, factors, strict=True):
        rir[:, max(first - 1, 0) : first + 3] *= np.float32(factor)


def _volume_m3(room: Room) -> float:
    """Volume over the floor, furniture not taken off."""
    x, z = room.floor.T
    area = 0.5 * abs(float((x * np.roll(z, -1) - z * np.roll(x, -1)).sum()))
    return area * float(room.height_m)


def usable_response(context: Context, position: NDArray[np.floating]) -> NDArray[np.float32]:
    """Impulse response in the engine's axes, known to be usable [shape=(4, n)]."""
    response = context.simulate(position)
    efficiency = context.ray_efficiency()
    where = f"source at {position.round(3).tolist()}"
    if not efficiency > MIN_RAY_EFFICIENCY:
        raise RejectedDraw("leaky_room", f"{where}: {efficiency:.2f} of the rays stay inside")
    if not np.isfinite(response).all():
        raise RejectedDraw("bad_rir", where)
    if not response.any():
        raise RejectedDraw("silent_rir", where)
    return response


@contextmanager
def surfaces(room: Room) -> Iterator[tuple[Path, dict[str, NDArray[np.int64]]]]:
    """The material database as a file, and the faces of each material by its label.

    The file has no name on any disk and goes with its process, however that ends.
    """
    labels = [_label(i) for i in range(len(room.materials))]
    database = {"materials": list(map(_material_entry, labels, room.materials))}
    parts = {
        label: room.faces[room.face_material == i]
        for i, label in enumerate(labels)
        if (room.face_material == i).any()
    }
    with os.fdopen(os.memfd_create("materials"), "w", encoding="utf-8") as file:
        json.dump(database, file)
        file.flush()
        yield Path(f"/proc/self/fd/{file.fileno()}"), parts


def _label(index: int) -> str:
    """A label per material; the engine looks for substrings, so all are of one length."""
    return f"surface{index:06d}"


def _material_entry(label: str, material: Material) -> dict[str, object]:
    """A material as the engine's database has it: bands as [frequency, value, ...]."""

    def curve(values: tuple[float, ...]) -> list[float]:
        return [number for pair in zip(BANDS_HZ, values, strict=True) for number in pair]

    nothing = curve((0.0,) * len(BANDS_HZ))
    return {
        "name": label,
        "labels": [label],
        "absorption": curve(material.absorption),
        "scattering": curve(material.scattering),
        "transmission": nothing,
        "damping": nothing,
        # The engine wants both; they matter for transmission only.
        "density": 1000.0,
        "speed": 1500.0,
    }
