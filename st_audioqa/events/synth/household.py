"""Sounds of small things in a home."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place, repeated
from st_audioqa.events.synth.shaping import (
    bandpass,
    contour,
    formants,
    highpass,
    modes,
    resonate,
    strike,
    swell,
)
from st_audioqa.events.synth.sources import drift, noise, pulses, train

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Knock")
def knock(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Knuckles on a door: a bony tap and the many low modes of the panel, three to five."""
    panel = modes(rng, rng.uniform(110, 220), 3800, 20, 0.02, -3.5)
    beat_s = rng.uniform(0.14, 0.26)
    n = int(0.2 * sample_rate)

    def one() -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0006, 0.0012)
        door = resonate(hit, sample_rate, panel)
        return door / np.abs(door).max() + 0.15 * hit / np.abs(hit).max()

    gap_s = (0.9 * beat_s, 1.1 * beat_s)
    return repeated(one, rng, n_samples, sample_rate, 0.6, gap_s, (3, 5), (0.4, 1.1))


@sound("Typing")
def typing(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Keys of plastic that hit the board and spring back, in words.

    A press is a faint touch, the bottom of the key's travel and, later, its return; the large
    keys are lower, and every finger strikes with a force of its own.
    """
    board = modes(rng, rng.uniform(250, 500), 3500, 10, 0.006, -1)
    click_hz = rng.uniform(1100, 3500)
    thud, clicky = rng.uniform(0.15, 0.6), rng.uniform(0.4, 1.0)
    n = int(0.05 * sample_rate)
    keys = []
    for _ in range(24):
        hit = noise(rng, n, sample_rate) * strike(
            n, sample_rate, 0.0003, rng.uniform(0.001, 0.003)
        )
        centre_hz = click_hz * rng.lognormal(0, 0.25)
        tap = resonate(
            highpass(hit, sample_rate, 700),
            sample_rate,
            [
                (centre_hz, rng.uniform(0.6, 1.6) / centre_hz, 1.0),
                (2.1 * centre_hz, 0.0002, clicky),
            ],
        )
        low = resonate(
            hit, sample_rate, [(f * rng.uniform(0.9, 1.1), d, g) for f, d, g in board]
        )
        keys.append(tap / np.abs(tap).max() + thud * low / np.abs(low).max())
    duration_s = n_samples / sample_rate
    presses = onsets(rng, duration_s, (0.07, rng.uniform(0.14, 0.24)), (3, 14), (0.05, 0.6))
    touches = [max(time - rng.uniform(0.01, 0.025), 0.0) for time in presses]
    releases = [time + rng.uniform(0.05, 0.1) for time in presses]
    total = np.zeros(n_samples)
    for times, weakest, strongest in (
        (presses, 0.3, 1),
        (touches, 0.05, 0.3),
        (releases, 0.15, 0.6),
    ):
        clicks = (keys[rng.integers(24)] * rng.uniform(weakest, strongest) for _ in times)
        total += place(n_samples, sample_rate, times, clicks)
    return total


@sound("Tick-tock")
def tick_tock(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A clock, perfectly even: the tooth drops, gives its push, and the fork hits the bank.

    Each tick is three sounds within some milliseconds, of which the last is the strongest.
    """
    n = int(0.12 * sample_rate)
    case = modes(rng, rng.uniform(250, 900), 7000, 14, rng.uniform(0.006, 0.02), -1)
    bright_hz = rng.uniform(900, 4000)
    tail = rng.uniform(0.05, 0.2)

    def one(size: float) -> Floats:
        spectrum = [(200, -24), (bright_hz / 2, -8), (bright_hz, 0), (12000, -18)]
        grain = noise(rng, n, sample_rate, spectrum)
        level = tail * strike(n, sample_rate, 0.002, 0.02)
        delays = np.cumsum([0, *rng.uniform(0.004, 0.015, 2)]) * sample_rate
        loudness = rng.uniform((0.2, 0.1, 0.7), (0.5, 0.4, 1.0))
        for late, peak in zip(delays.astype(np.int64), loudness, strict=True):
            level[late:] += peak * strike(n - late, sample_rate, 0.0004, 0.0025)
        hit = grain * level
        ring = resonate(hit, sample_rate, [(f * size, d, g) for f, d, g in case])
        return hit / np.abs(hit).max() + rng.uniform(0.4, 1.2) * ring / np.abs(ring).max()

    pair = [one(1.0), rng.uniform(0.6, 1.0) * one(rng.uniform(0.7, 0.92))]
    period_s = rng.choice([0.2, 0.25, 0.4, 0.5]) * rng.uniform(0.97, 1.03)
    times = np.arange(rng.uniform(0, period_s), n_samples / sample_rate - 0.02, period_s)
    return place(n_samples, sample_rate, times, (pair[i % 2] for i in range(len(times))))


@sound("Zipper (clothing)")
def zipper(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Teeth closing one by one, ever faster, up or down; the cloth sounds along.

    Teeth are too small to send out low partials; the quicker they close, the brighter they are.
    """
    metal = modes(rng, rng.uniform(1200, 2000), 13000, 14, 0.0012, 2)
    slowest_hz = rng.uniform(110, 240)
    gliding_hz = rng.uniform(1500, 2600)

    def one() -> Floats:
        n = int(rng.uniform(0.35, 0.8) * sample_rate)
        rate = slowest_hz * np.geomspace(1.0, rng.uniform(2.5, 5), n)
        rate *= 1 + 0.1 * drift(rng, n, sample_rate, 20)
        teeth = 0.03 * noise(rng, n, sample_rate)
        at = train(rate, sample_rate)
        teeth[at] += rng.uniform(0.2, 1.0, len(at)) * rng.choice((-1, 1), len(at))
        scrape = highpass(resonate(teeth, sample_rate, metal), sample_rate, 1200)
        scrape = scrape / scrape.std()
        scrape += formants(
            scrape, sample_rate, [np.array([1, 1.5, 2.4]) * gliding_hz], [1200], [3]
        )
        cloth = noise(rng, n, sample_rate, [(600, -12), (3000, 0), (12000, -8)])
        run = (scrape / scrape.std() + rng.uniform(0.1, 0.4) * cloth) * contour(n, 0.5, 1)
        return (run * swell(n, sample_rate, 0.04, 0.03))[:: rng.choice([-1, 1])]

    return repeated(one, rng, n_samples, sample_rate, 0.6, (0.9, 1.4), (1, 4), (0.0, 0.5))


@sound("Glass")
def glass(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Glasses that touch: a few pure high modes each, ringing (the modes of a wine glass
    grow about with the square of their order; French, 1983)."""
    lowest_hz = rng.uniform(900, 2200)
    orders = np.array([2, 3, 4, 5, 6, 7])
    n = int(0.7 * sample_rate)
    tap = np.zeros(n)
    tap[0] = 1.0
    glasses = []
    for tuned in rng.uniform(0.85, 1.3, 3):
        frequencies = lowest_hz * tuned * (orders / 2) ** 1.75 * rng.uniform(0.97, 1.03, 6)
        decays = rng.uniform(0.06, 0.25) * (lowest_hz / frequencies) ** 0.4
        ring = list(zip(frequencies, decays, rng.uniform(0.3, 1.0, 6), strict=True))
        hit = tap + 0.05 * noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0003, 0.003)
        glasses.append(resonate(hit, sample_rate, ring))
    times = onsets(rng, n_samples / sample_rate, (0.1, 0.6), (2, 6), (0.2, 0.8))
    picks = rng.integers(3, size=len(times))
    return place(
        n_samples, sample_rate, times, (glasses[i] * rng.uniform(0.3, 1) for i in picks)
    )


@sound("Frying (food)")
def frying(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Steam that bursts through fat: crackles of all sizes, so dense that the least are a hiss.

    Every bubble is a click of a fraction of a millisecond with a colour of its own; large spits
    come in flurries and now and then something wet is put in. No two pans hiss alike.
    """
    colour_hz = rng.uniform(2500, 6500)
    n = int(0.012 * sample_rate)
    grains = []
    for _ in range(64):
        centre_hz = float(np.clip(colour_hz * rng.lognormal(0, 0.45), 700, 12_000))
        hit = noise(rng, n, sample_rate) * strike(
            n, sample_rate, 0.00015, rng.uniform(0.0002, 0.0009)
        )
        grain = resonate(
            hit, sample_rate, [(centre_hz, rng.uniform(0.8, 2.5) / centre_hz, 1.0)]
        )
        grains.append(grain / np.abs(grain).max())
    wet = contour(n_samples, *rng.uniform(0.5, 1.0, 4))
    if rng.random() < 0.4:
        lap_s = rng.uniform(2, 6)
        since = (np.arange(n_samples) / sample_rate + rng.uniform(0, lap_s)) % lap_s
        wet *= 0.5 + np.minimum(since / 0.05, 1) * np.exp(-since / 1.2)
    rate_hz = np.exp(rng.uniform(np.log(150), np.log(700)))
    flurry = wet * (1 + 0.6 * drift(rng, n_samples, sample_rate, 9))
    at = np.flatnonzero(rng.random(n_samples) < rate_hz * flurry / sample_rate)
    loudness = rng.pareto(rng.uniform(1.6, 2.6), len(at)).clip(0.02, 12)
    crackle = place(
        n_samples,
        sample_rate,
        at / sample_rate,
        (grains[i] * x for i, x in zip(rng.integers(64, size=len(at)), loudness, strict=True)),
    )
    crackle = highpass(crackle, sample_rate, 900, order=1)
    fine = pulses(rng, 6000 * wet, sample_rate, 10)
    low_hz, high_hz = rng.uniform(1200, 2500), rng.uniform(8000, 12_500)
    hiss = bandpass(fine, sample_rate, low_hz, high_hz)
    spectrum = [
        (200, -20),
        (0.5 * colour_hz, -6),
        (colour_hz, 0),
        (15_000, rng.uniform(-16, -6)),
    ]
    steam = noise(rng, n_samples, sample_rate, spectrum) * wet
    mix = rng.uniform(0.5, 1.2) * crackle / crackle.std()
    return mix + 0.6 * hiss / hiss.std() + rng.uniform(0.3, 0.8) * steam
