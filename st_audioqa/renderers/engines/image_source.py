"""Shoebox rooms by the image-source method and a diffuse tail; needs only numpy and scipy.

Early part
    Image sources (Allen and Berkley 1979) with the gain 1 / r, one reflection factor
    sqrt(1 - absorption) per wall and octave band, and air absorption. Delays are exact: see
    `image_source_field`.
Late part
    From the mixing time on, Gaussian noise per octave band under the exponential decay of
    Eyring, with the energy that the images have there. Its X, Y and Z each hold a third of the
    energy of W, as in a diffuse field with SN3D. One tail serves all positions of a call, so
    that a crossfade between them does not disturb it.

Walls reflect specularly: the scattering of materials is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from st_audioqa.conventions import SAMPLE_RATE, SPEED_OF_SOUND_M_S
from st_audioqa.errors import UserError
from st_audioqa.renderers.acoustics import decay_rates, face_areas
from st_audioqa.renderers.engine import checked_query, find_preset
from st_audioqa.renderers.engines._image_field import (
    ImageField,
    band_transfer,
    image_source_field,
)
from st_audioqa.renderers.tails import mixing_time_s
from st_audioqa.scene import Room
from st_audioqa.seeding import generator

__all__ = ["PRESETS", "Engine", "Preset"]

Floats = NDArray[np.floating]

FADE_S = 0.020
"""Images give way to the tail over this time after the mixing time."""

MAX_S = 4.0
"""Longest impulse response; only rooms with hardly any absorption ring on for longer."""


@dataclass(frozen=True)
class Preset:
    """What trades accuracy for time."""

    mixing: float
    """The tail begins at this multiple of the mixing time."""
    anechoic: bool = False
    """Direct sound only, as if all walls absorbed everything."""


PRESETS = {
    "fast": Preset(mixing=0.5),
    "default": Preset(mixing=1.0),
    "reference": Preset(mixing=2.0),
    "anechoic": Preset(mixing=0.0, anechoic=True),
}


class Engine:
    """The `image-source` engine (see `RIREngine`).

    Parameters
    ----------
    preset : str
        "fast", "default", "reference", or "anechoic" (direct sound only, for tests).
    """

    name = "image-source"
    version = "1"
    """Counted up whenever the same input comes to give another output."""
    shapes = frozenset({"shoebox"})

    def __init__(self, preset: str = "default") -> None:
        self._preset = find_preset(self.name, PRESETS, preset)
        self.preset = preset

    def rirs(
        self,
        room: Room,
        listener_position: ArrayLike,
        source_positions: ArrayLike,
        *,
        seed: int,
    ) -> NDArray[np.float32]:
        """Impulse responses (see `RIREngine.rirs`); `seed` draws the carrier of the tail.

        Raises
        ------
        UserError
            Also if the room holds furniture or its mesh is not a box.
        """
        listener, sources = checked_query(self, room, listener_position, source_positions)
        if len(room.obstacles):
            raise UserError(
                f"The {self.name} engine renders empty rooms and {room.info.name!r} holds "
                f"{len(room.obstacles)} obstacles: choose another engine or an empty room."
            )
        lower, size = room.vertices.min(axis=0), np.ptp(room.vertices, axis=0)
        walls = _wall_absorption(room, lower, size)
        volume = float(size.prod())
        farthest = float(np.linalg.norm(sources - listener, axis=1).max())
        if self._preset.anechoic:
            fade = (np.inf, np.inf)
            reach = farthest
            walls = np.ones_like(walls)
        else:
            start = farthest / SPEED_OF_SOUND_M_S + self._preset.mixing * mixing_time_s(volume)
            fade = (start, start + FADE_S)
            reach = fade[1] * SPEED_OF_SOUND_M_S
        field = image_source_field(size, walls, listener - lower, sources - lower, reach, fade)
        if self._preset.anechoic:
            return field.rirs
        return _with_tail(field, decay_rates(room, volume), fade, seed)


def _wall_absorption(room: Room, lower: Floats, size: Floats) -> Floats:
    """Absorption of the six walls: -x, +x, -y, +y, -z, +z [shape=(6, n_bands)].

    A wall of several materials has their area-weighted mean.
    """
    absorption = np.array([material.absorption for material in room.materials])
    areas = face_areas(room)
    corners = room.vertices[room.faces]  # (n_faces, 3 corners, 3 axes)
    planes = np.stack([lower, lower + size], axis=1)  # (3 axes, 2 sides)
    distance = np.abs(corners[..., None] - planes).max(axis=1)  # (n_faces, 3 axes, 2 sides)
    on_wall = (distance < 1e-6 * size.max()).reshape(len(areas), 6)
    if not (on_wall.any(axis=1).all() and on_wall.any(axis=0).all()):
        raise UserError(
            f"The mesh of {room.info.name!r} is not a closed box along the axes: choose "
            "another engine."
        )
    weights = areas[:, None] * on_wall
    weighted = weights.T @ absorption[room.face_material]
    return np.asarray(weighted / weights.sum(axis=0)[:, None])


def _with_tail(
    field: ImageField, decay: Floats, fade: tuple[float, float], seed: int
) -> NDArray[np.float32]:
    """The early part with the tail added [shape=(n_positions, 4, n)].

    Parameters
    ----------
    decay : ndarray [shape=(n_bands,)]
        Rates of energy decay, 1/s.
    """
    first, last = (round(edge * SAMPLE_RATE) for edge in fade)
    audible = min(np.log(1e6) / float(decay.min()), MAX_S)
    n_samples = max(field.rirs.shape[-1], round(audible * SAMPLE_RATE))
    n_tail = n_samples - first
    time = np.arange(n_tail) / SAMPLE_RATE
    envelope = np.exp(-0.5 * decay[:, None] * time)  # (n_bands, n_tail), amplitude
    # The images of the fade and the tail of those samples hold the same energy per band.
    expected = (envelope[:, : last - first] ** 2).sum(axis=1)
    level = np.sqrt(field.fade_energy / expected)
    rise = np.sin(0.5 * np.pi * np.clip(time / FADE_S, 0.0, 1.0))
    shape = (level[:, None] * envelope * rise).astype(np.float32)

    rng = generator(seed, "image-source", "tail")
    noise = rng.standard_normal((4, n_tail), dtype=np.float32)
    noise[1:] /= np.float32(np.sqrt(3.0))
    size = fft.next_fast_len(n_tail, real=True)
    spectrum = fft.rfft(noise, size, axis=-1)
    transfer = band_transfer(size).astype(np.complex64)
    tail = np.zeros((4, n_tail), dtype=np.float32)
    for band, gain in zip(transfer, shape, strict=True):
        tail += gain * fft.irfft(spectrum * band, size, axis=-1)[:, :n_tail]

    n_early = field.rirs.shape[-1]
    rirs = np.zeros((len(field.rirs), 4, n_samples), dtype=np.float32)
    rirs[..., :n_early] = field.rirs
    rirs[..., first:] += tail
    return rirs
