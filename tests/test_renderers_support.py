"""Rooms and measures that the tests of the renderers share."""

import importlib.util

import numpy as np
import pytest
from scipy import signal

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.renderers import ENGINES
from st_audioqa.rooms.geometry import box_mesh
from st_audioqa.scene import Material, Room, RoomInfo

SIZE = (6.0, 3.0, 5.0)
CENTRE = np.array([3.0, 1.5, 2.5])
SPEED = 344.0

has_rlr = importlib.util.find_spec("RLRAudioPropagationPkg") is not None
needs_rlr = [
    pytest.mark.rlr,
    pytest.mark.skipif(not has_rlr, reason="rlr-audio-propagation is not installed"),
]
ENGINE_NAMES = ["image-source", pytest.param("rlr", marks=needs_rlr)]


def plain(absorption=0.2, scattering=0.3, name="plain"):
    return Material(name, (absorption,) * 7, (scattering,) * 7)


def shoebox(absorption=0.2, size=SIZE, obstacles=(), walls=None):
    """A box of one material, or of six (-x, +x, -y, +y, -z, +z), with furniture."""
    vertices, faces = box_mesh((0, 0, 0), size)
    materials = walls or (plain(absorption),)
    face_material = np.repeat(np.arange(6), 2) if walls else np.zeros(12, dtype=np.int64)
    for lower, upper in obstacles:
        more_vertices, more_faces = box_mesh(lower, upper)
        faces = np.concatenate([faces, more_faces + len(vertices)])
        vertices = np.concatenate([vertices, more_vertices])
        face_material = np.concatenate([face_material, np.zeros(12, dtype=np.int64)])
    return Room(
        info=RoomInfo("test", "box", "test", {}),
        shape="mesh" if obstacles else "shoebox",
        vertices=vertices,
        faces=faces,
        face_material=face_material,
        materials=tuple(materials),
        floor=np.array([[0, 0], [size[0], 0], [size[0], size[2]], [0, size[2]]], float),
        height_m=size[1],
        obstacles=np.array(obstacles, float).reshape(-1, 2, 3),
    )


def direct_only(name):
    """An engine and a room in which the direct sound is all, or nearly all, there is."""
    if name == "image-source":
        return ENGINES.get(name)("anechoic"), shoebox()
    return ENGINES.get(name)("fast"), shoebox(0.999)


def direct_part(rir, distance_m):
    """Samples around the direct arrival [shape=(4, 33)]."""
    at = round(distance_m / SPEED * SAMPLE_RATE)
    return rir[:, max(at - 16, 0) : at + 17].astype(float)


def direct_vector(rir, distance_m):
    """Listener (x, y, z) of the direct sound, of length one for a plane wave."""
    w, y, z, x = direct_part(rir, distance_m)
    return np.array([w @ x, w @ y, w @ z]) / (w @ w)


def t20(w, band_hz=1000.0):
    """Reverberation time in an octave band, from the decay between -5 and -25 dB."""
    edges = [band_hz / np.sqrt(2), band_hz * np.sqrt(2)]
    sos = signal.butter(3, edges, "bandpass", fs=SAMPLE_RATE, output="sos")
    energy = np.cumsum(signal.sosfilt(sos, w.astype(float))[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0] + 1e-30)
    part = np.flatnonzero((level <= -5) & (level >= -25))
    return -60 / np.polyfit(part / SAMPLE_RATE, level[part], 1)[0]


def relative_db(got, want):
    """Energy of the difference relative to what is wanted."""
    error = np.sum((np.asarray(got, float) - want) ** 2)
    return 10 * np.log10(error / np.sum(np.asarray(want, float) ** 2) + 1e-30)
