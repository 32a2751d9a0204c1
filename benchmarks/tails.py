"""What renewing the late tails of the RLR engine changes, and what it leaves as it was.

    python benchmarks/tails.py

Prints a Markdown table of responses as the engine gives them and as `renewed_tails` leaves them,
four rooms of different size and absorption and a trajectory of 20 bins:

- correlation of W between two sources in different rooms, aligned to their direct sounds, in
  three parts of the response: root mean square over all pairs; and the largest at any lag;
- energy of X, Y and Z together over that of W, in the late part (1 in truth);
- change of the energy decay (largest, down to -30 dB), of the total energy and of T20;
- flicker from bin to bin: scatter of the level's second difference, late part;
- correlation of the late W of adjacent bins.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
from numpy.typing import NDArray
from rlr_presets import energy_db, room, t20
from scipy import signal

from st_audioqa.conventions import SAMPLE_RATE, SPEED_OF_SOUND_M_S
from st_audioqa.renderers.engines import rlr
from st_audioqa.scene import Material

Floats = NDArray[np.floating]
CASES = (
    ((6.0, 3.0, 5.0), 0.1, [3.0, 1.5, 3.4], [1.0, 1.2, 0.6]),
    ((6.0, 3.0, 5.0), 0.2, [3.0, 1.5, 3.4], [5.0, 1.7, 4.0]),
    ((4.0, 2.6, 7.0), 0.15, [2.0, 1.5, 3.0], [1.0, 1.6, 5.5]),
    ((8.0, 3.5, 6.0), 0.3, [3.0, 1.5, 3.4], [5.0, 1.2, 2.0]),
)
PARTS_MS = ((20, 30), (30, 50), (50, 80), (80, 300))


def correlation(a: Floats, b: Floats) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def part(rir: Floats, start_ms: int, stop_ms: int) -> Floats:
    ms = SAMPLE_RATE // 1000
    return rir[..., start_ms * ms : stop_ms * ms].astype(np.float64)


def measured(preset: str) -> tuple[dict[str, list[str]], float]:
    """Rows of the table, before and after, and the CPU time of renewing one response."""
    engine = rlr.Engine(preset)
    renew, spent, renewed = rlr.renewed_tails, [0.0], [0]

    def timed(rirs: NDArray[np.float32], *arguments: object) -> NDArray[np.float32]:
        start = time.process_time()
        after = renew(rirs, *arguments)  # type: ignore
        spent[0] += time.process_time() - start
        renewed[0] += len(rirs)
        return after

    rows: dict[str, list[str]] = {}
    first: list[Floats] = []
    for what in (lambda rirs, *rest: rirs, timed):
        rlr.renewed_tails = what
        found, raw = [], []
        for seed, (size, absorption, ears, source) in enumerate(CASES):
            plain = Material("plain", (absorption,) * 7, (0.3,) * 7)
            where = room(size, [plain], [])
            rir = engine.rirs(where, ears, [source], seed=seed)[0]
            at = round(
                np.linalg.norm(np.subtract(source, ears)) / SPEED_OF_SOUND_M_S * SAMPLE_RATE
            )
            raw.append(rir)
            found.append(np.pad(rir[:, at:], ((0, 0), (0, SAMPLE_RATE))))
        pairs = list(itertools.combinations(found, 2))
        for limits in PARTS_MS:
            values = [correlation(part(a, *limits)[0], part(b, *limits)[0]) for a, b in pairs]
            name = f"correlation between rooms, {limits[0]}-{limits[1]} ms"
            rows.setdefault(name, []).append(f"{np.sqrt(np.mean(np.square(values))):.2f}")
        largest = 0.0
        for a, b in pairs:
            x, y = part(a, 50, 300)[0], part(b, 50, 300)[0]
            lags = np.abs(signal.correlate(x, y, method="fft")) / np.sqrt((x @ x) * (y @ y))
            largest = max(largest, float(lags.max()))
        rows.setdefault("the same at any lag, largest, 50-300 ms", []).append(f"{largest:.2f}")
        late = [(part(rir, 80, 300) ** 2).sum(axis=-1) for rir in found]
        ratio = np.mean([each[1:].sum() / each[0] for each in late])
        rows.setdefault("late energy, X + Y + Z over W", []).append(f"{ratio:.2f}")
        first = first or raw
        curves, t20s = [], []
        for before, after in zip(first, raw, strict=True):
            both = [
                10 * np.log10(np.cumsum(w[::-1].astype(np.float64) ** 2)[::-1] + 1e-30)
                for w in (before[0], after[0])
            ]
            audible = both[0] > both[0][0] - 30
            curves.append((np.abs(both[1] - both[0])[audible].max(), both[1][0] - both[0][0]))
            t20s.append(abs(t20(after[0], 1000) / t20(before[0], 1000) - 1))
        decay, total = np.abs(curves).max(axis=0)
        rows.setdefault("energy decay, largest change (dB)", []).append(f"{decay:.2f}")
        rows.setdefault("total energy, largest change (dB)", []).append(f"{total:.2f}")
        rows.setdefault("T20 at 1 kHz, largest change (%)", []).append(f"{100 * max(t20s):.1f}")

        size, absorption, ears, _ = CASES[1]
        where = room(size, [Material("plain", (absorption,) * 7, (0.3,) * 7)], [])
        path = np.linspace([1.0, 1.2, 0.6], [5.2, 1.7, 4.2], 20)
        distance = np.linalg.norm(path - ears, axis=1)
        rirs = engine.rirs(where, ears, path, seed=9)
        shifts = np.rint(distance / SPEED_OF_SOUND_M_S * SAMPLE_RATE).astype(int)
        bins = np.stack([np.roll(r, -at, axis=-1) for r, at in zip(rirs, shifts, strict=True)])
        bins = part(bins, 80, 300)
        flicker = np.diff(energy_db(bins), 2, axis=0).std(axis=0) / np.sqrt(6)
        rows.setdefault("flicker of late W / XYZ (dB)", []).append(
            f"{flicker[0]:.2f} / {flicker[1:].mean():.2f}"
        )
        near = [correlation(a[0], b[0]) for a, b in itertools.pairwise(bins)]
        rows.setdefault("correlation of adjacent bins", []).append(f"{np.mean(near):.2f}")
    rlr.renewed_tails = renew
    return rows, spent[0] / renewed[0]


def as_rays_grow() -> None:
    """Late energy of the axes, untreated."""
    renew = rlr.renewed_tails
    rlr.renewed_tails = lambda rirs, *rest: rirs
    print("\n| rays | X + Y + Z over W, as it comes | 3 Y / W, 3 Z / W, 3 X / W |")
    print("|--:|--:|--:|")
    for rays in (100, 500, 1000, 5000, 40_000):
        rlr.PRESETS["measured"] = rlr.Preset(rays, 45.0)
        engine, energies = rlr.Engine("measured"), []
        for size, absorption, ears, source in CASES[:3]:
            where = room(size, [Material("plain", (absorption,) * 7, (0.3,) * 7)], [])
            rir = engine.rirs(where, ears, [source], seed=0)[0]
            energy = (part(rir, 100, 300) ** 2).sum(axis=-1)
            energies.append(energy / energy[0])
        mean = np.mean(energies, axis=0)[1:]
        axes = ", ".join(f"{3 * value:.2f}" for value in mean)
        print(f"| {rays} | {mean.sum():.2f} | {axes} |", flush=True)
    rlr.renewed_tails = renew


def main() -> None:
    tables, costs = zip(*(measured(preset) for preset in ("fast", "default")), strict=True)
    print("| | fast, as it comes | renewed | default, as it comes | renewed |")
    print("|---|--:|--:|--:|--:|")
    for name in tables[0]:
        print(f"| {name} | {' | '.join(cell for table in tables for cell in table[name])} |")
    print(f"\nRenewing takes {1e3 * min(costs):.1f} ms of CPU time per response.")
    as_rays_grow()


if __name__ == "__main__":
    main()
