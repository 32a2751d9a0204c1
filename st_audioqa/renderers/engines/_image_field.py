"""The field of the image sources of a box, with exact delays and octave-band reflections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse, special

from st_audioqa.conventions import BANDS_HZ, SAMPLE_RATE, SPEED_OF_SOUND_M_S, listener_axes
from st_audioqa.renderers.acoustics import AIR_DB_PER_M

__all__ = ["ImageField", "band_transfer", "image_source_field"]

Floats = NDArray[np.floating]

HIGH_PASS_HZ = 20.0
"""Reflection factors are all positive, so without it images pile up at 0 Hz."""

LOW_PASS_HZ = 15_200.0
"""From here to 16 kHz the response falls to zero, so that a pulse does not ring for long."""

MIN_DISTANCE_M = 0.1
"""The gain 1 / r does not grow any more below this distance."""

OVERSAMPLING = 2
TAPS = 6
BETA = 2.3 * TAPS
"""Shape of the gridding kernel for twofold oversampling (Beatty et al. 2005)."""

PRE_S = 0.016
POST_S = 0.064
"""What the filters add before and after a pulse."""


@dataclass(frozen=True, eq=False)
class ImageField:
    """Early part of the impulse responses of all positions."""

    rirs: NDArray[np.float32]
    """[shape=(n_positions, 4, n)]"""
    fade_energy: Floats
    """[shape=(n_bands,)] energy of the images within the fade, unfaded; mean of positions"""


def image_source_field(
    size: Floats,
    absorption: Floats,
    listener: Floats,
    sources: Floats,
    reach_m: float,
    fade_s: tuple[float, float],
) -> ImageField:
    """Impulse responses of all images that are no farther than `reach_m`.

    A pulse that arrives between two samples is spread over `TAPS` points of a twofold
    oversampled grid by a Kaiser-Bessel kernel, whose spectrum is divided out afterwards (a
    non-uniform FFT): the result is the band-limited pulse at its exact time, with an error of
    -97 dB or less. Octave bands are combined in the frequency domain.

    Parameters
    ----------
    size : ndarray [shape=(3,)]
        Of the box, from the origin.
    absorption : ndarray [shape=(6, n_bands)]
        Of the walls -x, +x, -y, +y, -z, +z.
    listener : ndarray [shape=(3,)]
    sources : ndarray [shape=(n_positions, 3)]
    reach_m : float
    fade_s : tuple of float
        Times of arrival between which images fade out as a quarter of a cosine.
    """
    cells, factors = _cells(size, absorption, listener, reach_m)
    n_early = int(np.ceil((reach_m / SPEED_OF_SOUND_M_S + POST_S) * SAMPLE_RATE))
    n_fft = fft.next_fast_len(n_early + round(PRE_S * SAMPLE_RATE), real=True)
    transfer = band_transfer(n_fft) / _kernel_spectrum(n_fft)
    # Rows W, Y, Z, X of a listener at yaw 0 from world directions.
    front, left, up = listener_axes(0.0)
    to_channels = np.stack([left, up, front])

    rirs = np.empty((len(sources), 4, n_early), dtype=np.float32)
    fade_energy = np.zeros(absorption.shape[1])
    for p, source in enumerate(sources):
        offset = cells * size + np.where(cells % 2 == 0, source, size - source) - listener
        distance = np.linalg.norm(offset, axis=1)
        heard = distance <= reach_m + 1e-9
        offset, distance, gain = offset[heard], distance[heard], factors[heard]
        time = distance / SPEED_OF_SOUND_M_S
        gain = gain * 10.0 ** (-AIR_DB_PER_M / 20.0 * distance[:, None])
        gain /= np.maximum(distance, MIN_DISTANCE_M)[:, None]
        fading = time >= fade_s[0]
        fade_energy += (gain[fading] ** 2).sum(axis=0)
        progress = (time[fading] - fade_s[0]) / (fade_s[1] - fade_s[0])
        gain[fading] *= np.cos(0.5 * np.pi * np.clip(progress, 0.0, 1.0))[:, None]
        unit = offset / np.maximum(distance, 1e-9)[:, None]
        channels = np.column_stack([np.ones(len(unit)), unit @ to_channels.T])
        pulses = (gain[:, :, None] * channels[:, None, :]).astype(np.float32)
        rirs[p] = _pulses_at(time * SAMPLE_RATE, pulses, transfer, n_fft)[:, :n_early]
    return ImageField(rirs, fade_energy / len(sources))


def band_transfer(n_fft: int) -> NDArray[np.complexfloating]:
    """Responses of the octave bands [shape=(n_bands, n_fft // 2 + 1)].

    Without phase, except for the common high pass (Butterworth, second order), and adding up to
    it: each falls as a squared cosine over log frequency to zero at the next centre; the first
    and last one go on to 0 Hz and to the low pass.
    """
    frequency = fft.rfftfreq(n_fft, 1.0 / SAMPLE_RATE)
    octave = np.log2(np.maximum(frequency, 1.0) / BANDS_HZ[0])
    octave = np.clip(octave, 0.0, len(BANDS_HZ) - 1.0)
    away = np.abs(octave - np.arange(len(BANDS_HZ))[:, None])
    bands = np.cos(0.5 * np.pi * np.minimum(away, 1.0)) ** 2
    x = frequency / HIGH_PASS_HZ
    high_pass = -(x**2) / (1.0 - x**2 + 1j * np.sqrt(2.0) * x)
    fall = (frequency - LOW_PASS_HZ) / (0.5 * SAMPLE_RATE - LOW_PASS_HZ)
    low_pass = np.cos(0.5 * np.pi * np.clip(fall, 0.0, 1.0)) ** 2
    return np.asarray(bands * high_pass * low_pass)


def _cells(
    size: Floats, absorption: Floats, listener: Floats, reach_m: float
) -> tuple[NDArray[np.int64], Floats]:
    """Mirrored rooms within reach and what their walls leave of the amplitude.

    Returns
    -------
    cells : ndarray [shape=(n_cells, 3)]
        Room m spans [m, m + 1] times the size along each axis, mirrored where m is odd.
    factors : ndarray [shape=(n_cells, n_bands)]
    """
    count = np.ceil(reach_m / size).astype(np.int64) + 1
    axes = [np.arange(-n, n + 1) for n in count]
    cells = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    nearest = np.clip(listener, cells * size, (cells + 1) * size)
    cells = cells[np.linalg.norm(nearest - listener, axis=1) <= reach_m]
    # On the way to room m > 0 a ray meets the upper wall (m + 1) // 2 times, the lower m // 2.
    more, fewer = (np.abs(cells) + 1) // 2, np.abs(cells) // 2
    lower, upper = np.where(cells > 0, fewer, more), np.where(cells > 0, more, fewer)
    hits = np.stack([lower, upper], axis=-1).reshape(-1, 6)
    log_reflection = 0.5 * np.log(np.maximum(1.0 - absorption, 1e-30))
    return cells, np.exp(hits @ log_reflection)


def _pulses_at(
    time: Floats,
    pulses: NDArray[np.float32],
    transfer: NDArray[np.complexfloating],
    n_fft: int,
) -> NDArray[np.float32]:
    """Band-limited pulses at fractional sample times, filtered per band [shape=(4, n_fft)].

    Parameters
    ----------
    time : ndarray [shape=(n_pulses,)]
        In samples.
    pulses : ndarray [shape=(n_pulses, n_bands, 4)]
    """
    n_grid = OVERSAMPLING * n_fft
    at = time * OVERSAMPLING
    point = np.ceil(at - TAPS / 2).astype(np.int64)[:, None] + np.arange(TAPS)
    offset = (point - at[:, None]) / (TAPS / 2)
    weight = special.i0(BETA * np.sqrt(np.maximum(1.0 - offset**2, 0.0)))
    spread = sparse.csc_array(
        (
            weight.astype(np.float32).ravel(),
            (point % n_grid).ravel(),
            np.arange(len(time) + 1) * TAPS,
        ),
        shape=(n_grid, len(time)),
    )
    grid = spread @ pulses.reshape(len(time), -1)
    spectrum = fft.rfft(grid.T, axis=-1)[:, : transfer.shape[1]]
    spectrum = spectrum.reshape(len(transfer), 4, -1) * transfer[:, None]
    return np.asarray(fft.irfft(spectrum.sum(axis=0), n_fft, axis=-1), dtype=np.float32)


def _kernel_spectrum(n_fft: int) -> Floats:
    """Fourier transform of the gridding kernel at the frequencies of the output."""
    frequency = fft.rfftfreq(n_fft) / OVERSAMPLING  # cycles per grid point
    root = np.sqrt(BETA**2 - (np.pi * TAPS * frequency) ** 2)
    return np.asarray(TAPS * np.sinh(root) / root)
