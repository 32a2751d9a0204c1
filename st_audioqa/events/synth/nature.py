"""Weather, water and fire."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place
from st_audioqa.events.synth.shaping import (
    contour,
    formants,
    highpass,
    lowpass,
    modes,
    resonate,
    strike,
    swell,
)
from st_audioqa.events.synth.sources import drift, noise, pulses, sine

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Rain")
def rain(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Single near drops at random times on one kind of ground, over the rush of the far ones.

    Sizes of drops are distributed exponentially (Marshall and Palmer, 1948), so that most taps
    are faint; a big drop taps longer and lower. On water many drops leave a bubble that rings
    (Pumphrey and Crum, 1989); leaves damp, a tin roof rings. The far ones add up to noise that
    falls with frequency by the air and the wind by the place.
    """
    duration_s = n_samples / sample_rate
    tap_hz, decay_s, bubbles, ringing = (
        (rng.uniform(2500, 5500), 0.0009, 0.05, 0.0),  # a road
        (rng.uniform(1500, 4000), 0.0012, 0.6, 0.0),  # puddles
        (rng.uniform(1200, 3000), 0.0018, 0.0, 0.0),  # leaves
        (rng.uniform(500, 1500), 0.0015, 0.0, rng.uniform(0.3, 1.0)),  # a roof
    )[rng.integers(4)]
    roof = modes(rng, rng.uniform(250, 700), 7000, 12, 0.012, -2)
    n = int(0.03 * sample_rate)
    drops = []
    for size in np.linspace(0.5, 2.2, 48):
        length_s = decay_s * size * rng.uniform(0.6, 1.5)
        tap = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0002, length_s)
        centre_hz = float(np.clip(tap_hz / size * rng.lognormal(0, 0.35), 300, 12_000))
        drop = resonate(tap, sample_rate, [(centre_hz, 1 / centre_hz, 1.0)])
        drop = drop / np.abs(drop).max() + 0.3 * tap / np.abs(tap).max()
        if rng.random() < bubbles:
            bubble_hz = rng.uniform(1500, 9000) / size**0.5
            late = int(rng.uniform(0.001, 0.008) * sample_rate)
            bubble = sine(np.full(n - late, bubble_hz), sample_rate)
            drop[late:] += (
                rng.uniform(0.3, 1.2)
                * bubble
                * strike(n - late, sample_rate, 0.0005, 12 / bubble_hz)
            )
        if ringing:
            rung = resonate(tap, sample_rate, roof)
            drop += ringing * rung / np.abs(rung).max()
        drops.append(drop * size)
    near_hz = np.exp(rng.uniform(np.log(30), np.log(300)))
    count = rng.poisson(near_hz * duration_s)
    shower = 1 + 0.2 * drift(rng, n_samples, sample_rate, 0.4)
    times = rng.uniform(0, duration_s, count)
    sizes = rng.exponential(0.25, count).clip(0, 1)
    distances = rng.uniform(0.25, 1, count) ** 0.5
    picks = (48 * sizes).astype(np.int64).clip(0, 47)
    near = place(
        n_samples,
        sample_rate,
        times,
        (drops[i] / d for i, d in zip(picks, distances, strict=True)),
    )
    near = highpass(near, sample_rate, 0.35 * tap_hz, order=1)
    fall_db = rng.uniform(-10, 0)
    wind_db = rng.uniform(-22, -2)
    spectrum = [(80, wind_db), (500, wind_db / 2 - 3), (tap_hz, 0.0), (2.5 * tap_hz, fall_db),
                (15_500, 1.5 * fall_db - 8)]  # fmt: skip
    many = np.abs(pulses(rng, np.full(n_samples, 8 * near_hz + 300), sample_rate, 7))
    patter = lowpass(many, sample_rate, 120, order=1)
    far = noise(rng, n_samples, sample_rate, spectrum) * (0.4 * patter.mean() + patter)
    far *= near.std() / far.std() * rng.uniform(1.5, 4.5)
    return (near + far) * shower


@sound("Wind")
def wind(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Gusts: a low rush, and a whistle at edges whose pitch follows the strength.

    The pitch of an edge grows with the speed of the air (Strouhal, 1878).
    """
    gust = 0.5 + 0.5 * drift(rng, n_samples, sample_rate, rng.uniform(0.4, 0.9))
    gust = (gust + 0.15 * drift(rng, n_samples, sample_rate, 3)).clip(0, 1)
    edge_hz = rng.uniform(350, 650)
    track = edge_hz * (0.7 + 0.8 * gust[::2000])
    rush_hz = rng.uniform(120, 400)
    fall_db = rng.uniform(-24, -12)
    spectrum = [(60, 0), (rush_hz, -3), (4 * rush_hz, fall_db), (6000, 2.5 * fall_db)]
    air = noise(rng, n_samples, sample_rate, spectrum)
    white = noise(rng, n_samples, sample_rate, [(200, 0), (8000, -12)])
    howl = formants(white, sample_rate, [track, 1.53 * track], [25, 40], [1.6, 0.9])
    rustle = lowpass(white, sample_rate, 2500, order=1) * rng.uniform(0.03, 0.15)
    return air * (0.25 + gust) + (howl * rng.uniform(0.5, 1.0) + rustle) * (0.05 + gust**2)


@sound("Thunder")
def thunder(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Cracks of the near parts of a crooked bolt, then the rumble of the far ones.

    Every piece of the bolt sends a pulse; the farther it is, the later, weaker and duller it
    comes (Few, 1969; Ribner and Roy, 1982).
    """
    duration_s = n_samples / sample_rate
    near, far = np.zeros(n_samples), np.zeros(n_samples)
    for time_s in onsets(rng, duration_s, (2.6, 4.6)):
        delays = rng.gamma(1.5, rng.uniform(0.5, 0.9), 160)
        times = time_s + delays
        sizes = rng.lognormal(0, 0.5, 160) * np.exp(-delays / 1.5)
        keep = times < duration_s
        at = (times[keep] * sample_rate).astype(np.int64)
        near[at] += (sizes * np.exp(-delays / 0.25))[keep]
        far[at] += sizes[keep]
    boom = resonate(
        noise(rng, n_samples, sample_rate) * (lowpass(far, sample_rate, 1.5, order=1) + 1e-4),
        sample_rate,
        [(60, 0.004, 1.0), (110, 0.003, 0.7), (240, 0.0015, 0.4), (600, 0.0006, 0.2)],
    )
    crash = noise(rng, n_samples, sample_rate, [(100, 0), (1000, -6), (4000, -16), (9000, -32)])
    crash *= lowpass(near, sample_rate, 5, order=1)
    return boom / boom.std() + rng.uniform(0.1, 0.5) * crash / crash.std()


@sound("Fire")
def fire(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Snaps of many sizes, some in bursts, over a soft roar and hiss."""
    lively = 1 + 0.8 * drift(rng, n_samples, sample_rate, 1.5)
    bursts = np.maximum(drift(rng, n_samples, sample_rate, 12) - 0.6, 0) * 5
    rate = rng.uniform(12, 35) * lively * (0.4 + bursts)
    snaps = resonate(
        pulses(rng, rate, sample_rate, 10),
        sample_rate,
        [(900, 0.0008, 0.5), (2300, 0.0004, 0.8), (5200, 0.00025, 1.0), (9500, 0.0001, 1.0)],
    )
    specks = highpass(pulses(rng, 8 * rate, sample_rate, 8), sample_rate, 2500)
    flicker = 0.7 + 0.3 * drift(rng, n_samples, sample_rate, 9)
    roar = noise(rng, n_samples, sample_rate, [(60, 0), (200, -5), (900, -20), (12000, -30)])
    snaps /= snaps.std()
    specks *= 0.4 / specks.std()
    return snaps + specks + rng.uniform(0.8, 1.8) * roar * flicker


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
    """A brook: countless bubbles, each a short tone that rises as it nears the surface.

    A bubble of radius r rings at 3.26 m/s / r (Minnaert, 1933) and dies away in some fifteen
    cycles; many of random size make running water (van den Doel, 2005, "Physically based
    models for liquid sounds").
    """
    lowest_hz = rng.uniform(350, 600)
    sizes = lowest_hz * np.geomspace(1, 9, 48)
    bubbles = []
    for pitch_hz in sizes:
        decay_s = 8 / pitch_hz
        n = int(6 * decay_s * sample_rate)
        rise = contour(n, 1.0, rng.uniform(1.0, 1.35))
        tone = sine(pitch_hz * rise, sample_rate) * strike(n, sample_rate, 0.0015, decay_s)
        bubbles.append(tone * (lowest_hz / pitch_hz) ** 0.6)
    count = int(rng.uniform(250, 600) * n_samples / sample_rate)
    times = rng.uniform(0, n_samples / sample_rate, count)
    loudness = rng.lognormal(-0.5, 0.9, count)
    picks = rng.integers(len(bubbles), size=count)
    gurgle = place(
        n_samples,
        sample_rate,
        times,
        (bubbles[i] * size for i, size in zip(picks, loudness, strict=True)),
    )
    spectrum = [(100, -14.0), (600, 0.0), (2500, -3.0), (8000, -8.0), (15000, -18.0)]
    rush = noise(rng, n_samples, sample_rate, spectrum)
    return gurgle / gurgle.std() + rng.uniform(0.35, 0.8) * rush


@sound("Drip")
def drip(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Drops into water: a tiny splash, then a bubble whose tone rises (Minnaert, 1933)."""
    bubble_hz = rng.uniform(700, 1700)
    period_s = rng.uniform(0.25, 0.7)

    def one() -> Floats:
        n = int(0.16 * sample_rate)
        total = np.zeros(n)
        splash = noise(rng, n, sample_rate, [(600, -20), (3500, 0), (9000, -6), (15000, -15)])
        total += 0.25 * splash * strike(n, sample_rate, 0.0004, 0.004)
        for _ in range(rng.integers(1, 4)):
            late = int(rng.uniform(0.004, 0.06) * sample_rate)
            rise = contour(n - late, 1.0, rng.uniform(1.2, 1.8))
            f0 = bubble_hz * rng.uniform(0.8, 1.6) * rise
            plop = sine(f0, sample_rate) * strike(n - late, sample_rate, 0.002, 0.014)
            total[late:] += plop * rng.uniform(0.3, 1)
        return total

    times = onsets(rng, n_samples / sample_rate, (0.7 * period_s, 1.35 * period_s))
    return place(n_samples, sample_rate, times, (one() * rng.uniform(0.4, 1) for _ in times))


@sound("Splash, splatter")
def splash(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Something falls into water: a slap, a spray of bubbles, drops that fall back."""

    def one() -> Floats:
        n = int(rng.uniform(0.7, 1.2) * sample_rate)
        body = noise(rng, n, sample_rate, [(100, -10), (500, 0), (2500, -4), (12000, -18)])
        slap = body * (
            strike(n, sample_rate, 0.01, 0.07) + 0.3 * strike(n, sample_rate, 0.1, 0.2)
        )
        rate = rng.uniform(500, 900) * strike(n, sample_rate, 0.05, 0.2) + 1e-6
        bubbles = np.zeros(n)
        for pitch_hz in rng.uniform(500, 4500, 14):
            hits = pulses(rng, rate / 14, sample_rate, 8)
            bubbles += resonate(
                hits, sample_rate, [(pitch_hz, 7 / pitch_hz, (700 / pitch_hz) ** 0.5)]
            )
        bubbles *= 1.5 * slap.std() / max(bubbles.std(), 1e-9)
        return slap + bubbles * swell(n, sample_rate, 0.01, 0.2)

    times = onsets(rng, n_samples / sample_rate, (0.8, 1.7), (1, 4), (0.0, 0.5))
    return place(n_samples, sample_rate, times, (one() * rng.uniform(0.4, 1) for _ in times))
