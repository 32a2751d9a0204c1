"""What the presets of the RLR engine cost, and how far they are from 40,000 rays.

    python benchmarks/rlr_presets.py [--trial RAYS,DECAY_DB,BANDS ...]

Prints Markdown tables: speed and errors of every preset (and of every trial setting) in three
rooms, the noise of a single reflection, where the time of a query goes, and what the access to
the library costs. Errors are root mean squares over all rooms and positions. Early is 0-80 ms
and late 100-300 ms after the direct sound; directional is X, Y and Z; diffuseness is the late
energy of X, Y and Z together over that of W, 1 in truth. Times are CPU times of the process, and
the least of several where single queries are timed.
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from st_audioqa.conventions import BANDS_HZ, SAMPLE_RATE, SPEED_OF_SOUND_M_S
from st_audioqa.renderers.acoustics import decay_rates, mean_absorption
from st_audioqa.renderers.engines import _rlr_library as library
from st_audioqa.renderers.engines import rlr
from st_audioqa.renderers.isolation import IsolatedEngine
from st_audioqa.rooms.geometry import box_mesh
from st_audioqa.rooms.materials import material
from st_audioqa.scene import Material, Room, RoomInfo

Floats = NDArray[np.floating]
REFERENCE = rlr.Preset(rays=40_000, decay_db=60.0)
SEED = 1
LATE_MS = (100, 300)


def room(
    size: tuple[float, float, float],
    materials: list[Material],
    furniture: list[tuple[tuple[float, ...], tuple[float, ...]]],
) -> Room:
    """A box of one material, or of floor, walls and ceiling, with furniture of the last."""
    vertices, faces = box_mesh((0, 0, 0), size)
    normal = np.cross(*np.diff(vertices[faces], axis=1).swapaxes(0, 1))
    flat = np.abs(normal).argmax(axis=1) == 1
    low = vertices[faces].max(axis=1)[:, 1] == 0
    kind = np.where(flat, np.where(low, 0, 2), 1) if len(materials) > 1 else np.zeros(12, int)
    for lower, upper in furniture:
        more_vertices, more_faces = box_mesh(lower, upper)
        faces = np.concatenate([faces, more_faces + len(vertices)])
        vertices = np.concatenate([vertices, more_vertices])
        kind = np.concatenate([kind, np.full(12, len(materials) - 1)])
    return Room(
        info=RoomInfo("benchmark", "box", "benchmark", {}),
        shape="mesh" if furniture else "shoebox",
        vertices=vertices,
        faces=faces,
        face_material=kind,
        materials=tuple(materials),
        floor=np.array([[0, 0], [size[0], 0], [size[0], size[2]], [0, size[2]]]),
        height_m=size[1],
        obstacles=np.array(furniture, dtype=np.float64).reshape(-1, 2, 3),
    )


def rooms() -> dict[str, tuple[Room, Floats, Floats]]:
    """Rooms with a listener and four sources each."""
    plain = Material("plain", (0.2,) * 7, (0.3,) * 7)
    names = (
        "pile carpet on foam",
        "plasterboard on frame",
        "plasterboard ceiling",
        "wood on studs",
    )
    lived_in = [material(name) for name in names]
    hard = [
        material(name) for name in ("linoleum on concrete", "painted brick", "rough concrete")
    ]
    hard.append(material("upholstered cloth"))
    table, shelf = ((2.2, 0.0, 1.0), (3.4, 0.75, 1.9)), ((0.02, 0.0, 2.0), (0.4, 1.8, 3.5))
    sofas = [((0.1, 0.0, 0.5), (1.0, 0.8, 3.0)), ((5.0, 0.0, 0.5), (5.9, 0.8, 3.0))]
    sofas += [((2.0, 0.0, 4.0), (4.5, 1.0, 4.9)), ((2.3, 0.0, 1.0), (3.6, 0.5, 2.5))]
    return {
        "plain box": (
            room((6.0, 3.0, 5.0), [plain], []),
            np.array([3.0, 1.5, 3.4]),
            np.array([[1.0, 1.2, 0.6], [5.2, 1.7, 4.2], [3.5, 1.0, 2.6], [0.8, 2.2, 4.4]]),
        ),
        "living room": (
            room((5.0, 2.6, 4.0), lived_in, [table, shelf]),
            np.array([3.8, 1.3, 2.6]),
            np.array([[1.0, 1.2, 0.6], [4.4, 1.7, 3.4], [2.5, 1.4, 3.0], [0.9, 2.1, 3.2]]),
        ),
        "hard, soft seats": (
            room((6.0, 3.0, 5.0), hard, sofas),
            np.array([3.0, 1.5, 3.4]),
            np.array([[1.4, 1.2, 0.4], [5.2, 1.7, 4.2], [3.4, 1.3, 2.7], [0.8, 2.2, 4.4]]),
        ),
    }


def engine(preset: rlr.Preset) -> rlr.Engine:
    rlr.PRESETS["measured"] = preset
    return rlr.Engine("measured")


def cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def energy_db(part: Floats) -> Floats:
    return np.asarray(10 * np.log10((part.astype(np.float64) ** 2).sum(axis=-1) + 1e-30))


def t20(w: Floats, band_hz: float) -> float:
    edges = [band_hz / np.sqrt(2), band_hz * np.sqrt(2)]
    sos = signal.butter(3, edges, "bandpass", fs=SAMPLE_RATE, output="sos")
    decay = np.cumsum(signal.sosfilt(sos, w.astype(np.float64))[::-1] ** 2)[::-1]
    level = 10 * np.log10(decay / decay[0] + 1e-30)
    part = np.flatnonzero((level <= -5) & (level >= -25))
    return float(-60 / np.polyfit(part / SAMPLE_RATE, level[part], 1)[0])


def described(rir: Floats, distance_m: float) -> dict[str, Floats]:
    """What is compared, of one response."""
    at = round(distance_m / SPEED_OF_SOUND_M_S * SAMPLE_RATE)
    ms = SAMPLE_RATE // 1000
    since = np.pad(rir[:, max(at - 2, 0) :], ((0, 0), (0, SAMPLE_RATE)))
    early, late = since[:, : 80 * ms], since[:, LATE_MS[0] * ms : LATE_MS[1] * ms]
    steps = energy_db(since[0, : 300 * ms].reshape(-1, 10 * ms))
    late_energy = 10 ** (energy_db(late) / 10)
    direct, rest = energy_db(since[0, : 2 * ms]), energy_db(since[0, 2 * ms :])
    return {
        "early W": energy_db(early[0]),
        "early XYZ": energy_db(early[1:]),
        "late W": energy_db(late[0]),
        "late XYZ": 10 * np.log10(late_energy[1:].sum()),
        "DRR": direct - rest,
        "10 ms": steps,
        "T20": np.log([t20(rir[0], band) for band in (250, 1000, 4000)]),
        "diffuseness": late_energy[1:].sum() / late_energy[0],
    }


def compare(settings: dict[str, rlr.Preset]) -> None:
    cases = rooms()
    truth = {}
    for name, (where, listener, sources) in cases.items():
        found = engine(REFERENCE).rirs(where, listener, sources, seed=SEED)
        distance = np.linalg.norm(sources - listener, axis=1)
        truth[name] = [described(r, d) for r, d in zip(found, distance, strict=True)]
        kept = found.shape[-1] / SAMPLE_RATE
        decay = np.exp(np.mean([each["T20"] for each in truth[name]], axis=0))
        print(f"- {name}: {len(where.faces)} triangles, responses of {kept:.2f} s, ", end="")
        print(
            f"T20 at 250 Hz, 1 kHz, 4 kHz {', '.join(f'{t:.2f}' for t in decay)} s", flush=True
        )
    speeds = " | ".join(f"RIR/s, {name}" for name in cases)
    print(
        f"\n| preset | rays | bands | decay (dB) | {speeds} | early W (dB) | early XYZ (dB) ",
        end="",
    )
    print("| late W (dB) | late XYZ (dB) | DRR (dB) | 10 ms steps of W (dB) ", end="")
    print("| T20 250 Hz, 1 kHz, 4 kHz (%) | diffuseness |")
    print("|---|" + "--:|" * (len(cases) + 11))
    for label, preset in settings.items():
        speed, errors, diffuse = [], [], []
        for name, (where, listener, sources) in cases.items():
            made = engine(preset)
            found = made.rirs(where, listener, sources, seed=SEED)
            repeats = 2 if preset.rays > 1000 else 6
            query = functools.partial(made.rirs, where, listener, sources, seed=SEED)
            cost = min(cpu_seconds(query) for _ in range(repeats))
            speed.append(len(sources) / cost)
            distance = np.linalg.norm(sources - listener, axis=1)
            for r, d, want in zip(found, distance, truth[name], strict=True):
                got = described(r, d)
                diffuse.append(got["diffuseness"])
                errors.append({key: got[key] - want[key] for key in got})
        rms = {
            key: np.sqrt(np.mean(np.square([each[key] for each in errors]), axis=0))
            for key in errors[0]
        }
        cells = [f"{value:.3g}" for value in speed]
        for key in ("early W", "early XYZ", "late W", "late XYZ", "DRR", "10 ms"):
            cells.append(f"{np.sqrt(np.mean(rms[key] ** 2)):.2f}")
        cells.append(", ".join(f"{100 * value:.1f}" for value in rms["T20"]))
        cells.append(f"{np.mean(diffuse):.2f}")
        about = f"{preset.rays} | {preset.frequency_bands} | {preset.decay_db:g}"
        print(f"| {label} | {about} | {' | '.join(cells)} |", flush=True)


def single_reflection(settings: dict[str, rlr.Preset]) -> None:
    """Level of the floor's reflection alone: all other surfaces absorb."""
    mirror, nothing = (
        Material("mirror", (0.1,) * 7, (0.0,) * 7),
        Material("no", (0.999,) * 7, (0.0,) * 7),
    )
    where = room((6.0, 3.0, 5.0), [mirror, nothing, nothing], [])
    listener = np.array([3.0, 1.5, 3.4])
    sources = np.linspace([2.0, 1.2, 1.0], [4.0, 1.2, 1.0], 21)
    image = sources * [1, -1, 1]
    print(
        "\n| preset | level of one reflection against its image source (dB) | its spread (dB) |"
    )
    print("|---|--:|--:|")
    for label, preset in settings.items():
        rirs = engine(preset).rirs(where, listener, sources, seed=SEED)
        errors = []
        for rir, source, mirrored in zip(rirs, sources, image, strict=True):
            direct = round(np.linalg.norm(source - listener) / SPEED_OF_SOUND_M_S * SAMPLE_RATE)
            way = float(np.linalg.norm(mirrored - listener))
            heard = energy_db(rir[0, direct + 16 : direct + 16 + SAMPLE_RATE // 40])
            errors.append(heard - 10 * np.log10(0.9 / way**2))
        print(f"| {label} | {np.mean(errors):+.2f} | {np.std(errors):.2f} |", flush=True)


def steep_absorption() -> None:
    """Decay per octave where absorption rises eightfold from 125 Hz to 8 kHz."""
    rising = Material("rising", (0.05, 0.08, 0.12, 0.2, 0.3, 0.35, 0.4), (0.3,) * 7)
    where = room((6.0, 3.0, 5.0), [rising], [])
    eyring = np.log(1e6) / decay_rates(where, 90.0)
    _, listener, sources = rooms()["plain box"]
    print(f"\n| T20 (s), absorption .05 to .4 | {' | '.join(f'{b:g} Hz' for b in BANDS_HZ)} |")
    print("|---|" + "--:|" * len(BANDS_HZ))
    print(f"| Eyring | {' | '.join(f'{t:.2f}' for t in eyring)} |")
    for bands in (4, 8, 12):
        found = engine(rlr.Preset(2000, 60.0, bands)).rirs(where, listener, sources, seed=SEED)
        means = [np.mean([t20(rir[0], band) for rir in found]) for band in BANDS_HZ]
        print(f"| {bands} bands | {' | '.join(f'{t:.2f}' for t in means)} |", flush=True)


def query_parts(preset: rlr.Preset, n: int = 40) -> None:
    """Where the time of one position goes."""
    where, listener, sources = rooms()["living room"]
    spent: dict[str, list[float]] = {}

    def timed(name: str, run: Callable[[], object]) -> object:
        start = time.process_time()
        result = run()
        spent.setdefault(name, []).append(time.process_time() - start)
        return result

    found = engine(preset).rirs(where, listener, sources[:1], seed=SEED)
    with rlr.surfaces(where) as (database, parts):
        for _ in range(n):
            context = timed("context", lambda: rlr.open_context(preset, where))
            assert isinstance(context, library.Context)
            timed("mesh", lambda: context.set_mesh(database, where.vertices, parts))  # noqa: B023
            timed("listener", lambda: context.add_listener(listener))  # noqa: B023
            timed("simulation and fetch", lambda: context.simulate(sources[0]))  # noqa: B023
            timed("closing", lambda: context.__exit__(None, None, None))  # noqa: B023
            timed("tail", lambda: rlr.renewed_tails(found, np.array([300]), 0.05, SEED))
    cells = ", ".join(f"{name} {1e3 * min(values):.2f}" for name, values in spent.items())
    print(f"\nOne position of `fast` in the living room, ms: {cells}.")


def binding_context(
    preset: rlr.Preset, where: Room, database: str, parts: dict[str, NDArray[np.int64]]
) -> Any:
    """What `rlr.open_context`, `set_mesh` and `add_listener` do, through the Python module."""
    import _rlr_audio_propagation as binding

    config = binding.Config()
    binding.get_default_config(config)
    config.sample_rate = SAMPLE_RATE
    config.direct_sh_order = config.indirect_sh_order = 1
    config.frequency_bands = preset.frequency_bands
    config.indirect_ray_count = preset.rays
    absorption = float(mean_absorption(where).min())
    config.indirect_ray_depth = rlr.ray_depth(absorption, preset.decay_db)
    config.temporal_coherence = False
    config.thread_count = 1
    context = binding.Context(config)
    context.set_material_database_json(database)
    context.add_object()
    context.add_mesh_vertices(where.vertices.ravel().tolist())
    for label, faces in parts.items():
        context.add_mesh_indices(faces.ravel().tolist(), 3, label)
    context.finalize_object_mesh(0)
    context.add_listener(binding.ChannelLayout(binding.ChannelLayoutType.Ambisonics, 4))
    return context


def access(n: int = 40) -> None:
    """The same simulation through ctypes and through the Python module of the package."""
    where, listener, sources = rooms()["plain box"]
    preset = rlr.PRESETS["fast"]
    with rlr.surfaces(where) as (database, parts):
        fetch: dict[str, list[float]] = {"ctypes": [], "binding": []}
        total: dict[str, list[float]] = {"ctypes": [], "binding": []}
        for _ in range(n):
            start = time.process_time()
            with rlr.open_context(preset, where) as context:
                context.set_mesh(database, where.vertices, parts)
                context.add_listener(listener)
                context.simulate(sources[0])
                before = time.process_time()
                ours = context.response()
                fetch["ctypes"].append(time.process_time() - before)
            total["ctypes"].append(time.process_time() - start)
            start = time.process_time()
            with library._quiet():
                other = binding_context(preset, where, str(database), parts)
            other.set_listener_position(0, listener.tolist())
            other.set_listener_radius(0, 0.0)
            other.add_source()
            other.set_source_position(0, sources[0].tolist())
            other.simulate()
            before = time.process_time()
            theirs = np.array([other.get_ir_channel(0, 0, i) for i in range(4)], np.float32)
            fetch["binding"].append(time.process_time() - before)
            total["binding"].append(time.process_time() - start)
            del other
    same = np.array_equal(theirs, ours)
    print("\n| access | whole position (ms) | fetching the response (ms) | equal bits |")
    print("|---|--:|--:|---|")
    for name, seconds in total.items():
        print(f"| {name} | {1e3 * min(seconds):.2f} | {1e3 * min(fetch[name]):.3f} | {same} |")


def isolation(n_positions: int = 40, n_queries: int = 6) -> None:
    """What a process of its own costs: CPU time of this process and of the child together."""
    where, listener, sources = rooms()["living room"]
    path = np.linspace(sources[0], sources[2], n_positions)
    print("\n| preset | 40 positions here (CPU s) | in a child process | more | equal bits |")
    print("|---|--:|--:|--:|---|")
    for name in ("fast", "default"):
        make = functools.partial(rlr.Engine, name)
        here, child = make(), IsolatedEngine(make)
        child.rirs(where, listener, sources[:1], seed=SEED)
        assert child._child is not None
        alone, apart = 0.0, 0.0
        for _ in range(n_queries):  # in turns, as other work comes and goes
            start = time.process_time()
            direct = here.rirs(where, listener, path, seed=SEED)
            alone += time.process_time() - start
            start = time.process_time() + cpu_of(child._child._process.pid)
            answer = child.rirs(where, listener, path, seed=SEED)
            apart += time.process_time() + cpu_of(child._child._process.pid) - start
        child.close()
        seconds = f"{alone / n_queries:.3f} | {apart / n_queries:.3f}"
        same = np.array_equal(direct, answer)
        print(
            f"| {name} | {seconds} | {100 * (apart / alone - 1):+.1f} % | {same} |", flush=True
        )


def cpu_of(pid: int) -> float:
    """CPU time of another process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trial", action="append", default=[], metavar="RAYS,DECAY_DB,BANDS")
    arguments = parser.parse_args()
    settings = dict(rlr.PRESETS)
    for text in arguments.trial:
        rays, decay, bands = text.split(",")
        settings[f"trial {text}"] = rlr.Preset(int(rays), float(decay), int(bands))
    compare(settings)
    single_reflection(settings)
    steep_absorption()
    query_parts(settings["fast"])
    access()
    isolation()


if __name__ == "__main__":
    main()
