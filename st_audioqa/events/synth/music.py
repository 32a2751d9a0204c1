"""Musical instruments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place
from st_audioqa.events.synth.shaping import contour, formants, resonate, strike, swell
from st_audioqa.events.synth.sources import buzz, drift, noise, partials, sine

Floats = NDArray[np.float64]
Rng = np.random.Generator

PENTATONIC = (0, 2, 4, 7, 9, 12, 14, 16)
"""Semitones above the lowest note of a tune."""


def _tune(rng: Rng, lowest_hz: float, n_notes: int) -> Floats:
    """A random walk over a pentatonic scale, in Hz [shape=(n_notes,)]."""
    steps = np.cumsum(rng.integers(-2, 3, n_notes)) + rng.integers(len(PENTATONIC))
    folded = np.abs((steps - 7) % 14 - 7)
    return np.asarray(lowest_hz * 2 ** (np.take(PENTATONIC, folded) / 12))


@sound("Drum")
def drum(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Two drums of different size in a rolling rhythm."""
    low_hz = rng.uniform(75, 130)
    n = int(0.5 * sample_rate)
    skin = rng.uniform(0.1, 0.3)

    def one(pitch_hz: float) -> Floats:
        f0 = pitch_hz * (1 + 0.35 * np.exp(-np.arange(n) / (0.03 * sample_rate)))
        body = sine(f0, sample_rate) + 0.4 * sine(1.59 * f0, sample_rate)
        slap = noise(rng, n, sample_rate, [(300, -10), (1500, 0), (6000, -20)])
        return body * strike(n, sample_rate, 0.002, 0.12) + skin * slap * strike(
            n, sample_rate, 0.001, 0.02
        )

    pair = [one(low_hz), one(low_hz * rng.uniform(1.4, 1.9))]
    beat_s = rng.uniform(0.15, 0.28)
    slots = np.arange(0.0, n_samples / sample_rate - 0.1, beat_s)
    pattern = rng.random(8) < 0.6
    pattern[0] = True
    times = [float(slot) for i, slot in enumerate(slots) if pattern[i % 8]]
    picks = rng.choice(2, len(times))
    return place(n_samples, sample_rate, times, (pair[i] * rng.uniform(0.5, 1) for i in picks))


@sound("Bell")
def bell(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A swung bell: hum, prime, tierce, quint and nominal, long ringing."""
    prime_hz = rng.uniform(280, 620)
    ratios = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.67, 4.1])
    gains = np.array([0.5, 0.8, 0.7, 0.35, 1.0, 0.5, 0.3]) * rng.uniform(0.6, 1.3, 7)
    decays_s = rng.uniform(0.9, 1.4) * np.array([1.6, 1.2, 1.0, 0.7, 0.6, 0.4, 0.2])
    times = onsets(rng, n_samples / sample_rate, (0.9, 1.6))
    hits = place(n_samples, sample_rate, times, (rng.uniform(0.6, 1, 1) for _ in times))
    tuned = prime_hz * ratios * rng.uniform(0.99, 1.01, 7)
    return resonate(hits, sample_rate, zip(tuned, decays_s, gains, strict=True))


@sound("Plucked string instrument")
def plucked_string(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Arpeggios on strings whose upper harmonics die away first."""
    times = onsets(rng, n_samples / sample_rate, (0.22, 0.45), (4, 12), (0.0, 0.5))
    lowest_hz = rng.uniform(110, 230)
    brightness = rng.uniform(4, 6)
    where = rng.uniform(0.12, 0.3)
    n = int(1.1 * sample_rate)
    t = np.arange(n) / sample_rate

    def one(pitch_hz: float) -> Floats:
        string = buzz(np.full(n, pitch_hz), sample_rate, brightness + 25 * t)
        lag = max(1, int(where * sample_rate / pitch_hz))
        string[lag:] -= 0.9 * string[:-lag]
        return string * strike(n, sample_rate, 0.002, 0.35)

    tune = _tune(rng, lowest_hz, len(times))
    strings = {pitch: one(pitch) for pitch in tune.tolist()}
    dry = place(
        n_samples, sample_rate, times, (strings[p] * rng.uniform(0.5, 1) for p in tune.tolist())
    )
    return dry + resonate(dry, sample_rate, [(rng.uniform(180, 260), 0.006, 0.02)])


@sound("Organ")
def organ(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Sustained chords of pipes at octaves and fifths."""
    pipes = np.zeros(12)
    pipes[[0, 1, 2, 3, 5, 7]] = rng.uniform(0.2, 1.0, 6)
    lowest_hz = rng.uniform(120, 200)
    times = onsets(rng, n_samples / sample_rate, (1.0, 2.2))
    ends = [*times[1:], n_samples / sample_rate]
    roots = rng.choice([0, 2, 4, 5, 7, 9], len(times))

    def chord(root: int, seconds: float) -> Floats:
        n = int(max(seconds, 0.12) * sample_rate)
        total = np.zeros(n)
        for interval in (0, rng.choice([3, 4]), 7):
            pitch_hz = lowest_hz * 2 ** ((root + interval) / 12)
            total += partials(np.full(n, pitch_hz), sample_rate, pipes.tolist())
        return total * swell(n, sample_rate, 0.05, 0.06)

    chords = [
        chord(int(root), end - start - 0.02)
        for root, start, end in zip(roots, times, ends, strict=True)
    ]
    return place(n_samples, sample_rate, times, chords)


@sound("Flute")
def flute(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A tune of soft tones with breath and a late vibrato."""
    times = onsets(rng, n_samples / sample_rate, (0.45, 0.8), (3, 7), (0.1, 0.5))
    lowest_hz = rng.uniform(500, 680)
    vibrato_hz = rng.uniform(4.5, 6)
    breathiness = rng.uniform(0.05, 0.12)

    def one(pitch_hz: float) -> Floats:
        n = int(rng.uniform(0.4, 0.6) * sample_rate)
        sway = np.sin(2 * np.pi * vibrato_hz * np.arange(n) / sample_rate) * contour(n, 0, 1, 1)
        tone = partials(pitch_hz * (1 + 0.006 * sway), sample_rate, [1.0, 0.45, 0.2, 0.06])
        spectrum = [(pitch_hz / 2, -20.0), (2 * pitch_hz, 0.0), (9000, -12.0)]
        breath = breathiness * noise(rng, n, sample_rate, spectrum)
        return (tone * (1 + 0.15 * sway) + breath) * swell(n, sample_rate, 0.06, 0.08)

    notes = (one(pitch) for pitch in _tune(rng, lowest_hz, len(times)))
    return place(n_samples, sample_rate, times, notes)


@sound("Trumpet")
def trumpet(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Fanfares of tones that grow brighter as they grow louder."""
    beat_s = rng.uniform(0.2, 0.3)
    times = onsets(rng, n_samples / sample_rate, (beat_s, 2.2 * beat_s), (3, 8), (0.2, 0.6))
    lowest_hz = rng.uniform(230, 330)

    def one(pitch_hz: float) -> Floats:
        n = int(beat_s * rng.uniform(0.85, 1.3) * sample_rate)
        level = swell(n, sample_rate, 0.04, 0.06)
        f0 = pitch_hz * (1 + 0.003 * drift(rng, n, sample_rate, 10))
        tone = buzz(f0, sample_rate, 4 + 9 * (1 - level))
        shaped = formants(tone, sample_rate, [1300, 2800, 5000], [900, 1200, 1500], [1, 1, 0.6])
        return shaped * level

    notes = (one(pitch) for pitch in _tune(rng, lowest_hz, len(times)))
    return place(n_samples, sample_rate, times, notes)


@sound("Violin, fiddle")
def violin(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Long bowed notes with vibrato, through the resonances of the body."""
    times = onsets(rng, n_samples / sample_rate, (0.6, 1.3))
    ends = [*times[1:], n_samples / sample_rate]
    lowest_hz = rng.uniform(300, 420)
    vibrato_hz = rng.uniform(5, 6.5)

    def one(pitch_hz: float, seconds: float) -> Floats:
        n = int(max(seconds, 0.12) * sample_rate)
        sway = np.sin(2 * np.pi * vibrato_hz * np.arange(n) / sample_rate + rng.uniform(0, 6))
        f0 = pitch_hz * (1 + 0.011 * sway * contour(n, 0.2, 1, 1))
        string = buzz(f0, sample_rate, 4) * (1 + 0.1 * sway)
        bow = 0.04 * noise(rng, n, sample_rate, [(1000, -15), (4000, 0), (9000, -10)])
        return (string + bow) * swell(n, sample_rate, 0.09, 0.06)

    tune = _tune(rng, lowest_hz, len(times))
    notes = (
        one(pitch, end - start + 0.03)
        for pitch, start, end in zip(tune, times, ends, strict=True)
    )
    played = place(n_samples, sample_rate, times, notes)
    body = [(280, 0.004, 0.05), (460, 0.004, 0.06), (1100, 0.002, 0.08), (2900, 0.0006, 0.5)]
    return 0.2 * played + resonate(played, sample_rate, body)


@sound("Marimba, xylophone")
def marimba(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Quick tunes on wooden bars: a tone and its fourth harmonic, soon gone."""
    beat_s = rng.uniform(0.13, 0.22)
    times = onsets(rng, n_samples / sample_rate, (beat_s, 1.5 * beat_s), (5, 14), (0.0, 0.6))
    lowest_hz = rng.uniform(420, 700)
    decay_s = rng.uniform(0.09, 0.16)
    n = int(0.6 * sample_rate)
    tap = np.zeros(n)
    tap[0] = 1.0

    def one(pitch_hz: float) -> Floats:
        modes = [
            (pitch_hz, decay_s, 1.0),
            (3.93 * pitch_hz, 0.3 * decay_s, 0.4),
            (9.2 * pitch_hz, 0.1 * decay_s, 0.15),
        ]
        return resonate(tap, sample_rate, modes)

    tune = _tune(rng, lowest_hz, len(times)).tolist()
    bars = {pitch: one(pitch) for pitch in tune}
    return place(n_samples, sample_rate, times, (bars[p] * rng.uniform(0.5, 1) for p in tune))


@sound("Cymbal")
def cymbal(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A ride pattern: hissing metal with a ping at each stroke."""
    ping_hz = rng.uniform(2800, 4200)
    decay_s = rng.uniform(0.07, 0.22)
    n = int(1.2 * sample_rate)
    spectrum = [(1500, -30.0), (6000, -3.0), (9000, 0.0), (15000, -6.0)]
    hiss = noise(rng, n, sample_rate, spectrum)
    plates = rng.uniform(1.0, 3.5, 6) * ping_hz
    tap = np.zeros(n)
    tap[0] = 1.0
    ping = resonate(tap, sample_rate, [(f, rng.uniform(0.03, 0.2), 0.3) for f in plates])
    stroke = hiss * strike(n, sample_rate, 0.001, decay_s) + ping
    beat_s = rng.uniform(0.32, 0.5)
    swing = rng.uniform(0.6, 0.7)
    beats = np.arange(rng.uniform(0, 0.3), n_samples / sample_rate - 0.1, 2 * beat_s)
    times = np.concatenate([beats, beats + beat_s, beats + (1 + swing) * beat_s])
    times = times[times < n_samples / sample_rate]
    return place(n_samples, sample_rate, times, (stroke * rng.uniform(0.4, 1) for _ in times))
