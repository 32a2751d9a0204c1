"""Sounds of people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place, repeated
from st_audioqa.events.synth.shaping import (
    contour,
    highpass,
    lowpass,
    modes,
    resonate,
    strike,
    swell,
    throat,
)
from st_audioqa.events.synth.sources import drift, noise, partials, phase, pulses, saw
from st_audioqa.events.synth.voices import voice

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

FRICATIVES_DB = (
    ((1500, -40), (4500, 0), (8000, 0), (12000, -20)),
    ((900, -35), (2500, 0), (5000, -4), (10000, -20)),
    ((500, -25), (1500, -8), (8000, -6), (14000, -10)),
)
"""Spectra like those of s, sh and f."""


@sound("Speech")
def speech(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Babble without words: vowels, hissed, stopped and hummed consonants, and pauses.

    A source and formants in the manner of Klatt (1980, "Software for a cascade/parallel
    formant synthesizer"); five formants, of which the first three glide from vowel to vowel.
    """
    duration_s = n_samples / sample_rate
    size = rng.uniform(0.95, 1.2)
    pitch_hz = rng.uniform(90, 135) if size < 1.06 else rng.uniform(170, 240)
    syllable_s = rng.uniform(0.16, 0.24)
    times = onsets(rng, duration_s, (0.75 * syllable_s, 1.35 * syllable_s), (4, 14), (0.2, 0.6))
    voiced, hissed = np.full(n_samples, 0.0), np.zeros(n_samples)
    knots = [(0.0, VOWELS_HZ[0])]
    for time_s in times:
        start, n = (
            int(time_s * sample_rate),
            int(rng.uniform(0.8, 1.1) * syllable_s * sample_rate),
        )
        stop = min(start + n, n_samples)
        kind = rng.choice(4, p=(0.35, 0.3, 0.2, 0.15))
        attack_s = (0.03, 0.008, 0.05, 0.04)[kind]
        loudness = rng.uniform(0.4, 1.0)
        voiced[start:stop] += loudness * swell(n, sample_rate, attack_s, 0.06)[: stop - start]
        if kind < 2:
            n = int((rng.uniform(0.06, 0.12) if kind == 0 else 0.015) * sample_rate)
            first = max(start - n, 0)
            burst = swell(start - first, sample_rate, (0.025, 0.001)[kind], (0.02, 0.01)[kind])
            hissed[first:start] += burst * rng.uniform(0.5, 1)
        vowel = VOWELS_HZ[rng.integers(len(VOWELS_HZ))]
        closed = np.array([280.0, rng.uniform(900, 1900), 2500.0])
        knots += [(time_s, closed), (time_s + 0.35 * syllable_s, vowel)]
        knots.append((time_s + 0.7 * syllable_s, vowel))
    grid = np.arange(0, duration_s, 0.016)
    at = np.array([time for time, _ in knots])
    tracks = [np.interp(grid, at, np.array([f[i] for _, f in knots])) * size for i in range(3)]
    melody = 1 + 0.15 * drift(rng, n_samples, sample_rate, 0.8)
    melody += 0.07 * drift(rng, n_samples, sample_rate, 4)
    call = voice(rng, pitch_hz * melody, sample_rate, 0.06) * voiced
    mouth = throat(
        lowpass(call, sample_rate, 1500, order=1),
        sample_rate,
        [*tracks, 3500 * size, 4500 * size],
        [80, 100, 150, 250, 300],
        22,
    )
    hiss = noise(rng, n_samples, sample_rate, FRICATIVES_DB[rng.integers(3)])
    return mouth + rng.uniform(0.25, 0.5) * mouth.std() * hiss * hissed


@sound("Laughter")
def laughter(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Bouts of "ha": breath, then an open vowel; pitch and strength fall through the bout.

    About five notes a second (Bachorowski, Smoski and Owren, 2001, "The acoustic features of
    human laughter").
    """
    pitch_hz = rng.choice([rng.uniform(160, 260), rng.uniform(280, 430)])
    size = 1.0 if pitch_hz < 270 else 1.17
    beat_s = rng.uniform(0.18, 0.23)
    duration_s = n_samples / sample_rate
    times = onsets(rng, duration_s, (0.93 * beat_s, 1.07 * beat_s), (5, 10), (0.3, 0.8))
    voiced, breath = np.zeros(n_samples), np.zeros(n_samples)
    f0 = np.full(n_samples, pitch_hz)
    fall = loudness = 1.0
    for previous_s, time_s in zip([-1.0, *times], times, strict=False):
        first = time_s - previous_s > 1.2 * beat_s
        fall = rng.uniform(1.0, 1.3) if first else 0.95 * fall
        loudness = 1.0 if first else 0.9 * loudness
        start, n = int(time_s * sample_rate), int(beat_s * sample_rate)
        stop = min(start + n, n_samples)
        n_breath = int(rng.uniform(0.4, 0.55) * n)
        ha = np.zeros(n)
        ha[n_breath:] = swell(n - n_breath, sample_rate, 0.015, 0.06)
        huff = swell(n, sample_rate, 0.04, 0.1)
        voiced[start:stop] += loudness * ha[: stop - start]
        breath[start:stop] += loudness * huff[: stop - start]
        f0[start:stop] = pitch_hz * fall * contour(n, 1.0, 1.0, 1.12, 0.85)[: stop - start]
    call = voice(rng, f0, sample_rate, 0.15, 0.03) * voiced
    call += 0.12 * noise(rng, n_samples, sample_rate) * breath
    return throat(
        lowpass(call, sample_rate, 2200, order=1),
        sample_rate,
        size * np.array([700, 1350, 2600, 3600, 4500]),
        [130, 150, 200, 250, 300],
        20,
    )


@sound("Baby cry, infant cry")
def baby_cry(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Long rasping cries of falling pitch, each followed by a gasp."""
    pitch_hz = rng.uniform(380, 520)
    tract = rng.uniform(0.95, 1.15) * np.array([1100, 3200, 5200])

    def one() -> Floats:
        n = int(rng.uniform(0.7, 1.2) * sample_rate)
        f0 = pitch_hz * rng.uniform(0.92, 1.1) * contour(n, 0.8, 1.12, 1.15, 1.08, 0.75)
        call = voice(rng, f0, sample_rate, 0.1, rng.uniform(0.0, 0.15))
        opening = np.array([0.8, 1.1, 1.1, 1.0, 0.8])
        cry = throat(
            call, sample_rate, [tract[0] * opening, *tract[1:]], [250, 400, 600], 20
        ) * swell(n, sample_rate, 0.08, 0.15)
        n_gasp = int(0.25 * sample_rate)
        gasp = throat(noise(rng, n_gasp, sample_rate), sample_rate, tract, [300, 500, 700], 14)
        gasp = highpass(gasp, sample_rate, 900) * swell(n_gasp, sample_rate, 0.12, 0.05)
        return np.concatenate([lowpass(cry, sample_rate, 5000, order=1), 0.06 * gasp])

    return repeated(one, rng, n_samples, sample_rate, 0.6, (1.25, 1.7))


@sound("Cough")
def cough(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """An explosive burst of breath, a noisy flow and a voiced end, once to four times."""
    size = rng.uniform(0.95, 1.2)
    pitch_hz = 130 * size**3 * rng.uniform(0.8, 1.2)
    tract = size * np.array([620, 1350, 2500, 3500, 4600])

    def one() -> Floats:
        n = int(rng.uniform(0.3, 0.45) * sample_rate)
        breath = noise(rng, n, sample_rate)
        source = breath * strike(n, sample_rate, 0.004, 0.035)
        source += 0.25 * breath * swell(n, sample_rate, 0.06, 0.25)
        f0 = pitch_hz * contour(n, 1.5, 1.2, 0.95, 0.8)
        voiced = contour(n, 0.4, 0.3, 0.6, 0.3, 0)
        source += rng.uniform(0.1, 0.5) * voice(rng, f0, sample_rate, 0.3, 0.1) * voiced
        closing = contour(n // 500, 1.25, 1.1, 0.9, 0.75)
        mouth = throat(source, sample_rate,
                       [tract[0] * closing, tract[1] * closing**0.5, *tract[2:]],
                       [180, 220, 300, 350, 450], 16)  # fmt: skip
        return lowpass(mouth, sample_rate, 1900, order=1) * swell(n, sample_rate, 0.002, 0.08)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.36, 0.6), (1, 4), (0.3, 1.1))


@sound("Sneeze")
def sneeze(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A soft gasp in, a stop, then a blast of breath that begins dark and ends in a hiss."""
    size = rng.uniform(0.95, 1.25)
    pitch_hz = 150 * size**3 * rng.uniform(0.9, 1.4)
    voiced = rng.uniform(0.1, 0.9)

    def one() -> Floats:
        n_in, n_out = int(rng.uniform(0.25, 0.5) * sample_rate), int(0.45 * sample_rate)
        tract = size * np.array([600, 1400, 2500, 3500, 4600])
        gasp = noise(rng, n_in, sample_rate) * contour(n_in, 0, 0.5, 1, 0.3, 0, 0)
        f0 = pitch_hz * contour(n_in, 0.9, 1.2, 1.5)
        gasp += voiced * saw(f0, sample_rate) * contour(n_in, 0, 0.2, 0.5, 0, 0, 0)
        gasp = throat(gasp, sample_rate, tract, [150, 200, 250, 300, 400], 18)
        f0 = pitch_hz * contour(n_out, 2.4, 2.0, 1.4, 1.1)
        closing = contour(n_out // 500, 1.4, 1.0, 0.6, 0.5)
        blast = noise(rng, n_out, sample_rate) * strike(n_out, sample_rate, 0.004, 0.055)
        blast += (
            0.7
            * voiced
            * voice(rng, f0, sample_rate, 0.3, 0.05)
            * strike(n_out, sample_rate, 0.01, 0.06)
        )
        blast = throat(blast, sample_rate,
                       [tract[0] * closing, tract[1] * closing**0.5, *tract[2:]],
                       [200, 250, 300, 350, 450], 16)  # fmt: skip
        blast = lowpass(blast, sample_rate, 2200, order=1)
        hiss = noise(rng, n_out, sample_rate, FRICATIVES_DB[1])
        blast += 4 * blast.std() * hiss * strike(n_out, sample_rate, 0.05, 0.06)
        gasp *= rng.uniform(0.03, 0.12) * np.abs(blast).max() / np.abs(gasp).max()
        return np.concatenate([gasp, blast])

    return repeated(one, rng, n_samples, sample_rate, 0.5, (1.2, 1.9), (1, 3), (0.3, 1.2))


@sound("Snoring")
def snoring(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A fluttering palate while breathing in, a soft breath while breathing out."""
    flutter_hz = rng.uniform(32, 70)
    tract = rng.uniform(0.9, 1.15) * np.array([320, 850, 1600, 2600, 3600])
    period_s = rng.uniform(2.2, 3.2)

    def one() -> Floats:
        n_in, n_out = int(0.48 * period_s * sample_rate), int(0.34 * period_s * sample_rate)
        f0 = flutter_hz * contour(n_in, 0.8, 1.0, 1.15, 1.1, 0.9)
        f0 *= 1 + 0.12 * drift(rng, n_in, sample_rate, 18)
        air = noise(rng, n_in, sample_rate)
        # The palate slaps shut once a turn: bursts of turbulent air more than a tone.
        shut = np.exp(4 * (np.cos(phase(f0, sample_rate)) - 1))
        flutter = 0.7 * saw(f0, sample_rate) + air * (0.08 + 1.2 * shut)
        snore = throat(flutter, sample_rate, tract, [120, 150, 250, 350, 450], 18)
        snore = lowpass(snore, sample_rate, 900, order=1) * swell(n_in, sample_rate, 0.5, 0.12)
        pause = np.zeros(int(0.05 * period_s * sample_rate))
        sigh = throat(noise(rng, n_out, sample_rate), sample_rate, 1.3 * tract,
                      [200, 250, 300, 400, 500], 14)  # fmt: skip
        sigh = lowpass(sigh, sample_rate, 2500, order=1) * swell(n_out, sample_rate, 0.12, 0.6)
        sigh *= rng.uniform(0.08, 0.2) * snore.std() / sigh.std()
        return np.concatenate([snore, pause, sigh])

    return repeated(one, rng, n_samples, sample_rate, 0.7, (0.95 * period_s, 1.1 * period_s))


@sound("Clapping")
def clapping(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """One or a few people clapping to a beat: no two claps alike, hands flat or hollow."""
    period_s = rng.uniform(0.19, 0.5)
    people = int(rng.choice([1, 1, 2, 4]))
    gaps = (0.9 * period_s, 1.1 * period_s)
    total = np.zeros(n_samples)
    for hollow_hz in rng.uniform(750, 2300, people):
        own = [_clap(rng, hollow_hz, sample_rate) for _ in range(16)]
        times = onsets(rng, n_samples / sample_rate, gaps, (6, 20), (0.0, 0.6))
        picks = rng.integers(len(own), size=len(times))
        claps = (own[i] * rng.uniform(0.35, 1) for i in picks)
        total += place(n_samples, sample_rate, times, claps)
    return total


def _clap(rng: Rng, hollow_hz: float, sample_rate: int) -> Floats:
    """Peak of about 1: skin meets skin within some milliseconds, the hollow between rings.

    A resonance of 0.7 to 2 kHz in hollow hands, higher and duller in flat ones; fingers and
    palms meet one after the other (Repp, 1987; Peltola et al., 2007, "Synthesis of hand
    clapping sounds").
    """
    n = int(0.07 * sample_rate)
    contact_s = rng.uniform(0.001, 0.0035)
    level = strike(n, sample_rate, rng.uniform(0.0003, 0.0015), contact_s)
    late = int(rng.uniform(0.002, 0.009) * sample_rate)
    level[late:] += rng.uniform(0.1, 0.7) * strike(n - late, sample_rate, 0.0005, contact_s)
    level += 0.06 * strike(n, sample_rate, 0.003, 0.012)
    skin = noise(rng, n, sample_rate) * level
    centre_hz = hollow_hz * rng.lognormal(0, 0.12)
    rings = rng.uniform(0.4, 1.3)
    hollow = resonate(
        highpass(skin, sample_rate, 400, order=1),
        sample_rate,
        [
            (centre_hz, rings / centre_hz, 1.0),
            (centre_hz * rng.uniform(1.9, 2.7), 0.5 / centre_hz, rng.uniform(0.4, 1.0)),
            (rng.uniform(4000, 7000), 0.0001, rng.uniform(0.3, 0.8)),
        ],
    )
    return np.asarray(hollow / np.abs(hollow).max())


@sound("Applause")
def applause(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A crowd: each of many people claps with hands and at a pace of their own.

    People stand all over the hall, so that few are near and loud, and most are far, dull and
    smeared by echoes; they join and tire at different times.
    """
    duration_s = n_samples / sample_rate
    n_people = int(np.exp(rng.uniform(np.log(20), np.log(70))))
    hall_s = rng.uniform(0.02, 0.06)
    n = int(0.07 * sample_rate)
    echo = noise(
        rng, 2 * n, sample_rate, [(200, -20), (600, -5), (1500, 0), (5000, -7), (14_000, -22)]
    )
    echo *= strike(2 * n, sample_rate, 0.004, hall_s)
    times: list[float] = []
    claps: list[Floats] = []
    nearest = rng.uniform(0.15, 0.5)
    for _ in range(n_people):
        hollow_hz = rng.uniform(800, 2800)
        size = nearest / np.sqrt(rng.uniform(nearest**2, 1))
        own = [size * _clap(rng, hollow_hz, sample_rate) for _ in range(2)]
        period_s = rng.uniform(0.19, 0.36)
        gaps_s = period_s * rng.normal(1, 0.07, int(1.3 * duration_s / period_s)).clip(0.6, 1.5)
        begin_s, tired_s = rng.uniform(-period_s, 1.5) ** 3, duration_s - rng.exponential(0.5)
        mine = begin_s + np.cumsum(gaps_s)
        mine = mine[(mine >= 0) & (mine < min(tired_s, duration_s))]
        times += mine.tolist()
        claps += [own[i] for i in rng.integers(2, size=len(mine))]
    loud = rng.uniform(0.5, 1.0, len(times))
    near = place(
        n_samples, sample_rate, times, (c * x for c, x in zip(claps, loud, strict=True))
    )
    # Far people: so many claps that only their echoes are heard, still grainy.
    density = np.full(n_samples, 8.0 * n_people) * contour(n_samples, 0.4, 1, 1, 1, 0.6)
    far = signal.oaconvolve(pulses(rng, density, sample_rate, 6), echo)[:n_samples]
    blur = signal.oaconvolve(near, echo)[:n_samples]
    return (
        near / near.std()
        + rng.uniform(0.1, 0.4) * blur / blur.std()
        + rng.uniform(0.15, 0.6) * far / far.std()
    )


@sound("Walk, footsteps")
def footsteps(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Heel, then sole: knocks on a floor, or the crunch of gravel, snow or leaves.

    On a hard floor the heel excites the floor's modes and the sole scuffs; loose ground is many
    grains that give way while the weight rolls over it (Cook, 2002, "Modeling Bill's gait").
    """
    step_s = rng.uniform(0.42, 0.68)
    n = int(0.36 * sample_rate)
    floor = modes(rng, rng.uniform(140, 330), 6000, 24, rng.uniform(0.005, 0.014), -1.5)
    sole = [(300, -24), (rng.uniform(1200, 3500), 0), (6000, -6), (13_000, -22)]
    hardness = rng.uniform(0.3, 1.0)
    crunch = rng.choice([0.0, rng.uniform(0.2, 1.0)])
    grain_hz = rng.uniform(900, 3000)
    grains = modes(rng, 0.5 * grain_hz, 2.5 * grain_hz, 8, 0.0008, 0)

    def tread(contact_s: float) -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, contact_s, 2 * contact_s)
        struck = resonate(hit, sample_rate, floor)
        click = highpass(hit, sample_rate, 800)
        return struck / np.abs(struck).max() + 0.3 * hardness * click / np.abs(click).max()

    def one() -> Floats:
        late = int(rng.uniform(0.07, 0.14) * sample_rate)
        step = rng.uniform(0.6, 1.0) * tread(rng.uniform(0.0012, 0.0025) / hardness)
        step[late:] += rng.uniform(0.15, 0.6) * tread(0.003)[: n - late]
        scuff = noise(rng, n, sample_rate, sole) * strike(n, sample_rate, 0.07, 0.05)
        step = step / (1 + 2 * crunch) + rng.uniform(0.05, 0.3) * scuff
        if crunch:
            weight = strike(n, sample_rate, 0.03, 0.06)
            weight[late:] += 0.8 * strike(n - late, sample_rate, 0.06, 0.05)
            loose = resonate(
                pulses(rng, 3000 * weight + 1e-3, sample_rate, 6), sample_rate, grains
            )
            step += crunch * 0.12 * loose * weight / max(loose.std(), 1e-9)
        return step

    gap_s = (0.92 * step_s, 1.08 * step_s)
    steps = repeated(one, rng, n_samples, sample_rate, 0.5, gap_s, (8, 20), (0.0, 0.4))
    cloth = noise(
        rng, n_samples, sample_rate, [(200, -12), (1500, 0), (5000, -8), (12_000, -25)]
    )
    sway = 1 + 0.8 * np.cos(np.arange(n_samples) * (2 * np.pi / step_s / sample_rate))
    return steps + rng.uniform(0.003, 0.012) * cloth * sway


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
    # The breath passes the same hollow of the mouth as the tone, and hisses little beyond.
    centre_hz = 1.5 * lowest_hz
    spectrum = [(centre_hz / 3, -30.0), (centre_hz, 0.0), (2 * centre_hz, -14), (8000, -45.0)]
    return (tone + 0.04 * noise(rng, n_samples, sample_rate, spectrum)) * level
