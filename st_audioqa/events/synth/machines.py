"""Sounds of engines, machines and tools."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place, repeated
from st_audioqa.events.synth.shaping import (
    bandpass,
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
    """A four-stroke engine that idles, runs steadily or is revved up.

    A cylinder fires every second turn: a pulse of gas into pipe and muffler, whose resonances
    colour it. No two cylinders are alike and no cycle is like the last, least of all when
    idling, which leaves half orders and a flutter in the sound; a wider throttle lets more high
    partials and rushing air through (Baldan et al., 2015, "Physically informed car engine sound
    synthesis"; Heywood, 1988, on cycle-to-cycle variation). Diesels knock.
    """
    cylinders = int(rng.choice([2, 3, 4, 4, 6, 8]))
    idle_hz = rng.uniform(14, 21) * (4 / cylinders) ** 0.3  # turns per second
    manner = rng.integers(3)
    if manner == 0:
        push = 0.04 + 0.04 * drift(rng, n_samples, sample_rate, 0.7)
    elif manner == 1:
        push = rng.uniform(0.25, 0.8) + 0.12 * drift(rng, n_samples, sample_rate, 0.5)
    else:
        revs = onsets(rng, n_samples / sample_rate, (1.2, 3.0))
        n = int(1.7 * sample_rate)
        rises = (rng.uniform(0.4, 1) * swell(n, sample_rate, 0.45, 1.2) for _ in revs)
        push = 0.05 + place(n_samples, sample_rate, revs, rises).clip(0, 1)
    uneven = 0.02 + 0.03 / (1 + 8 * push)
    speed = idle_hz * (1 + 2.8 * push + uneven * drift(rng, n_samples, sample_rate, 12))
    firing_hz = 0.5 * cylinders * speed
    at = train(firing_hz, sample_rate)
    count = len(at)
    at = np.clip(
        at + rng.normal(0, 0.012, count) * sample_rate / firing_hz[at], 0, n_samples - 1
    ).astype(np.int64)
    own = rng.uniform(0.7, 1.0, cylinders)[np.arange(count) % cylinders]
    strength = own * rng.normal(1, 0.08, count).clip(0.2, 1.6) * (0.5 + push[at])
    shots = np.zeros(n_samples)
    np.add.at(shots, at, strength)
    # A blow-down of some milliseconds, then whatever pipe and muffler make of it.
    pipe_hz = rng.uniform(70, 150)
    pipe = [
        (pipe_hz * k * rng.uniform(0.92, 1.08), rng.uniform(0.012, 0.025) / k**0.6, k**-0.15)
        for k in (1, 2, 3, 5, 7, 9, 12, 17, 24)
    ]
    blow = lowpass(shots, sample_rate, rng.uniform(80, 150), order=1)
    hiss = noise(rng, n_samples, sample_rate, [(80, -6), (400, 0), (2500, -10), (12_000, -34)])
    gas = shots + rng.uniform(2, 6) * blow * hiss
    exhaust = lowpass(resonate(gas, sample_rate, pipe), sample_rate, rng.uniform(500, 1600), 1)
    block = modes(rng, rng.uniform(350, 900), 5500, 16, rng.uniform(0.002, 0.004), -2)
    knock = resonate(
        shots * rng.uniform(0.3, 1, n_samples) * noise(rng, n_samples, sample_rate),
        sample_rate,
        block,
    )
    whirr = saw(speed * rng.uniform(5, 14), sample_rate) * (
        1 + 0.3 * np.sin(phase(speed, sample_rate))
    )
    whirr = lowpass(whirr, sample_rate, 1500, order=1)
    knocking = rng.choice([rng.uniform(0.03, 0.1), rng.uniform(0.15, 0.35)])
    body = exhaust / exhaust.std() + knocking * knock / knock.std()
    loud = body + rng.uniform(0.02, 0.1) * whirr + rng.uniform(0.3, 0.8) * hiss * (0.4 + push)
    return highpass(loud * (0.55 + 0.6 * push), sample_rate, rng.uniform(40, 110))


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
    """Rushing air and the whine of a quick motor and its fan, higher when the nozzle sits tight.

    The motor turns some 300 to 550 times a second and slows with the load; its current hums at
    twice the mains. The air of a housing is loudest below 1 kHz.
    """
    turn_hz = rng.uniform(230, 560)
    mains_hz = rng.choice([100.0, 120.0])
    tight = 0.5 + 0.5 * drift(rng, n_samples, sample_rate, rng.uniform(0.3, 1.2))
    speed = turn_hz * (1 + rng.uniform(0.01, 0.07) * tight)
    motor = saw(speed, sample_rate)
    motor *= 1 + 0.3 * np.sin(2 * np.pi * mains_hz * np.arange(n_samples) / sample_rate)
    fan = np.sin(phase(speed * rng.integers(6, 10), sample_rate))
    body_hz = rng.uniform(250, 900)
    fall_db = rng.uniform(-14, -6)
    spectrum = [(80, -12), (body_hz, 0), (4 * body_hz, 0.5 * fall_db), (6000, fall_db),
                (15_000, 2.2 * fall_db)]  # fmt: skip
    air = noise(rng, n_samples, sample_rate, spectrum)
    housing = modes(rng, rng.uniform(200, 400), 6000, 9, 0.003, -1)
    case = resonate(0.5 * motor + air, sample_rate, housing)
    tones = rng.uniform(0.2, 0.7) * lowpass(motor, sample_rate, 1500, order=1)
    tones += rng.uniform(0.05, 0.35) * fan
    return (air + 0.6 * case / case.std() + tones) * (0.9 + 0.2 * tight)


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
    """Steel on a nail in wood, or on a piece of metal: contact, modes, rebounds.

    A harder blow is shorter and so brighter (Hertz's contact); the nail goes deeper, so that its
    clang rises from blow to blow; the head may bounce. Wood is deep and soon damped, iron rings.
    """
    metal = rng.random() < 0.3
    if metal:
        object_modes = modes(rng, rng.uniform(350, 1100), 9000, 18, rng.uniform(0.02, 0.07), 0)
    else:
        object_modes = modes(rng, rng.uniform(140, 380), 5000, 22, rng.uniform(0.008, 0.02), -2)
    nail = modes(rng, rng.uniform(1500, 3200), 11000, 7, rng.uniform(0.005, 0.02), -2)
    clang = rng.uniform(0.03, 0.2)
    thump, bright_hz = rng.uniform(0.3, 0.8), rng.uniform(1200, 3500)
    n = int(0.4 * sample_rate)
    deeper = 1.0

    def one() -> Floats:
        nonlocal deeper
        deeper = deeper * rng.uniform(1.0, 1.05) if deeper < 1.25 else 1.0
        force = rng.uniform(0.4, 1.0)
        contact_s = rng.uniform(0.0008, 0.0022) / force
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.3 * contact_s, contact_s)
        if rng.random() < 0.35:
            late = int(rng.uniform(0.035, 0.1) * sample_rate)
            hit[late:] += rng.uniform(0.08, 0.3) * hit[: n - late]
        bent = rng.uniform(0.97, 1.03)
        body = resonate(hit, sample_rate, [(f * bent, d, g) for f, d, g in object_modes])
        steel = resonate(hit, sample_rate, [(f * deeper, d, g) for f, d, g in nail])
        dust = 0.1 * noise(rng, n, sample_rate) * strike(n, sample_rate, 0.002, 0.02)
        crack = bandpass(hit + dust, sample_rate, bright_hz / 3, (1.4 + force) * bright_hz)
        return force * (
            thump * body / np.abs(body).max()
            + clang * rng.uniform(0.5, 1.3) * steel / np.abs(steel).max()
            + rng.uniform(0.5, 1.0) * crack / np.abs(crack).max()
        )

    blow_s = rng.uniform(0.28, 0.75)
    gap_s = (0.85 * blow_s, 1.15 * blow_s)
    return repeated(one, rng, n_samples, sample_rate, 0.6, gap_s, (3, 9), (0.2, 0.9))
