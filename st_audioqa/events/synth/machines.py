"""Sounds of engines, machines and tools."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
)
from st_audioqa.events.synth.sources import buzz, drift, noise, phase, pulses, saw, train

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Engine")
def engine(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A four-stroke engine of several cylinders that idles and is revved up now and then.

    A cylinder fires every second turn: a pulse of gas and noise into the exhaust, a pipe open
    at one end whose resonances are odd multiples of a quarter wave; no two cylinders are quite
    alike, which leaves the half orders of the turning in the sound (Baldan et al., 2015,
    "Physically informed car engine sound synthesis").
    """
    cylinders = int(rng.choice([3, 4, 6]))
    idle_hz = rng.uniform(12, 16)  # turns per second
    revs = onsets(rng, n_samples / sample_rate, (1.6, 3.8))
    n = int(1.6 * sample_rate)
    push = place(n_samples, sample_rate, revs, (swell(n, sample_rate, 0.5, 1.0) for _ in revs))
    push *= rng.uniform(0.3, 1.0)
    speed = idle_hz * (1 + 2.2 * push + 0.03 * drift(rng, n_samples, sample_rate, 6))
    firing_hz = 0.5 * cylinders * speed
    at = train(firing_hz, sample_rate)
    strength = rng.uniform(0.6, 1.0, cylinders)[np.arange(len(at)) % cylinders]
    shots = np.zeros(n_samples)
    shots[at] = strength * rng.uniform(0.8, 1.2, len(at))
    gas = resonate(shots, sample_rate, [(90, 0.003, 1.0)])
    blow = lowpass(shots, sample_rate, 60, order=1) * 60 * noise(rng, n_samples, sample_rate)
    pipe_hz = rng.uniform(45, 75)
    pipe = [
        (pipe_hz * k * rng.uniform(0.95, 1.05), 0.012 / k**0.5, k**-0.25)
        for k in (1, 3, 5, 7, 9, 13, 17, 25, 33)
    ]
    exhaust = resonate(gas + 0.12 * blow, sample_rate, pipe)
    valves = resonate(
        shots * rng.uniform(0.3, 1, n_samples),
        sample_rate,
        modes(rng, 900, 7000, 10, 0.0012, 0),
    )
    rush = noise(rng, n_samples, sample_rate, [(100, 0), (800, -6), (4000, -16), (12000, -34)])
    body = exhaust / exhaust.std() + 0.2 * valves / valves.std()
    return (body + rush * (0.12 + 0.3 * push)) * (0.4 + push)


@sound("Helicopter")
def helicopter(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Slaps of the main blades, the quicker tail rotor, turbine and rushing air.

    Each blade hits the whirl of the one before: pulses at the blade-passing rate with many
    harmonics, and broadband noise that swells with them (Leverton, 1989; Lowson and
    Ollerhead, 1969).
    """
    blade_hz = rng.uniform(10, 22)
    speed = blade_hz * (1 + 0.01 * drift(rng, n_samples, sample_rate, 0.5))
    cycle = phase(speed, sample_rate)
    chop = np.exp(rng.uniform(2, 7) * (np.cos(cycle) - 1))
    hits = np.zeros(n_samples)
    at = train(speed, sample_rate)
    hits[at] = rng.uniform(0.8, 1.2, len(at))
    slap = resonate(hits, sample_rate, [(70, 0.008, 1.0), (140, 0.005, 0.8), (300, 0.002, 0.6)])
    spectrum = [(50, -4.0), (120, 0.0), (500, -5.0), (2000, -15.0), (8000, -36.0)]
    air = noise(rng, n_samples, sample_rate, spectrum) * (0.3 + chop)
    tail = buzz(speed * rng.uniform(4.6, 6.2), sample_rate, 12)
    turbine_hz = rng.uniform(1500, 4500) * (1 + 0.004 * drift(rng, n_samples, sample_rate, 1))
    whine = np.sin(phase(turbine_hz, sample_rate))
    distance = 1 + 0.3 * drift(rng, n_samples, sample_rate, 0.4)
    return np.asarray(
        (
            slap / slap.std() * rng.uniform(0.4, 0.9)
            + air / air.std()
            + 0.12 * tail
            + 0.012 * whine
        )
        * distance
    )


@sound("Vacuum cleaner")
def vacuum_cleaner(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Steady rushing air and a motor with its fan, higher when the nozzle sits tight."""
    turn_hz = rng.uniform(180, 330)
    tight = 0.5 + 0.5 * drift(rng, n_samples, sample_rate, rng.uniform(0.3, 0.9))
    speed = turn_hz * (1 + 0.05 * tight)
    motor = buzz(speed, sample_rate, 4)
    fan = np.sin(phase(speed * rng.integers(7, 12), sample_rate))
    peak_hz = rng.uniform(350, 900)
    spectrum = [(80, -14.0), (peak_hz, 0.0), (4000, -4.0), (8000, -10.0), (15000, -24.0)]
    air = noise(rng, n_samples, sample_rate, spectrum)
    hose = [(rng.uniform(250, 400), 0.004, 0.006), (rng.uniform(600, 1200), 0.002, 0.012)]
    air = air + resonate(air, sample_rate, hose)
    tones = rng.uniform(0.3, 0.6) * motor + rng.uniform(0.03, 0.15) * fan
    return (air + tones) * (0.9 + 0.15 * tight)


@sound("Drill")
def drill(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """An electric drill: motor and gears under load, started and stopped.

    The gears mesh some ten times per turn of the motor, which shakes them in turn; the
    load makes everything rattle.
    """
    turn_hz = rng.uniform(60, 110)
    teeth = int(rng.integers(7, 12))
    duration_s = n_samples / sample_rate
    starts = onsets(rng, duration_s, (1.8, 3.4))
    ends = [*starts[1:], duration_s + 0.5]
    lengths = [
        int(min(end - start - rng.uniform(0.15, 0.5), duration_s - start) * sample_rate)
        for start, end in zip(starts, ends, strict=True)
    ]
    runs = [max(n, sample_rate // 10) for n in lengths]
    run = place(
        n_samples, sample_rate, starts, (swell(n, sample_rate, 0.1, 0.15) for n in runs)
    ).clip(0, 1)
    load = 0.5 + 0.5 * drift(rng, n_samples, sample_rate, 1.2)
    speed = turn_hz * (0.3 + 0.7 * run) * (1 - 0.12 * load)
    speed *= 1 + 0.01 * drift(rng, n_samples, sample_rate, 40)
    turning = phase(speed, sample_rate)
    mesh = saw(teeth * speed, sample_rate) * (1 + 0.5 * np.sin(turning))
    motor = buzz(speed, sample_rate, 5)
    chatter = 1 + 0.7 * np.sin(2 * turning) + 0.5 * drift(rng, n_samples, sample_rate, 60)
    chips = noise(rng, n_samples, sample_rate, [(300, -14), (1500, 0), (5000, 0), (13000, -14)])
    case = modes(rng, rng.uniform(250, 450), 6000, 10, 0.0015, 1)
    body = resonate(0.5 * mesh + 0.6 * motor + 0.5 * chips * chatter, sample_rate, case)
    return run * (body / body.std() + (0.3 + 0.7 * load) * chips * chatter)


@sound("Sawing")
def sawing(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Strokes of a hand saw: teeth tear fibres one by one, the blade and board ring."""
    stroke_s = rng.uniform(0.22, 0.42)
    teeth_hz = rng.uniform(130, 260)
    board = modes(rng, rng.uniform(350, 650), 10000, 22, 0.004, 1.0)

    def one(push: bool) -> Floats:
        n = int(0.92 * stroke_s * sample_rate)
        speed = contour(n, 0.35, 0.9, 1.1, 1.0, 0.4) * (1.0 if push else 0.9)
        fibres = noise(rng, n, sample_rate)
        tear = 0.25 * fibres
        tear += 3 * pulses(rng, 3 * teeth_hz * speed, sample_rate, 6)
        wood = resonate(tear * speed**1.5, sample_rate, board)
        rasp = highpass(fibres * speed**2, sample_rate, 1500)
        loudness = 1.0 if push else rng.uniform(0.4, 0.7)
        return loudness * swell(n, sample_rate, 0.05, 0.06) * (wood / wood.std() + 0.35 * rasp)

    gap_s = (0.95 * stroke_s, 1.08 * stroke_s)
    times = onsets(rng, n_samples / sample_rate, gap_s, (8, 20), (0.1, 0.7))
    return place(n_samples, sample_rate, times, (one(i % 2 == 0) for i in range(len(times))))


@sound("Hammer")
def hammer(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Steel on a nail in wood: a bright crack, a short clang and the thump of the board.

    The nail goes deeper, so that the pitch of its clang changes a little with every blow.
    """
    steel = modes(rng, rng.uniform(900, 1800), 11000, 14, 0.016, 0)
    board = modes(rng, rng.uniform(130, 260), 2500, 14, 0.02, -3)
    ring, thump = rng.uniform(0.3, 0.8), rng.uniform(0.2, 0.6)
    bright_hz = rng.uniform(2000, 4500)
    spectrum = [(300, -20), (bright_hz / 2, -6), (bright_hz, 0), (12000, -10)]
    blow_s = rng.uniform(0.32, 0.55)
    n = int(0.35 * sample_rate)

    def one() -> Floats:
        level = strike(n, sample_rate, 0.0003, 0.003) + 0.08 * strike(
            n, sample_rate, 0.002, 0.02
        )
        late = int(rng.uniform(0.004, 0.02) * sample_rate)
        level[late:] += 0.4 * strike(n - late, sample_rate, 0.0003, 0.002)
        crack = noise(rng, n, sample_rate, spectrum) * level
        depth = rng.uniform(0.96, 1.05)
        clang = resonate(crack, sample_rate, [(f * depth, d, g) for f, d, g in steel])
        body = resonate(crack, sample_rate, board)
        return (
            crack / np.abs(crack).max()
            + ring * clang / np.abs(clang).max()
            + thump * body / np.abs(body).max()
        )

    gap_s = (0.9 * blow_s, 1.1 * blow_s)
    return repeated(one, rng, n_samples, sample_rate, 0.5, gap_s, (3, 7), (0.3, 0.9))
