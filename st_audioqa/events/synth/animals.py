"""Sounds of animals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place, repeated
from st_audioqa.events.synth.shaping import (
    bandpass,
    contour,
    formants,
    lowpass,
    resonate,
    strike,
    swell,
)
from st_audioqa.events.synth.sources import buzz, drift, noise, partials

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Bark")
def bark(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Short harmonic bursts with a falling pitch and noise, two or three and a pause."""
    pitch_hz = rng.uniform(280, 700)
    throat_hz = rng.uniform(650, 1300)
    roughness = rng.uniform(0.3, 0.8)

    def one() -> Floats:
        n = int(rng.uniform(0.14, 0.26) * sample_rate)
        f0 = pitch_hz * rng.uniform(0.9, 1.1) * contour(n, 0.8, 1.15, 1.0, 0.75, 0.6)
        voice = buzz(f0, sample_rate, 5) + roughness * noise(rng, n, sample_rate)
        modes = [
            (throat_hz, 0.002, 1.0),
            (2.1 * throat_hz, 0.0015, 0.6),
            (3.6 * throat_hz, 0.001, 0.3),
        ]
        return resonate(voice, sample_rate, modes) * strike(n, sample_rate, 0.012, 0.06)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.3, 0.5), (1, 3), (0.1, 0.8))


@sound("Meow")
def meow(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Long voiced calls whose mouth opens and closes."""
    pitch_hz = rng.uniform(420, 720)
    size = rng.uniform(0.9, 1.2)

    def one() -> Floats:
        n = int(rng.uniform(0.5, 1.0) * sample_rate)
        f0 = pitch_hz * rng.uniform(0.9, 1.1) * contour(n, 0.8, 1.15, 1.2, 1.0, 0.8)
        opening = size * np.array([400, 900, 1150, 900, 500])
        tongue = size * np.array([2600, 2400, 1900, 1500, 1100])
        voice = buzz(f0, sample_rate, 4) + 0.03 * noise(rng, n, sample_rate)
        mouth = formants(
            voice, sample_rate, [opening, tongue, 4200 * size], [220, 300, 500], [1, 0.7, 0.15]
        )
        return mouth * swell(n, sample_rate, 0.12, 0.25)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.9, 1.5))


@sound("Moo")
def moo(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Long low calls that begin with a closed mouth."""
    pitch_hz = rng.uniform(95, 170)
    size = rng.uniform(0.9, 1.15)

    def one() -> Floats:
        n = int(rng.uniform(1.0, 1.8) * sample_rate)
        wobble = 1 + 0.03 * drift(rng, n, sample_rate, 12)
        f0 = pitch_hz * wobble * contour(n, 0.75, 1.0, 1.1, 1.05, 0.8)
        opening = size * np.array([250, 300, 550, 600, 450])
        mouth = formants(
            buzz(f0, sample_rate, 9),
            sample_rate,
            [opening, 1.7 * opening, 2200 * size],
            [120, 180, 300],
            [1, 0.5, 0.08],
        )
        return mouth * swell(n, sample_rate, 0.2, 0.35)

    return repeated(one, rng, n_samples, sample_rate, 0.6, (1.7, 2.5))


@sound("Bird vocalization, bird call, bird song")
def bird_song(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Phrases of a few kinds of whistled syllables, glides and trills."""
    centre_hz = rng.uniform(2800, 5200)

    def syllable() -> Floats:
        n = int(rng.uniform(0.05, 0.22) * sample_rate)
        f0 = centre_hz * np.exp(contour(n, *rng.uniform(-0.3, 0.3, 4)))
        trill = rng.choice([0.0, 0.06]) * np.sin(
            2 * np.pi * rng.uniform(25, 60) * np.arange(n) / sample_rate
        )
        tone = partials(f0 * (1 + trill), sample_rate, [1.0, rng.uniform(0.02, 0.15)])
        return tone * swell(n, sample_rate, 0.01, 0.03)

    repertoire = [syllable() for _ in range(rng.integers(3, 7))]
    times = onsets(rng, n_samples / sample_rate, (0.14, 0.32), (4, 10), (0.2, 0.8))
    picks = rng.integers(len(repertoire), size=len(times))
    return place(
        n_samples, sample_rate, times, (repertoire[i] * rng.uniform(0.4, 1) for i in picks)
    )


@sound("Caw")
def caw(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Harsh, noisy calls of a crow, two to four and a pause."""
    pitch_hz = rng.uniform(400, 560)
    beak_hz = rng.uniform(1300, 1700)

    def one() -> Floats:
        n = int(rng.uniform(0.25, 0.45) * sample_rate)
        rough = 1 + 0.06 * drift(rng, n, sample_rate, 120)
        f0 = pitch_hz * rough * contour(n, 0.9, 1.1, 1.05, 0.85)
        voice = buzz(f0, sample_rate, 4) * (1 + 0.8 * drift(rng, n, sample_rate, 90))
        harsh = voice + 0.6 * noise(rng, n, sample_rate)
        modes = [(beak_hz, 0.0012, 1.0), (2.0 * beak_hz, 0.0008, 0.5), (900, 0.001, 0.3)]
        return resonate(harsh, sample_rate, modes) * swell(n, sample_rate, 0.03, 0.12)

    return repeated(one, rng, n_samples, sample_rate, 0.6, (0.55, 0.8), (2, 4), (0.1, 0.9))


@sound("Cricket")
def cricket(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Chirps of a few short pulses of one high tone."""
    carrier_hz = rng.uniform(4200, 5600)
    pulse_s = rng.uniform(0.022, 0.036)
    n = int(0.7 * pulse_s * sample_rate)
    tone = partials(np.full(n, carrier_hz), sample_rate, [1.0, 0.05])
    pulse = tone * swell(n, sample_rate, 0.006, 0.008)
    fewest = int(rng.integers(2, 5))
    period_s = pulse_s * fewest + rng.uniform(0.12, 0.4)
    chirps = onsets(rng, n_samples / sample_rate, (0.95 * period_s, 1.1 * period_s))
    times = [
        chirp + i * pulse_s
        for chirp in chirps
        for i in range(rng.integers(fewest, fewest + 2))
        if chirp + i * pulse_s < n_samples / sample_rate
    ]
    return place(n_samples, sample_rate, times, (pulse * rng.uniform(0.7, 1) for _ in times))


@sound("Mosquito")
def mosquito(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A thin whine that wanders in pitch and comes and goes."""
    wingbeat_hz = rng.uniform(480, 720)
    f0 = wingbeat_hz * (1 + 0.05 * drift(rng, n_samples, sample_rate, 1.5))
    f0 *= 1 + 0.01 * drift(rng, n_samples, sample_rate, 14)
    whine = buzz(f0, sample_rate, 5)
    near = 0.5 + 0.45 * drift(rng, n_samples, sample_rate, rng.uniform(0.5, 1.2))
    return bandpass(whine, sample_rate, 600, 7000) * near**1.5


@sound("Croak")
def croak(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Trains of pulses that make a throat sac ring."""
    sac_hz = rng.uniform(500, 1100)
    rate_hz = rng.uniform(28, 60)

    def one() -> Floats:
        n = int(rng.uniform(0.25, 0.55) * sample_rate)
        train = np.zeros(n)
        steps = sample_rate / (rate_hz * np.linspace(0.85, 1.15, 40) * rng.uniform(0.95, 1.05))
        at = np.cumsum(steps).astype(np.int64)
        train[at[at < n]] = rng.uniform(0.6, 1.0, int((at < n).sum()))
        modes = [(sac_hz, 0.005, 1.0), (2.3 * sac_hz, 0.003, 0.7), (0.5 * sac_hz, 0.004, 0.3)]
        return resonate(train, sample_rate, modes) * swell(n, sample_rate, 0.08, 0.06)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.6, 0.9), (2, 5), (0.1, 0.8))


@sound("Hoot")
def hoot(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Soft low whistles of an owl: one long, some short ones, a pause."""
    pitch_hz = rng.uniform(260, 420)

    def one() -> Floats:
        n = int(rng.choice([rng.uniform(0.18, 0.26), rng.uniform(0.4, 0.6)]) * sample_rate)
        f0 = pitch_hz * contour(n, 0.93, 1.02, 1.0, 0.9)
        tone = partials(f0, sample_rate, [1.0, 0.12, 0.04])
        breath = lowpass(noise(rng, n, sample_rate), sample_rate, 2 * pitch_hz)
        return (tone + 0.03 * breath) * swell(n, sample_rate, 0.07, 0.1)

    return repeated(one, rng, n_samples, sample_rate, 0.6, (0.4, 0.75), (3, 5), (0.2, 0.9))


@sound("Clip-clop")
def clip_clop(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Hooves on stone: hollow knocks of four pitches in pairs."""
    hollow_hz = rng.uniform(750, 1150)
    step_s = rng.uniform(0.3, 0.42)
    hooves = hollow_hz * rng.uniform(0.8, 1.25, 4)
    n = int(0.12 * sample_rate)

    def one(hoof_hz: float) -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0005, 0.0015)
        modes = [
            (hoof_hz, 0.012, 1.0),
            (2.4 * hoof_hz, 0.006, 0.5),
            (0.45 * hoof_hz, 0.01, 0.4),
        ]
        return resonate(hit, sample_rate, modes)

    walk = onsets(rng, n_samples / sample_rate, (0.93 * step_s, 1.07 * step_s))
    pairs = [time for time in walk[::2] if time < n_samples / sample_rate - step_s]
    pairs += [time + rng.uniform(0.3, 0.4) * step_s for time in pairs]
    return place(
        n_samples,
        sample_rate,
        pairs,
        (one(hooves[i % 4]) * rng.uniform(0.4, 1) for i in range(len(pairs))),
    )
