"""What whole scenes cost: CPU seconds, where they go, memory over time, and a second worker.

    python benchmarks/end_to_end.py [--scenes 1000] [--reuse 8] [--engine rlr]

Prints Markdown. Scenes are a fifth each of S, D, SS, SD and DD, in procedural rooms, preset
`default`. A profile slows the code it watches, so shares come from a run of their own; they are of
wall time, in which the engine's process is waited for.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import tempfile
import time
from pathlib import Path
from types import FunctionType

from st_audioqa.corpus.audio import encode_flac
from st_audioqa.pipeline import draw, generate, render, shard
from st_audioqa.pipeline.plan import make_plan
from st_audioqa.pipeline.tools import open_tools
from st_audioqa.recipes import Recipe, load_recipe
from st_audioqa.renderers.bank import RIRBank
from st_audioqa.renderers.crossfade import Convolver
from st_audioqa.scene import SceneSpec


def recipe_of(scenes: int, reuse: int, engine: str, per_shard: int = 100) -> Recipe:
    demo = load_recipe("demo").model_dump()
    demo |= {
        "splits": {"test": dict.fromkeys(("S", "D", "SS", "SD", "DD"), scenes // 5)},
        "renderer": {**demo["renderer"], "engine": engine, "reuse": reuse},
        "corpus": {"scenes_per_shard": per_shard},
    }
    if engine == "image-source":
        demo["rooms"]["options"] = {"shapes": ["shoebox"], "furniture": [0, 0]}
    return Recipe.model_validate(demo)


def specs_of(recipe: Recipe) -> list[SceneSpec]:
    return [spec for shard in make_plan(recipe).shards for spec in shard.scenes]


def processes() -> list[str]:
    """This process and the one of an isolated engine."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return ["self", *children]


def resident_mb() -> float:
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in processes())
    return pages * resource.getpagesize() / 1e6


def cpu_s() -> float:
    """CPU seconds of both processes so far."""
    ticks = 0
    for each in processes():
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def one_core(recipe: Recipe) -> None:
    """CPU time and resident memory along a run in this process (and that of its engine)."""
    tools = open_tools(recipe)
    specs = specs_of(recipe)
    step = max(len(specs) // 10, 1)
    print("| scenes | CPU s per scene | scenes/s per core | resident MB |\n|--:|--:|--:|--:|")
    start = last = peak = 0.0
    rejected = 0
    for number, spec in enumerate(specs, 1):
        produced = render.produce(spec, tools)
        encode_flac(produced.audio)
        rejected += produced.rejections.total()
        peak = max(peak, resident_mb())
        if number == 1:  # which starts the engine
            start = last = cpu_s()
        if number % step == 0:
            now = cpu_s()
            cost = (now - last) / (step - (number == step))
            print(
                f"| {number} | {cost:.3f} | {1 / cost:.1f} | {resident_mb():.0f} |", flush=True
            )
            last = now
    cost = (last - start) / (len(specs) // step * step - 1)
    print(f"\nMean {cost:.3f} CPU s per scene, {1 / cost:.1f} scenes/s per core; ", end="")
    print(f"{rejected} draws rejected; peak {peak:.0f} MB.")


STAGES: dict[str, FunctionType] = {
    "RIRs (engine)": RIRBank.responses,
    "crossfade": Convolver.render,
    "drawing, synthesis of sounds included": draw.draw_scene,
    "FLAC": encode_flac,
}


def shares(recipe: Recipe) -> None:
    """Where the time goes."""
    tools = open_tools(recipe)
    profile = cProfile.Profile()
    profile.enable()
    for spec in specs_of(recipe):
        encode_flac(render.produce(spec, tools).audio)
    profile.disable()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(each[2] for each in stats.values())
    print("\n| stage | share |\n|---|--:|")
    rest = 1.0
    for name, function in STAGES.items():
        code = function.__code__
        share = stats[code.co_filename, code.co_firstlineno, code.co_name][3] / total
        rest -= share
        print(f"| {name} | {share:.0%} |")
    print(f"| everything else | {rest:.0%} |")


def workers(recipe: Recipe) -> None:
    """Scenes per second of wall time with two workers and with one, started afresh."""
    rates = {}
    for count in (2, 1):
        shard._opened.clear()  # what an earlier run keeps in memory would count as speed
        with tempfile.TemporaryDirectory() as folder:
            work = generate.plan_corpus(recipe, Path(folder) / "corpus", with_audio=True)
            ticks: list[float] = []
            generate.render_scenes(work, count, lambda: ticks.append(time.perf_counter()))  # noqa: B023
            # From the first scene on: starting processes is paid once, not per scene.
            rates[count] = (len(ticks) - 1) / (ticks[-1] - ticks[0])
    one, two = rates[1], rates[2]
    print(f"\nWorkers: {one:.2f} scenes/s with one, {two:.2f} with two, {two / one:.2f} times.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--reuse", type=int, default=8)
    parser.add_argument("--engine", default="rlr")
    given = parser.parse_args()
    one_core(recipe_of(given.scenes, given.reuse, given.engine))
    shares(recipe_of(100, given.reuse, given.engine))
    workers(recipe_of(320, given.reuse, given.engine, per_shard=80))
