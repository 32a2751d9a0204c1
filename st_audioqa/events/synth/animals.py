"""Sounds of animals."""

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
    throat,
)
from st_audioqa.events.synth.sources import drift, noise, partials, phase
from st_audioqa.events.synth.voices import tract_hz, voice

Floats = NDArray[np.float64]
Rng = np.random.Generator


@sound("Bark")
def bark(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Bursts of a tenth of a second whose pitch leaps up and falls, in rows and single.

    The jaw snaps open and shut; loud barks are near chaos, so that each has a pitch, a
    roughness and a breath of its own (Riede and Fitch, 1999; Fitch, Neubauer and Herzel, 2002).
    """
    length_m = rng.uniform(0.08, 0.18)
    pitch_hz = 60 / length_m * rng.uniform(0.7, 1.3)
    rough = rng.uniform(0.15, 0.6)
    tract = tract_hz(length_m, 6)
    nasal_hz = rng.uniform(0.7, 1.0) * tract[0]
    fall_hz = 1.5 * tract[0]
    burst_s = rng.uniform(0.07, 0.17)

    def one() -> Floats:
        n = int((burst_s * rng.uniform(0.8, 1.25) + 0.06) * sample_rate)
        top = rng.uniform(1.05, 1.5)
        f0 = (
            pitch_hz
            * rng.uniform(0.88, 1.12)
            * contour(n, 0.6, top, 0.95 * top, 0.85, 0.6, 0.5)
        )
        harsh = rough * rng.uniform(0.5, 1.4)
        call = voice(rng, f0, sample_rate, 0.3 + harsh, harsh)
        jaw = np.array([0.6, 1.3, 1.5, 1.1, 0.75, 0.6]) * rng.uniform(0.9, 1.1)
        mouth = throat(lowpass(call, sample_rate, fall_hz, order=1), sample_rate,
                       [nasal_hz, tract[0] * jaw, 0.9 * tract[1] * jaw**0.3, *tract[2:]],
                       [120, 220, 260, 350, 450, 600, 700], 17)  # fmt: skip
        puff = lowpass(noise(rng, n, sample_rate), sample_rate, 1.5 * tract[0], order=1)
        mouth = mouth / mouth.std() + rng.uniform(0.05, 0.4) * puff * strike(
            n, sample_rate, 0.004, 0.02
        )
        body = highpass(
            lowpass(mouth, sample_rate, 3.0 * tract[0]), sample_rate, 0.6 * nasal_hz
        )
        level = swell(n, sample_rate, rng.uniform(0.01, 0.04), 0.6 * n / sample_rate)
        return body * level**1.5 * rng.uniform(0.5, 1.0)

    gap_s = rng.uniform(0.24, 0.6)
    gaps, row = (0.85 * gap_s, 1.3 * gap_s), int(rng.integers(1, 5))
    return repeated(one, rng, n_samples, sample_rate, 0.5, gaps, (row, row + 3), (0.0, 0.8))


@sound("Meow")
def meow(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Voiced calls whose mouth opens from a hummed m over a bright ee to a dark ow."""
    pitch_hz = rng.uniform(380, 700)
    tract = tract_hz(rng.uniform(0.065, 0.09), 5)
    peak = rng.uniform(0.2, 0.6)

    def one() -> Floats:
        n = int(rng.uniform(0.45, 1.2) * sample_rate)
        at = np.array([0, 0.15, peak, 0.5 + 0.5 * peak, 1.0])
        shape = np.array([rng.uniform(0.75, 0.95), 1.05, 1.2, 1.05, rng.uniform(0.6, 0.85)])
        f0 = pitch_hz * rng.uniform(0.9, 1.1) * np.interp(np.linspace(0, 1, n), at, shape)
        quaver = np.sin(2 * np.pi * rng.uniform(5, 9) * np.arange(n) / sample_rate)
        f0 *= 1 + rng.uniform(0.0, 0.02) * quaver
        opening = np.array([0.45, 0.8, 1.2, 1.35, 1.1, 0.75, 0.5])
        tongue = np.array([0.9, 1.05, 1.0, 0.85, 0.7, 0.6, 0.55])
        call = voice(rng, f0, sample_rate, rng.uniform(0.03, 0.15), rng.uniform(0.0, 0.08))
        mouth = throat(
            lowpass(call, sample_rate, 1800, order=1),
            sample_rate,
            [tract[0] * opening, tract[1] * tongue, *tract[2:]],
            [200, 280, 450, 600, 800],
            20,
        )
        hum = lowpass(call, sample_rate, 900)
        mixed = mouth * contour(n, 0.1, 0.7, 1, 1, 0.8, 0.4, 0.1) + 0.5 * hum
        return lowpass(mixed, sample_rate, 6000, order=1) * swell(n, sample_rate, 0.08, 0.25)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (0.9, 1.9))


@sound("Moo")
def moo(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Long calls that begin hummed through the nose and open into a blare.

    Low calls with a shut mouth lie near 80 Hz, loud ones with an open mouth at twice that and
    more, calves higher still; the pitch may leap where the mouth opens (Padilla de la Torre
    et al., 2015, "Acoustic analysis of cattle mother-offspring contact calls"). Breath blows
    through the same tract and the loud part is rough.
    """
    pitch_hz = rng.choice([rng.uniform(105, 160), rng.uniform(160, 280)])
    size = rng.uniform(0.85, 1.1) * (pitch_hz / 200) ** 0.2
    tract = size * np.array([300, 780, 1250, 1900, 2600, 3300, 4100, 5000, 6000])
    leap = rng.choice([1.0, rng.uniform(1.15, 1.6)])
    breath, rough = rng.uniform(0.05, 0.3), rng.uniform(0.0, 0.1)
    dark_hz = rng.uniform(700, 1800)

    def one() -> Floats:
        n = int(rng.uniform(0.9, 2.0) * sample_rate)
        opens = rng.uniform(0.15, 0.5)
        t = np.linspace(0, 1, n)
        knots = [0, 0.6 * opens, opens, opens + 0.08, 0.8, 0.93, 1.0]
        rise = [0.75, 0.9, 1.0, 1.05 * leap, 1.1 * leap, 0.95 * leap, 0.7]
        f0 = pitch_hz * rng.uniform(0.93, 1.07) * np.interp(t, knots, rise)
        f0 *= 1 + 0.02 * drift(rng, n, sample_rate, 7)
        call = voice(rng, f0, sample_rate, breath, rough)
        call = lowpass(call, sample_rate, dark_hz, order=1)
        opening = np.interp(np.linspace(0, 1, 12), knots, [0.8, 0.8, 1.0, 1.4, 1.5, 1.2, 0.8])
        blare = throat(
            call,
            sample_rate,
            [tract[0] * opening, tract[1] * opening**0.5, *tract[2:]],
            [60, 80, 110, 160, 220, 280, 350, 450, 600],
            16,
        )
        hum = throat(lowpass(call, sample_rate, 500), sample_rate, [240, 1000], [80, 200], 12)
        mouth = np.interp(t, knots, [0.02, 0.08, 0.4, 0.9, 1.0, 0.6, 0.15])
        blare = lowpass(blare, sample_rate, 1400, order=1)
        mixed = blare / blare.std() * mouth + rng.uniform(0.1, 0.35) * hum / hum.std()
        mixed = highpass(mixed, sample_rate, 1.1 * pitch_hz)
        return mixed * swell(n, sample_rate, 0.15, 0.25)

    return repeated(one, rng, n_samples, sample_rate, 0.5, (1.4, 2.8))


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
    """An owl: low tones, nearly pure, that swell up softly and sag, in a pattern of its kind.

    A few even notes, or a long one and a shaken one, repeated after a pause. The throat, closed
    but for a puff of air, lets little but the lowest partial out (Riede et al., 2016,
    "Coos, booms, and hoots").
    """
    pitch_hz = rng.uniform(260, 560)
    second, third = 10 ** (rng.uniform(-28, -12, 2) / 20)
    airy = rng.uniform(0.02, 0.06)
    sag = rng.uniform(0.65, 0.85)
    patterns: list[list[tuple[float, float]]] = [
        [(0.0, 0.35), (0.55, 0.14), (0.78, 0.3), (1.4, 0.35), (2.0, 0.35)],
        [(0.0, 0.7), (1.5, 0.2), (1.85, 1.0)],
        [(0.0, 0.25), (0.45, 0.25), (0.9, 0.2), (1.2, 0.55)],
        [(0.0, 0.45)],
    ]
    pattern = patterns[rng.integers(len(patterns))]
    tempo = rng.uniform(0.85, 1.2)

    def note(length_s: float) -> Floats:
        n = int(length_s * tempo * rng.uniform(0.92, 1.08) * sample_rate)
        rate_hz, depth = (rng.uniform(9, 13), 0.45) if length_s > 0.9 else (5.5, 0.05)
        shake = np.sin(2 * np.pi * rate_hz * np.arange(n) / sample_rate)
        f0 = pitch_hz * rng.uniform(0.98, 1.02) * contour(n, 0.72, 0.95, 1.02, 1.0, 0.95, sag)
        f0 *= 1 + 0.006 * shake + 0.004 * drift(rng, n, sample_rate, 25)
        tone = partials(f0, sample_rate, [1.0, second, third, 0.3 * third])
        band = [(0.4 * pitch_hz, -25), (pitch_hz, 0), (2.5 * pitch_hz, -10), (6000, -32)]
        breath = noise(rng, n, sample_rate, [(float(f), float(g)) for f, g in band])
        level = swell(n, sample_rate, 0.35 * n / sample_rate, 0.5 * n / sample_rate)
        return (tone * (1 + depth * shake) / (1 + depth) + airy * breath) * level

    times, notes, time_s = [], [], rng.uniform(0.0, 0.6)
    duration_s = n_samples / sample_rate
    while time_s < duration_s - 0.2:
        loud = rng.uniform(0.5, 1)
        for late_s, length_s in pattern:
            if time_s + tempo * late_s < duration_s - 0.1:
                times.append(time_s + tempo * late_s)
                notes.append(loud * rng.uniform(0.75, 1) * note(length_s))
        time_s += tempo * sum(pattern[-1]) + rng.uniform(0.35, 1.2)
    return place(n_samples, sample_rate, times, notes)


@sound("Clip-clop")
def clip_clop(rng: Rng, n_samples: int, sample_rate: int) -> Floats:
    """Hooves on a hard road in the beat of a gait: hollow knocks of two heights, iron, grit.

    A walk has four even beats a stride, a trot two, a canter three and a pause. The hollow
    under the hoof rings low and short, the shoe clinks, the toe scrapes when it leaves.
    """
    hollow_hz = rng.uniform(380, 900)
    stride_s, beats = (
        (rng.uniform(1.0, 1.3), (0.0, 0.26, 0.5, 0.76)),
        (rng.uniform(0.62, 0.8), (0.0, 0.5)),
        (rng.uniform(0.55, 0.7), (0.0, 0.25, 0.5)),
    )[rng.integers(3)]
    n = int(0.12 * sample_rate)
    iron, gritty = rng.uniform(0.03, 0.2), rng.uniform(0.1, 0.5)
    heights = (1.0, rng.uniform(1.25, 1.6), rng.uniform(0.9, 1.1), rng.uniform(1.2, 1.5))
    decay_s = rng.uniform(1.2, 3.0) / hollow_hz
    hooves = [modes(rng, hollow_hz * high, 6500, 16, decay_s, -3.5) for high in heights]
    shoes = [modes(rng, rng.uniform(1800, 3200), 9000, 6, 0.012, -2) for _ in heights]
    grit_db = [(900, -16), (rng.uniform(2500, 5000), 0), (11000, -12)]

    def one(hoof: int) -> Floats:
        contact_s = rng.uniform(0.0006, 0.003)
        hit = noise(rng, n, sample_rate) * strike(n, sample_rate, 0.0003, contact_s)
        bent = rng.uniform(0.88, 1.12)
        knock = resonate(hit, sample_rate, [(f * bent, d, g) for f, d, g in hooves[hoof]])
        clink = resonate(hit, sample_rate, shoes[hoof])
        sand = noise(rng, n, sample_rate, grit_db)
        late_s = rng.uniform(0.01, 0.045)
        grit = 0.4 * strike(n, sample_rate, 0.002, 0.01) + strike(n, sample_rate, late_s, 0.012)
        return (
            knock / np.abs(knock).max()
            + iron * rng.uniform(0.2, 1.5) * clink / np.abs(clink).max()
            + 0.25 * gritty * rng.uniform(0.2, 1.5) * sand * grit
        )

    times, picks, duration_s = [], [], n_samples / sample_rate
    for _ in range(rng.choice([1, 1, 2, 3])):
        time_s, own_s = rng.uniform(0.0, 0.4), stride_s * rng.uniform(0.92, 1.08)
        while time_s < duration_s:
            for hoof, beat in enumerate(beats):
                at_s = time_s + beat * own_s + rng.normal(0, 0.012)
                if 0 <= at_s < duration_s:
                    times.append(at_s)
                    picks.append(hoof)
            time_s += own_s * rng.uniform(0.95, 1.06)
    steps = [
        [weight * one(hoof) for _ in range(6)]
        for hoof, weight in enumerate(rng.uniform(0.5, 1.0, len(beats)))
    ]
    return place(
        n_samples,
        sample_rate,
        times,
        (steps[hoof][rng.integers(6)] * rng.uniform(0.5, 1.1) for hoof in picks),
    )
