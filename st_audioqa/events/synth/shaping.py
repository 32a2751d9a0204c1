"""What turns raw material into a sound: filters, resonances and envelopes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy import fft, signal

__all__ = [
    "bandpass",
    "contour",
    "formants",
    "highpass",
    "lowpass",
    "modes",
    "resonate",
    "ring",
    "strike",
    "swell",
    "throat",
]

Floats = NDArray[np.float64]

FRAME = 1024
"""Samples of a frame of the time-varying filter; frames overlap by half."""


FEW_MODES = 4
"""More resonances than that are quicker as one convolution with their common response ..."""

TAIL = 9
"""... cut off after so many times the longest decay, at -78 dB."""


def lowpass(x: Floats, sample_rate: int, cutoff_hz: float, order: int = 2) -> Floats:
    """Butterworth low-pass."""
    sos = signal.butter(order, cutoff_hz, "lowpass", fs=sample_rate, output="sos")
    return np.asarray(signal.sosfilt(sos, x))


def highpass(x: Floats, sample_rate: int, cutoff_hz: float, order: int = 2) -> Floats:
    """Butterworth high-pass."""
    sos = signal.butter(order, cutoff_hz, "highpass", fs=sample_rate, output="sos")
    return np.asarray(signal.sosfilt(sos, x))


def bandpass(x: Floats, sample_rate: int, low_hz: float, high_hz: float) -> Floats:
    """Second-order Butterworth band-pass."""
    sos = signal.butter(2, (low_hz, high_hz), "bandpass", fs=sample_rate, output="sos")
    return np.asarray(signal.sosfilt(sos, x))


def modes(
    rng: np.random.Generator,
    lowest_hz: float,
    highest_hz: float,
    count: int,
    decay_s: float,
    slope_db: float,
) -> list[tuple[float, float, float]]:
    """Resonances of a solid thing of no simple shape, for `resonate`.

    Modal synthesis (van den Doel and Pai, 1998, "The sounds of physical shapes"): frequencies
    spread over the range, each with its own strength; higher ones die away sooner, as inner
    friction takes the same share of every cycle.

    Parameters
    ----------
    rng : numpy.random.Generator
    lowest_hz, highest_hz : float
    count : int
    decay_s : float
        Time of the lowest one to fall to 1/e.
    slope_db : float
        Change of level per octave.
    """
    steps = np.concatenate([[0.0], np.sort(rng.uniform(0.05, 1.0, count - 1))])
    frequencies = lowest_hz * (highest_hz / lowest_hz) ** steps
    octaves = np.log2(frequencies / lowest_hz)
    gains = 10 ** ((slope_db * octaves + rng.normal(0, 4, count)) / 20)
    decays = decay_s * (lowest_hz / frequencies) ** rng.uniform(0.5, 1.0)
    return list(zip(frequencies.tolist(), decays.tolist(), gains.tolist(), strict=True))


def resonate(
    x: Floats, sample_rate: int, modes: Iterable[tuple[float, float, float]]
) -> Floats:
    """Sum of decaying resonances, each struck by `x`.

    Parameters
    ----------
    x : ndarray [shape=(n_samples,)]
        Impulses ring, noise is coloured.
    sample_rate : int
    modes : iterable of (frequency in Hz, decay in s, gain)
        The decay is the time to fall to 1/e; the gain is the amplitude after an impulse of 1.
        Modes above 0.45 times the sample rate are left out.
    """
    audible = [mode for mode in modes if mode[0] <= 0.45 * sample_rate]
    if len(audible) > FEW_MODES:
        longest_s = max(decay_s for _, decay_s, _ in audible)
        n = min(len(x), int(TAIL * longest_s * sample_rate))
        return np.asarray(signal.oaconvolve(x, ring(n, sample_rate, audible))[: len(x)])
    total = np.zeros_like(x)
    for frequency_hz, decay_s, gain in audible:
        radius = np.exp(-1 / (decay_s * sample_rate))
        angle = 2 * np.pi * frequency_hz / sample_rate
        total += signal.lfilter(
            [0.0, gain * radius * np.sin(angle)],
            [1.0, -2 * radius * np.cos(angle), radius**2],
            x,
        )
    return total


def ring(
    n_samples: int, sample_rate: int, modes: Iterable[tuple[float, float, float]]
) -> Floats:
    """Resonances struck once by an impulse of 1 [shape=(n_samples,)]; see `resonate`."""
    audible = [mode for mode in modes if mode[0] <= 0.45 * sample_rate]
    frequencies, decays, gains = np.array(audible).T
    poles = (2j * np.pi * frequencies - 1 / decays) / sample_rate
    # z^(256 i + j) = z^(256 i) z^j: the sum over all modes is a product of two matrices.
    block = 256
    starts = np.exp(np.outer(np.arange(0, n_samples, block), poles))
    steps = np.exp(np.outer(poles, np.arange(block))) * gains[:, None]
    # No BLAS: its threads would compete with the workers.
    rows = np.einsum("im,mj->ij", starts.real, steps.imag)
    rows += np.einsum("im,mj->ij", starts.imag, steps.real)
    return np.asarray(rows.reshape(-1)[:n_samples])


def formants(
    x: Floats,
    sample_rate: int,
    tracks_hz: Iterable[ArrayLike],
    widths_hz: Sequence[float],
    gains: Sequence[float],
) -> Floats:
    """Filter with moving resonances, as of a vocal tract [shape=(n_samples,)].

    Parameters
    ----------
    x : ndarray [shape=(n_samples,)]
    sample_rate : int
    tracks_hz : iterable of float or array
        Centre of each resonance: constant, or values spread evenly over the duration.
    widths_hz, gains : sequence of float
        Half the width of each resonance at a quarter of its power, and its peak gain.
    """
    frequencies = np.fft.rfftfreq(FRAME, 1 / sample_rate)
    n_frames = _n_frames(len(x))
    response = np.zeros((n_frames, len(frequencies)))
    for track_hz, width_hz, gain in zip(tracks_hz, widths_hz, gains, strict=True):
        centres = contour(n_frames, *np.atleast_1d(track_hz))
        response += gain / (1 + ((frequencies - centres[:, None]) / width_hz) ** 2)
    return _filter_frames(x, response)


def _n_frames(n_samples: int) -> int:
    return -(-n_samples // (FRAME // 2)) + 1


def _filter_frames(x: Floats, response: NDArray[np.inexact]) -> Floats:
    """Overlapping frames of `x`, each with its row of `response`, added up again."""
    half = FRAME // 2
    padded = np.zeros((_n_frames(len(x)) + 1) * half)
    padded[half : half + len(x)] = x
    window = np.sin(np.pi * (np.arange(FRAME) + 0.5) / FRAME)
    spectra = fft.rfft(sliding_window_view(padded, FRAME)[::half] * window)
    frames = fft.irfft(spectra * response, FRAME) * window
    joined = frames[:-1, half:] + frames[1:, :half]
    return np.asarray(joined.reshape(-1)[: len(x)])


def throat(
    x: Floats,
    sample_rate: int,
    tracks_hz: Iterable[ArrayLike],
    widths_hz: Sequence[float],
    height_db: float = 20.0,
) -> Floats:
    """Raise the resonances of a vocal tract out of a source [shape=(n_samples,)].

    Every resonance is a peak of `height_db` on a response of 1, so that their product has no
    slope of its own: a tube closed at one end has resonances without end, all of one height
    above the valleys, and the slope of a voice is that of its source (Fant, 1960, Acoustic
    Theory of Speech Production). Far fewer resonances than a cascade needs (Klatt, 1980) do.

    Parameters
    ----------
    x : ndarray [shape=(n_samples,)]
    sample_rate : int
    tracks_hz : iterable of float or array
        Centre of each resonance: constant, or values spread evenly over the duration.
    widths_hz : sequence of float
        Bandwidth of each resonance.
    height_db : float
    """
    frequencies = np.fft.rfftfreq(FRAME, 1 / sample_rate)
    n_frames = _n_frames(len(x))
    response = np.ones((1, len(frequencies)), dtype=np.complex128)
    extra = 10 ** (height_db / 20) - 1
    for track_hz, width_hz in zip(tracks_hz, widths_hz, strict=True):
        values = np.atleast_1d(np.asarray(track_hz, dtype=np.float64))
        centres = contour(n_frames, *values) if len(values) > 1 else values
        loss = 1j * frequencies * width_hz
        response = response * (
            1 + extra * loss / (centres[:, None] ** 2 - frequencies**2 + loss + 1e-9)
        )
    return _filter_frames(x, response)


def contour(n_samples: int, *values: float) -> Floats:
    """Straight lines through values spread evenly over the duration."""
    if len(values) == 1:
        return np.full(n_samples, float(values[0]))
    return np.interp(np.linspace(0, len(values) - 1, n_samples), range(len(values)), values)


def strike(n_samples: int, sample_rate: int, attack_s: float, decay_s: float) -> Floats:
    """Envelope of something struck: linear rise, then decay to 1/e per `decay_s`."""
    t = np.arange(n_samples) / sample_rate
    fall = np.exp(-np.maximum(t - attack_s, 0) / decay_s)
    end = np.minimum(1, (n_samples / sample_rate - t) / 0.005)
    return np.asarray(np.minimum(t / attack_s, 1) * fall * end)


def swell(n_samples: int, sample_rate: int, attack_s: float, release_s: float) -> Floats:
    """Envelope of something sustained: rises, holds and falls along raised cosines."""
    envelope = np.ones(n_samples)
    n_rise = min(int(attack_s * sample_rate), n_samples)
    n_fall = min(int(release_s * sample_rate), n_samples)
    envelope[:n_rise] *= 0.5 - 0.5 * np.cos(
        np.pi * np.arange(n_rise) / (attack_s * sample_rate)
    )
    fall = 0.5 - 0.5 * np.cos(np.pi * np.arange(n_fall) / (release_s * sample_rate))
    envelope[n_samples - n_fall :] *= fall[::-1]
    return envelope
