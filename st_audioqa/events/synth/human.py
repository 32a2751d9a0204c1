"""Sounds of people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, repeated
from st_audioqa.events.synth.shaping import (
    contour,
    formants,
    highpass,
    lowpass,
    resonate,
    strike,
    swell,
)
from st_audioqa.events.synth.sources import buzz, drift, noise, partials, pulses

Floats = NDArray[np.float64]
Rng = np.random.Generator

VOWELS_HZ = np.array(
    [
        [730, 1090, 2440],
        [570, 840, 2410],
        [300, 870, 2240],
        [530, 1840, 2480],
        [270, 2290, 3010],
        [660, 1720, 2410],
        [490, 1350, 1690],
    ]
)
"""First three formants of vowels of adult voices (after Peterson and Barney, 1952)."""


@sound("Speech")
def speech(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Babble: a buzzing voice through gliding vowels, with hissed consonants and pauses."""
    duration_s = n_samples / sample_rate
    size = rng.uniform(0.95, 1.2)
    pitch_hz = rng.uniform(85, 130) if size < 1.05 else rng.uniform(160, 240)
    syllable_s = rng.uniform(0.17, 0.23)
    times = onsets(rng, duration_s, (0.8 * syllable_s, 1.25 * syllable_s), (5, 14), (0.15, 0.5))
    voiced, hissed = np.zeros(n_samples), np.zeros(n_samples)
    for time_s in times:
        start, n = int(time_s * sample_rate), int(rng.uniform(0.13, 0.2) * sample_rate)
        stop = min(start + n, n_samples)
        loudness = rng.uniform(0.4, 1.0)
        voiced[start:stop] += loudness * swell(n, sample_rate, 0.03, 0.07)[: stop - start]
        if rng.random() < 0.4:
            n = int(rng.uniform(0.04, 0.09) * sample_rate)
            stop, start = start, max(start - n, 0)
            hissed[start:stop] += swell(n, sample_rate, 0.02, 0.02)[: stop - start]
    melody = 1 + 0.18 * drift(rng, n_samples, sample_rate, 1.5)
    melody += 0.02 * drift(rng, n_samples, sample_rate, 30)
    voice = buzz(pitch_hz * melody, sample_rate, 6)
    voice += 0.05 * noise(rng, n_samples, sample_rate)
    vowels = size * VOWELS_HZ[rng.integers(len(VOWELS_HZ), size=max(2, len(times)))].T
    mouth = formants(
        voice * voiced,
        sample_rate,
        [*vowels, 3600 * size],
        [90, 120, 180, 300],
        [1, 0.6, 0.3, 0.1],
    )
    hiss = noise(rng, n_samples, sample_rate, [(1500, -40), (4500, 0), (8000, 0), (12000, -20)])
    return mouth + rng.uniform(0.03, 0.08) * hiss * hissed


@sound("Laughter")
def laughter(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Bouts of "ha": breath, then an open vowel whose pitch falls through the bout."""
    pitch_hz = rng.uniform(230, 420)
    size = rng.uniform(1.0, 1.25)
    beat_s = rng.uniform(0.19, 0.24)
    duration_s = n_samples / sample_rate
    times = onsets(rng, duration_s, (0.93 * beat_s, 1.07 * beat_s), (5, 10), (0.3, 0.8))
    voiced, breath = np.zeros(n_samples), np.zeros(n_samples)
    f0 = np.full(n_samples, pitch_hz)
    fall = 1.0
    for previous_s, time_s in zip([-1.0, *times], times, strict=False):
        fall = rng.uniform(1.0, 1.25) if time_s - previous_s > 1.2 * beat_s else 0.95 * fall
        start, n = int(time_s * sample_rate), int(beat_s * sample_rate)
        stop = min(start + n, n_samples)
        n_breath = int(0.45 * n)
        ha = np.zeros(n)
        ha[n_breath:] = swell(n - n_breath, sample_rate, 0.02, 0.06)
        huff = np.zeros(n)
        huff[: n_breath + n // 5] = swell(n_breath + n // 5, sample_rate, 0.03, 0.03)
        loudness = rng.uniform(0.7, 1.0)
        voiced[start:stop] += loudness * ha[: stop - start]
        breath[start:stop] += loudness * huff[: stop - start]
        f0[start:stop] = pitch_hz * fall * np.linspace(1.1, 0.9, n)[: stop - start]
    voice = buzz(f0, sample_rate, 4.5) * voiced
    voice += 0.25 * noise(rng, n_samples, sample_rate) * breath
    return formants(
        voice, sample_rate, size * np.array([800, 1300, 2700]), [150, 200, 300], [1, 0.8, 0.3]
    )


@sound("Baby cry, infant cry")
def baby_cry(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Long rasping cries of falling pitch, each followed by a gasp."""
    pitch_hz = rng.uniform(380, 520)
    size = rng.uniform(1.0, 1.2)

    def one() -> Floats:
        n = int(rng.uniform(0.7, 1.2) * sample_rate)
        f0 = pitch_hz * contour(n, 0.9, 1.15, 1.12, 1.05, 0.8)
        f0 *= 1 + 0.02 * drift(rng, n, sample_rate, 40)
        rasp = 1 + rng.uniform(0.2, 0.6) * drift(rng, n, sample_rate, 70)
        voice = buzz(f0, sample_rate, 4) * rasp + 0.2 * noise(rng, n, sample_rate)
        cry = formants(
            voice,
            sample_rate,
            size * np.array([1150, 3300, 5200]),
            [250, 600, 700],
            [1, 1.5, 1.2],
        ) * swell(n, sample_rate, 0.06, 0.15)
        n_gasp = int(0.2 * sample_rate)
        gasp = highpass(noise(rng, n_gasp, sample_rate), sample_rate, 1500)
        return np.concatenate([cry, 0.05 * gasp * swell(n_gasp, sample_rate, 0.1, 0.05)])

    return repeated(one, rng, n_samples, sample_rate, 0.6, (1.25, 1.7))


@sound("Cough")
def cough(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A burst of breath and a hoarse rest, once to three times in a row."""
    throat_hz = rng.uniform(420, 750)
    pitch_hz = rng.uniform(110, 220)

    def one() -> Floats:
        n = int(rng.uniform(0.26, 0.4) * sample_rate)
        burst = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.004, 0.035)
        rest = noise(rng, n, sample_rate) * swell(n, sample_rate, 0.06, 0.2)
        hoarse = pitch_hz * (1 + 0.25 * drift(rng, n, sample_rate, 60))
        voice = buzz(hoarse, sample_rate, 4) * swell(n, sample_rate, 0.12, 0.12)
        modes = [
            (throat_hz, 0.002, 1.0),
            (2.6 * throat_hz, 0.001, 0.8),
            (4.4 * throat_hz, 0.0007, 0.7),
        ]
        return resonate(1.2 * burst + 0.25 * rest + 0.4 * voice, sample_rate, modes)

    return repeated(one, rng, n_samples, sample_rate, 0.4, (0.38, 0.6), (1, 3), (0.2, 0.9))


@sound("Snoring")
def snoring(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A fluttering palate while breathing in, a soft breath while breathing out."""
    flutter_hz = rng.uniform(26, 48)
    throat_hz = rng.uniform(260, 420)
    period_s = rng.uniform(2.0, 3.0)

    def one() -> Floats:
        n_in, n_out = int(0.5 * period_s * sample_rate), int(0.36 * period_s * sample_rate)
        f0 = flutter_hz * contour(n_in, 0.9, 1.1, 1.0)
        f0 *= 1 + 0.1 * drift(rng, n_in, sample_rate, 15)
        flutter = buzz(f0, sample_rate, 10) + 0.35 * noise(rng, n_in, sample_rate)
        modes = [(throat_hz, 0.004, 1.0), (2.2 * throat_hz, 0.003, 0.5), (1400, 0.002, 0.25)]
        snore = resonate(flutter, sample_rate, modes) * swell(n_in, sample_rate, 0.35, 0.15)
        spectrum = [(300, -20.0), (700, 0.0), (1500, -5.0), (5000, -30.0)]
        sigh = noise(rng, n_out, sample_rate, spectrum)
        sigh *= swell(n_out, sample_rate, 0.2, 0.4) * 0.15 * np.abs(snore).max() / 3
        return np.concatenate([snore, sigh])

    return repeated(one, rng, n_samples, sample_rate, 0.7, (0.95 * period_s, 1.1 * period_s))


@sound("Clapping")
def clapping(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """One person's claps: short bursts coloured by the hollow of the hands."""
    hollow_hz = rng.uniform(900, 1900)
    period_s = rng.uniform(0.22, 0.5)
    n = int(0.08 * sample_rate)

    def one() -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0008, 0.006)
        centre_hz = hollow_hz * rng.uniform(0.92, 1.08)
        modes = [(centre_hz, 0.0012, 1.0), (2.2 * centre_hz, 0.0006, 0.6)]
        return resonate(hit, sample_rate, modes)

    gap_s = (0.9 * period_s, 1.1 * period_s)
    return repeated(one, rng, n_samples, sample_rate, 0.5, gap_s, (6, 20), (0.0, 0.6))


@sound("Applause")
def applause(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Many claps at once, of hands of three sizes."""
    people = rng.uniform(200, 600) * (1 + 0.3 * drift(rng, n_samples, sample_rate, 1))
    grain = noise(rng, n_samples, sample_rate)
    total = np.zeros(n_samples)
    for hollow_hz in rng.uniform(700, 2300, 3):
        claps = np.abs(pulses(rng, people / 3, sample_rate, 6))
        bursts = lowpass(claps, sample_rate, 35, order=1)
        modes = [(hollow_hz, 0.001, 1.0), (2.2 * hollow_hz, 0.0006, 0.6)]
        total += resonate(bursts * grain, sample_rate, modes)
    return total * (1 + 0.25 * drift(rng, n_samples, sample_rate, 0.7))


@sound("Walk, footsteps")
def footsteps(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A thump of the heel, then a scrape of the sole, now and then a halt."""
    floor_hz = rng.uniform(90, 170)
    step_s = rng.uniform(0.45, 0.68)
    grit = rng.uniform(0.15, 0.5)
    n = int(0.3 * sample_rate)

    def one() -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.002, 0.006)
        heel_hz = floor_hz * rng.uniform(0.9, 1.1)
        thump = resonate(hit, sample_rate, [(heel_hz, 0.02, 1.0), (2.7 * heel_hz, 0.012, 0.5)])
        spectrum = [(800, -25.0), (2200, 0.0), (5000, -3.0), (10000, -25.0)]
        scrape = noise(rng, n, sample_rate, spectrum)
        late = int(rng.uniform(0.03, 0.07) * sample_rate)
        scrape[late:] *= strike(n - late, sample_rate, 0.02, 0.03)
        scrape[:late] = 0
        thump /= np.abs(thump).max()
        return thump + grit * rng.uniform(0.1, 0.4) * scrape

    gap_s = (0.93 * step_s, 1.07 * step_s)
    return repeated(one, rng, n_samples, sample_rate, 0.5, gap_s, (6, 16), (0.0, 0.4))


@sound("Whistling")
def whistling(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A whistled tune: a gliding tone with breath, over a scale, in phrases."""
    lowest_hz = rng.uniform(900, 1400)
    scale = 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    beat_s = rng.uniform(0.2, 0.34)
    times = onsets(rng, n_samples / sample_rate, (beat_s, 2 * beat_s), (4, 9), (0.2, 0.6))
    level, f0 = np.zeros(n_samples), np.full(n_samples, lowest_hz)
    note = int(rng.integers(len(scale)))
    for time_s in times:
        start, n = int(time_s * sample_rate), int(rng.uniform(1.0, 1.6) * beat_s * sample_rate)
        stop = min(start + n, n_samples)
        note = int(np.clip(note + rng.integers(-3, 4), 0, len(scale) - 1))
        level[start:stop] = swell(n, sample_rate, 0.03, 0.05)[: stop - start]
        f0[start:] = lowest_hz * scale[note]
    glide = lowpass(f0 - f0[0], sample_rate, 12) + f0[0]
    vibrato = np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * np.arange(n_samples) / sample_rate)
    tone = partials(glide * (1 + 0.008 * vibrato), sample_rate, [1.0, 0.03, 0.01])
    centre_hz = 1.5 * lowest_hz
    spectrum = [(centre_hz / 2, -20.0), (centre_hz, 0.0), (3 * centre_hz, -15.0)]
    return (tone + 0.03 * noise(rng, n_samples, sample_rate, spectrum)) * level
