"""How fast questions are made: from tracks in memory, and from Parquet to Parquet.

    python benchmarks/questions.py [--scenes 1000 10000 100000]

Prints Markdown. Scenes are straight and static tracks around a listener in an empty space, five
configurations alike; no audio is involved.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from st_audioqa.conventions import BIN_TIMES_S, CONFIGURATIONS, DURATION_S, directions
from st_audioqa.corpus.manifest import ShardEntry
from st_audioqa.events.labels import all_labels, noun, related
from st_audioqa.pipeline.generate import ask_questions
from st_audioqa.recipes import QuestionsRecipe, Recipe, load_recipe
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


def write_shards(table: SceneTable, folder: Path, size: int = 128) -> list[ShardEntry]:
    """The columns of `scenes` that questions are made from, in shards as a corpus has them."""
    entries = []
    n_sources = table.n_sources
    for start in range(0, len(table), size):
        part = slice(start, start + size)
        counts = n_sources[part]
        has = np.arange(2) < counts[:, None]

        def tracks(values: np.ndarray, has: np.ndarray = has, part: slice = part) -> pa.Array:
            chosen = values[part][has]
            offsets = np.arange(len(chosen) + 1) * 40
            return pa.ListArray.from_arrays(offsets, chosen.ravel())

        height = table.height_m[part][has].ravel()
        zeros = np.zeros_like(height)
        points = np.stack([zeros, height, zeros], axis=1).ravel()
        places = pa.ListArray.from_arrays(np.arange(len(height) + 1) * 3, points)
        position = pa.ListArray.from_arrays(np.arange(len(height) // 40 + 1) * 40, places)
        sources = pa.StructArray.from_arrays(
            [
                pa.array([list(each) for scene in table.labels[part] for each in scene]),
                pa.array(table.moving[part][has]),
                tracks(table.activity),
                position,
                tracks(table.azimuth_deg),
                tracks(table.elevation_deg),
                tracks(table.distance_m),
            ],
            names=[
                "labels",
                "moving",
                "activity",
                "position",
                "azimuth_deg",
                "elevation_deg",
                "distance_m",
            ],
        )
        offsets = np.concatenate([[0], np.cumsum(counts)])
        path = f"scenes/train-{start // size:05d}-of-{-(-len(table) // size):05d}.parquet"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.table(
                {
                    "scene_id": table.scene_id[part],
                    "split": ["train"] * len(counts),
                    "configuration": table.configuration[part],
                    "sources": pa.ListArray.from_arrays(offsets, sources),
                }
            ),
            folder / path,
            row_group_size=32,
        )
        entries.append(
            ShardEntry(path=path, split="train", rows=len(counts), bytes=0, sha256="0" * 64)
        )
    return entries


def from_parquet(n: int, most: dict[str, int]) -> None:
    """In a process of its own, so that its peak of memory is its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = write_shards(table_of(n), folder)
        (folder / "entries.json").write_text(json.dumps([e.model_dump() for e in entries]))
        command = [sys.executable, __file__, "--from", name, "--most", json.dumps(most)]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def ask_from(folder: Path, most: dict[str, int]) -> None:
    entries = [
        ShardEntry.model_validate(each)
        for each in json.loads((folder / "entries.json").read_text())
    ]
    demo = load_recipe("demo").model_dump()
    demo["questions"]["most"] = {"train": most}
    recipe = Recipe.model_validate(demo)
    wall, cpu = time.perf_counter(), time.process_time()
    tables, _ = ask_questions(folder, recipe, entries)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    types = Counter(
        kind
        for entry in tables["qa"]
        for kind in pq.read_table(folder / entry.path, columns=["type"])["type"].to_pylist()
    )
    rows = " ".join(f"{name} {count}" for name, count in sorted(types.items()))
    print(
        f"\nParquet to Parquet: {sum(entry.rows for entry in entries)} scenes, {types.total()} "
    )
    print(
        f"questions ({rows}), {wall:.1f} s of wall time, {cpu:.1f} s of CPU, peak {peak:.0f} MB."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--most", default='{"A": 216000, "B": 300000, "C": 218000}')
    parser.add_argument("--from", dest="folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        ask_from(given.folder, json.loads(given.most))
    else:
        in_memory(given.scenes)
        from_parquet(given.scenes[-1], json.loads(given.most))
