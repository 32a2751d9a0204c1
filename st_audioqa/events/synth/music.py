"""Musical instruments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place
from st_audioqa.events.synth.shaping import (
    bandpass,
    contour,
    lowpass,
    modes,
    resonate,
    ring,
    strike,
    swell,
    throat,
)
from st_audioqa.events.synth.sources import drift, noise, partials, saw, sine

Floats = NDArray[np.float64]
Rng = np.random.Generator

SCALE = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)
"""Semitones above the lowest note of a tune."""


def _tune(rng: Rng, lowest_hz: float, n_notes: int) -> Floats:
    """A random walk over a scale, in Hz [shape=(n_notes,)]."""
    steps = np.cumsum(rng.integers(-2, 3, n_notes)) + rng.integers(len(SCALE))
    top = len(SCALE) - 1
    folded = np.abs((steps - top) % (2 * top) - top)
    return np.asarray(lowest_hz * 2 ** (np.take(SCALE, folded) / 12))


def _legato(
    rng: Rng,
    n_samples: int,
    sample_rate: int,
    lowest_hz: float,
    gap_s: tuple[float, float],
    one: Callable[[float, int], Floats],
    phrase: tuple[int, int] = (1, 1),
    rest_s: tuple[float, float] = (0.0, 0.0),
) -> Floats:
    """A tune of notes, each held until the next one or, before a rest, for `gap_s`.

    `one` makes a note of some pitch in Hz and some number of samples.
    """
    times = onsets(rng, n_samples / sample_rate, gap_s, phrase, rest_s)
    ends = np.append(times[1:], n_samples / sample_rate)
    held_s = np.minimum(ends - times, gap_s[1]).clip(0.12) + 0.03
    tune = _tune(rng, lowest_hz, len(times))
    notes = (
        one(pitch, int(seconds * sample_rate)) * rng.uniform(0.7, 1)
        for pitch, seconds in zip(tune.tolist(), held_s.tolist(), strict=True)
    )
    return place(n_samples, sample_rate, times, notes)


@sound("Drum")
def drum(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Two drums of different size: the modes of a round skin, and the slap of the stick.

    The modes of an ideal membrane are at 1, 1.59, 2.14, 2.30, 2.65, 2.92 ... times the lowest
    (Rossing, 2000, "Science of percussion instruments"); a hard blow starts them a little high.
    """
    low_hz = rng.uniform(70, 130)
    n = int(0.6 * sample_rate)
    ratios = np.array([1.0, 1.59, 2.14, 2.30, 2.65, 2.92, 3.16, 3.50, 3.60, 4.06])
    sharp = 1 + rng.uniform(0.05, 0.3) * np.exp(-np.arange(n) / (0.03 * sample_rate))
    decay_s = rng.uniform(0.1, 0.22)
    slappy = rng.uniform(0.15, 0.5)

    def one(pitch_hz: float) -> Floats:
        gains = rng.uniform(0.3, 1.0, len(ratios)) / ratios
        gains[0] = 1.0
        skin = np.zeros(n)
        for ratio, gain in zip(ratios, gains, strict=True):
            fall = strike(n, sample_rate, 0.0015, decay_s / ratio**0.7)
            skin += gain * sine(pitch_hz * ratio * sharp, sample_rate) * fall
        slap = noise(rng, n, sample_rate, [(200, -6), (900, 0), (4000, -8), (12000, -22)])
        stick = strike(n, sample_rate, 0.0006, 0.008) + 0.15 * strike(
            n, sample_rate, 0.002, 0.05
        )
        return skin / np.abs(skin).max() + slappy * slap * stick

    pair = [one(low_hz), one(low_hz * rng.uniform(1.4, 2.2))]
    beat_s = rng.uniform(0.13, 0.26)
    slots = np.arange(0.0, n_samples / sample_rate - 0.1, beat_s)
    pattern = rng.random(8) < 0.6
    pattern[0] = True
    times = [
        float(slot) + max(0.0, rng.normal(0, 0.008))
        for i, slot in enumerate(slots)
        if pattern[i % 8]
    ]
    picks = rng.choice(2, len(times))
    return place(n_samples, sample_rate, times, (pair[i] * rng.uniform(0.4, 1) for i in picks))


@sound("Plucked string instrument")
def plucked_string(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Arpeggios on a guitar: strings as loops of delay and loss, through a wooden body.

    Karplus and Strong (1983), with the place of the plucking as a comb and a dynamic low-pass
    (Jaffe and Smith, 1983); the body's lowest two modes are those of the air and the top.
    """
    times = onsets(rng, n_samples / sample_rate, (0.18, 0.42), (4, 12), (0.0, 0.5))
    lowest_hz = rng.uniform(90, 190)
    where = rng.uniform(0.1, 0.25)
    cutoff_hz = rng.uniform(2500, 7000)
    ringing_s = rng.uniform(0.35, 0.8)
    n = int(1.4 * sample_rate)

    def one(pitch_hz: float) -> Floats:
        period = sample_rate / pitch_hz - 0.5
        whole = int(period)
        part = period - whole
        loss = np.exp(-1 / (pitch_hz * ringing_s))
        pluck = np.zeros(n)
        pluck[:whole] = rng.uniform(-1, 1, whole)
        pluck = lowpass(pluck, sample_rate, cutoff_hz, order=1)
        lag = max(1, int(where * period))
        pluck[lag:] -= pluck[:-lag]
        loop = np.zeros(whole + 3)
        loop[0] = 1.0
        # Half a sample of delay and a little loss of the highs, then the fraction of a sample.
        loop[whole : whole + 3] -= loss * np.convolve([0.5, 0.5], [1 - part, part])
        string = np.asarray(signal.lfilter([1.0], loop, pluck))
        return string * swell(n, sample_rate, 0.001, 0.3)

    tune = _tune(rng, lowest_hz, len(times)).tolist()
    strings = {pitch: one(pitch) for pitch in set(tune)}
    strings = {pitch: string / np.abs(string).max() for pitch, string in strings.items()}
    dry = place(n_samples, sample_rate, times, (strings[p] * rng.uniform(0.5, 1) for p in tune))
    air_hz = rng.uniform(95, 125)
    body = [(air_hz, 0.012, 0.012), (1.95 * air_hz, 0.008, 0.02), (4.1 * air_hz, 0.005, 0.02)]
    return dry + resonate(dry, sample_rate, body)


@sound("Piano")
def piano(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Notes and chords: stiff strings, slightly sharp partials that decay in two stages.

    Partial k of a stiff string lies at k f0 sqrt(1 + B k^2) (Fletcher, 1964); the hammer's
    felt weakens the high ones, and the pairs of strings make the decay slow down (Weinreich,
    1977).
    """
    lowest_hz = rng.uniform(130, 330)
    stiffness = rng.uniform(2e-4, 5e-4)
    softness = rng.uniform(0.07, 0.15)
    times = onsets(rng, n_samples / sample_rate, (0.2, 0.55), (4, 14), (0.0, 0.6))
    n = int(1.6 * sample_rate)
    t = np.arange(n) / sample_rate
    attack = np.minimum(1, t / 0.003)
    knock = resonate(
        noise(rng, n, sample_rate) * strike(n, sample_rate, 0.001, 0.004),
        sample_rate,
        modes(rng, 90, 1800, 8, 0.02, -5),
    )
    knock *= 0.08 / np.abs(knock).max()

    def one(pitch_hz: float) -> Floats:
        k = np.arange(1, min(24, int(9000 / pitch_hz)) + 1)
        frequencies = k * pitch_hz * np.sqrt(1 + stiffness * k**2)
        gains = np.exp(-softness * k) * np.abs(np.sin(np.pi * k / 8.3)) / k**0.4
        slow = 1.1 * (260 / pitch_hz) ** 0.5 / k**0.6
        stages = [
            *zip(frequencies, 0.3 * slow, 0.75 * gains, strict=True),
            *zip(frequencies, slow, 0.25 * gains, strict=True),
        ]
        total = ring(n, sample_rate, stages)
        note = total / np.abs(total).max() * attack + knock
        return note * swell(n, sample_rate, 0.0005, 0.3)

    tune = _tune(rng, lowest_hz, len(times)).tolist()
    keys = {pitch: one(pitch) for pitch in sorted(set(tune))}
    total = place(n_samples, sample_rate, times, (keys[p] * rng.uniform(0.4, 1) for p in tune))
    bass = [time for time in times if rng.random() < 0.3]
    low = one(lowest_hz / 2)
    return total + place(n_samples, sample_rate, bass, (low for _ in bass))


@sound("Organ")
def organ(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Sustained chords of ranks of pipes up to the mixtures, with wind and a slow onset."""
    ranks = np.array([1, 2, 4, 6, 8, 12, 16])  # in octaves below the lowest note and above
    pipe = [1.0, 0.5, 0.3, 0.16, 0.1, 0.06]
    lowest_hz = rng.uniform(150, 230)
    times = onsets(rng, n_samples / sample_rate, (0.8, 2.0))
    ends = [*times[1:], n_samples / sample_rate]
    roots = rng.choice([0, 2, 4, 5, 7, 9], len(times))
    stops = []
    for _ in range(2):
        amplitudes = np.zeros(40)
        for rank, strength in zip(ranks, rng.uniform(0.15, 1.0, 7) / ranks**0.4, strict=True):
            for order, gain in enumerate(pipe, 1):
                if rank * order <= len(amplitudes):
                    amplitudes[rank * order - 1] += strength * gain
        stops.append(amplitudes.tolist())

    def chord(root: int, seconds: float) -> Floats:
        n = int(max(seconds, 0.12) * sample_rate)
        total = np.zeros(n)
        for interval in (-12, 0, rng.choice([3, 4]), 7):
            bottom_hz = 0.5 * lowest_hz * 2 ** ((root + interval) / 12)
            for stop, tuned in zip(stops, (1.0, 1.003), strict=True):
                top = min(len(stop), int(12_000 / bottom_hz))
                total += partials(np.full(n, tuned * bottom_hz), sample_rate, stop[:top])
        return total * swell(n, sample_rate, 0.06, 0.08)

    chords = [
        chord(int(root), end - start + 0.05)
        for root, start, end in zip(roots, times, ends, strict=True)
    ]
    played = place(n_samples, sample_rate, times, chords)
    wind = noise(rng, n_samples, sample_rate, [(200, -6), (1500, 0), (6000, -14), (14000, -34)])
    return played + 0.01 * played.std() * wind


@sound("Flute")
def flute(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A tune of soft tones with a vibrato that comes late, and breath around the tone."""
    lowest_hz = rng.uniform(400, 600)
    vibrato_hz = rng.uniform(4.5, 6)
    breathiness = rng.uniform(0.01, 0.04)
    bright = rng.uniform(0.5, 1.2)

    def one(pitch_hz: float, n: int) -> Floats:
        sway = np.sin(2 * np.pi * vibrato_hz * np.arange(n) / sample_rate) * contour(n, 0, 1, 1)
        f0 = pitch_hz * (1 + 0.005 * sway + 0.002 * drift(rng, n, sample_rate, 12))
        tone = partials(
            f0, sample_rate, [1.0, 0.5 * bright, 0.25 * bright, 0.09, 0.05, 0.025, 0.012]
        )
        hiss = noise(rng, n, sample_rate, [(200, -12), (1200, 0), (4000, -10), (9000, -30)])
        around = bandpass(hiss, sample_rate, 0.8 * pitch_hz, 1.3 * pitch_hz)
        chiff = 1 + 4 * strike(n, sample_rate, 0.01, 0.03)
        breath = breathiness * (0.5 * hiss + 2 * around) * chiff
        return (tone * (1 + 0.2 * sway) + breath) * swell(n, sample_rate, 0.05, 0.07)

    return _legato(rng, n_samples, sample_rate, lowest_hz, (0.22, 0.8), one, (4, 9), (0.1, 0.5))


@sound("Trumpet")
def trumpet(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Tunes of tones that grow brighter as they grow louder, through a bell's formant.

    The share of the high harmonics follows the loudness (Risset, 1966; Morrill, 1977); the bell
    favours the range about 1.2 to 2 kHz.
    """
    beat_s = rng.uniform(0.2, 0.36)
    lowest_hz = rng.uniform(233, 330)
    force = rng.uniform(0.7, 1.0)

    def one(pitch_hz: float, n: int) -> Floats:
        level = swell(n, sample_rate, 0.035, 0.06) * contour(n, 1.0, 0.85, 0.9, 0.95)
        scoop = 1 - 0.03 * np.exp(-np.arange(n) / (0.02 * sample_rate))
        sway = np.sin(2 * np.pi * 5.2 * np.arange(n) / sample_rate) * contour(n, 0, 0, 1)
        f0 = pitch_hz * scoop * (1 + 0.004 * sway + 0.002 * drift(rng, n, sample_rate, 15))
        tone = saw(f0, sample_rate)
        dull = lowpass(tone, sample_rate, 1.5 * pitch_hz)
        bright = lowpass(tone, sample_rate, 2600 * force, order=1)
        mix = dull * (1 - level) + bright * level
        shaped = throat(mix, sample_rate, [1250, 2100], [900, 1400], 9)
        air = 0.01 * noise(rng, n, sample_rate, [(1000, -10), (4000, 0), (10000, -16)])
        return (shaped + air) * level

    return _legato(
        rng, n_samples, sample_rate, lowest_hz, (beat_s, 2.6 * beat_s), one, (3, 8), (0.1, 0.5)
    )


@sound("Accordion")
def accordion(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Chords and a tune of free reeds, two to a note a few hertz apart, in bellows' swells."""
    lowest_hz = rng.uniform(260, 390)
    beating_hz = rng.uniform(1.5, 5)

    def one(pitch_hz: float, n: int) -> Floats:
        still = np.ones(n)
        reeds = saw(pitch_hz * still, sample_rate) + saw(
            (pitch_hz + beating_hz) * still, sample_rate
        )
        if rng.random() < 0.5:
            reeds += saw(pitch_hz * 2 ** (rng.choice([3, 4, 7]) / 12) * still, sample_rate)
        box = throat(reeds, sample_rate, [700, 1700, 3200], [500, 700, 900], 8)
        return lowpass(box, sample_rate, 4000, order=1) * swell(n, sample_rate, 0.04, 0.05)

    played = _legato(rng, n_samples, sample_rate, lowest_hz, (0.2, 0.7), one)
    bellows = 1 + 0.25 * drift(rng, n_samples, sample_rate, 1.2)
    return played * bellows


@sound("Violin, fiddle")
def violin(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Long bowed notes with vibrato, through the resonances of the body.

    The bowed string moves in a sawtooth (Helmholtz); the body's air mode lies near 280 Hz, its
    main wood modes near 460 and 550, the hill of the bridge at 2 to 3 kHz (Cremer, 1984).
    """
    lowest_hz = rng.uniform(290, 440)
    vibrato_hz = rng.uniform(5, 6.5)
    body = [
        rng.uniform(265, 295),
        rng.uniform(430, 480),
        550,
        1100,
        rng.uniform(2200, 2900),
        4200,
    ]

    def one(pitch_hz: float, n: int) -> Floats:
        sway = np.sin(2 * np.pi * vibrato_hz * np.arange(n) / sample_rate + rng.uniform(0, 6))
        f0 = pitch_hz * (1 + 0.009 * sway * contour(n, 0.1, 1, 1))
        f0 *= 1 + 0.0015 * drift(rng, n, sample_rate, 60)
        string = saw(f0, sample_rate) * (1 + 0.1 * sway + 0.08 * drift(rng, n, sample_rate, 25))
        bow = 0.05 * noise(rng, n, sample_rate, [(800, -12), (3000, 0), (9000, -10)])
        return (string + bow) * swell(n, sample_rate, 0.07, 0.06)

    played = _legato(rng, n_samples, sample_rate, lowest_hz, (0.3, 1.2), one)
    wood = throat(played, sample_rate, body, [25, 30, 35, 120, 900, 1200], 12)
    return lowpass(wood, sample_rate, 5500)


@sound("Marimba, xylophone")
def marimba(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Quick tunes on wooden bars: a tone, its fourth and tenth harmonic, a mallet's knock.

    Bars are cut so that the second mode is four times, the third about ten times the first
    (Rossing, 2000); xylophones to three times.
    """
    beat_s = rng.uniform(0.12, 0.22)
    times = onsets(rng, n_samples / sample_rate, (beat_s, 1.6 * beat_s), (5, 16), (0.0, 0.5))
    wooden = rng.random() < 0.5
    lowest_hz = rng.uniform(260, 420) if wooden else rng.uniform(520, 800)
    second = 3.95 if wooden else 3.0
    third = 9.6 if wooden else 6.1
    n = int(0.6 * sample_rate)
    hardness = rng.uniform(0.25, 0.8)

    def one(pitch_hz: float) -> Floats:
        decay_s = 0.2 * (350 / pitch_hz) ** 0.7
        bar = ring(n, sample_rate, [
            (pitch_hz, decay_s, 1.0),
            (1.003 * pitch_hz, 1.4 * decay_s, 0.3),
            (second * pitch_hz, 0.25 * decay_s, hardness),
            (third * pitch_hz, 0.1 * decay_s, 0.6 * hardness),
        ])  # fmt: skip
        click = noise(rng, n, sample_rate, [(300, -4), (1500, 0), (8000, -14)])
        return bar + 0.3 * hardness * click * strike(n, sample_rate, 0.0004, 0.004)

    tune = _tune(rng, lowest_hz, len(times)).tolist()
    bars = {pitch: one(pitch) for pitch in sorted(set(tune))}
    return place(n_samples, sample_rate, times, (bars[p] * rng.uniform(0.5, 1) for p in tune))


@sound("Cymbal")
def cymbal(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Crashes or a ride pattern: a crowd of modes, the higher ones the sooner gone.

    The blow lands in the low modes and spreads upwards within some tens of milliseconds
    (Fletcher and Rossing, 1998): the hiss rises later than the stroke.
    """
    ride = rng.random() < 0.5
    decay_s = rng.uniform(0.15, 0.4) if ride else rng.uniform(0.5, 1.3)
    n = int(min(4 * decay_s, 3.0) * sample_rate)
    tap = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0003, 0.001)
    plates = modes(rng, rng.uniform(280, 480), 14000, 110, 3 * decay_s, -1.5)
    ring = resonate(tap, sample_rate, [(f, max(d, 0.05), g) for f, d, g in plates])
    hiss = np.zeros(n)
    for low_hz, high_hz, share in ((700, 3000, 1.2), (3000, 7000, 1.0), (7000, 14500, 0.6)):
        band = bandpass(noise(rng, n, sample_rate), sample_rate, low_hz, high_hz)
        hiss += band * strike(n, sample_rate, 0.012, share * decay_s)
    stick = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0003, 0.003)
    stroke = ring / np.abs(ring).max() + rng.uniform(0.3, 0.8) * hiss + 0.3 * stick
    stroke *= swell(n, sample_rate, 0.0005, 0.3)
    if ride:
        beat_s = rng.uniform(0.32, 0.5)
        beats = np.arange(rng.uniform(0, 0.3), n_samples / sample_rate - 0.1, 2 * beat_s)
        times = np.concatenate(
            [beats, beats + beat_s, beats + (1 + rng.uniform(0.6, 0.7)) * beat_s]
        )
        times = times[times < n_samples / sample_rate]
    else:
        times = np.array(onsets(rng, n_samples / sample_rate, (0.8, 2.2)))
    return place(n_samples, sample_rate, times, (stroke * rng.uniform(0.4, 1) for _ in times))


@sound("Cowbell")
def cowbell(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A folded metal bell hit with a stick: two strong clashing tones and a clank."""
    low_hz = rng.uniform(480, 680)
    n = int(0.4 * sample_rate)
    decay_s = rng.uniform(0.05, 0.12)
    ring = [
        (low_hz, decay_s, 0.8),
        (low_hz * rng.uniform(1.45, 1.55), 1.2 * decay_s, 1.0),
        *modes(rng, 2.1 * low_hz, 11000, 14, 0.6 * decay_s, -2.5),
    ]

    def one() -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0002, 0.0005)
        return resonate(hit, sample_rate, ring)

    beat_s = rng.uniform(0.18, 0.34)
    slots = np.arange(rng.uniform(0, 0.2), n_samples / sample_rate - 0.1, beat_s)
    pattern = rng.random(8) < 0.65
    pattern[0] = True
    times = [float(slot) for i, slot in enumerate(slots) if pattern[i % 8]]
    blows = [one() for _ in range(4)]
    blows = [blow / np.abs(blow).max() for blow in blows]
    return place(
        n_samples,
        sample_rate,
        times,
        (blows[i % 4] * rng.uniform(0.5, 1) for i in range(len(times))),
    )
