"""One moving source of 10 s from mesh to file, side by side with AudibleLight on one engine.

    python -m venv other && other/bin/pip install torch==2.13.0 audiblelight==0.1.2
    python benchmarks/audiblelight_scene.py --audiblelight-python other/bin/python

Both get the same room (a box with two pieces of furniture, as a .glb for AudibleLight), the same
listener, straight path and noise as a WAV, first-order ambisonics at 32 kHz, and the same rays,
depth and bands of RLRAudioPropagation on one thread; all other settings of the engine are its
defaults. `--setting 500,99,12` is our preset `default` in this room; `--setting 5000,200,4` is
what AudibleLight has by default. Ours writes a Parquet shard with the FLAC and the labels;
AudibleLight its WAV, JSON and DCASE table. Each works in a process of its own; ours before and
after the other. Imports and a first scene (AudibleLight's: of 2 s) are reported apart.

What is not the same: AudibleLight's places lie at the edges of our bins, one more than ours; its
RIRs are as long as the engine makes them and ours end after 1 s; it normalises every RIR by its
energy, ours keep their levels; it simulates all places in one context, ours each in its own with
the mesh loaded again; ours also renews late tails, aligns delays and checks levels. The absorption
of its material is the .1 of ours. At the end, the direction of the direct sound in both is
compared with the label.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

SAMPLE_RATE, DURATION_S, N_KNOTS = 32_000, 10.0, 41
ABSORPTION, SCATTERING = 0.1, 0.5
"""Those of AudibleLight's material "Default", at all frequencies."""
Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Takes our world (y up, front -z) to AudibleLight's (z up, front y)."""
REUSE = 8

Found = dict[str, Any]


class Clock:
    """CPU seconds by stage; a stage within a stage counts for itself alone."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._last = 0.0

    def _charge(self) -> None:
        now = time.process_time()
        if self._open:
            self.stages[self._open[-1]] += now - self._last
        self._last = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Charges what is done within to a stage."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def watch(self, owner: object, function: str, name: str) -> None:
        """Charges every call of a function of a class or module to a stage."""
        plain: Callable[..., Any] = getattr(owner, function)

        @functools.wraps(plain)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return plain(*args, **kwargs)

        setattr(owner, function, timed)


def measured(clock: Clock, run: Callable[[], object]) -> Found:
    clock.stages.clear()
    wall = time.perf_counter()
    with clock.stage("rest"):
        run()
    wall = time.perf_counter() - wall
    stages = dict(clock.stages)
    return {"cpu": sum(stages.values()), "wall": wall, "stages": stages}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- the scenes ---------------------------------------------------------------------------------


def make_job(folder: Path, n_scenes: int, setting: tuple[int, int, int]) -> Found:
    """The room and scenes drawn at random, each with the noise of `REUSE` sources as WAVs.

    The first scene is for warming up.
    """
    from renderers import SHELF, SIZE, TABLE, box_room

    room = box_room(ABSORPTION, (TABLE, SHELF))
    rng = np.random.default_rng(0)
    lower, upper = np.array([0.8, 1.2, 0.5]), np.array(SIZE) - [0.5, 1.2, 0.5]
    scenes: list[Found] = []
    while len(scenes) < n_scenes + 1:
        listener, start, end = rng.uniform(lower, upper, (3, 3))
        way = np.linspace(start, end, N_KNOTS)
        distance = np.linalg.norm(way - listener, axis=-1)
        if np.linalg.norm(end - start) < 4.0 or distance.min() < 0.5:
            continue
        waves = []
        for take in range(REUSE):
            path = folder / f"noise-{len(scenes)}-{take}.wav"
            noise = 0.1 * rng.standard_normal(round(DURATION_S * SAMPLE_RATE))
            soundfile.write(path, noise.clip(-1, 1), SAMPLE_RATE)
            waves.append(str(path))
        ends = [start.tolist(), end.tolist()]
        scenes.append({"listener": listener.tolist(), "ends": ends, "waves": waves})
    return {
        "vertices": room.vertices.tolist(),
        "faces": room.faces.tolist(),
        "scenes": scenes,
        "setting": setting,
        "folder": str(folder),
    }


# --- ours ---------------------------------------------------------------------------------------


def run_ours(job: Found, result: Path) -> Found:
    began = time.process_time()
    from renderers import SHELF, TABLE, box_room
    from st_audioqa.corpus.audio import encode_flac
    from st_audioqa.corpus.schema import SCENES_SCHEMA, scene_to_row
    from st_audioqa.corpus.shards import write_shard
    from st_audioqa.events.loudness import activity
    from st_audioqa.foa import rotate_yaw
    from st_audioqa.renderers import check_levels, check_rirs, mix
    from st_audioqa.renderers.bank import RIRBank
    from st_audioqa.renderers.crossfade import Convolver
    from st_audioqa.renderers.engines import rlr
    from st_audioqa.rooms.placement import line_of_sight
    from st_audioqa.scene import (
        Event,
        Listener,
        Material,
        RenderInfo,
        Scene,
        SourceTrack,
        track_directions,
    )

    imports = time.process_time() - began
    rays, depth, bands = job["setting"]
    decay_db = (depth - 0.5) * -math.log1p(-ABSORPTION) * 10 / math.log(10)
    if rlr.ray_depth(ABSORPTION, decay_db) != depth:
        sys.exit(f"Our engine follows 20 to 400 reflections, not {depth}.")
    rlr.PRESETS["benchmark"] = rlr.Preset(rays, decay_db, bands)
    engine = rlr.Engine("benchmark")
    walls = Material("plain", (ABSORPTION,) * 7, (SCATTERING,) * 7)
    room = replace(box_room(ABSORPTION, (TABLE, SHELF)), materials=(walls,))
    clock = Clock()
    clock.watch(rlr.Engine, "rirs", "engine")
    clock.watch(Convolver, "render", "convolution")

    def render(scene: Found, take: int, bank: RIRBank, path: Path, yaw_deg: float) -> None:
        listener = Listener(np.array(scene["listener"]), yaw_deg)
        start, end = map(np.array, scene["ends"])
        centres = (np.arange(N_KNOTS - 1) + 0.5) / (N_KNOTS - 1)
        position = start + centres[:, None] * (end - start)
        waveform, _ = soundfile.read(scene["waves"][take], dtype="float32")
        responses = bank.responses(room, listener.position, position)
        check_rirs(responses.early_energy_db, 12.0)
        stem = rotate_yaw(responses.convolver.render(waveform), yaw_deg)[None]
        active = activity(waveform)
        check_levels(stem, active[None], -80.0, 60.0)
        audio, gain_db = mix(stem, 0.0)
        azimuth, elevation, distance = track_directions(position, listener)
        track = SourceTrack(
            index=0,
            event=Event("benchmark", "noise", 0.0, -20.0, ("White noise",), ("",), ""),
            moving=True,
            motion={"kind": "linear", "speed_m_s": 0.0, "start": [], "end": []},
            position=position,
            azimuth_deg=azimuth,
            elevation_deg=elevation,
            distance_m=distance,
            activity=active,
            line_of_sight=line_of_sight(room, listener.position, position),
        )
        label = Scene(
            scene_id=path.stem,
            split="test",
            configuration="D",
            seed=0,
            attempt=0,
            recipe_hash="",
            room=room.info,
            listener=listener,
            sources=(track,),
            sample_rate=SAMPLE_RATE,
            gain_db=gain_db,
            render=RenderInfo(
                engine.name, engine.version, engine.preset, "aligned", 1.0, responses.digest
            ),
        )
        write_shard(path, [scene_to_row(label, encode_flac(audio))], SCENES_SCHEMA, 100)

    def alone(scene: Found, path: Path) -> None:
        render(scene, 0, RIRBank(engine, SAMPLE_RATE, reused=False), path, 0.0)

    def reused(scene: Found, folder: Path) -> None:
        bank = RIRBank(engine, SAMPLE_RATE, reused=True)
        for take in range(REUSE):
            render(scene, take, bank, folder / f"reused-{take}.parquet", 45.0 * take)

    folder = Path(job["folder"])
    first, *scenes = job["scenes"]
    warm_up = measured(clock, functools.partial(alone, first, folder / "first.parquet"))
    found = [
        measured(clock, functools.partial(alone, scene, result.with_name(f"ours-{i}.parquet")))
        for i, scene in enumerate(scenes)
    ]
    peak = peak_mb()
    again = [measured(clock, functools.partial(reused, scene, folder)) for scene in scenes]
    return {
        "imports": imports,
        "warm-up": warm_up["cpu"],
        "scenes": found,
        "peak": peak,
        "reused": [
            {
                "cpu": each["cpu"] / REUSE,
                "wall": each["wall"] / REUSE,
                "stages": {name: cpu / REUSE for name, cpu in each["stages"].items()},
            }
            for each in again
        ],
        "reused peak": peak_mb(),
    }


# --- AudibleLight -------------------------------------------------------------------------------


def run_audiblelight(job: Found, result: Path) -> Found:
    began = time.process_time()
    import trimesh
    from audiblelight import synthesize
    from audiblelight.core import Scene
    from audiblelight.worldstate import WorldStateRLR

    imports = time.process_time() - began
    folder = Path(job["folder"])
    mesh = folder / "room.glb"
    vertices = np.array(job["vertices"]) @ Z_UP.T
    trimesh.Trimesh(vertices, job["faces"], process=False).export(mesh)
    rays, depth, bands = job["setting"]
    settings = {
        "indirect_ray_count": rays,
        "indirect_ray_depth": depth,
        "frequency_bands": bands,
        "direct_sh_order": 1,
        "indirect_sh_order": 1,
        "temporal_coherence": 0,
        "thread_count": 1,
    }
    clock = Clock()
    clock.watch(WorldStateRLR, "simulate", "engine")
    clock.watch(WorldStateRLR, "get_irs", "fetching responses")
    clock.watch(synthesize, "time_variant_convolution", "convolution")
    clock.watch(Scene, "add_event_predefined", "placing the source")
    shapes: list[tuple[int, ...]] = []

    refusals = 0

    def persist(add: Callable[[], object]) -> None:
        """Its test for places inside the mesh takes random directions and errs at times."""
        nonlocal refusals
        for _ in range(20):
            try:
                add()
            except ValueError as error:
                if "invalid" not in str(error):
                    raise
                refusals += 1
            else:
                return
        sys.exit("AudibleLight refused valid places 20 times.")

    def generate(scene: Found, name: str, duration_s: float, n_knots: int) -> None:
        start, end = np.array(scene["ends"]) @ Z_UP.T
        end = start + (end - start) * duration_s / DURATION_S
        state = WorldStateRLR(
            mesh, sample_rate=SAMPLE_RATE, add_to_context=False, rlr_kwargs=dict(settings)
        )
        # It asks for more than 0.5 m/s, as 97.5 % of speeds drawn at random have, unless told.
        speeds = functools.partial(random.uniform, 0.1, 2.0)
        made = Scene(duration_s, state, sample_rate=SAMPLE_RATE, event_velocity_dist=speeds)
        persist(
            lambda: made.add_microphone(
                microphone_type="foalistener", position=(Z_UP @ scene["listener"]).tolist()
            )
        )
        persist(
            lambda: made.add_event_predefined(
                filepath=scene["waves"][0],
                trajectory=np.linspace(start, end, n_knots),
                scene_start=0.0,
                event_start=0.0,
                duration=duration_s,
                snr=30,
                class_id=0,
            )
        )
        made.generate(folder, audio_fname=name, metadata_fname=name)
        shapes.append(next(iter(state.irs.values())).shape)

    first, *scenes = job["scenes"]
    warm_up = measured(clock, functools.partial(generate, first, "first", 2.0, 9))
    found = [
        measured(clock, functools.partial(generate, scene, f"theirs-{i}", DURATION_S, N_KNOTS))
        for i, scene in enumerate(scenes)
    ]
    written = sorted(path.name for path in folder.glob("theirs-0*"))
    return {
        "imports": imports,
        "warm-up": warm_up["cpu"],
        "scenes": found,
        "peak": peak_mb(),
        "responses": shapes[-1],
        "written": written,
        "refusals": refusals,
    }


# --- comparison ---------------------------------------------------------------------------------


def heard_directions(foa: np.ndarray, dry: np.ndarray, distance_m: np.ndarray) -> np.ndarray:
    """Unit vectors of the direct sound by bin, from (W, front, left, up) [shape=(n_bins, 3)].

    The response within a bin is estimated by correlation with the dry noise up to 2 kHz, above
    which a delay that slides blurs it, and looked at 1 ms to either side of the direct sound.
    """
    size = len(dry) // len(distance_m)
    found = np.zeros((len(distance_m), 3))
    for k, metres in enumerate(distance_m):
        sent = dry[k * size : (k + 1) * size]
        heard = foa[:, k * size : (k + 1) * size]
        spectrum = np.fft.rfft(heard, 2 * size) * np.fft.rfft(sent, 2 * size).conj()
        spectrum[:, 2 * size * 2000 // SAMPLE_RATE :] = 0
        arrival = round(metres / 344.0 * SAMPLE_RATE)
        around = np.arange(arrival - 32, arrival + 32) % (2 * size)
        response = np.fft.irfft(spectrum, 2 * size)[:, around]
        found[k] = response[1:] @ response[0]
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def angles_to_label(scene: Found, ours: Path, theirs: Path) -> tuple[float, float]:
    """Median angle in degrees between direct sound and label, in either rendering."""
    import pyarrow.parquet as pq

    from st_audioqa.corpus.audio import load_audio

    dry, _ = soundfile.read(scene["waves"][0])
    start, end = np.array(scene["ends"]) - scene["listener"]
    centres = (np.arange(N_KNOTS - 1) + 0.5) / (N_KNOTS - 1)
    right, up, back = (start + centres[:, None] * (end - start)).T
    label = np.stack([-back, -right, up], axis=-1)
    distance_m = np.linalg.norm(label, axis=-1)
    w, y, z, x = load_audio(pq.read_table(ours).to_pylist()[0])
    # The engine's channels are W and the world's y, z and x; AudibleLight leaves them so.
    other_w, front, upward, rightward = soundfile.read(theirs)[0].T
    pair = np.stack([w, x, y, z]), np.stack([other_w, front, -rightward, upward])
    cosines = [
        np.sum(heard_directions(foa, dry, distance_m) * label, axis=-1) / distance_m
        for foa in pair
    ]
    angles = [float(np.degrees(np.median(np.arccos(each.clip(-1, 1))))) for each in cosines]
    return angles[0], angles[1]


def child(python: str, which: str, job: Path, result: Path) -> Found:
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
    done = subprocess.run(
        [python, __file__, "--child", which, str(job), str(result)],
        check=False,
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{which} failed:\n{done.stderr[-4000:]}")
    found: Found = json.loads(result.read_text())
    return found


def median(scenes: list[Found], name: str) -> float:
    return statistics.median(float(each[name]) for each in scenes)


def spread(scenes: list[Found], name: str) -> str:
    values = [float(each[name]) for each in scenes]
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def print_stages(name: str, scenes: list[Found]) -> None:
    total = sum(each["cpu"] for each in scenes)
    stages: dict[str, float] = defaultdict(float)
    for each in scenes:
        for stage, cpu in each["stages"].items():
            stages[stage] += cpu
    parts = [
        f"{stage} {cpu / len(scenes):.2f} ({cpu / total:.0%})"
        for stage, cpu in sorted(stages.items(), key=lambda item: -item[1])
    ]
    print(f"| {name} | {', '.join(parts)} |")


def compare(other_python: str, n_scenes: int, setting: tuple[int, int, int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = folder / "job.json"
        made = make_job(folder, n_scenes, setting)
        job.write_text(json.dumps(made))
        before = child(sys.executable, "ours", job, folder / "ours.json")
        other = child(other_python, "audiblelight", job, folder / "other.json")
        after = child(sys.executable, "ours", job, folder / "ours.json")
        angles = [
            angles_to_label(
                scene, folder / f"ours-{i}.parquet", *folder.glob(f"theirs-{i}_*.wav")
            )
            for i, scene in enumerate(made["scenes"][1:])
        ]
    ours = before["scenes"] + after["scenes"]
    reused = before["reused"] + after["reused"]
    rows = [
        ("ours", ours, max(before["peak"], after["peak"])),
        (f"ours, reuse {REUSE}", reused, max(before["reused peak"], after["reused peak"])),
        ("AudibleLight 0.1.2", other["scenes"], other["peak"]),
    ]
    rays, depth, bands = setting
    print(f"{rays} rays, {depth} reflections, {bands} bands; ", end="")
    print(f"scenes: {n_scenes}; median (least to most):\n")
    print("| | CPU (s) | wall (s) | peak memory (MB) | AudibleLight to it, CPU | wall |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, scenes, peak in rows:
        ratios = [median(other["scenes"], of) / median(scenes, of) for of in ("cpu", "wall")]
        times = f"{spread(scenes, 'cpu')} | {spread(scenes, 'wall')}"
        print(f"| {name} | {times} | {peak:.0f} | {ratios[0]:.0f} | {ratios[1]:.0f} |")
    print("\n| CPU s per scene | where |\n|---|---|")
    for name, scenes, _ in rows:
        print_stages(name, scenes)
    print("\n| not in the above, CPU (s) | imports | a first scene |\n|---|--:|--:|")
    print(f"| ours (10 s) | {before['imports']:.1f} | {before['warm-up']:.1f} |")
    print(f"| AudibleLight (2 s) | {other['imports']:.1f} | {other['warm-up']:.1f} |")
    print(f"\nAudibleLight's responses: {other['responses']} (channels, places, samples). ")
    print(f"Its files: {', '.join(other['written'])}.")
    print(f"It refused valid places {other['refusals']} times.")
    worst = np.max(angles, axis=0)
    print(
        "Median angle between direct sound and label, in the scene where it is largest: ",
        end="",
    )
    print(f"{worst[0]:.1f} deg in ours, {worst[1]:.1f} deg in its (its axes turned).")


def setting_of(text: str) -> tuple[int, int, int]:
    rays, depth, bands = map(int, text.split(","))
    return rays, depth, bands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audiblelight-python", default=sys.executable)
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument(
        "--setting", type=setting_of, default=(500, 99, 12), metavar="RAYS,DEPTH,BANDS"
    )
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is None:
        compare(arguments.audiblelight_python, arguments.scenes, arguments.setting)
        return
    which, job, result = arguments.child
    run = run_ours if which == "ours" else run_audiblelight
    found = run(json.loads(Path(job).read_text()), Path(result))
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
