"""Late tails of an engine whose noise is always the same, made independent and diffuse.

An engine that renders late reverberation as noise under an envelope, and draws that noise from
a fixed seed, gives all sources and rooms one common tail: mixtures add up coherently, and a
model may learn the noise. `renewed_tails` takes such responses and changes two things.

Carrier
    From the mixing time on, all four channels pass one all-pass filter, a flat burst of noise
    `SPREAD_S` long that the seed draws. What is linear in the four channels stays: spectrum,
    directions and coherence, and the decay, but for a blur of some milliseconds. All positions
    of a call pass the same filter, so a moving source keeps one tail.
Directional energy
    A sum of plane waves that do not interfere has as much energy in X, Y and Z together as in
    W (SN3D), whatever their directions, because a direction is a vector of length one. An
    engine that adds up the directions of several rays before it lays noise over them falls
    short of that. What is missing in the late part, equally on the three axes, is filled up by
    W passed through three more all-pass filters, which has the same spectrum and decay and no
    coherence with the rest: such is a diffuse field.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.seeding import generator

__all__ = ["SPREAD_S", "mixing_time_s", "renewed_tails"]

SPREAD_S = 0.024
"""Length of the filters' bursts, which blur arrivals by 4 ms rms."""

FADE_FROM = 0.5
"""The change fades in between this share of the mixing time and the mixing time."""

_PROJECTIONS = 4
"""Then 0.3 % of the energy of a filter lies outside its length."""


def mixing_time_s(volume_m3: float) -> float:
    """Time after the direct sound from which nearly nobody hears a difference to noise, in s.

    Lindau, Kosanke and Weinzierl (2012), equation for t_mp95: 0.0117 V + 50.1 ms.
    """
    return 0.0117e-3 * volume_m3 + 50.1e-3


def renewed_tails(
    rirs: NDArray[np.float32],
    arrival: NDArray[np.integer],
    mixing_s: float,
    seed: int,
) -> NDArray[np.float32]:
    """Responses with the tails that `seed` draws.

    Each position is treated alone: a response depends on itself and the seed, not on its
    neighbours or its place in the trajectory.

    Parameters
    ----------
    rirs : ndarray [shape=(n_positions, 4, n)]
        AmbiX (SN3D).
    arrival : ndarray of int [shape=(n_positions,)]
        Samples at which the direct sounds arrive.
    mixing_s : float
        After the direct sound: the early part, before `FADE_FROM` of it, stays as it is, but for
        the ringing of the filters in the last half of `SPREAD_S` before that.
    seed : int
        Of one source in one scene.

    Returns
    -------
    ndarray [shape=(n_positions, 4, n)]
    """
    half = round(SPREAD_S * SAMPLE_RATE / 2)
    first, last = (round(part * mixing_s * SAMPLE_RATE) for part in (FADE_FROM, 1.0))
    n_late = rirs.shape[-1] - int(arrival.min()) - first
    if n_late <= 0:
        return rirs.copy()
    size = fft.next_fast_len(n_late + 2 * half, real=True)
    filters = _all_passes(size, 2 * half, seed)
    common, independent = filters[0], filters[1:]
    # Squares add up to one, as the two parts do not interfere.
    angle = 0.5 * np.pi * (np.arange(last - first) + 0.5) / (last - first)
    fade_in, fade_out = np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)

    renewed = rirs.copy()
    for rir, at in zip(renewed, arrival, strict=True):
        early = rir[:, int(at) + first :]
        if not early.size:
            continue
        late = early.copy()
        n_fade = min(last - first, early.shape[1])
        late[:, :n_fade] *= fade_in[:n_fade]
        early[:, :n_fade] *= fade_out[:n_fade]
        early[:, n_fade:] = 0.0
        energy = (late.astype(np.float64) ** 2).sum(axis=1)
        missing = max(energy[0] - energy[1:].sum(), 0.0)
        spectrum = fft.rfft(late, size, axis=-1)
        filtered = common * spectrum
        if missing > 0.0:
            share = np.float32(np.sqrt(missing / (3.0 * energy[0])))
            filtered[1:] += share * independent * spectrum[0]
        # The filters are centred on zero: their first half wraps round to the end.
        tail = np.roll(fft.irfft(filtered, size, axis=-1), half, axis=-1)
        start = int(at) + first - half
        skip = max(-start, 0)
        stop = min(rir.shape[-1], start + size)
        rir[:, start + skip : stop] += tail[:, skip : stop - start]
    return renewed


def _all_passes(size: int, length: int, seed: int) -> NDArray[np.complex64]:
    """Spectra of four bursts of noise around time zero [shape=(4, size // 2 + 1)].

    Their magnitude is one. Each burst comes from alternating between what has that magnitude
    and what lies in the given length (Gerchberg and Saxton 1972).
    """
    n_fft = fft.next_fast_len(4 * length, real=True)
    rng = generator(seed, "renewed-tail")
    bursts = np.hanning(length) * rng.standard_normal((4, length))
    for _ in range(_PROJECTIONS):
        bursts = fft.irfft(_flat(fft.rfft(bursts, n_fft)), n_fft)[:, :length]
    centred = np.zeros((4, size), dtype=np.float32)
    centred[:, : length - length // 2] = bursts[:, length // 2 :]
    centred[:, size - length // 2 :] = bursts[:, : length // 2]
    return np.asarray(_flat(fft.rfft(centred)), dtype=np.complex64)


def _flat(spectrum: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
    return np.asarray(spectrum / np.maximum(np.abs(spectrum), 1e-12))
