"""Sounds of animals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place, repeated
from st_audioqa.events.synth.shaping import (
    bandpass,
    contour,
    lowpass,
    modes,
    resonate,
    strike,
    swell,
    throat,
)
from st_audioqa.events.synth.sources import drift, noise, partials, phase
from st_audioqa.events.synth.voices import tract_hz, voice

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Bark")
def bark(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Short hoarse bursts whose jaw snaps open and shut, in twos and threes."""
    length_m = rng.uniform(0.12, 0.2)
    pitch_hz = 60 / length_m * rng.uniform(0.8, 1.3)
    rough = rng.uniform(0.15, 0.45)
    tract = tract_hz(length_m, 5)

    def one() -> Floats:
        n = int(rng.uniform(0.18, 0.32) * sample_rate)
        f0 = pitch_hz * rng.uniform(0.9, 1.1) * contour(n, 0.8, 1.08, 1.1, 1.05, 0.95, 0.75)
        call = voice(rng, f0, sample_rate, 0.3, rough)
        jaw = np.array([1.1, 1.6, 1.7, 1.5, 1.2, 0.9])
        mouth = throat(call, sample_rate, [tract[0] * jaw, 0.9 * tract[1], *tract[2:]],
                       [200, 250, 350, 450, 600], 18)  # fmt: skip
        open_mouth = bandpass(mouth, sample_rate, 350, 2200)
        return open_mouth * strike(n, sample_rate, 0.02, 0.08)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.36, 0.6), (1, 4), (0.1, 0.9))


@sound("Meow")
def meow(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Long voiced calls whose mouth opens and closes."""
    pitch_hz = rng.uniform(450, 750)
    tract = tract_hz(rng.uniform(0.065, 0.09), 4)

    def one() -> Floats:
        n = int(rng.uniform(0.5, 1.1) * sample_rate)
        shape = contour(n, rng.uniform(0.75, 0.9), 1.1, 1.2, 1.1, rng.uniform(0.65, 0.9))
        f0 = pitch_hz * rng.uniform(0.9, 1.1) * shape
        opening = np.array([0.55, 1.0, 1.35, 1.25, 0.9, 0.55])
        tongue = np.array([0.95, 0.9, 0.8, 0.72, 0.65, 0.55])
        call = voice(rng, f0, sample_rate, 0.05, rng.uniform(0.0, 0.04))
        mouth = throat(
            call,
            sample_rate,
            [tract[0] * opening, tract[1] * tongue, *tract[2:]],
            [250, 300, 500, 700],
            20,
        )
        return lowpass(mouth, sample_rate, 5000, order=1) * swell(n, sample_rate, 0.1, 0.3)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.9, 1.7))


@sound("Moo")
def moo(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Long calls that begin hummed through the nose and open into a blare."""
    pitch_hz = rng.uniform(95, 180)
    tract = tract_hz(rng.uniform(0.42, 0.6), 8)

    def one() -> Floats:
        n = int(rng.uniform(1.1, 1.9) * sample_rate)
        f0 = pitch_hz * contour(n, 0.7, 0.95, 1.1, 1.15, 1.05, 0.75)
        f0 *= 1 + 0.012 * drift(rng, n, sample_rate, 8)
        call = voice(rng, f0, sample_rate, 0.04, rng.uniform(0.0, 0.05))
        opening = np.array([1.0, 1.0, 1.3, 1.6, 1.6, 1.2])
        blare = throat(
            call,
            sample_rate,
            [tract[0] * opening, tract[1] * opening**0.5, *tract[2:]],
            [80, 90, 100, 120, 150, 180, 220, 260],
            18,
        )
        hum = lowpass(call, sample_rate, 350)
        mouth = contour(n, 0, 0.05, 0.5, 1, 1, 0.7, 0.2)
        return (lowpass(blare, sample_rate, 2500, order=1) * mouth + 0.8 * hum) * swell(
            n, sample_rate, 0.2, 0.3
        )

    return repeated(one, rng, n_samples, sample_rate, 0.6, (1.7, 2.6))


@sound("Bleat")
def bleat(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A goat or sheep: a nasal call that shakes at about ten times a second."""
    pitch_hz = rng.uniform(190, 420)
    shake_hz = rng.uniform(8, 13)
    tract = tract_hz(rng.uniform(0.13, 0.18), 6)

    def one() -> Floats:
        n = int(rng.uniform(0.6, 1.1) * sample_rate)
        shake = np.sin(2 * np.pi * shake_hz * np.arange(n) / sample_rate)
        depth = contour(n, 0.3, 1.0, 1.0)
        f0 = pitch_hz * rng.uniform(0.95, 1.05) * contour(n, 0.9, 1.1, 1.0, 0.95, 0.8)
        call = voice(rng, f0 * (1 + 0.05 * depth * shake), sample_rate, 0.1, 0.12)
        mouth = throat(call, sample_rate, tract * rng.uniform(0.97, 1.03),
                       [120, 150, 200, 250, 350, 450], 18)  # fmt: skip
        shaken = mouth * (1 + 0.45 * depth * shake)
        return lowpass(shaken, sample_rate, 3000, order=1) * swell(n, sample_rate, 0.05, 0.18)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.95, 1.7))


@sound("Quack")
def quack(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A duck: nasal calls in a row, the first the loudest."""
    pitch_hz = rng.uniform(180, 300)
    tract = tract_hz(rng.uniform(0.09, 0.12), 5)

    def one() -> Floats:
        n = int(rng.uniform(0.13, 0.26) * sample_rate)
        f0 = pitch_hz * rng.uniform(0.95, 1.05) * contour(n, 0.85, 1.05, 1.05, 0.8)
        call = voice(rng, f0, sample_rate, 0.1, rng.uniform(0.1, 0.25))
        opening = np.array([0.8, 1.3, 1.4, 1.1])
        bill = throat(call, sample_rate, [tract[0] * opening, 1450, *tract[1:]],
                      [180, 200, 250, 350, 500, 600], 18)  # fmt: skip
        return lowpass(bill, sample_rate, 4000, order=1) * swell(n, sample_rate, 0.02, 0.08)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.24, 0.4), (2, 7), (0.1, 0.9))


@sound("Bird vocalization, bird call, bird song")
def bird_song(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Phrases of a few kinds of whistled syllables, glides and trills."""
    centre_hz = rng.uniform(2600, 5200)

    def syllable() -> Floats:
        n = int(rng.uniform(0.05, 0.22) * sample_rate)
        f0 = centre_hz * np.exp(contour(n, *rng.uniform(-0.35, 0.35, 4)))
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
    """Harsh calls of a crow, two to four and a pause."""
    pitch_hz = rng.uniform(330, 480)
    tract = tract_hz(rng.uniform(0.055, 0.075), 4)
    rough = rng.uniform(0.15, 0.35)

    def one() -> Floats:
        n = int(rng.uniform(0.25, 0.5) * sample_rate)
        f0 = pitch_hz * contour(n, 0.9, 1.08, 1.1, 1.05, 0.85)
        call = voice(rng, f0, sample_rate, 0.2, rough)
        beak = np.array([0.9, 1.1, 1.15, 1.0])
        harsh = throat(call, sample_rate, [tract[0] * beak, 1.55 * tract[0], *tract[1:]],
                       [300, 350, 500, 600, 700], 18)  # fmt: skip
        return bandpass(harsh, sample_rate, 600, 5000) * swell(n, sample_rate, 0.03, 0.1)

    return repeated(one, rng, n_samples, sample_rate, 0.6, (0.55, 0.85), (2, 4), (0.1, 0.9))


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
    """A thin whine that wanders in pitch and comes and goes in passes."""
    wingbeat_hz = rng.uniform(380, 640)
    passing = drift(rng, n_samples, sample_rate, rng.uniform(0.4, 1.0))
    f0 = wingbeat_hz * (1 + 0.05 * drift(rng, n_samples, sample_rate, 2) + 0.03 * passing)
    wings = voice(rng, f0, sample_rate, 0.02, 0.04)
    whine = throat(wings, sample_rate, [2.2 * wingbeat_hz, 3000, 5200], [700, 900, 1500], 8)
    return bandpass(whine, sample_rate, 450, 9000) * (0.06 + (0.5 + 0.5 * passing) ** 2)


@sound("Croak")
def croak(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A frog: short hoarse calls in rows, cut into pulses that make a throat sac ring."""
    pitch_hz = rng.uniform(350, 620)
    sac_hz = rng.uniform(1000, 1500)
    pulse_hz = rng.uniform(28, 60)
    rough = rng.uniform(0.15, 0.35)

    def one() -> Floats:
        n = int(rng.uniform(0.2, 0.5) * sample_rate)
        f0 = pitch_hz * rng.uniform(0.97, 1.03) * contour(n, 0.9, 1.05, 1.1, 1.0)
        call = voice(rng, f0, sample_rate, 0.5, rough)
        sac = throat(call, sample_rate, [sac_hz, 1.7 * sac_hz, 2.6 * sac_hz],
                     [200, 300, 500], 18)  # fmt: skip
        cut = np.exp(
            2.5 * (np.cos(phase(pulse_hz * contour(n, 1.1, 1.0, 0.9), sample_rate)) - 1)
        )
        return bandpass(sac * cut, sample_rate, 700, 3600) * swell(n, sample_rate, 0.05, 0.06)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.5, 0.85), (2, 5), (0.1, 0.8))


@sound("Hoot")
def hoot(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """An owl: breathy low whistles, one long, some short ones that shake, a pause."""
    pitch_hz = rng.uniform(260, 420)

    def one() -> Floats:
        n = int(rng.choice([rng.uniform(0.16, 0.26), rng.uniform(0.45, 0.7)]) * sample_rate)
        sway = np.sin(2 * np.pi * rng.uniform(7, 10) * np.arange(n) / sample_rate)
        f0 = pitch_hz * contour(n, 0.9, 1.03, 1.02, 1.0, 0.9) * (1 + 0.012 * sway)
        tone = partials(f0, sample_rate, [1.0, 0.10, 0.05, 0.02, 0.01])
        breath = noise(rng, n, sample_rate, [(200, -12), (500, 0), (3000, -14), (9000, -35)])
        return (tone * (1 + 0.1 * sway) + 0.03 * breath) * swell(n, sample_rate, 0.06, 0.1)

    return repeated(one, rng, n_samples, sample_rate, 0.6, (0.4, 0.8), (3, 5), (0.2, 1.0))


@sound("Clip-clop")
def clip_clop(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Hooves on stone, at a walk or a trot: hollow knocks with a scrape of grit."""
    hollow_hz = rng.uniform(450, 800)
    step_s = rng.uniform(0.26, 0.4)
    n = int(0.12 * sample_rate)
    hooves = [
        modes(rng, hollow_hz * size, 5500, 14, 0.012, -5) for size in rng.uniform(0.8, 1.25, 4)
    ]

    def one(hoof: list[tuple[float, float, float]]) -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0003, 0.002)
        grit = noise(rng, n, sample_rate, [(1500, -15), (4000, 0), (9000, -10)])
        knock = resonate(hit, sample_rate, hoof)
        return knock / np.abs(knock).max() + 0.06 * grit * strike(n, sample_rate, 0.004, 0.015)

    walk = onsets(rng, n_samples / sample_rate, (0.95 * step_s, 1.05 * step_s))
    pairs = [time for time in walk[::2] if time < n_samples / sample_rate - step_s]
    pairs = sorted(pairs + [time + rng.uniform(0.42, 0.5) * 2 * step_s for time in pairs])
    pairs = [time for time in pairs if time < n_samples / sample_rate]
    return place(
        n_samples,
        sample_rate,
        pairs,
        (one(hooves[i % 4]) * rng.uniform(0.5, 1) for i in range(len(pairs))),
    )
