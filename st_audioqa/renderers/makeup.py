"""What crossfaded reflections lose, measured from the responses and given back.

Two neighbouring responses, delays taken out, are alike in their direct sounds only. Where they
are not alike, half of each adds up to half the power. How alike they are depends on the
frequency, on the engine and on the time since the direct sound, so it is measured: per pair of
neighbours and octave, for early and late reflections, in W and in X, Y and Z together (so that
a listener who turns hears the same field, turned). The gain that restores the mean
power of the two in the middle between them is then given to the reflections, and none to the
direct sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from st_audioqa.conventions import BANDS_HZ, SAMPLE_RATE

__all__ = ["LEAD", "Makeup"]

Floats = NDArray[np.floating]

DIRECT_S = (0.001, 0.003)
"""From the arrival on, direct sound gives way to early reflections over this time."""
EARLY_S = (0.070, 0.090)
"""And early reflections to late ones (80 ms, ISO 3382-1)."""
N_EARLY = round(EARLY_S[1] * SAMPLE_RATE)
N_LATE = 13_000
"""Samples of late reverberation that are looked at."""
MAX_GAIN = 2.0
LEAD = 1024
"""Samples before the sound: the gains have no phase, so they ring before as well as after."""


@dataclass(frozen=True, eq=False)
class Makeup:
    """Gains of early and late reflections in the middle between two knots."""

    arrivals: Floats
    """[shape=(n_knots,)] samples"""
    gains: Floats
    """[shape=(n_knots, 2, n_channels, n_bands)] early and late, amplitude; the same in all
    channels but the first"""

    @classmethod
    def of(cls, rirs: NDArray[np.float32], arrivals: Floats) -> Makeup:
        """Measured from the responses of a trajectory."""
        pairs, before = [], None
        for rir, arrival in zip(rirs, arrivals, strict=True):
            parts = _aligned_parts(rir, float(arrival))
            if before is not None:
                pairs.append([_pair_gains(*both) for both in zip(before, parts, strict=True)])
            before = parts
        # A knot has a neighbour to either side, and one filter.
        padded = np.array([pairs[0], *pairs, pairs[-1]])
        return cls(arrivals, np.sqrt(padded[:-1] * padded[1:]))

    def spectrum(
        self, rir: NDArray[np.float32], k: int, size: int
    ) -> NDArray[np.complexfloating]:
        """What is added to response k in the middle between two knots.

        Returns
        -------
        ndarray [shape=(n_channels, size // 2 + 1)]
        """
        total = np.zeros((len(rir), size // 2 + 1), dtype=np.complex64)
        shapes = _octaves(size)
        windows = _windows(rir.shape[-1], float(self.arrivals[k]))
        for window, bands in zip(windows, self.gains[k], strict=True):
            part = fft.rfft(rir * window, size, axis=-1)
            part *= (bands - 1.0).astype(np.float32) @ shapes
            total += part
        return total


@lru_cache(maxsize=8)
def _octaves(size: int) -> NDArray[np.float32]:
    """Bands that add up to one: triangles over log frequency [shape=(n_bands, n_frequencies)]."""
    octave = np.log2(np.maximum(fft.rfftfreq(size, 1.0 / SAMPLE_RATE), 1.0) / BANDS_HZ[0])
    octave = np.clip(octave, 0.0, len(BANDS_HZ) - 1.0)
    away = np.abs(octave - np.arange(len(BANDS_HZ))[:, None])
    return np.asarray(np.maximum(1.0 - away, 0.0), dtype=np.float32)


def _windows(length: int, arrival: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Windows of the early and the late reflections; with the direct sound they sum to one."""
    since = (np.arange(length) - arrival) / SAMPLE_RATE
    not_direct = np.clip((since - DIRECT_S[0]) / (DIRECT_S[1] - DIRECT_S[0]), 0.0, 1.0)
    late = np.clip((since - EARLY_S[0]) / (EARLY_S[1] - EARLY_S[0]), 0.0, 1.0)
    return (not_direct - late).astype(np.float32), late.astype(np.float32)


def _aligned_parts(
    rir: NDArray[np.float32], arrival: float
) -> list[NDArray[np.complexfloating]]:
    """Spectra of the early and late reflections with the delay of the direct sound taken out."""
    first, found = max(int(arrival), 0), []
    windows = _windows(rir.shape[-1], arrival)
    for window, n_samples in zip(windows, (N_EARLY, N_EARLY + N_LATE), strict=True):
        size = fft.next_fast_len(n_samples, real=True)
        cut = slice(first, first + n_samples)
        turn = np.exp(2j * np.pi * fft.rfftfreq(size) * (arrival - first)).astype(np.complex64)
        found.append(fft.rfft(rir[:, cut] * window[cut], size, axis=-1) * turn)
    return found


def _pair_gains(one: NDArray[np.complexfloating], two: NDArray[np.complexfloating]) -> Floats:
    """sqrt of the mean power of two responses over the power of their mean.

    Parameters
    ----------
    one, two : ndarray [shape=(n_channels, n_frequencies)]

    Returns
    -------
    ndarray [shape=(n_channels, n_bands)]
        1 where they are alike, sqrt(2) where they have nothing to do with each other.
    """
    edges = np.array(BANDS_HZ) / np.sqrt(2.0) / (0.5 * SAMPLE_RATE) * (one.shape[-1] - 1)
    edges = edges.astype(np.int64)
    power = np.add.reduceat(np.abs(one) ** 2 + np.abs(two) ** 2, edges, axis=-1)
    mean = np.add.reduceat(np.abs(one + two) ** 2, edges, axis=-1)
    power[1:], mean[1:] = power[1:].sum(axis=0), mean[1:].sum(axis=0)
    gain = np.sqrt(2.0 * power / np.maximum(np.maximum(mean, 2.0 * power / MAX_GAIN**2), 1e-30))
    return np.where(power > 1e-20, gain, 1.0)
