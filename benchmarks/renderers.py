"""How fast the renderers are on one core: impulse responses per second, and the crossfade.

    python benchmarks/renderers.py [--positions 40] [--seconds 1.0]

Prints two Markdown tables. Times are CPU times of the process.
"""

from __future__ import annotations

import argparse
import functools
import resource
import time
from collections.abc import Callable

import numpy as np

from st_audioqa.conventions import N_BINS, SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.errors import UserError
from st_audioqa.renderers import ENGINES, MODES, prepare
from st_audioqa.renderers.acoustics import decay_rates
from st_audioqa.rooms.geometry import box_mesh
from st_audioqa.scene import Material, Room, RoomInfo

SIZE = (6.0, 3.0, 5.0)
TABLE, SHELF = ((2.2, 0.0, 1.0), (3.4, 0.75, 1.9)), ((0.02, 0.0, 2.0), (0.4, 1.8, 3.5))


def box_room(
    absorption: float,
    furniture: tuple[tuple[tuple[float, ...], ...], ...],
    size: tuple[float, float, float] = SIZE,
) -> Room:
    vertices, faces = box_mesh((0, 0, 0), size)
    for lower, upper in furniture:
        more_vertices, more_faces = box_mesh(lower, upper)
        faces = np.concatenate([faces, more_faces + len(vertices)])
        vertices = np.concatenate([vertices, more_vertices])
    return Room(
        info=RoomInfo("benchmark", "box", "benchmark", {}),
        shape="mesh" if furniture else "shoebox",
        vertices=vertices,
        faces=faces,
        face_material=np.zeros(len(faces), dtype=np.int64),
        materials=(Material("plain", (absorption,) * 7, (0.3,) * 7),),
        floor=np.array([[0, 0], [size[0], 0], [size[0], size[2]], [0, size[2]]]),
        height_m=size[1],
        obstacles=np.array(furniture, dtype=np.float64).reshape(-1, 2, 3),
    )


def cpu_seconds(run: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def engine_table(n_positions: int) -> None:
    listener = np.array([3.0, 1.5, 3.4])
    path = np.linspace([1.0, 1.2, 0.6], [5.2, 1.7, 4.2], n_positions)
    print("| engine | preset | room | T60 at 1 kHz (s) | length (s) | RIR/s, moving | static |")
    print("|---|---|---|---|---|---|---|")
    for name in ("image-source", "rlr"):
        for preset in ("fast", "default", "reference"):
            try:
                engine = ENGINES.get(name)(preset)
            except UserError as error:
                print(f"| {name} | {preset} | {error} | | | | |")
                continue
            few = path[:: max(n_positions // 8, 1)] if preset == "reference" else path
            for furniture in ((), (TABLE, SHELF)):
                if furniture and "mesh" not in engine.shapes:
                    continue
                for absorption in (0.1, 0.2, 0.4):
                    room = box_room(absorption, furniture)
                    t60 = np.log(1e6) / decay_rates(room, float(np.prod(SIZE)))[3]
                    rirs = engine.rirs(room, listener, few[:1], seed=0)

                    repeats = 1 if preset == "reference" else 2
                    query = functools.partial(engine.rirs, room, listener, seed=0)
                    moving = cpu_seconds(functools.partial(query, few), repeats)
                    static = cpu_seconds(functools.partial(query, few[:1]), repeats)
                    print(
                        f"| {name} | {preset} | {len(room.faces)} triangles | {t60:.2f} "
                        f"| {rirs.shape[-1] / SAMPLE_RATE:.2f} "
                        f"| {len(few) / moving:.3g} "
                        f"| {1 / static:.3g} |",
                        flush=True,
                    )


def crossfade_table(seconds: float) -> None:
    rng = np.random.default_rng(0)
    length = round(seconds * SAMPLE_RATE)
    waveform = rng.standard_normal(SCENE_SAMPLES, dtype=np.float32)
    print(
        f"\n| crossfade of 10 s, RIRs of {seconds:g} s | new RIRs, CPU (s) | kept spectra, CPU (s) "
        "| held (MB) | peak memory of the process (MB) |"
    )
    print("|---|--:|--:|--:|--:|")
    offsets = np.linspace([1.0, 0.5, 2.0], [2.0, 0.2, -2.0], N_BINS)
    for n_bins, label, mode in (
        (1, "static", MODES[0]),
        *((N_BINS, f"moving, {mode}", mode) for mode in MODES),
    ):
        rirs = rng.standard_normal((n_bins, 4, length), dtype=np.float32)
        make = functools.partial(prepare, rirs, mode=mode, offsets_m=offsets[:n_bins])
        new = cpu_seconds(lambda make=make: make(keep=False).render(waveform))  # type: ignore[misc]
        kept = make()
        kept.render(waveform)
        reused = cpu_seconds(functools.partial(kept.render, waveform))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"| {label} | {new:.3f} | {reused:.3f} | {kept.nbytes / 1e6:.0f} | {peak:.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--positions", type=int, default=N_BINS, help="bins of a trajectory")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of crossfaded RIRs")
    arguments = parser.parse_args()
    crossfade_table(arguments.seconds)
    print()
    engine_table(arguments.positions)


if __name__ == "__main__":
    main()
