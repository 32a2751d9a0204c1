"""What a run survives: kill -9 at random moments, a full disk, a read-only folder, a flipped bit.

    python benchmarks/faults.py [--kills 50] [--shards 8] [--seed 0] [--questions-only]

Prints Markdown. A tiny corpus is made undisturbed first. Then runs of it are killed: the main
process or one of its workers, by turns, at a moment drawn evenly over the life of a run; a run
whose main process was killed is started again in the same folder. Every corpus that results must
have the files and bytes of the undisturbed one, and a shard that was marked before a kill must be
the same file at the end. With planning of a million scenes (`--planning`).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

RECIPE = """
name = "tiny"
seed = 3
[splits.train]
S = {scenes}
D = {scenes}
[splits.test]
S = 2
[rooms]
options = {{ shapes = ["shoebox"], furniture = [0, 0] }}
[renderer]
engine = "image-source"
preset = "fast"
rir_duration_s = 0.1
[corpus]
scenes_per_shard = 2
"""


class Bench:
    """A place for runs, and the recipe they make."""

    def __init__(self, place: Path, shards: int, extra: list[str]) -> None:
        self.place, self.extra = place, extra
        self.recipe = place / "tiny.toml"
        self.recipe.write_text(RECIPE.format(scenes=shards - 1))
        start = time.monotonic()
        assert self.start(place / "whole").wait() == 0
        self.life_s = time.monotonic() - start
        self.wanted = files(place / "whole")

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """Begins a run, or goes on with one."""
        line = ["generate", self.recipe, "--out", folder, "--workers", "2", *self.extra]
        return subprocess.Popen(
            [sys.executable, "-m", "st_audioqa.cli", *map(str, line)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def marked(folder: Path) -> dict[str, int]:
    """Files of scenes that have their mark, and what tells a file from one written later."""
    found = {}
    for mark in (folder / ".work").glob("*-*-of-*.json"):
        with contextlib.suppress(OSError):
            path = folder / "scenes" / f"{mark.stem}.parquet"
            found[path.name] = path.stat().st_mtime_ns
    return found


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [
            int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    return []


def group_gone(group: int, limit_s: float = 10.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def kills(bench: Bench, wanted: int, seed: int) -> None:
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    corpora = 0
    while counts.total() < wanted:
        folder, kept = bench.place / f"killed-{corpora}", {}
        process = bench.start(folder)
        while True:
            moment = time.monotonic() + rng.uniform(0.0, bench.life_s)
            victim = ("main", "worker")[counts.total() % 2]
            while process.poll() is None and time.monotonic() < moment:
                time.sleep(0.005)
            if process.poll() is not None or counts.total() >= wanted:
                said = process.communicate()[1].decode()
                lost["runs that failed"] += process.returncode != 0
                if process.returncode:
                    print(said[-500:], file=sys.stderr)
                break
            workers = children(process.pid)
            if victim == "worker" and not workers:
                continue
            counts[victim] += 1
            if victim == "worker":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(workers), signal.SIGKILL)
                continue
            process.kill()
            process.communicate()
            lost["workers that outlived their parent"] += not group_gone(process.pid)
            now = marked(folder)
            lost["finished shards made twice"] += sum(
                now.get(name, at) != at for name, at in kept.items()
            )
            kept |= now
            process = bench.start(folder)
        found = files(folder)
        corpora += 1
        lost["corpora with other bytes"] += any(
            found.get(name) != digest for name, digest in bench.wanted.items()
        )
        lost["orphan files"] += len(found.keys() - bench.wanted.keys())
        ends = {name: (folder / "scenes" / name).stat().st_mtime_ns for name in kept}
        lost["finished shards made twice"] += sum(ends[name] != at for name, at in kept.items())
    shards = sum(name.startswith("scenes/") for name in bench.wanted)
    print(
        f"kill -9 at {counts.total()} random moments ({counts['main']} of the main process, "
        f"{counts['worker']} of a worker) over {corpora} corpora of {shards} shards; a run that "
        f"nobody disturbs takes {bench.life_s:.1f} s here.\n"
    )
    print("| after kill -9 | found |\n|---|--:|")
    for name in (
        "corpora with other bytes",
        "orphan files",
        "finished shards made twice",
        "workers that outlived their parent",
        "runs that failed",
    ):
        print(f"| {name} | {lost[name]} |")


def full_disk(bench: Bench) -> str:
    """A tmpfs of which only a part of the corpus fits, then is given more."""
    place = bench.place / "small"
    place.mkdir()
    size = sum((bench.place / "whole" / name).stat().st_size for name in bench.wanted) // 2048
    mount = ["mount", "-t", "tmpfs", "-o", f"size={max(size, 64)}k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return "not tried: no tmpfs can be mounted here"
    try:
        process = bench.start(place / "corpus")
        said = process.communicate()[1].decode()
        told = process.returncode == 2 and "make room" in said and "Traceback" not in said
        partial = list(place.rglob("*.partial"))
        subprocess.run(["mount", "-o", "remount,size=1g", str(place)], check=True)
        process = bench.start(place / "corpus")
        process.communicate()
        same = files(place / "corpus") == bench.wanted
    finally:
        subprocess.run(["umount", str(place)], check=False)
    return (
        f"{'told in one sentence' if told else 'NOT TOLD'}, {len(partial)} partial files; with "
        f"room made, {'the same bytes' if same else 'OTHER BYTES'}"
    )


def read_only(bench: Bench) -> str:
    place = bench.place / "read-only"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return "not tried: no tmpfs can be mounted here"
    try:
        process = bench.start(place / "corpus")
        said = process.communicate()[1].decode()
    finally:
        subprocess.run(["umount", str(place)], check=False)
    told = process.returncode == 2 and "cannot be written" in said and "Traceback" not in said
    return "told in one sentence" if told else "NOT TOLD"


def two_runs(bench: Bench) -> str:
    folder = bench.place / "two"
    first = bench.start(folder)
    while first.poll() is None and not list((folder / ".work").glob("*-*.lock")):
        time.sleep(0.01)
    second = bench.start(folder)
    said = second.communicate()[1].decode()
    first.communicate()
    refused = second.returncode == 2 and "Another process" in said
    same = files(folder) == bench.wanted
    return (
        f"{'the second refuses' if refused else 'NOT REFUSED'}, the first makes "
        f"{'the same bytes' if same else 'OTHER BYTES'}"
    )


def flipped_bits(bench: Bench, seed: int, times: int) -> str:
    folder, rng = bench.place / "whole", random.Random(seed)
    shards = [name for name in bench.wanted if name.endswith(".parquet")]
    found = mended = 0
    for _ in range(times):
        path = folder / rng.choice(shards)
        content = bytearray(path.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        line = [sys.executable, "-m", "st_audioqa.cli", "verify", str(folder), "--workers", "1"]
        line += ["--repair"]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        found += f"REPAIRED {path.relative_to(folder).as_posix()}" in done.stdout
        mended += done.returncode == 0 and files(folder) == bench.wanted
    return f"{found} of {times} found, {mended} repaired to the same bytes"


def planning(scenes: int) -> None:
    from st_audioqa.pipeline.plan import make_plan
    from st_audioqa.recipes import load_recipe

    splits = {
        "train": dict.fromkeys(("S", "D", "SS", "SD", "DD"), scenes // 5),
        "test": {"S": 5},
    }
    recipe = load_recipe("paper").model_copy(update={"splits": splits})
    start = time.process_time()
    plan = make_plan(recipe)
    dealt = time.process_time()
    digest = plan.hash
    hashed = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"\nPlanning {plan.n_scenes} scenes in {len(plan.shards)} shards: {dealt - start:.1f} CPU "
        f"s, its hash ({digest[:8]}) {hashed - dealt:.1f} CPU s; peak memory {peak:.2f} GB."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flips", type=int, default=5)
    parser.add_argument("--questions-only", action="store_true")
    parser.add_argument("--planning", type=int, default=0, metavar="SCENES")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        extra = ["--questions-only"] if given.questions_only else []
        bench = Bench(Path(folder), given.shards, extra)
        kills(bench, given.kills, given.seed)
        print(f"| full disk (a small tmpfs) | {full_disk(bench)} |")
        print(f"| read-only folder | {read_only(bench)} |")
        print(f"| two runs on one folder | {two_runs(bench)} |")
        print(
            f"| one flipped bit | {flipped_bits(bench, given.seed, given.flips)} |", flush=True
        )
    if given.planning:
        planning(given.planning)
