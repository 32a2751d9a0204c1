"""Raw material: noise, tones and pulses, before filters and envelopes.

Frequencies are in Hz and may change over time; a tone is as long as its frequency array.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

__all__ = ["buzz", "drift", "noise", "partials", "phase", "pulses", "saw", "sine", "train"]

Floats = NDArray[np.float64]


TABLE = 2**15
"""Samples of one turn of a tone made of partials: errors of the phase below -70 dB."""


def noise(
    rng: np.random.Generator,
    n_samples: int,
    sample_rate: int,
    spectrum_db: Sequence[tuple[float, float]] | None = None,
) -> Floats:
    """Gaussian noise of RMS 1 with the given spectrum.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_samples, sample_rate : int
    spectrum_db : sequence of (frequency in Hz, level in dB)
        Joined by straight lines over log frequency, level beyond both ends; white by default.
    """
    if spectrum_db is None:
        white = rng.standard_normal(n_samples)
        return np.asarray(white / np.sqrt(np.mean(white**2)))
    n_fft = fft.next_fast_len(n_samples, real=True)
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    frequencies[0] = frequencies[1]
    knots_hz, levels_db = np.array(spectrum_db).T
    gain = 10 ** (np.interp(np.log(frequencies), np.log(knots_hz), levels_db) / 20)
    bins = rng.standard_normal((2, len(frequencies)))
    signal = fft.irfft((bins[0] + 1j * bins[1]) * gain, n_fft)[:n_samples]
    return np.asarray(signal / np.sqrt(np.mean(signal**2)))


def phase(frequency_hz: Floats, sample_rate: int) -> Floats:
    """Phase in radians of a tone that follows `frequency_hz` [shape=(n_samples,)]."""
    return np.cumsum(frequency_hz) * (2 * np.pi / sample_rate)


def sine(frequency_hz: Floats, sample_rate: int) -> Floats:
    """A sine of amplitude 1 [shape=(n_samples,)]."""
    return np.sin(phase(frequency_hz, sample_rate))


def partials(f0_hz: Floats, sample_rate: int, amplitudes: Sequence[float]) -> Floats:
    """Harmonics 1, 2, ... of `f0_hz` with fixed amplitudes [shape=(n_samples,)].

    The caller sees to it that the highest one stays below half the sample rate.
    """
    spectrum = np.zeros(TABLE // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(amplitudes) + 1] = -0.5j * TABLE * np.asarray(amplitudes)
    table = fft.irfft(spectrum, TABLE)
    position = np.cumsum(f0_hz * (TABLE / sample_rate)).astype(np.int64)
    return table[position % TABLE]


def buzz(f0_hz: Floats, sample_rate: int, tilt_db_per_khz: ArrayLike) -> Floats:
    """All harmonics of `f0_hz`, falling with frequency; RMS 1 [shape=(n_samples,)].

    The sum of a^k cos(k phase) in closed form, with a such that the level falls by
    `tilt_db_per_khz`.

    Parameters
    ----------
    f0_hz : ndarray [shape=(n_samples,)]
    sample_rate : int
    tilt_db_per_khz : float or array [shape=(n_samples,)]
        4 or more, so that at 32 kHz all harmonics that fold back lie below -60 dB.
    """
    a = np.exp(np.asarray(tilt_db_per_khz) * f0_hz * (-np.log(10) / 20_000))
    cos = np.cos(phase(f0_hz, sample_rate))
    total = (a * cos - a**2) / (1 - 2 * a * cos + a**2)
    return np.asarray(total * np.sqrt(2 * (1 - a**2)) / a)


def saw(f0_hz: Floats, sample_rate: int) -> Floats:
    """A sawtooth: harmonics falling by 6 dB per octave; RMS 1 [shape=(n_samples,)].

    The spectrum of a bowed string (Helmholtz motion) and, nearly, of a voice at the lips: the
    flow through the vocal folds falls by 12 dB per octave, and radiation lifts it by 6 (Fant,
    1960). The jumps are rounded over two samples against aliasing (Valimaki and Huovinen,
    2007, "Antialiasing oscillators in subtractive synthesis").
    """
    step = f0_hz / sample_rate
    turn = np.cumsum(step) % 1.0
    after = np.minimum(turn / step, 1.0) - 1.0
    before = np.maximum((turn - 1.0) / step, -1.0) + 1.0
    return np.sqrt(3.0) * (2.0 * turn - 1.0 + after**2 - before**2)


def train(rate_hz: Floats, sample_rate: int) -> NDArray[np.int64]:
    """Samples at which something that happens `rate_hz` times a second happens."""
    turns = np.floor(np.cumsum(rate_hz) / sample_rate)
    return np.flatnonzero(np.diff(turns, prepend=0.0))


def pulses(
    rng: np.random.Generator, density_hz: Floats, sample_rate: int, spread_db: float = 12.0
) -> Floats:
    """Single samples of random sign and size at random times [shape=(n_samples,)].

    Parameters
    ----------
    rng : numpy.random.Generator
    density_hz : ndarray [shape=(n_samples,)]
        Expected pulses per second.
    sample_rate : int
    spread_db : float
        Standard deviation of their levels.
    """
    hit = rng.random(len(density_hz)) < density_hz / sample_rate
    count = int(hit.sum())
    signal = np.zeros(len(density_hz))
    sizes = 10 ** (rng.normal(0.0, spread_db, count).clip(None, 1.5 * spread_db) / 20)
    signal[hit] = rng.choice((-1.0, 1.0), count) * sizes
    return signal


def drift(rng: np.random.Generator, n_samples: int, sample_rate: int, rate_hz: float) -> Floats:
    """A smooth random curve in [-1, 1] with about `rate_hz` turns per second."""
    n_knots = int(np.ceil(n_samples / sample_rate * rate_hz)) + 2
    knots = rng.uniform(-1, 1, n_knots)
    steps = np.linspace(0, n_knots - 1 - 1e-9, 16 * n_knots)
    left = steps.astype(np.int64)
    ease = 0.5 - 0.5 * np.cos(np.pi * (steps - left))
    curve = knots[left] * (1 - ease) + knots[left + 1] * ease
    start = rng.uniform(0, 1)
    positions = start + np.arange(n_samples) * (rate_hz / sample_rate)
    return np.asarray(np.interp(positions, steps, curve))
