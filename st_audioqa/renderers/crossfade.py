"""Motion: a waveform heard through one impulse response per bin, adjacent bins crossfaded.

The waveform is cut into one segment per bin by weights that overlap and sum to one, each
segment is convolved with the impulse response of its bin, and the results are added up (paper,
section 3.1): y = sum_k (w_k x) * h_k. As the weights act before the convolution, every sample
rings out in the room as it was when that sample was emitted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from st_audioqa.conventions import N_BINS, SAMPLES_PER_BIN

__all__ = ["CROSSFADE", "bin_weights", "render"]

Floats = NDArray[np.floating]

CROSSFADE = "plain"
"""Name of the rule, as stored with every scene."""


def bin_weights(n_bins: int = N_BINS, samples_per_bin: int = SAMPLES_PER_BIN) -> Floats:
    """Weights of the bins at every sample; they sum to one.

    The weight of a bin is a triangle: one at the centre of the bin, zero at the centres of its
    neighbours. The first one stays at one before its centre and the last one after it.

    Parameters
    ----------
    n_bins : int
    samples_per_bin : int
        Even, so that the centre of a bin falls on a sample.

    Returns
    -------
    ndarray [shape=(n_bins, n_bins * samples_per_bin)]
    """
    n_samples = n_bins * samples_per_bin
    weights = np.zeros((n_bins, n_samples))
    for k in range(n_bins):
        start, hat = _hat(k, n_bins, samples_per_bin, n_samples)
        weights[k, start : start + len(hat)] = hat
    return weights


def render(
    waveform: NDArray[np.floating],
    rirs: NDArray[np.floating],
    *,
    samples_per_bin: int = SAMPLES_PER_BIN,
) -> NDArray[np.float32]:
    """The waveform as heard at the listener.

    Parameters
    ----------
    waveform : ndarray [shape=(n,)]
        Dry sound of the source; silent stretches cost nothing.
    rirs : ndarray [shape=(n_bins, 4, length)]
        One impulse response per bin, or a single one for a source that does not move.
    samples_per_bin : int
        Even; the last bin lasts to the end of the waveform.

    Returns
    -------
    ndarray [shape=(4, n)]
        Cut where the waveform ends.
    """
    n_bins, n_channels, length = rirs.shape
    n_samples = len(waveform)
    out = np.zeros((n_channels, n_samples), dtype=np.float32)
    if n_bins == 1:
        return _convolve(waveform, rirs[0], n_samples) if waveform.any() else out
    for k in range(n_bins):
        start, hat = _hat(k, n_bins, samples_per_bin, n_samples)
        segment = waveform[start : start + len(hat)] * hat
        if segment.any():
            stop = min(start + len(segment) + length - 1, n_samples)
            out[:, start:stop] += _convolve(segment, rirs[k], stop - start)
    return out


def _hat(k: int, n_bins: int, samples_per_bin: int, n_samples: int) -> tuple[int, Floats]:
    """First sample and values of the weight of bin k, within a signal of n_samples."""
    centre = k * samples_per_bin + samples_per_bin // 2
    start = 0 if k == 0 else centre - samples_per_bin
    stop = n_samples if k == n_bins - 1 else min(centre + samples_per_bin, n_samples)
    offset = np.arange(start, max(stop, start)) - centre
    hat = 1.0 - np.abs(offset) / samples_per_bin
    if k == 0:
        hat[offset < 0] = 1.0
    if k == n_bins - 1:
        hat[offset > 0] = 1.0
    return start, hat


def _convolve(x: Floats, rir: Floats, n_keep: int) -> NDArray[np.float32]:
    """First samples of x * rir in single precision [shape=(n_channels, n_keep)]."""
    size = fft.next_fast_len(min(len(x), n_keep) + rir.shape[-1] - 1, real=True)
    spectrum = fft.rfft(rir.astype(np.float32, copy=False), size, axis=-1)
    spectrum *= fft.rfft(x[:n_keep].astype(np.float32, copy=False), size)
    full: NDArray[np.float32] = fft.irfft(spectrum, size, axis=-1, overwrite_x=True)
    return full[:, :n_keep]
