"""Between the 40 bins of a scene and the frames of 100 ms that DCASE annotates.

Conventions
-----------
Frame f lasts from 0.1 f to 0.1 (f + 1) seconds, and its row says where the source is at its
centre. A bin is active where active frames fill at least half of it; a frame is active where the
bin that holds its centre is (of two, the later one). So activity goes from bins to frames and
back unchanged. Between known directions the source goes along the great circle, between known
distances evenly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    BIN_S,
    BIN_TIMES_S,
    DURATION_S,
    N_BINS,
    angular_distance_deg,
    directions,
    unit_vectors,
)

__all__ = ["FRAME_S", "N_FRAMES", "active_bins", "frames_from_bins", "interpolate"]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FRAME_S = 0.1
N_FRAMES = round(DURATION_S / FRAME_S)
"""Frames of a scene."""
FRAME_TIMES_S: Floats = (np.arange(N_FRAMES) + 0.5) * FRAME_S
_BIN_OF_FRAME: Ints = np.array([(2 * f + 1) // 5 for f in range(N_FRAMES)])
_SHARED_S: Floats = np.maximum(
    0.0,
    np.minimum(BIN_TIMES_S[:, None] + BIN_S / 2, FRAME_TIMES_S + FRAME_S / 2)
    - np.maximum(BIN_TIMES_S[:, None] - BIN_S / 2, FRAME_TIMES_S - FRAME_S / 2),
)


def active_bins(active_frames: Bools) -> Bools:
    """Activity of the bins of a scene from that of its frames [shape=(100,)] -> [shape=(40,)]."""
    return np.asarray(_SHARED_S @ active_frames >= BIN_S / 2 - 1e-9)


def interpolate(
    times_s: Floats,
    known_s: Floats,
    vectors: Floats,
    distance_m: Floats,
    *,
    beyond: bool = False,
) -> tuple[Floats, Floats, Floats]:
    """Azimuth, elevation (deg) and distance (m) at some times between known states.

    Parameters
    ----------
    times_s : ndarray [shape=(n,)]
    known_s : ndarray [shape=(k,)]
        Rising.
    vectors : ndarray [shape=(k, 3)]
        Unit vectors, x front, y left, z up.
    distance_m : ndarray [shape=(k,)]
    beyond : bool
        Go on as before the first and after the last known state, instead of staying there.
    """
    if len(known_s) == 1:
        azimuth, elevation, _ = directions(np.repeat(vectors, len(times_s), axis=0))
        return azimuth, elevation, np.repeat(distance_m, len(times_s))
    left = np.clip(np.searchsorted(known_s, times_s, side="right") - 1, 0, len(known_s) - 2)
    share = (times_s - known_s[left]) / (known_s[left + 1] - known_s[left])
    if not beyond:
        share = np.clip(share, 0.0, 1.0)
    one, other = vectors[left], vectors[left + 1]
    angle = np.radians(angular_distance_deg(one, other))
    sine = np.sin(angle)
    # Where two directions nearly agree or oppose, the great circle is that of the chord.
    straight = np.abs(sine) < 1e-6
    sine = np.where(straight, 1.0, sine)
    first = np.where(straight, 1.0 - share, np.sin((1.0 - share) * angle) / sine)
    second = np.where(straight, share, np.sin(share * angle) / sine)
    azimuth, elevation, _ = directions(first[:, None] * one + second[:, None] * other)
    metres = (1.0 - share) * distance_m[left] + share * distance_m[left + 1]
    return azimuth, elevation, np.maximum(metres, 0.0)


def frames_from_bins(
    azimuth_deg: Floats, elevation_deg: Floats, distance_m: Floats, activity: Bools
) -> tuple[Ints, Floats, Floats, Floats]:
    """The frames in which a source of 40 bins sounds, and its states there.

    Returns
    -------
    frame : ndarray [shape=(n,)]
    azimuth_deg, elevation_deg, distance_m : ndarray [shape=(n,)]
    """
    frame = np.flatnonzero(np.asarray(activity, dtype=bool)[_BIN_OF_FRAME])
    states = interpolate(
        FRAME_TIMES_S[frame],
        BIN_TIMES_S[:N_BINS],
        unit_vectors(azimuth_deg, elevation_deg),
        np.asarray(distance_m, dtype=float),
        beyond=True,
    )
    return frame, *states
