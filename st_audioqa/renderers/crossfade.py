"""Motion: a waveform heard through a sequence of impulse responses, adjacent ones crossfaded.

A response h_k holds at one moment, its knot t_k (in a scene, the centre of bin k). The waveform x
is weighted before the convolution, so every sample rings out in the room as it was when that
sample was emitted. The weight w_k is a triangle: one at t_k, zero at the neighbouring knots; the
weights sum to one.

plain
    y = sum_k (w_k x) * h_k, as in the paper (section 3.1). Direct sounds of adjacent responses
    do not coincide in time, so that a moving source loses up to 3 dB between two knots.
aligned
    Each response is heard at the delay that the source has at the time: what is emitted at tau
    is sent through h_k at tau + d(tau) - d_k, where d is the continuous propagation delay and
    d_k its value at t_k. Direct sounds then coincide, and as the delay varies there is a Doppler
    shift. Reflections still do not coincide; what they lose is made up for (`makeup`).
    A source that does not move has d(tau) = d_k, and sounds as in plain.

Convolutions are block by block: the spectra of all weighted copies of a block are added up
before the one inverse transform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from st_audioqa.conventions import N_BINS, SAMPLES_PER_BIN
from st_audioqa.errors import UserError
from st_audioqa.renderers.delay import Delay, Oversampled
from st_audioqa.renderers.makeup import LEAD, Makeup

__all__ = ["MODES", "Convolver", "Mode", "bin_centres", "bin_weights", "prepare", "render"]

Floats = NDArray[np.floating]
Spectra = NDArray[np.complexfloating]

Mode = Literal["plain", "aligned"]
MODES: tuple[Mode, ...] = ("plain", "aligned")

BLOCK = 2 * SAMPLES_PER_BIN
"""Samples convolved at once, if the source moves: with responses of 1 s, transforms of longer or
shorter blocks cost more in total."""

STATIC_BLOCK = 4 * BLOCK


def bin_centres(n_bins: int = N_BINS, samples_per_bin: int = SAMPLES_PER_BIN) -> Floats:
    """Samples at which the state of a bin holds [shape=(n_bins,)].

    Raises
    ------
    UserError
        `samples_per_bin` is odd or not positive: the centre would fall between samples.
    """
    if samples_per_bin < 2 or samples_per_bin % 2:
        raise UserError(
            f"A bin needs an even number of samples, so that its centre is one of them, and "
            f"samples_per_bin is {samples_per_bin}."
        )
    return (np.arange(n_bins) + 0.5) * samples_per_bin


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
    knots = bin_centres(n_bins, samples_per_bin)
    times = np.arange(n_bins * samples_per_bin, dtype=np.float64)
    return np.stack([_weight(knots, k, times) for k in range(n_bins)])


def prepare(
    rirs: NDArray[np.floating],
    *,
    mode: Mode = "plain",
    offsets_m: ArrayLike | None = None,
    knots: ArrayLike | None = None,
    keep: bool = True,
) -> Convolver:
    """The responses of one source, ready to be heard through.

    Parameters
    ----------
    rirs : ndarray [shape=(n_knots, n_channels, length)]
        In the order of time; a single one for a source that does not move. Sample 0 is the
        emission, so that the direct sound comes after distance / speed of sound.
    mode : str
        "plain" or "aligned".
    offsets_m : array [shape=(n_knots, 3)], optional
        Source minus listener at each knot, in any axes; between knots the source goes straight
        and steadily, and beyond them it goes on so. Needed for "aligned".
    knots : array [shape=(n_knots,)], optional
        Samples at which the responses hold, rising; by default the centres of bins of
        `SAMPLES_PER_BIN`.
    keep : bool
        Whether spectra are kept for the next waveform.

    Raises
    ------
    UserError
        Arrays that do not fit together, values that are not finite, or an unknown mode.
    """
    rirs = np.asarray(rirs)
    if rirs.ndim != 3 or 0 in rirs.shape:
        raise UserError(
            "Impulse responses need the shape (n_knots, n_channels, length), none of them 0, "
            f"and have {rirs.shape}."
        )
    if mode not in MODES:
        raise UserError(f"There is no crossfade named {mode!r}: take {' or '.join(MODES)}.")
    rirs = rirs.astype(np.float32, copy=False)
    if not np.isfinite(rirs).all():
        raise UserError("Impulse responses have to be finite, and one holds NaN or infinity.")
    at = bin_centres(len(rirs)) if knots is None else np.asarray(knots, dtype=np.float64)
    if at.shape != (len(rirs),) or not np.isfinite(at).all() or not (np.diff(at) > 0).all():
        raise UserError(
            f"{len(rirs)} impulse responses need as many finite and rising knots, "
            f"and {at.shape} were given."
        )
    if mode == "plain" or len(rirs) == 1:
        return Convolver(rirs, at, mode, None, None, keep)
    if offsets_m is None:
        raise UserError('The crossfade "aligned" needs offsets_m, the source at each knot.')
    delay = Delay.of(rirs, at, offsets_m)
    return Convolver(rirs, at, mode, delay, Makeup.of(rirs, delay.arrivals), keep)


def render(
    waveform: NDArray[np.floating],
    rirs: NDArray[np.floating],
    *,
    mode: Mode = "plain",
    offsets_m: ArrayLike | None = None,
    samples_per_bin: int = SAMPLES_PER_BIN,
) -> NDArray[np.float32]:
    """The waveform as heard at the listener, through responses that are used once.

    Parameters
    ----------
    waveform : ndarray [shape=(n,)]
        Dry sound of the source; silent stretches cost nothing.
    rirs : ndarray [shape=(n_bins, n_channels, length)]
        One impulse response per bin, or a single one for a source that does not move.
    mode, offsets_m
        As in `prepare`.
    samples_per_bin : int
        Even; the last bin lasts to the end of the waveform.

    Returns
    -------
    ndarray [shape=(n_channels, n)]
        Cut where the waveform ends.

    Raises
    ------
    UserError
        As `prepare`, `bin_centres` and `Convolver.render` say.
    """
    knots = bin_centres(len(rirs), samples_per_bin)
    responses = prepare(rirs, mode=mode, offsets_m=offsets_m, knots=knots, keep=False)
    return responses.render(waveform)


@dataclass(frozen=True, eq=False)
class Convolver:
    """Impulse responses of one source, prepared once and used for any number of waveforms.

    Made by `prepare`. Spectra are computed when they are first needed; the responses must not
    be written to.
    """

    rirs: NDArray[np.float32]
    """[shape=(n_knots, n_channels, length)]"""
    knots: Floats
    """[shape=(n_knots,)] samples at which they hold"""
    mode: Mode
    delay: Delay | None
    """Of a source that is heard at its continuous delay."""
    makeup: Makeup | None
    keep: bool
    _spectra: dict[int, tuple[Spectra, ...]] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def fft_size(self) -> int:
        """Samples of every transform."""
        lead, margin = self._lead, self._margin
        return fft.next_fast_len(
            lead + self._block + 2 * margin + self.rirs.shape[-1] - 1, real=True
        )

    @property
    def nbytes(self) -> int:
        """Bytes that it holds once all its spectra are computed."""
        n_knots, n_channels, _ = self.rirs.shape
        sets = (1 if self.makeup is None else 2) * self.keep
        return self.rirs.nbytes + sets * n_knots * n_channels * (self.fft_size // 2 + 1) * 8

    def render(self, waveform: NDArray[np.floating]) -> NDArray[np.float32]:
        """The waveform as heard at the listener.

        Parameters
        ----------
        waveform : ndarray [shape=(n,)]
            Dry sound of the source; silent blocks cost nothing.

        Returns
        -------
        ndarray [shape=(n_channels, n)]
            Cut where the waveform ends.

        Raises
        ------
        UserError
            The waveform is not a row of finite samples.
        """
        x = np.asarray(waveform).astype(np.float32, copy=False)
        if x.ndim != 1 or not np.isfinite(x).all():
            raise UserError(
                f"A waveform is a row of finite samples, and this one of shape {x.shape} is not."
            )
        n_channels, length = self.rirs.shape[1:]
        size, n_heard = self.fft_size, self._lead + self._block + 2 * self._margin + length - 1
        out = np.zeros((n_channels, len(x)), dtype=np.float32)
        source = Oversampled(x) if self.delay is not None and x.any() else None
        total = np.empty((n_channels, size // 2 + 1), dtype=np.complex64)
        product = np.empty_like(total)
        scratch: dict[int, tuple[Spectra, ...]] = {}
        for start, stop in self._blocks(len(x)):
            if not x[start:stop].any():
                continue
            knots, copies = self._copies(x, source, start, stop, size)
            spectra = iter(fft.rfft(copies, axis=-1))
            for k in knots:
                for i, response in enumerate(self._spectrum(k, scratch)):
                    first_one = k == knots[0] and i == 0
                    np.multiply(response, next(spectra), out=total if first_one else product)
                    if not first_one:
                        np.add(total, product, out=total)
            for k in [k for k in scratch if k < self._first(stop)]:
                del scratch[k]
            heard = fft.irfft(total, size, axis=-1)[:, :n_heard]
            first = start - self._margin - self._lead
            lower, upper = max(first, 0), min(first + n_heard, len(x))
            out[:, lower:upper] += heard[:, lower - first : upper - first]
        return out

    def _blocks(self, n_samples: int) -> Iterator[tuple[int, int]]:
        """Stretches of emission; they end at knots where they can, so that few are at work."""
        start = 0
        while start < n_samples:
            stop = start + self._block
            inside = np.searchsorted(self.knots, stop, side="right")
            if inside and (knot := int(np.ceil(self.knots[inside - 1]))) > start:
                stop = min(stop, knot)
            yield start, min(stop, n_samples)
            start = stop

    def _first(self, start: int) -> int:
        """The earliest knot that is at work from a sample on."""
        return max(int(np.searchsorted(self.knots, start, side="right")) - 1, 0)

    def _copies(
        self,
        x: NDArray[np.float32],
        source: Oversampled | None,
        start: int,
        stop: int,
        size: int,
    ) -> tuple[range, NDArray[np.float32]]:
        """What of a block is sent through the spectra of which knots.

        Returns
        -------
        knots : range
        copies : ndarray [shape=(n >= n_spectra, size)]
            One after another for each spectrum of each knot. Four transforms at a time are as
            fast as one and a half, so rows of zeros fill up.
        """
        last = min(int(np.searchsorted(self.knots, stop - 1, "right")), len(self.knots) - 1)
        knots = range(self._first(start), last + 1)
        each = 1 if self.makeup is None else 2
        n_rows = each * len(knots)
        copies = np.zeros((n_rows if n_rows == 1 else -(-n_rows // 4) * 4, size), np.float32)
        if self.delay is None or source is None:
            self._fade(x, start, stop, copies)
        else:
            arrival = self.delay.received(start, stop)
            for i, k in enumerate(knots):
                times, sound = self.delay.sent(source, k, arrival, start, stop)
                weight = _weight(self.knots, k, times)
                weight[(times < start) | (times >= stop)] = 0.0
                heard = slice(self._lead, self._lead + len(times))
                copies[2 * i, heard] = sound * weight
                copies[2 * i + 1, heard] = copies[2 * i, heard] * _dip(weight)
        return knots, copies

    def _fade(
        self, x: NDArray[np.float32], start: int, stop: int, copies: NDArray[np.float32]
    ) -> None:
        """The samples of a block under the weight of each knot, into rows of zeros."""
        inner = np.ceil(self.knots[(self.knots > start) & (self.knots < stop)]).astype(int)
        edges = [start, *inner.tolist(), stop]
        for low, high in pairwise(edges):
            k = int(np.searchsorted(self.knots, low, side="right")) - 1
            row, where = max(k, 0) - self._first(start), slice(low - start, high - start)
            if k < 0 or k == len(self.knots) - 1:
                copies[row, where] = x[low:high]
                continue
            gap = self.knots[k + 1] - self.knots[k]
            weight = np.arange(high - low, dtype=np.float32) * np.float32(1.0 / gap)
            weight += np.float32((low - self.knots[k]) / gap)
            np.multiply(x[low:high], weight, out=copies[row + 1, where])
            np.subtract(x[low:high], copies[row + 1, where], out=copies[row, where])

    def _spectrum(self, k: int, scratch: dict[int, tuple[Spectra, ...]]) -> tuple[Spectra, ...]:
        store = self._spectra if self.keep else scratch
        if k not in store:
            spectrum = fft.rfft(self.rirs[k], self.fft_size, axis=-1)
            if self.makeup is None:
                store[k] = (spectrum,)
            else:
                store[k] = (spectrum, self.makeup.spectrum(self.rirs[k], k, self.fft_size))
        return store[k]

    @property
    def _block(self) -> int:
        return BLOCK if len(self.knots) > 1 else STATIC_BLOCK

    @property
    def _margin(self) -> int:
        return 0 if self.delay is None else self.delay.margin

    @property
    def _lead(self) -> int:
        return 0 if self.makeup is None else LEAD


def _weight(knots: Floats, k: int, times: Floats) -> Floats:
    """Weight of knot k at given times."""
    near = slice(max(k - 1, 0), k + 2)
    return np.interp(times, knots[near], (np.arange(len(knots)) == k)[near].astype(float))


def _dip(weight: Floats) -> Floats:
    """Share of the make-up: 0 where one response is heard alone, 1 where two are by halves.

    With it, a gain of sqrt(2) in the middle keeps the power of two equally strong responses
    that are not alike the same all the way: 1 / sqrt(w^2 + (1 - w)^2) = 1 + (sqrt(2) - 1) dip.
    """
    gain = 1.0 / np.sqrt(weight**2 + (1.0 - weight) ** 2)
    return np.asarray((gain - 1.0) / (np.sqrt(2.0) - 1.0))
