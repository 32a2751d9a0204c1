"""What turns raw material into a sound: filters, resonances and envelopes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy import signal

__all__ = [
    "bandpass",
    "contour",
    "formants",
    "highpass",
    "lowpass",
    "resonate",
    "strike",
    "swell",
]

Floats = NDArray[np.float64]

FRAME = 1024
"""Samples of a frame of the time-varying filter; frames overlap by half."""


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
    total = np.zeros_like(x)
    for frequency_hz, decay_s, gain in modes:
        if frequency_hz > 0.45 * sample_rate:
            continue
        radius = np.exp(-1 / (decay_s * sample_rate))
        angle = 2 * np.pi * frequency_hz / sample_rate
        total += signal.lfilter(
            [0.0, gain * radius * np.sin(angle)],
            [1.0, -2 * radius * np.cos(angle), radius**2],
            x,
        )
    return total


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
    half = FRAME // 2
    n_frames = -(-len(x) // half) + 1
    padded = np.zeros((n_frames + 1) * half)
    padded[half : half + len(x)] = x
    window = np.sin(np.pi * (np.arange(FRAME) + 0.5) / FRAME)
    spectra = np.fft.rfft(sliding_window_view(padded, FRAME)[::half] * window)
    frequencies = np.fft.rfftfreq(FRAME, 1 / sample_rate)
    response = np.zeros(spectra.shape)
    for track_hz, width_hz, gain in zip(tracks_hz, widths_hz, gains, strict=True):
        centres = contour(n_frames, *np.atleast_1d(track_hz))
        response += gain / (1 + ((frequencies - centres[:, None]) / width_hz) ** 2)
    frames = np.fft.irfft(spectra * response, FRAME) * window
    joined = frames[:-1, half:] + frames[1:, :half]
    return np.asarray(joined.reshape(-1)[: len(x)])


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
