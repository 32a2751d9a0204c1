"""Input features of the encoders: four log-mel spectra and three intensity channels.

The seven channels of the paper's section 4.1, in numpy: the reference that faster versions are
tested against. Log-mel spectra keep the level of the recording, which is a cue of distance. The
intensity channels are the active intensity per mel band over the energy in that band, so a
lone plane wave has unit length and a diffuse field is near zero (Politis et al. 2020, with
SN3D's energy (|W|^2 + |X|^2 + |Y|^2 + |Z|^2) / 2).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from st_audioqa.conventions import SAMPLE_RATE

__all__ = ["FeatureSpec", "foa_features", "mel_filters"]

Floats = NDArray[np.floating]

_FLOOR = 1e-10
"""Mel power below this (-100 dB) counts as this."""


@dataclass(frozen=True)
class FeatureSpec:
    """Sizes of the features; a hop of 800 samples puts ten frames into every 0.25 s bin."""

    n_fft: int = 1024
    hop: int = 800
    n_mels: int = 64
    low_hz: float = 50.0
    high_hz: float = 14_000.0
    direct: bool = False
    """Three more channels in the torch version (`FOAFrontend`): intensity of the direct sound."""


def foa_features(
    audio: NDArray[np.floating], spec: FeatureSpec | None = None
) -> NDArray[np.float32]:
    """Features of FOA audio.

    Parameters
    ----------
    audio : ndarray [shape=(4, n)]
        W, Y, Z, X in SN3D at 32 kHz.
    spec : FeatureSpec, optional

    Returns
    -------
    ndarray [shape=(7, n // hop, n_mels), dtype=float32]
        Log-mel power in dB of W, Y, Z, X; then intensity towards front, left and up. Frame i is
        centred on the middle of its hop.

    Raises
    ------
    ValueError
        Not four channels, or samples that are not finite.
    """
    spec = spec or FeatureSpec()
    if audio.ndim != 2 or audio.shape[0] != 4 or not np.isfinite(audio).all():
        raise ValueError(f"wanted finite audio of shape (4, n), got shape {audio.shape}")
    n_frames = audio.shape[1] // spec.hop
    before = (spec.n_fft - spec.hop) // 2
    padded = np.pad(audio, ((0, 0), (max(before, 0), spec.n_fft)))[:, max(-before, 0) :]
    frames = np.lib.stride_tricks.sliding_window_view(padded, spec.n_fft, axis=-1)
    frames = frames[:, :: spec.hop][:, :n_frames]
    spectrum = fft.rfft(frames * signal.get_window("hann", spec.n_fft), axis=-1)
    filters = mel_filters(spec)
    power = np.abs(spectrum) ** 2 / spec.n_fft
    log_mel = 10.0 * np.log10(np.maximum(power @ filters, _FLOOR))
    w, y, z, x = spectrum / np.sqrt(spec.n_fft)
    energy = 0.5 * power.sum(axis=0) @ filters
    intensity = np.stack([np.real(np.conj(w) * each) @ filters for each in (x, y, z)])
    return np.concatenate([log_mel, intensity / (energy + _FLOOR)]).astype(np.float32)


@functools.cache
def mel_filters(spec: FeatureSpec) -> Floats:
    """Triangular filters on the mel scale of O'Shaughnessy (2595 log10(1 + f / 700)).

    Returns
    -------
    ndarray [shape=(n_fft // 2 + 1, n_mels)]
        Peak 1; neighbours sum to one between the outermost peaks.
    """
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (spec.low_hz, spec.high_hz))
    mels = np.linspace(low, high, spec.n_mels + 2)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    frequency = fft.rfftfreq(spec.n_fft, 1.0 / SAMPLE_RATE)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rising, falling), 0.0)
