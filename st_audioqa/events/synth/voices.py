"""The voices of animals and people: folds that buzz, a tract that resonates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.sources import drift, noise, phase, saw

__all__ = ["tract_hz", "voice"]

Floats = NDArray[np.float64]

SPEED_OF_SOUND = 350.0
"""In warm, moist breath, in m/s."""


def tract_hz(length_m: float, count: int) -> Floats:
    """Resonances of a tract of even width, closed at the folds and open at the lips.

    Odd multiples of a quarter wave (Fant, 1960); lengths of animals' tracts follow their size
    (Riede and Fitch, 1999, for dogs).
    """
    return np.asarray((2 * np.arange(count) + 1) * (SPEED_OF_SOUND / (4 * length_m)))


def voice(
    rng: np.random.Generator,
    f0_hz: Floats,
    sample_rate: int,
    breath: float = 0.05,
    rough: float = 0.0,
) -> Floats:
    """Vibrating folds, about RMS 1 [shape=(n_samples,)].

    Parameters
    ----------
    rng : numpy.random.Generator
    f0_hz : ndarray [shape=(n_samples,)]
    sample_rate : int
    breath : float
        RMS of the noise of turbulence, strongest while the folds are open.
    rough : float
        0 for a clear voice with a jitter of a half percent; at 1 the folds are driven so hard
        that their motion is near chaos, with every second cycle weaker (Fitch, Neubauer and
        Herzel, 2002, "Calls out of chaos").
    """
    n = len(f0_hz)
    middle_hz = float(f0_hz.mean())
    jitter = (0.005 + 0.15 * rough) * drift(rng, n, sample_rate, 0.6 * middle_hz)
    f0 = f0_hz * (1 + jitter)
    cycle = phase(f0, sample_rate)
    folds = saw(f0, sample_rate) * (1 + 0.6 * rough * np.cos(cycle / 2))
    shimmer = 1 + (0.05 + 0.6 * rough) * drift(rng, n, sample_rate, 0.4 * middle_hz)
    air = noise(rng, n, sample_rate) * (1 + 0.6 * np.cos(cycle))
    return np.asarray(folds * shimmer + (breath + 0.3 * rough) * air)
