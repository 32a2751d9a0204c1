"""How long two million AudioSet rows take to index and to open again, and how much memory.

    python benchmarks/audioset_index.py [--rows 2000000] [--layout files|flat|tars|parquet]

Writes synthetic segment tables and a tree of empty clips (a tenth of the segments has none) into
a temporary folder and prints a Markdown table. Each step runs in a process of its own.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import resource
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from st_audioqa.events.audioset_index import open_index
from st_audioqa.events.labels import all_labels
from st_audioqa.events.libraries.audioset import Library

LETTERS = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", dtype="S1"
)
PER_FOLDER = 5_000


def write(root: Path, rows: int, layout: str) -> None:
    rng = np.random.default_rng(0)
    letters = LETTERS[rng.integers(64, size=(rows, 11))]
    videos = [each.decode() for each in letters.view("S11").ravel()]
    starts = rng.integers(0, 600, rows)
    mids = np.array([each.mid for each in all_labels()])
    labels = mids[rng.integers(len(mids), size=(rows, 3))]
    counts = rng.integers(1, 4, rows)
    eval_rows, balanced = rows // 100, rows // 50
    parts = (
        ("eval", 0, eval_rows),
        ("balanced_train", eval_rows, balanced),
        ("unbalanced_train", balanced, rows),
    )
    for name, start, stop in parts:
        with (root / f"{name}_segments.csv").open("w") as file:
            file.write("# made up\n# num_ytids\n# YTID, start_seconds, end_seconds, labels\n")
            for i in range(start, stop):
                joined = ",".join(labels[i, : counts[i]])
                file.write(f'{videos[i]}, {starts[i]}.000, {starts[i] + 10}.000, "{joined}"\n')
    have = [i for i in range(rows) if i % 10]
    for number, low in enumerate(range(0, len(have), PER_FOLDER)):
        some = have[low : low + PER_FOLDER]
        names = [f"{videos[i]}_{starts[i]}.000.flac" for i in some]
        if layout in ("files", "flat"):
            folder = root if layout == "flat" else root / f"clips{number:04d}"
            folder.mkdir(exist_ok=True)
            for name in names:
                (folder / name).touch()
        elif layout == "tars":
            with tarfile.open(root / f"clips{number:04d}.tar", "w") as archive:
                for name in names:
                    member = tarfile.TarInfo(name)
                    member.size = 1  # empty ones would be passed over
                    archive.addfile(member, io.BytesIO(b"\0"))
        else:
            table = pa.table(
                {
                    "video_id": [videos[i] for i in some],
                    "audio": pa.array([b""] * len(some), pa.binary()),
                }
            )
            pq.write_table(table, root / f"clips{number:04d}.parquet")


def measured(step: Callable[..., int], *arguments: object) -> tuple[float, float, float, int]:
    """Seconds, CPU seconds, peak memory in GB and the result of a step in its own process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (step, arguments))


def _measure(
    step: Callable[..., int], arguments: tuple[object, ...]
) -> tuple[float, float, float, int]:
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    result = step(*arguments)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, after.ru_maxrss * 1024 / 1e9, result


def index(root: Path) -> int:
    return open_index(root).num_rows


def open_library(root: Path) -> int:
    library = Library(path=str(root), label_set="355")
    return int(library.details["used"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument(
        "--layout", choices=["files", "flat", "tars", "parquet"], default="files"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, arguments.rows, arguments.layout)
        print("| step | layout | rows | seconds | CPU seconds | peak memory (GB) |")
        print("|---|---|--:|--:|--:|--:|")
        for name, step in (("index", index), ("open (355 labels)", open_library)):
            seconds, cpu, peak, rows = measured(step, root)
            print(
                f"| {name} | {arguments.layout} | {rows:,} | {seconds:.1f} | {cpu:.1f} "
                f"| {peak:.2f} |"
            )


if __name__ == "__main__":
    main()
