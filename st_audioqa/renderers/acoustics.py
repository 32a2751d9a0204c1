"""Statistical room acoustics: absorption, air, and the decay they lead to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import SPEED_OF_SOUND_M_S
from st_audioqa.rooms.geometry import triangle_areas
from st_audioqa.scene import Room

__all__ = ["AIR_DB_PER_M", "decay_rates", "face_areas", "mean_absorption"]

Floats = NDArray[np.floating]

AIR_DB_PER_M: Floats = np.array([0.445, 1.32, 2.73, 4.66, 9.86, 29.4, 104.4]) * 1e-3
"""Attenuation by air per octave band, at 20 C, 50 % relative humidity and 101.325 kPa.

ISO 9613-1:1993, equations 3 to 5, at the centres of `st_audioqa.conventions.BANDS_HZ`.
"""

_NEPERS_PER_DB = np.log(10.0) / 10.0


def face_areas(room: Room) -> Floats:
    """Area of each triangle in square metres [shape=(n_faces,)]."""
    return triangle_areas(room.vertices[room.faces])


def mean_absorption(room: Room) -> Floats:
    """Area-weighted mean absorption of all surfaces, furniture included [shape=(n_bands,)]."""
    absorption = np.array([material.absorption for material in room.materials])
    return np.asarray(
        np.average(absorption[room.face_material], axis=0, weights=face_areas(room))
    )


def decay_rates(room: Room, volume_m3: float) -> Floats:
    """Rate d of the energy decay exp(-d t) per band, in 1/s; T60 = 13.8 / d.

    Eyring (1930) with air: d = c (-S ln(1 - a) / (4 V) + m), S the surface, a its mean
    absorption and m the attenuation of energy by air (Kuttruff, Room Acoustics, section 5.5).

    Returns
    -------
    ndarray [shape=(n_bands,)]
    """
    surface_m2 = face_areas(room).sum()
    absorption = np.minimum(mean_absorption(room), 1.0 - 1e-6)
    walls = -surface_m2 * np.log1p(-absorption) / (4.0 * volume_m3)
    return np.asarray(SPEED_OF_SOUND_M_S * (walls + AIR_DB_PER_M * _NEPERS_PER_DB))
