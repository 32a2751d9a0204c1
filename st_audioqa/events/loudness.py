"""When a waveform sounds, and how loud it is while it does.

A bin of 0.25 s is active if its RMS is above `FLOOR_DBFS` and at most `ACTIVE_RANGE_DB` below
the active level; the active level is the RMS over the active bins. Of the sets of bins for
which both hold, the largest is meant: starting from all bins above the floor, bins that are too
weak for the level of the others are dropped until none is. (ITU-T P.56 measures speech in the
same spirit, with a running envelope in place of bins.)

The RMS of a bin with one click as loud as a steady sound is weaker by 24 dB for a click of
1 ms, so a bin with a click is active. Levels are in dB relative to an RMS of 1: a sine of
amplitude 1 has -3.01 dBFS.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import N_BINS, SAMPLES_PER_BIN, SCENE_SAMPLES

__all__ = ["ACTIVE_RANGE_DB", "FLOOR_DBFS", "active_level_dbfs", "activity", "set_level"]

ACTIVE_RANGE_DB = 30.0
FLOOR_DBFS = -80.0


def _bin_powers(waveform: NDArray[np.floating]) -> NDArray[np.float64]:
    if waveform.shape != (SCENE_SAMPLES,):
        raise ValueError(f"a waveform has shape ({SCENE_SAMPLES},), not {waveform.shape}")
    bins = waveform.astype(np.float64).reshape(N_BINS, SAMPLES_PER_BIN)
    return np.asarray(np.einsum("bs,bs->b", bins, bins) / SAMPLES_PER_BIN)


def _active(powers: NDArray[np.float64]) -> NDArray[np.bool_]:
    active = np.asarray(powers > 10.0 ** (FLOOR_DBFS / 10))
    while active.any():
        weakest = powers[active].mean() * 10.0 ** (-ACTIVE_RANGE_DB / 10)
        if powers[active].min() >= weakest:
            break
        active &= powers >= weakest
    return active


def activity(waveform: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether each bin is active.

    Parameters
    ----------
    waveform : ndarray [shape=(SCENE_SAMPLES,)]

    Returns
    -------
    ndarray [shape=(40,)]
    """
    return _active(_bin_powers(waveform))


def active_level_dbfs(waveform: NDArray[np.floating]) -> float:
    """RMS level over the active bins, in dBFS; minus infinity if no bin is active.

    Parameters
    ----------
    waveform : ndarray [shape=(SCENE_SAMPLES,)]
    """
    powers = _bin_powers(waveform)
    active = _active(powers)
    return float(10 * np.log10(powers[active].mean())) if active.any() else -np.inf


def set_level(waveform: NDArray[np.floating], level_dbfs: float) -> NDArray[np.float32]:
    """Scale a waveform to an active level, without clipping.

    Peaks may exceed 1: a click every second has a crest factor of 30 dB and more.

    Parameters
    ----------
    waveform : ndarray [shape=(SCENE_SAMPLES,)]
        At any level.
    level_dbfs : float
        At least `FLOOR_DBFS + ACTIVE_RANGE_DB`, so that the floor plays no part.

    Returns
    -------
    ndarray [shape=(SCENE_SAMPLES,)]

    Raises
    ------
    ValueError
        If the waveform is silent throughout or `level_dbfs` is too low.
    """
    if level_dbfs < FLOOR_DBFS + ACTIVE_RANGE_DB:
        raise ValueError(f"{level_dbfs} dBFS is too close to the floor of {FLOOR_DBFS} dBFS")
    rms = float(np.sqrt(_bin_powers(waveform).max()))
    if rms == 0.0:
        raise ValueError("a silent waveform has no level to set")
    loud = waveform / rms
    gain = 10.0 ** ((level_dbfs - active_level_dbfs(loud)) / 20)
    return np.asarray(loud * gain, dtype=np.float32)
