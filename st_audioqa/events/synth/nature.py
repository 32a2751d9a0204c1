"""Weather, water and fire."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place
from st_audioqa.events.synth.shaping import contour, formants, resonate, strike, swell
from st_audioqa.events.synth.sources import drift, noise, pulses, sine

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Rain")
def rain(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A dense hiss with single drops standing out."""
    spectrum = [(200, -30.0), (1500, -12.0), (rng.uniform(4500, 8000), 0.0), (15000, -5.0)]
    hiss = noise(rng, n_samples, sample_rate, spectrum)
    density = rng.uniform(150, 500) * np.ones(n_samples)
    drop_hz = rng.uniform(3500, 6500)
    drops = resonate(
        pulses(rng, density, sample_rate, 8),
        sample_rate,
        [(drop_hz, 0.0008, 1.0), (1.6 * drop_hz, 0.0005, 0.7)],
    )
    heavier = 1 + 0.3 * drift(rng, n_samples, sample_rate, 0.5)
    return (rng.uniform(0.3, 0.6) * hiss + drops) * heavier


@sound("Wind")
def wind(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Gusts: a low rush, and a moan whose pitch follows the strength."""
    gust = 0.5 + 0.5 * drift(rng, n_samples, sample_rate, rng.uniform(0.4, 0.9))
    moan_hz = rng.uniform(280, 450)
    track = moan_hz * (1 + 0.8 * gust[::2000])
    air = noise(rng, n_samples, sample_rate, [(60, -6), (200, 0), (1000, -12), (6000, -36)])
    howl = formants(air, sample_rate, [track, 1.9 * track], [40, 70], [4.0, 1.5])
    return (0.5 * air + howl) * (0.12 + gust**1.5)


@sound("Thunder")
def thunder(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Cracks, each followed by a long rolling rumble."""
    rumble = noise(rng, n_samples, sample_rate, [(50, 0), (120, 0), (400, -18), (2000, -45)])
    crack = noise(rng, n_samples, sample_rate, [(60, 0), (1000, -8), (5000, -25)])
    times = onsets(rng, n_samples / sample_rate, (1.6, 3.6))
    n = int(4.0 * sample_rate)
    tails = (strike(n, sample_rate, 0.08, rng.uniform(0.6, 1.3)) for _ in times)
    rolls = place(n_samples, sample_rate, times, tails)
    n = int(0.5 * sample_rate)
    flashes = [time + delay for time in times for delay in rng.uniform(0, 0.4, 3)]
    flashes = [time for time in flashes if time < n_samples / sample_rate]
    bursts = (strike(n, sample_rate, 0.004, 0.05) * rng.uniform(0.2, 1) for _ in flashes)
    cracks = place(n_samples, sample_rate, flashes, bursts)
    rolling = 0.55 + 0.45 * drift(rng, n_samples, sample_rate, 5)
    return rumble * rolls * rolling + rng.uniform(0.3, 0.8) * crack * cracks


@sound("Fire")
def fire(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Crackles of many sizes over a soft roar."""
    lively = 1 + 0.8 * drift(rng, n_samples, sample_rate, 1.5)
    snaps = pulses(rng, rng.uniform(12, 30) * lively, sample_rate, 9)
    wood_hz = rng.uniform(1500, 3500)
    crackle = resonate(
        snaps, sample_rate, [(wood_hz, 0.0012, 1.0), (2.3 * wood_hz, 0.0006, 0.8)]
    )
    flicker = 0.7 + 0.3 * drift(rng, n_samples, sample_rate, 9)
    spectrum = [(80, 0.0), (300, -6.0), (1500, -22.0), (8000, -40.0)]
    roar = noise(rng, n_samples, sample_rate, spectrum) * flicker
    return crackle + rng.uniform(0.04, 0.1) * roar


@sound("Waves, surf")
def waves(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Breakers that rise, break bright and run out, over the sea's constant rush."""
    times = onsets(rng, n_samples / sample_rate, (2.2, 4.0))
    swells, foam = np.zeros(n_samples), np.zeros(n_samples)
    for time_s in times:
        n_rise = int(rng.uniform(0.8, 1.4) * sample_rate)
        n_fall = int(rng.uniform(1.6, 2.6) * sample_rate)
        size = rng.uniform(0.6, 1.0)
        shape = size * contour(n_rise + n_fall, 0, 0.3, 1, 0.6, 0.35, 0.2, 0.1, 0)
        start = int(time_s * sample_rate)
        stop = min(start + len(shape), n_samples)
        swells[start:stop] += shape[: stop - start]
        late = min(start + n_rise // 2, n_samples)
        stop = min(late + len(shape), n_samples)
        foam[late:stop] += shape[: stop - late]
    deep = noise(rng, n_samples, sample_rate, [(80, -4), (400, 0), (1500, -8), (8000, -30)])
    bright = noise(
        rng, n_samples, sample_rate, [(300, -15), (1500, 0), (6000, -4), (15000, -20)]
    )
    return deep * (0.08 + swells) + 0.6 * bright * (0.03 + foam**1.5)


@sound("Stream")
def stream(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A brook: countless small bubbles of rising tone over a soft rush."""
    n = int(0.09 * sample_rate)
    lowest_hz = rng.uniform(350, 600)
    sizes = lowest_hz * np.geomspace(1, 6, 24)
    bubbles = [
        sine(pitch * np.linspace(1, rng.uniform(1.05, 1.4), n), sample_rate)
        * strike(n, sample_rate, 0.004, rng.uniform(0.008, 0.025))
        * np.sqrt(sizes[0] / pitch)
        for pitch in sizes
    ]
    count = int(rng.uniform(35, 70) * n_samples / sample_rate)
    times = rng.uniform(0, n_samples / sample_rate, count)
    loudness = rng.lognormal(-0.5, 0.6, count)
    picks = rng.integers(len(bubbles), size=count)
    gurgle = place(
        n_samples,
        sample_rate,
        times,
        (bubbles[i] * size for i, size in zip(picks, loudness, strict=True)),
    )
    spectrum = [(200, -10.0), (700, 0.0), (3000, -12.0), (10000, -30.0)]
    rush = noise(rng, n_samples, sample_rate, spectrum)
    return gurgle + rng.uniform(0.03, 0.1) * rush * swell(n_samples, sample_rate, 0.01, 0.01)
