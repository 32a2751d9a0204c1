"""What the crossfades get right and wrong between bins, against impulse responses in between.

    python benchmarks/crossfade.py [--engines image-source rlr] [--trajectories 6]

Sources move straight through a box of 9 x 3 x 8 m (absorption .2). The engine gives responses
every 1/16 bin; both crossfades get every 16th. A unit impulse, sent at the time of a response
in between, is compared with it: energy per octave of the direct sound (to 1 ms after its
arrival), of early (to 80 ms) and of late reflections, and when the direct sound arrives. The
level over time is that of all energy; its ripple at 4 Hz gives away that there are bins.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from renderers import box_room
from st_audioqa.conventions import (
    BANDS_HZ,
    BIN_S,
    N_BINS,
    SAMPLE_RATE,
    SAMPLES_PER_BIN,
    SPEED_OF_SOUND_M_S,
)
from st_audioqa.renderers import ENGINES, MODES, Convolver, prepare
from st_audioqa.renderers.engine import RIREngine
from st_audioqa.seeding import generator

Floats = NDArray[np.floating]

SIZE = (9.0, 3.0, 8.0)
LISTENER = np.array([4.3, 1.5, 3.9])
PARTS = 16
STEP = SAMPLES_PER_BIN // PARTS
LEAD = 400
"""Samples before the emission that are looked at, for whatever rings before its time."""
SEGMENTS = {"direct": (-40, 32), "early": (32, 2560), "late": (2560, 1 << 30)}
GROUPS = {"125-500 Hz": slice(0, 3), "1-2 kHz": slice(3, 5), "4-8 kHz": slice(5, 7)}


def dense_path(speed: float, n_bins: int, rng: np.random.Generator) -> Floats:
    """Positions every 1/16 bin from the first bin's centre to the last one's."""
    along = np.arange((n_bins - 1) * PARTS + 1)[:, None] / PARTS * BIN_S * speed
    while True:
        direction = rng.standard_normal(3) * [1.0, 0.15, 1.0]
        start = rng.uniform([0.3] * 3, np.array(SIZE) - 0.3)
        path = start + along * direction / np.linalg.norm(direction)
        distance = np.linalg.norm(path - LISTENER, axis=1)
        inside = ((path > 0.3) & (path < np.array(SIZE) - 0.3)).all()
        if inside and distance.min() > 0.3 and distance.max() < 4.98:
            return path


def effective(responses: Convolver, n_bins: int) -> Floats:
    """Responses in between [shape=(n_positions, 4, LEAD + length)]."""
    first = SAMPLES_PER_BIN // 2
    length = responses.rirs.shape[-1]
    found = []
    for i in range((n_bins - 1) * PARTS + 1):
        impulse = np.zeros(LEAD + first + i * STEP + length, dtype=np.float32)
        impulse[first + i * STEP] = 1.0
        out = responses.render(impulse)[:, first + i * STEP - LEAD :][:, : LEAD + length]
        found.append(out)
    return np.stack(found)


def energies(responses: Floats, arrival: Floats) -> dict[str, Floats]:
    """Energy per segment [shape=(n_positions, 4, n_bands)]; sample LEAD is the emission."""
    n = responses.shape[-1]
    size = fft.next_fast_len(n, real=True)
    frequency = fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    edges = np.searchsorted(frequency, [*(np.array(BANDS_HZ) / np.sqrt(2)), 11_300.0])
    since = np.arange(n) - LEAD - arrival[:, None]
    found = {}
    for name, (low, high) in SEGMENTS.items():
        inside = (since >= low) & (since < high)
        power = np.abs(fft.rfft(responses * inside[:, None], size, axis=-1)) ** 2
        found[name] = np.add.reduceat(power, edges, axis=-1)[..., : len(BANDS_HZ)]
    return found


def direct_time(responses: Floats, arrival: Floats) -> Floats:
    """Deviation of the direct sound in W from r / c, in samples, by its phase slope."""
    found = []
    for w, at in zip(responses[:, 0], arrival, strict=True):
        centre = LEAD + round(at)
        stretch = w[centre - 12 : centre + 13] * np.hanning(27)[1:-1]
        spectrum = np.fft.rfft(stretch, 256)[16:80]
        turn = (spectrum[1:] * spectrum[:-1].conj() * np.exp(2j * np.pi * 12 / 256)).sum()
        found.append(-np.angle(turn) * 256 / (2 * np.pi) + round(at) - at)
    return np.array(found)


def decibels(ratio: Floats) -> Floats:
    return np.asarray(10.0 * np.log10(np.maximum(ratio, 1e-12)))


def ripple(level_db: Floats) -> float:
    """Amplitude at 4 Hz of a level over whole bins, in dB."""
    turning = np.exp(2j * np.pi * np.arange(len(level_db)) / PARTS)
    return float(2.0 * np.abs((level_db * turning).mean()))


def measure(
    engine: RIREngine, speed: float, n_trajectories: int
) -> dict[str, dict[str, float]]:
    """Figures per crossfade."""
    n_bins = min(N_BINS, int(6.0 / speed / BIN_S), 16)
    room = box_room(0.2, (), SIZE)
    rows: dict[str, dict[str, list[Floats]]] = {m: defaultdict(list) for m in MODES}
    for i in range(n_trajectories):
        rng = generator(0, "crossfade", i, int(100 * speed))
        path = dense_path(speed, n_bins, rng)
        truth = engine.rirs(room, LISTENER, path, seed=i)
        offsets = path - LISTENER
        arrival = np.linalg.norm(offsets, axis=1) / SPEED_OF_SOUND_M_S * SAMPLE_RATE
        want = energies(np.pad(truth, ((0, 0), (0, 0), (LEAD, 0))), arrival)
        for mode in MODES:
            responses = prepare(
                truth[::PARTS],
                mode=mode,
                offsets_m=offsets[::PARTS],
            )
            heard = effective(responses, n_bins)
            got = energies(heard, arrival)
            row = rows[mode]
            between = np.arange(len(path)) % PARTS != 0
            middle = np.arange(len(path)) % PARTS == PARTS // 2
            for name in SEGMENTS:
                for channels, which in (("W", slice(0, 1)), ("XYZ", slice(1, 4))):
                    g, w = (e[name][:, which].sum(axis=1) for e in (got, want))
                    row[f"{name} {channels}"].append((g, w, middle))
            total_got = sum(got.values())[:, 0]
            total_want = sum(want.values())[:, 0]
            row["total"].append((total_got, total_want, between))
            row["time"].append(direct_time(heard, arrival)[between])
    return {mode: summary(row) for mode, row in rows.items()}


def summary(row: dict[str, list[Floats]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in SEGMENTS:
        for channels in ("W", "XYZ"):
            got, want = (
                np.concatenate([each[i][each[2]] for each in row[f"{name} {channels}"]])
                for i in (0, 1)
            )
            for group, bands in GROUPS.items():
                # Equal weight to every position and octave, however near the source is.
                error = decibels(got[:, bands].sum(1) / want[:, bands].sum(1))
                key = f"{name} {channels} {group}"
                found[key] = float(decibels(np.mean(10 ** (error / 10))))
    for group, bands in GROUPS.items():
        levels = [
            decibels(g[:-1, bands].sum(1)) - decibels(w[:-1, bands].sum(1))
            for g, w, _ in row["total"]
        ]
        found[f"ripple {group}"] = float(np.mean([ripple(level) for level in levels]))
        found[f"spread {group}"] = float(np.mean([np.std(level) for level in levels]))
    octaves = np.concatenate(
        [decibels(g[between] / w[between]) for g, w, between in row["total"]]
    )
    found["spectrum"] = float(np.sqrt(np.mean(octaves**2)))
    found["time"] = float(np.sqrt(np.mean(np.concatenate(row["time"]) ** 2)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", nargs="+", default=["image-source", "rlr"])
    parser.add_argument("--speeds", nargs="+", type=float, default=[0.5, 1.0, 2.0])
    parser.add_argument("--trajectories", type=int, default=6)
    arguments = parser.parse_args()
    results = {}
    for name in arguments.engines:
        engine = ENGINES.get(name)("default")
        for speed in arguments.speeds:
            for mode, found in measure(engine, speed, arguments.trajectories).items():
                results[name, speed, mode] = found
    head = "| engine | speed (m/s) | crossfade |"
    segments = [f"{name} {channels}" for name in SEGMENTS for channels in ("W", "XYZ")]
    print("Energy in the middle between two bins, in dB against the true response;")
    print(f"in each cell {', '.join(GROUPS)}.\n")
    print(f"{head} {' | '.join(segments)} |")
    print("|---|--:|---|" + "---|" * len(segments))
    for (name, speed, mode), found in results.items():
        cells = [" / ".join(f"{found[f'{s} {g}']:+.1f}" for g in GROUPS) for s in segments]
        print(f"| {name} | {speed:g} | {mode} | {' | '.join(cells)} |")
    print("\nOver all positions in between.\n")
    print(
        f"{head} 4 Hz ripple (dB) | spread of the level (dB) | rms error of octaves (dB) "
        "| rms error of arrival (samples) |"
    )
    print("|---|--:|---|---|---|--:|--:|")
    for (name, speed, mode), found in results.items():
        cells = [
            " / ".join(f"{found[f'{what} {g}']:.2f}" for g in GROUPS)
            for what in ("ripple", "spread")
        ]
        cells += [f"{found['spectrum']:.2f}", f"{found['time']:.2f}"]
        print(f"| {name} | {speed:g} | {mode} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
