"""Sounds of small things in a home."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place, repeated
from st_audioqa.events.synth.shaping import resonate, strike, swell
from st_audioqa.events.synth.sources import noise, sine

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Knock")
def knock(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Knuckles on a door: dull wooden blows in threes to fives."""
    panel_hz = rng.uniform(180, 360)
    beat_s = rng.uniform(0.14, 0.26)
    n = int(0.2 * sample_rate)
    modes = [
        (panel_hz * ratio * rng.uniform(0.95, 1.05), 0.018 / ratio**0.5, 1 / ratio)
        for ratio in (1.0, 1.7, 2.6, 4.1)
    ]

    def one() -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.001, 0.002)
        return resonate(hit, sample_rate, modes) * strike(n, sample_rate, 0.0005, 0.05)

    gap_s = (0.85 * beat_s, 1.15 * beat_s)
    return repeated(one, rng, n_samples, sample_rate, 0.6, gap_s, (3, 5), (0.3, 1.0))


@sound("Typing")
def typing(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Keys pressed and let go, in words."""
    case_hz = rng.uniform(1600, 3200)
    n = int(0.03 * sample_rate)

    def click(loudness: float) -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0003, 0.001)
        key_hz = case_hz * rng.uniform(0.8, 1.25)
        modes = [(key_hz, 0.002, 1.0), (2.1 * key_hz, 0.001, 0.8), (450, 0.003, 0.3)]
        return loudness * resonate(hit, sample_rate, modes)

    duration_s = n_samples / sample_rate
    presses = onsets(rng, duration_s, (0.07, 0.22), (3, 12), (0.1, 0.7))
    releases = [time + rng.uniform(0.05, 0.09) for time in presses]
    return place(
        n_samples, sample_rate, presses, (click(rng.uniform(0.4, 1)) for _ in presses)
    ) + place(
        n_samples, sample_rate, releases, (click(rng.uniform(0.1, 0.4)) for _ in releases)
    )


@sound("Tick-tock")
def tick_tock(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A clock: two alternating clicks, perfectly even."""
    tick_hz = rng.uniform(2400, 4200)
    tock_hz = tick_hz * rng.uniform(0.6, 0.85)
    case_hz = rng.uniform(500, 900)
    n = int(0.08 * sample_rate)
    hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0003, 0.0006)
    pair = [
        resonate(
            hit, sample_rate, [(f, 0.006, 1.0), (1.6 * f, 0.004, 0.5), (case_hz, 0.01, 0.2)]
        )
        for f in (tick_hz, tock_hz)
    ]
    period_s = rng.choice([0.25, 0.4, 0.5]) * rng.uniform(0.97, 1.03)
    times = np.arange(rng.uniform(0, period_s), n_samples / sample_rate - 0.02, period_s)
    return place(n_samples, sample_rate, times, (pair[i % 2] for i in range(len(times))))


@sound("Drip")
def drip(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Drops into water: each a bubble whose tone rises as it closes."""
    bubble_hz = rng.uniform(700, 1600)
    period_s = rng.uniform(0.3, 0.7)

    def one() -> Floats:
        n = int(0.12 * sample_rate)
        f0 = bubble_hz * rng.uniform(0.85, 1.2) * np.linspace(1.0, rng.uniform(1.3, 1.7), n)
        plop = sine(f0, sample_rate) * strike(n, sample_rate, 0.002, 0.018)
        splash = noise(rng, n, sample_rate, [(1000, -20), (5000, 0), (12000, -10)])
        return plop + 0.08 * splash * strike(n, sample_rate, 0.0005, 0.003)

    return repeated(one, rng, n_samples, sample_rate, 0.4, (0.8 * period_s, 1.3 * period_s))


@sound("Zipper (clothing)")
def zipper(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Teeth closing one by one, ever faster, up or down."""
    metal_hz = rng.uniform(3500, 6000)
    slowest_hz = rng.uniform(50, 90)

    def one() -> Floats:
        n = int(rng.uniform(0.35, 0.7) * sample_rate)
        rate = slowest_hz * np.geomspace(1.0, rng.uniform(2.5, 4), n)
        teeth = np.diff(np.floor(np.cumsum(rate) / sample_rate), prepend=0.0)
        scrape = teeth * rng.uniform(0.6, 1, n) + 0.02 * noise(rng, n, sample_rate)
        modes = [(metal_hz, 0.0008, 1.0), (1.6 * metal_hz, 0.0005, 0.7), (1500, 0.001, 0.3)]
        zip_up = resonate(scrape, sample_rate, modes) * swell(n, sample_rate, 0.05, 0.05)
        return zip_up[:: rng.choice([-1, 1])]

    return repeated(one, rng, n_samples, sample_rate, 0.6, (0.85, 1.2), (1, 4), (0.0, 0.5))
