"""Speed of the encoders of Table 3: features and forward pass, with weights just drawn.

    python benchmarks/encoders.py [--threads 2] [--train]

Prints a Markdown table. Each row runs in a process of its own, so that its peak memory is its
own. `CPU ms` is the time of all threads for one clip of 10 s, which another program on the
machine changes little; clips per second are of the wall clock, which it does.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

ROWS = [
    (kind, "small", batch)
    for kind in ("st-audio-encoder", "spatial-ast", "pseldnets-maccdoa")
    for batch in (1, 8)
]
CLASSES = 56
SAMPLES = 320_000


def measure(kind: str, preset: str, batch: int, threads: int, train: bool) -> dict[str, float]:
    """Speed of one encoder at one batch size."""
    import torch

    from st_audioqa.models.encoders import ENCODERS

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    maker = ENCODERS.get(kind)
    labels = [str(i) for i in range(CLASSES)]
    encoder = maker.from_config({**maker.preset_config(preset), "labels": labels}).eval()
    audio = 0.1 * torch.randn(batch, 4, SAMPLES)
    queries = torch.zeros(batch, 2, dtype=torch.long)
    features = encoder.frontend(audio)

    def infer() -> None:
        with torch.no_grad():
            encoder(encoder.frontend(audio), queries)

    def step() -> None:
        outputs = encoder.train()(features, queries)
        sum(v.square().mean() for v in outputs.values() if v.requires_grad).backward()

    def hear() -> None:
        encoder.frontend(audio)

    def per_clip(what: object) -> tuple[float, float]:
        assert callable(what)
        what()
        times = []
        for _ in range(max(3, 24 // batch)):
            cpu, wall = time.process_time(), time.perf_counter()
            what()
            times.append((time.process_time() - cpu, time.perf_counter() - wall))
        middle = [
            sorted(column)[len(times) // 2] / batch for column in zip(*times, strict=True)
        ]
        return middle[0], middle[1]

    cpu, wall = per_clip(infer)
    found = {"features": per_clip(hear)[0], "cpu": cpu, "wall": wall}
    found["millions"] = sum(p.numel() for p in encoder.parameters()) / 1e6
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if train:
        found["train"] = per_clip(step)[0]
        found["train_peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found


def main() -> None:
    """Measures all rows and prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train", action="store_true", help="Also steps of batch 32.")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        kind, preset, batch = given.one
        print(json.dumps(measure(kind, preset, int(batch), given.threads, given.train)))
        return
    rows = ROWS + [(k, p, 32) for k, p, b in ROWS if b == 8 and given.train]
    print(
        "| encoder | preset | M parameters | batch | features, CPU ms | both, CPU ms |", end=""
    )
    print(" clips/s | peak, GiB | train, CPU ms | train peak, GiB |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for kind, preset, batch in rows:
        train = ["--train"] if batch == 32 else []
        command = [sys.executable, __file__, "--threads", str(given.threads), *train]
        done = subprocess.run(
            [*command, "--one", kind, preset, str(batch)],
            capture_output=True,
            text=True,
            check=True,
        )
        x = json.loads(done.stdout.splitlines()[-1])
        trained = f"{1e3 * x['train']:.0f} | {x['train_peak']:.1f}" if "train" in x else "- | -"
        print(
            f"| {kind} | {preset} | {x['millions']:.1f} | {batch} | {1e3 * x['features']:.0f} | "
            f"{1e3 * x['cpu']:.0f} | {1 / x['wall']:.0f} | {x['peak']:.1f} | {trained} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
