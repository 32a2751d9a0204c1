"""Sounds that call for attention: sirens, horns, alarms and telephones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place
from st_audioqa.events.synth.shaping import bandpass, lowpass, resonate, swell
from st_audioqa.events.synth.sources import buzz, drift, partials

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Siren")
def siren(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A pitch that rises and falls without end: slow wail or quick yelp."""
    low_hz = rng.uniform(450, 700)
    octaves = rng.uniform(0.9, 1.4)
    period_s = rng.choice([rng.uniform(1.5, 4.0), rng.uniform(0.35, 0.6)])
    rise = rng.uniform(0.3, 0.7)
    turn = (np.arange(n_samples) / sample_rate / period_s + rng.uniform()) % 1
    height = np.where(turn < rise, turn / rise, (1 - turn) / (1 - rise))
    f0 = low_hz * 2 ** (octaves * lowpass(height, sample_rate, 10, order=1))
    tone = buzz(f0, sample_rate, rng.uniform(4, 7))
    horn_hz = rng.uniform(900, 1500)
    return bandpass(tone, sample_rate, 0.5 * horn_hz, 2 * horn_hz)


@sound("Vehicle horn, car horn, honking")
def vehicle_horn(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Two discordant trumpets, honked short and long."""
    low_hz = rng.uniform(330, 440)
    high_hz = low_hz * rng.uniform(1.18, 1.3)
    steady = np.ones(n_samples)
    chord = buzz(low_hz * steady, sample_rate, 4) + buzz(high_hz * steady, sample_rate, 4)
    trumpet_hz = rng.uniform(1800, 2600)
    rich = chord + resonate(chord, sample_rate, [(trumpet_hz, 0.0006, 0.3)])
    times = onsets(rng, n_samples / sample_rate, (0.95, 1.25), (1, 4), (0.0, 0.3))
    lengths = [rng.choice([rng.uniform(0.15, 0.3), rng.uniform(0.5, 0.9)]) for _ in times]
    honks = place(
        n_samples,
        sample_rate,
        times,
        (swell(int(s * sample_rate), sample_rate, 0.02, 0.04) for s in lengths),
    )
    return rich * honks


@sound("Alarm clock")
def alarm_clock(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Groups of high electronic beeps."""
    pitch_hz = rng.uniform(1900, 3200)
    beep_s = rng.uniform(0.06, 0.1)
    n = int(beep_s * sample_rate)
    strength = rng.uniform(0.1, 0.4)
    tone = partials(np.full(n, pitch_hz), sample_rate, [1.0, 0.0, strength])
    beep = tone * swell(n, sample_rate, 0.003, 0.003)
    per_group = int(rng.integers(2, 5))
    group_s = 2 * beep_s * per_group + rng.uniform(0.25, 0.6)
    duration_s = n_samples / sample_rate
    groups = np.arange(rng.uniform(0, 0.4), duration_s - 0.1, group_s)
    times = (groups[:, None] + 2 * beep_s * np.arange(per_group)).ravel()
    times = times[times < duration_s]
    return place(n_samples, sample_rate, times, [beep] * len(times))


@sound("Telephone bell ringing")
def telephone_bell(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A clapper beating two gongs, in rings of a second or two."""
    clapper_hz = rng.uniform(18, 25)
    gong_hz = rng.uniform(1100, 1700)
    times = onsets(rng, n_samples / sample_rate, (1.7, 2.6))
    ring_s = rng.uniform(1.1, 1.5)
    beats = np.arange(0, ring_s, 1 / clapper_hz)
    strokes = [np.zeros(n_samples), np.zeros(n_samples)]
    for time_s in times:
        at = ((time_s + beats) * sample_rate + rng.normal(0, 20, len(beats))).astype(np.int64)
        for side, stroke in enumerate(strokes):
            hits = at[side::2]
            stroke[hits[(hits >= 0) & (hits < n_samples)]] = rng.uniform(0.7, 1.0)
    total = np.zeros(n_samples)
    for stroke, interval in zip(strokes, (1.0, rng.uniform(1.12, 1.3)), strict=True):
        pitch_hz = gong_hz * interval
        modes = [
            (pitch_hz, 0.15, 1.0),
            (2.41 * pitch_hz, 0.1, 0.7),
            (4.05 * pitch_hz, 0.06, 0.4),
        ]
        total += resonate(stroke, sample_rate, modes)
    return total


@sound("Reversing beeps")
def reversing_beeps(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A truck's warning: even beeps of one tone."""
    pitch_hz = rng.uniform(1000, 1400)
    period_s = rng.uniform(0.8, 1.1)
    n = int(rng.uniform(0.42, 0.55) * period_s * sample_rate)
    wavering = pitch_hz * (1 + 0.002 * drift(rng, n, sample_rate, 5))
    tone = partials(wavering, sample_rate, [1.0, 0.2, 0.35, 0.08])
    beep = tone * swell(n, sample_rate, 0.006, 0.008)
    times = np.arange(rng.uniform(0, 0.5), n_samples / sample_rate - 0.1, period_s)
    return place(n_samples, sample_rate, times, [beep] * len(times))
