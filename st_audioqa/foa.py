"""Operations on first-order ambisonic signals (AmbiX: W, Y, Z, X; SN3D; listener axes)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage, signal

from st_audioqa.conventions import N_BINS, SAMPLE_RATE, unit_vectors

__all__ = ["bin_directions", "encode", "from_fuma", "intensity_vectors", "rotate_yaw"]

Floats = NDArray[np.floating]


def encode(waveform: ArrayLike, azimuth_deg: float, elevation_deg: float) -> Floats:
    """A plane wave from one direction [shape=(n,)] -> [shape=(4, n)], W equal to the waveform."""
    x, y, z = unit_vectors(azimuth_deg, elevation_deg)
    return np.multiply.outer(np.array([1.0, y, z, x]), np.asarray(waveform))


def from_fuma(audio: NDArray[np.floating]) -> Floats:
    """First-order audio in FuMa (W, X, Y, Z; W 3 dB down) as AmbiX [shape=(..., 4, n)]."""
    w, x, y, z = np.moveaxis(audio, -2, 0)
    return np.stack([w * audio.dtype.type(np.sqrt(2.0)), y, z, x], axis=-2)


def rotate_yaw(audio: NDArray[np.floating], yaw_deg: float) -> Floats:
    """The same sound field heard by a listener who has turned left by `yaw_deg`.

    A source at azimuth a comes to lie at a - yaw_deg. Works on any array whose second-last axis
    holds the four channels [shape=(..., 4, n)]; the data type is kept.
    """
    yaw = np.radians(yaw_deg)
    sin, cos = audio.dtype.type(np.sin(yaw)), audio.dtype.type(np.cos(yaw))
    turned = audio.copy()
    y, x = audio[..., 1, :], audio[..., 3, :]
    turned[..., 1, :] = cos * y - sin * x
    turned[..., 3, :] = cos * x + sin * y
    return turned


def intensity_vectors(
    audio: NDArray[np.floating],
    *,
    frame: int = 1024,
    hop: int = 400,
    low_hz: float = 100.0,
    high_hz: float = 8000.0,
) -> tuple[Floats, Floats]:
    """Active intensity that points towards the source, and energy, per time-frequency point.

    With SN3D, Re(conj(W) [X, Y, Z]) of a lone plane wave points at its source and has the length
    of its energy (|W|^2 + |X|^2 + |Y|^2 + |Z|^2) / 2 (Jarrett et al. 2010; Politis et al. 2020).

    Parameters
    ----------
    audio : ndarray [shape=(4, n)]

    Returns
    -------
    intensity : ndarray [shape=(3, n_frames, n_frequencies)]
        x front, y left, z up.
    energy : ndarray [shape=(n_frames, n_frequencies)]
    """
    window = signal.get_window("hann", frame).astype(audio.dtype)
    padded = np.pad(audio, ((0, 0), (frame // 2, frame // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame, axis=-1)[:, ::hop]
    spectrum = fft.rfft(frames * window, axis=-1)
    frequency = fft.rfftfreq(frame, 1.0 / SAMPLE_RATE)
    w, y, z, x = spectrum[..., (frequency >= low_hz) & (frequency <= high_hz)]
    intensity = np.stack([np.real(np.conj(w) * channel) for channel in (x, y, z)])
    energy = 0.5 * sum(np.abs(channel) ** 2 for channel in (w, x, y, z))
    return intensity, np.asarray(energy)


def bin_directions(audio: NDArray[np.floating], n_bins: int = N_BINS) -> tuple[Floats, Floats]:
    """Direction of arrival of each bin, measured from the intensity vector of one source.

    Points that are coherent (one plane wave dominates) and just after an onset (before the
    room answers) count most: weight = coherence^8 times the rise of energy over two frames of
    6.25 ms. In reverberant rooms what is left is pulled towards the floor, whose reflection
    comes first, by some degrees.

    Parameters
    ----------
    audio : ndarray [shape=(4, n)]
        The bins divide it evenly.

    Returns
    -------
    vectors : ndarray [shape=(n_bins, 3)]
        x front, y left, z up; unit length, or zero where a bin is silent.
    weight : ndarray [shape=(n_bins,)]
        How much evidence a bin holds; 0 where it is silent.
    """
    hop = 200
    intensity, energy = intensity_vectors(audio.astype(np.float64), frame=512, hop=hop)
    around = (3, 3)
    smooth = np.stack([ndimage.uniform_filter(axis, around) for axis in intensity])
    mean_energy = np.maximum(ndimage.uniform_filter(energy, around), 0.0)
    floor = 1e-10 * max(float(mean_energy.max()), 1e-20)
    coherence = np.linalg.norm(smooth, axis=0) / (mean_energy + floor)
    log_energy = np.log(mean_energy + floor)
    rise = log_energy - np.roll(log_energy, 2, axis=0)
    rise[:2] = 0.0
    loud = mean_energy > 1e-6 * max(float(mean_energy.max()), 1e-20)
    weight = np.minimum(coherence, 1.0) ** 8 * np.maximum(rise, 0.0) * loud
    unit = intensity / (np.linalg.norm(intensity, axis=0) + floor)
    frame_vectors = (unit * weight).sum(axis=-1).T
    frame_weight = weight.sum(axis=-1)
    per_bin = audio.shape[-1] / n_bins
    which = np.minimum((np.arange(len(frame_weight)) * hop / per_bin).astype(int), n_bins - 1)
    vectors = np.zeros((n_bins, 3))
    np.add.at(vectors, which, frame_vectors)
    total = np.bincount(which, frame_weight, n_bins).astype(np.float64)
    total *= total > 1e-6 * total.max()
    vectors *= total[:, None] > 0
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0), total
