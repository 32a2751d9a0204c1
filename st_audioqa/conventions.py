"""Axes, bins, sectors and anchors: the one place where they are defined.

Sound field
    First-order ambisonics in AmbiX: channels in ACN order (W, Y, Z, X), SN3D normalisation, so
    that a plane wave from direction (x, y, z) has W = s, Y = y s, Z = z s, X = x s.
Listener axes
    X front, Y left, Z up. Azimuth in (-180, 180], 0 front, +90 left; elevation in [-90, 90], up
    positive; distance in metres from listener to source. "Clockwise" is seen from above, that
    is, azimuth decreasing.
World axes
    Right-handed, y up, metres. A listener with `yaw_deg` 0 faces -z with left at -x; positive
    yaw turns to the left.
Time
    A scene lasts 10 s and has 40 bins of 0.25 s; a bin's state is the state at its centre.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ANCHORS",
    "BANDS_HZ",
    "BIN_S",
    "BIN_TIMES_S",
    "CHANNELS",
    "CONFIGURATIONS",
    "DISTANCE_BINS",
    "DISTANCE_BIN_M",
    "DURATION_S",
    "ELEVATION_CLASSES",
    "LEVEL_ELEVATION_DEG",
    "MAX_DISTANCE_M",
    "N_BINS",
    "PAPER_CONFIGURATIONS",
    "SAMPLES_PER_BIN",
    "SAMPLE_RATE",
    "SCENE_SAMPLES",
    "SECTORS",
    "SPEED_OF_SOUND_M_S",
    "Configuration",
    "angular_distance_deg",
    "azimuth_change_deg",
    "directions",
    "distance_bin",
    "elevation_class",
    "listener_axes",
    "sector",
    "to_listener",
    "unit_vectors",
    "wrap_deg",
]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

BANDS_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Centres of the octave bands of every `Material`."""
SPEED_OF_SOUND_M_S = 344.0
"""Of all engines: RLR cannot be told another one."""

SAMPLE_RATE = 32_000
DURATION_S = 10.0
SCENE_SAMPLES = int(SAMPLE_RATE * DURATION_S)
N_BINS = 40
BIN_S = DURATION_S / N_BINS
SAMPLES_PER_BIN = SCENE_SAMPLES // N_BINS
BIN_TIMES_S: Floats = (np.arange(N_BINS) + 0.5) * BIN_S

CHANNELS = ("W", "Y", "Z", "X")

Configuration = Literal[
    "S",
    "D",
    "SS",
    "SD",
    "DD",
    "SSS",
    "SSD",
    "SDD",
    "DDD",
    "SSSS",
    "SSSD",
    "SSDD",
    "SDDD",
    "DDDD",
]
"""One letter per source: S stays, D moves; those that stay come first."""
CONFIGURATIONS: tuple[Configuration, ...] = get_args(Configuration)
PAPER_CONFIGURATIONS = CONFIGURATIONS[:5]
"""One and two sources; the others are beyond the paper (docs/extended.md)."""

ANCHORS: dict[str, tuple[int, ...]] = {
    "beginning": (0, 1, 2, 3),
    "middle": (18, 19, 20, 21),
    "end": (36, 37, 38, 39),
}
"""Bins of the first, central and last second of a scene."""

SECTORS = (
    "front",
    "front-left",
    "left",
    "back-left",
    "back",
    "back-right",
    "right",
    "front-right",
)
"""Eight sectors of 45 degrees; sector i is centred on azimuth 45 i."""

ELEVATION_CLASSES = ("below", "level", "above")
LEVEL_ELEVATION_DEG = 10.0
"""A source is level within this angle of the horizontal plane through the listener's ears."""

DISTANCE_BIN_M = 0.5
MAX_DISTANCE_M = 5.0
DISTANCE_BINS = tuple(f"{i / 2:.1f}-{(i + 1) / 2:.1f} m" for i in range(10))
"""Ten bins of 0.5 m; a bin holds its lower edge and not its upper one."""


def wrap_deg(angle_deg: ArrayLike) -> Floats:
    """Angles brought into (-180, 180]."""
    return 180.0 - np.mod(180.0 - np.asarray(angle_deg, dtype=np.float64), 360.0)


def listener_axes(yaw_deg: float) -> Floats:
    """Front, left and up of a listener in world axes.

    Returns
    -------
    ndarray [shape=(3, 3)]
        Rows front, left, up; multiply with a world vector to get listener (x, y, z).
    """
    yaw = np.radians(yaw_deg)
    sin, cos = np.sin(yaw), np.cos(yaw)
    return np.array([[-sin, 0.0, -cos], [-cos, 0.0, sin], [0.0, 1.0, 0.0]])


def to_listener(points: ArrayLike, listener_position: ArrayLike, yaw_deg: float) -> Floats:
    """World points in listener axes (x front, y left, z up), in metres [shape=(..., 3)]."""
    offsets = np.asarray(points, dtype=np.float64) - np.asarray(
        listener_position, dtype=np.float64
    )
    return offsets @ listener_axes(yaw_deg).T


def directions(vectors: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Azimuth (deg), elevation (deg) and distance (m) of listener-axes vectors.

    Parameters
    ----------
    vectors : array [shape=(..., 3)]
        x front, y left, z up. A zero vector has azimuth 0 and elevation 0.
    """
    v = np.asarray(vectors, dtype=np.float64)
    horizontal = np.hypot(v[..., 0], v[..., 1])
    # `+ 0.0` turns a negative zero into a positive one: straight back is 180, never -180.
    azimuth = wrap_deg(np.degrees(np.arctan2(v[..., 1] + 0.0, v[..., 0] + 0.0)))
    elevation = np.degrees(np.arctan2(v[..., 2], horizontal))
    return azimuth, elevation, np.hypot(horizontal, v[..., 2])


def unit_vectors(azimuth_deg: ArrayLike, elevation_deg: ArrayLike) -> Floats:
    """Unit vectors (x front, y left, z up) of directions [shape=(..., 3)]."""
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    return np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation) * np.ones_like(azimuth),
        ],
        axis=-1,
    )


def angular_distance_deg(a: ArrayLike, b: ArrayLike) -> Floats:
    """Angle between vectors on the sphere, in degrees, exact for small and large angles.

    Parameters
    ----------
    a, b : array [shape=(..., 3)]
        Need not be of unit length; a zero vector has no direction and gives NaN.
    """
    u, v = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    cross = np.linalg.norm(np.cross(u, v), axis=-1)
    dot = (u * v).sum(axis=-1)
    empty = (np.abs(u).sum(axis=-1) == 0) | (np.abs(v).sum(axis=-1) == 0)
    return np.where(empty, np.nan, np.degrees(np.arctan2(cross, dot)))


def sector(azimuth_deg: ArrayLike) -> Ints:
    """Index into `SECTORS`; a sector holds its clockwise edge and not the other one."""
    return (np.floor((np.asarray(azimuth_deg) + 22.5) / 45.0).astype(np.int64)) % 8


def elevation_class(elevation_deg: ArrayLike) -> Ints:
    """Index into `ELEVATION_CLASSES`."""
    elevation = np.asarray(elevation_deg)
    above = (elevation > LEVEL_ELEVATION_DEG).astype(np.int64)
    below = (elevation < -LEVEL_ELEVATION_DEG).astype(np.int64)
    return 1 + above - below


def distance_bin(distance_m: ArrayLike) -> Ints:
    """Index into `DISTANCE_BINS`; 10 and more mean beyond the last bin."""
    return np.floor(np.asarray(distance_m) / DISTANCE_BIN_M).astype(np.int64)


def azimuth_change_deg(azimuth_deg: ArrayLike) -> Floats:
    """Azimuth swept since the first bin, followed bin by bin (so beyond 180 where it winds).

    Parameters
    ----------
    azimuth_deg : array [shape=(..., n_bins)]

    Returns
    -------
    ndarray [shape=(..., n_bins)]
        0 in the first bin; positive is counterclockwise.
    """
    azimuth = np.asarray(azimuth_deg, dtype=np.float64)
    steps = wrap_deg(np.diff(azimuth, axis=-1, prepend=azimuth[..., :1]))
    return np.cumsum(steps, axis=-1)
