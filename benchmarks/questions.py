"""How fast questions are made: from tracks in memory, and from Parquet to Parquet.

    python benchmarks/questions.py [--scenes 1000 10000 100000]

Prints Markdown. Scenes are straight and static tracks around a listener in an empty space, five
configurations alike; no audio is involved.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from st_audioqa.conventions import BIN_TIMES_S, CONFIGURATIONS, DURATION_S, directions
from st_audioqa.events.labels import all_labels, noun, related
from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.scene_table import SceneTable
from st_audioqa.templates import QuestionEngine


def tracks_of(n: int, moving: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions relative to the listener [shape=(n, 2, 40, 3)], within 5 m."""
    ends = rng.uniform(-1, 1, size=(n, 2, 2, 3)) * [2.8, 2.8, 1.2]
    ends[..., 1, :] = np.where(moving[..., None], ends[..., 1, :], ends[..., 0, :])
    along = (BIN_TIMES_S / DURATION_S)[:, None]
    return ends[:, :, 0, None] + along * (ends[:, :, 1, None] - ends[:, :, 0, None])


def table_of(n: int, seed: int = 0) -> SceneTable:
    rng = np.random.default_rng(seed)
    configurations = tuple(CONFIGURATIONS[i] for i in rng.integers(5, size=n))
    moving = np.array([[each[0] == "D", each[-1] == "D"] for each in configurations])
    azimuth, elevation, distance = directions(positions := tracks_of(n, moving, rng))
    names = [label.name for label in all_labels()]
    pairs = rng.permuted(np.tile(np.arange(len(names)), (n, 1)), axis=1)[:, :2]
    labels = tuple(
        tuple((names[i],) for i in pair[: len(each)])
        for pair, each in zip(pairs, configurations, strict=True)
    )
    return SceneTable(
        split="train",
        scene_id=tuple(f"train-{i:06d}" for i in range(n)),
        configuration=configurations,
        labels=labels,
        moving=moving & (np.array([len(each) for each in configurations])[:, None] > [0, 1]),
        activity=rng.random((n, 2, 40)) < 0.9,
        azimuth_deg=azimuth,
        elevation_deg=elevation,
        distance_m=distance,
        height_m=positions[..., 2],
        refused={},
    )


def in_memory(counts: list[int]) -> None:
    print("| scenes | questions | choose (CPU s) | word (CPU s) | questions/s | peak MB |")
    print("|--:|--:|--:|--:|--:|--:|")
    engine = QuestionEngine(QuestionsRecipe(), noun, related)
    for n in counts:
        table = table_of(n)
        start = time.process_time()
        chosen = engine.choose([table], seed=1)
        middle = time.process_time()
        count = sum(1 for _ in engine.word(chosen))
        end = time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(
            f"| {n} | {count} | {middle - start:.2f} | {end - middle:.2f} | "
            f"{count / (end - start):.0f} | {peak:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    in_memory(parser.parse_args().scenes)
