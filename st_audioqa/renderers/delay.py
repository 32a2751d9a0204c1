"""The propagation delay of a moving source, and its waveform read at fractional times.

What is emitted at tau arrives at T(tau) = tau + d(tau), d being distance over speed of sound, in
samples. T is inverted, so that the waveform can be read at the time of emission of what arrives
at a given sample: that is the Doppler shift, with nothing approximated but the interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, special

from st_audioqa.conventions import SAMPLE_RATE, SPEED_OF_SOUND_M_S
from st_audioqa.errors import UserError

__all__ = ["Delay", "Oversampled"]

Floats = NDArray[np.floating]

TAPS = 14
"""Of the interpolation, on a twofold oversampled waveform."""
BETA = 10.2
"""Kaiser window of the interpolation: side lobes at -105 dB."""
PHASES = 1 << 16
"""Fractions of a sample that are told apart: rounding to them stays below -100 dB."""
MAX_MACH = 0.5

CHUNK = 2048
"""Samples interpolated at once: their windows and kernels stay in the cache."""

HALF_WINDOW = 8
"""Samples to either side of the geometric delay in which the direct sound is looked at."""
MAX_ROUNDING = 0.6
"""An engine may put the direct sound on whole samples, half a sample away from where it belongs;
what seems to be farther away is not a direct sound."""


@dataclass(frozen=True, eq=False)
class Delay:
    """Continuous delay of a source that passes through its knots."""

    knots: Floats
    """[shape=(n_knots,)] samples"""
    offsets_m: Floats
    """[shape=(n_knots, 3)]"""
    arrivals: Floats
    """[shape=(n_knots,)] delay of the direct sound in each response, samples"""
    margin: int
    """The delay differs by less than this from that of any knot at work, samples."""

    @classmethod
    def of(cls, rirs: NDArray[np.float32], knots: Floats, offsets_m: ArrayLike) -> Delay:
        """The delay of a source, from its way and from its impulse responses.

        Where a response has its direct sound off the geometric delay by a fraction of a sample
        (RLR rounds to whole samples), the delay goes through what the response has, and the
        deviation is interpolated between knots.

        Raises
        ------
        UserError
            Offsets of another shape than (n_knots, 3), not finite, or too fast for sound.
        """
        offsets = np.asarray(offsets_m, dtype=np.float64)
        if offsets.shape != (len(knots), 3) or not np.isfinite(offsets).all():
            raise UserError(
                f"offsets_m needs finite values of shape ({len(knots)}, 3), one position of the "
                f"source per impulse response, and has shape {offsets.shape}."
            )
        geometric = _samples(np.linalg.norm(offsets, axis=1))
        moved = np.array([_deviation(rir, at) for rir, at in zip(rirs, geometric, strict=True)])
        steps = _samples(np.linalg.norm(np.diff(offsets, axis=0), axis=1))
        if (steps > MAX_MACH * np.diff(knots)).any():
            raise UserError(
                f"A source moves at {float((steps / np.diff(knots)).max()):.2f} of the speed of "
                f"sound, and the aligned crossfade allows {MAX_MACH}: mend offsets_m or knots."
            )
        # No distance changes by more than the way that was gone.
        reach = float(steps.max()) + float(np.ptp(moved))
        return cls(knots, offsets, geometric + moved, int(np.ceil(reach)) + 2)

    def at(self, times: Floats) -> Floats:
        """The delay of what is emitted at given times, in samples.

        Before the first knot and after the last one the source goes on for half a gap, which is
        where the bins of a scene begin and end, and stays there.
        """
        knots = self.knots
        first, last = 1.5 * knots[0] - 0.5 * knots[1], 1.5 * knots[-1] - 0.5 * knots[-2]
        times = np.clip(times, first, last)
        piece = np.clip(np.searchsorted(self.knots, times) - 1, 0, len(self.knots) - 2)
        width = np.diff(self.knots)[piece]
        along = (times - self.knots[piece]) / width
        squares = np.zeros(len(times))
        for axis in self.offsets_m.T:
            squares += (axis[piece] + along * np.diff(axis)[piece]) ** 2
        geometric = _samples(np.sqrt(squares))
        deviation = self.arrivals - _samples(np.linalg.norm(self.offsets_m, axis=1))
        return np.asarray(geometric + np.interp(times, self.knots, deviation))

    def received(self, start: int, stop: int) -> Floats:
        """Times of arrival of the samples from start - 2 margin to stop + 2 margin."""
        emitted = np.arange(start - 2 * self.margin, stop + 2 * self.margin, dtype=np.float64)
        return np.asarray(emitted + self.at(emitted))

    def sent(
        self, source: Oversampled, k: int, received: Floats, start: int, stop: int
    ) -> tuple[Floats, NDArray[np.float32]]:
        """What is sent through response k so that it arrives when it should.

        Parameters
        ----------
        source : Oversampled
        k : int
        received : ndarray
            Of the same block.
        start, stop : int
            Emission times of the block.

        Returns
        -------
        times : ndarray [shape=(stop - start + 2 * margin,)]
            Of emission, for samples start - margin and on of what is sent.
        sound : ndarray [shape=(stop - start + 2 * margin,)]
            The waveform at these times, compressed or stretched in time at equal strength per
            emitted sample; not read where the response has no weight.
        """
        margin = self.margin
        emitted = np.arange(start - 2 * margin, stop + 2 * margin, dtype=np.float64)
        at_source = received - self.arrivals[k]
        if np.abs(at_source - emitted).max() < 1e-9:
            inner = slice(margin, len(emitted) - margin)
            return emitted[inner], source.whole(start - margin, stop + margin)
        times = np.interp(emitted[margin : len(emitted) - margin], at_source, emitted)
        near = self.knots[max(k - 1, 0) : k + 2]
        low = times[0] if k == 0 else near[0]
        high = times[-1] if k == len(self.knots) - 1 else near[-1]
        used = slice(*np.searchsorted(times, [max(low, start - 1.0), min(high, stop)]))
        sound = np.zeros(len(times), dtype=np.float32)
        if used.start < used.stop:
            sound[used] = source.at(times[used])
        return times, sound * np.gradient(times).astype(np.float32)


class Oversampled:
    """A waveform that can be read at any time; silence before and after it.

    Parameters
    ----------
    waveform : ndarray [shape=(n,)]
    """

    def __init__(self, waveform: NDArray[np.float32]) -> None:
        self._plain = waveform
        size = fft.next_fast_len(len(waveform) + 4096, real=True)
        size += size % 2
        spectrum = np.zeros(size + 1, dtype=np.complex64)
        spectrum[: size // 2 + 1] = 2.0 * fft.rfft(waveform, size)
        spectrum[size // 2] *= 0.5
        self._samples = fft.irfft(spectrum, 2 * size)

    def whole(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples from `start` to `stop`, which may lie beyond the ends."""
        out = np.zeros(stop - start, dtype=np.float32)
        first, last = max(start, 0), min(stop, len(self._plain))
        if first < last:
            out[first - start : last - start] = self._plain[first:last]
        return out

    def at(self, times: Floats) -> NDArray[np.float32]:
        """Values at times in samples, by a windowed sinc on the oversampled waveform."""
        place = 2.0 * times
        whole = np.floor(place)
        phase = np.rint((place - whole) * PHASES).astype(np.int64)
        index = whole.astype(np.int64) - (TAPS // 2 - 1)
        low, high = int(index.min()), int(index.max()) + TAPS
        # Around the ends the transform repeats itself: negative times are its (silent) end.
        stretch = np.take(self._samples, np.arange(low, high), mode="wrap")
        windows = np.lib.stride_tricks.sliding_window_view(stretch, TAPS)
        index -= low
        out = np.empty(len(times), dtype=np.float32)
        for first in range(0, len(times), CHUNK):
            part = slice(first, first + CHUNK)
            np.einsum("nt,nt->n", windows[index[part]], _kernels()[phase[part]], out=out[part])
        return out


@lru_cache(maxsize=1)
def _kernels() -> NDArray[np.float32]:
    """Windowed sincs for every fraction of a sample [shape=(PHASES + 1, TAPS)]."""
    fraction = np.arange(PHASES + 1)[:, None] / PHASES
    offset = np.arange(TAPS) - (TAPS // 2 - 1) - fraction
    window = special.i0(BETA * np.sqrt(np.maximum(1.0 - (offset / (TAPS / 2)) ** 2, 0.0)))
    return np.asarray(np.sinc(offset) * window / special.i0(BETA), dtype=np.float32)


def _samples(distance_m: Floats) -> Floats:
    return np.asarray(distance_m * (SAMPLE_RATE / SPEED_OF_SOUND_M_S))


def _deviation(rir: NDArray[np.float32], geometric: float) -> float:
    """Samples by which the direct sound of W comes later than it should; 0 where there is none.

    The slope of the phase over 2 to 10 kHz, in a short window.
    """
    centre = round(geometric)
    low = centre - HALF_WINDOW
    stretch = np.zeros(2 * HALF_WINDOW + 1)
    first, last = max(low, 0), min(low + len(stretch), rir.shape[-1])
    if first >= last:
        return 0.0
    stretch[first - low : last - low] = rir[0, first:last]
    spectrum = np.fft.rfft(stretch * np.hanning(len(stretch) + 2)[1:-1], 128)[8:41]
    turns = spectrum[1:] * spectrum[:-1].conj()
    # Around the centre of the window rather than its start, so that no turn is lost.
    turns *= np.exp(2j * np.pi * HALF_WINDOW / 128)
    total, most = turns.sum(), float(np.abs(turns).sum())
    if abs(total) < 0.9 * most or most == 0.0:
        return 0.0
    found = centre - float(np.angle(total)) * 128 / (2.0 * np.pi) - geometric
    return found if abs(found) <= MAX_ROUNDING else 0.0
