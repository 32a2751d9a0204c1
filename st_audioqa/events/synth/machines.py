"""Sounds of engines, machines and tools."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.events.synth.catalogue import sound
from st_audioqa.events.synth.rhythm import onsets, place
from st_audioqa.events.synth.shaping import contour, lowpass, resonate, strike, swell
from st_audioqa.events.synth.sources import buzz, drift, noise, phase, pulses

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Engine")
def engine(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A piston engine that is revved up now and then."""
    idle_hz = rng.uniform(28, 50)
    revs = onsets(rng, n_samples / sample_rate, (1.5, 3.5))
    n = int(1.4 * sample_rate)
    push = place(n_samples, sample_rate, revs, (swell(n, sample_rate, 0.4, 0.9) for _ in revs))
    speed = 1 + rng.uniform(0.5, 1.5) * push + 0.04 * drift(rng, n_samples, sample_rate, 6)
    firing = buzz(idle_hz * speed, sample_rate, 7)
    uneven = 1 + 0.4 * np.sin(phase(0.5 * idle_hz * speed, sample_rate))
    spectrum = [(80, 0.0), (500, -4.0), (3000, -12.0), (10000, -30.0)]
    rush = noise(rng, n_samples, sample_rate, spectrum) * (0.2 + 0.3 * push)
    pipe_hz = rng.uniform(90, 150)
    modes = [
        (pipe_hz, 0.006, 1.0),
        (2.6 * pipe_hz, 0.004, 0.8),
        (rng.uniform(500, 800), 0.002, 0.7),
        (rng.uniform(1800, 2800), 0.0006, 0.5),
    ]
    return resonate(firing * uneven + rush, sample_rate, modes) * (0.4 + 0.6 * push)


@sound("Helicopter")
def helicopter(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Blades chopping through noise, over the whine of a turbine."""
    blade_hz = rng.uniform(10, 19)
    cycle = phase(np.full(n_samples, blade_hz), sample_rate)
    chop = np.exp(6 * (np.cos(cycle) - 1))
    spectrum = [(50, -6.0), (120, 0.0), (500, -6.0), (4000, -32.0)]
    slap = noise(rng, n_samples, sample_rate, spectrum) * (0.12 + chop)
    turbine_hz = rng.uniform(600, 1100) * (1 + 0.01 * drift(rng, n_samples, sample_rate, 1))
    whine = 0.03 * np.sin(phase(turbine_hz, sample_rate))
    distance = 1 + 0.3 * drift(rng, n_samples, sample_rate, 0.4)
    return np.asarray((slap + whine) * distance)


@sound("Vacuum cleaner")
def vacuum_cleaner(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Rushing air and a motor, higher when the nozzle sits tight."""
    motor_hz = rng.uniform(220, 420)
    tight = 0.5 + 0.5 * drift(rng, n_samples, sample_rate, rng.uniform(0.5, 1.2))
    speed = 1 + 0.06 * tight
    motor = buzz(motor_hz * speed, sample_rate, 4)
    peak_hz = rng.uniform(700, 1800)
    spectrum = [(120, -18.0), (peak_hz, 0.0), (4000, -6.0), (12000, -22.0)]
    air = noise(rng, n_samples, sample_rate, spectrum)
    return air * (0.8 + 0.3 * tight) + rng.uniform(0.2, 0.4) * motor


@sound("Drill")
def drill(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """A whining electric drill, started and stopped, slower while it bites."""
    motor_hz = rng.uniform(420, 800)
    duration_s = n_samples / sample_rate
    starts = onsets(rng, duration_s, (1.2, 2.6))
    ends = [*starts[1:], duration_s + 0.5]
    lengths = [
        int(min(end - start - rng.uniform(0.15, 0.4), duration_s - start) * sample_rate)
        for start, end in zip(starts, ends, strict=True)
    ]
    runs = [max(n, sample_rate // 10) for n in lengths]
    run = place(
        n_samples, sample_rate, starts, (swell(n, sample_rate, 0.08, 0.12) for n in runs)
    )
    bite = 0.5 + 0.5 * drift(rng, n_samples, sample_rate, 1.5)
    speed = (0.35 + 0.65 * run) * (1 - 0.25 * bite)
    gears = buzz(motor_hz * speed, sample_rate, 4)
    teeth = np.sin(phase(9 * motor_hz * speed.clip(0, 1), sample_rate))
    spectrum = [(1000, -20.0), (3000, 0.0), (6000, 0.0), (12000, -15.0)]
    chips = noise(rng, n_samples, sample_rate, spectrum) * bite
    return run * (gears + 0.3 * teeth + 0.5 * chips)


@sound("Sawing")
def sawing(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Strokes of a hand saw to and fro, teeth rattling over wood."""
    stroke_s = rng.uniform(0.28, 0.45)
    board_hz = rng.uniform(600, 1100)
    teeth_hz = rng.uniform(90, 160)

    def one(push: bool) -> Floats:
        n = int(0.85 * stroke_s * sample_rate)
        speed = contour(n, 0.5, 1.0, 1.1, 0.9, 0.4) * (1.0 if push else 0.85)
        teeth = np.exp(2 * (np.cos(phase(teeth_hz * speed, sample_rate)) - 1))
        spectrum = [(500, -12.0), (2500, 0.0), (5000, 0.0), (12000, -18.0)]
        rasp = noise(rng, n, sample_rate, spectrum) * (0.2 + teeth) * speed**2
        modes = [(board_hz, 0.001, 0.6), (3.2 * board_hz, 0.0006, 1.0)]
        wood = resonate(rasp, sample_rate, modes) + 0.15 * rasp
        loudness = 1.0 if push else 0.5
        return np.asarray(loudness * swell(n, sample_rate, 0.04, 0.06) * wood)

    gap_s = (0.93 * stroke_s, 1.1 * stroke_s)
    times = onsets(rng, n_samples / sample_rate, gap_s, (8, 20), (0.1, 0.7))
    return place(n_samples, sample_rate, times, (one(i % 2 == 0) for i in range(len(times))))


@sound("Hammer")
def hammer(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Steel on a nail in wood: a ringing clang over a thud, a few blows and a pause."""
    steel_hz = rng.uniform(1800, 3000)
    wood_hz = rng.uniform(180, 320)
    blow_s = rng.uniform(0.35, 0.55)
    n = int(0.35 * sample_rate)
    ratios = (1.0, 1.52, 2.31, 3.14)
    modes = [(steel_hz * ratio, rng.uniform(0.03, 0.09), 1 / ratio) for ratio in ratios]
    modes.append((wood_hz, 0.02, 2.0))

    def one(depth: float) -> Floats:
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0004, 0.0012)
        blow = resonate(hit, sample_rate, [(f * depth, d, g) for f, d, g in modes])
        return blow * strike(n, sample_rate, 0.0005, 0.15)

    gap_s = (0.85 * blow_s, 1.15 * blow_s)
    times = onsets(rng, n_samples / sample_rate, gap_s, (3, 7), (0.2, 0.7))
    return place(
        n_samples,
        sample_rate,
        times,
        (one(rng.uniform(0.97, 1.03)) * rng.uniform(0.5, 1) for _ in times),
    )


@sound("Sewing machine")
def sewing_machine(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Quick clatter of the needle in runs, faster and slower, with a motor's hum."""
    stitch_hz = rng.uniform(11, 17)
    starts = onsets(rng, n_samples / sample_rate, (1.4, 2.8))
    n = int(rng.uniform(1.1, 1.35) * sample_rate)
    run = place(
        n_samples, sample_rate, starts, (swell(n, sample_rate, 0.2, 0.2) for _ in starts)
    )
    speed = stitch_hz * (0.5 + 0.5 * run.clip(0, 1))
    turns = np.floor(2 * phase(speed, sample_rate) / (2 * np.pi))
    needle = np.diff(turns, prepend=0.0) * np.where(turns % 2 == 0, 1.0, 0.5)
    plate_hz = rng.uniform(1500, 2600)
    modes = [(plate_hz, 0.004, 1.0), (1.7 * plate_hz, 0.003, 0.7), (330, 0.008, 0.5)]
    clatter = resonate(needle * run, sample_rate, modes)
    rattle = resonate(
        pulses(rng, 300 * run.clip(0, 1), sample_rate, 8), sample_rate, [(4200, 0.001, 0.03)]
    )
    hum = lowpass(buzz(9 * speed, sample_rate, 8), sample_rate, 900)
    return clatter + rattle + 0.02 * hum * run
