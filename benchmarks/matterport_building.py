"""How long a building of Matterport3D's size takes, on a synthetic one in its formats.

    python -m benchmarks.matterport_building --faces 400000

Prints a Markdown table; times are CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from st_audioqa.recipes import PlacementRecipe
from st_audioqa.renderers.engine import ENGINES
from st_audioqa.rooms.placement import linear_paths, place_listener
from st_audioqa.rooms.providers.matterport3d import Provider
from tests.mp3d_miniature import scan, write_building

POSITIONS = 4


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return function(), time.process_time() - start


def row(folder: Path, close: str) -> str:
    limits = PlacementRecipe()
    provider, _ = timed(
        lambda: Provider(path=str(folder), buildings={"test": ["large"]}, close=close)
    )
    rng = np.random.default_rng(0)  # draws the bedroom
    info, reading = timed(lambda: provider.draw(rng, "room", "test"))
    room, building = timed(lambda: provider.build(info))
    ears, listener = timed(lambda: place_listener(room, rng, limits))
    (_, paths), moving = timed(lambda: linear_paths(room, ears, rng, limits, 128))
    engine = ENGINES.get("rlr")("default")
    _, rendering = timed(lambda: engine.rirs(room, ears, paths[0][:POSITIONS], seed=1))
    return (
        f"| {close} | {len(room.faces)} | {reading:.2f} | {building:.2f} | {listener:.2f} | "
        f"{moving:.2f} | {rendering / POSITIONS:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=int, default=400_000)
    wanted = parser.parse_args().faces
    spacing = 0.1
    for _ in range(4):  # faces go with the inverse square of the spacing
        spacing *= float(np.sqrt(sum(map(len, scan(spacing).faces)) / wanted))
    with tempfile.TemporaryDirectory() as name:
        write_building(Path(name), "large", spacing=spacing)
        print(
            "| close | triangles of the room | read (s) | build (s) | first listener (s) | "
            "paths (s) | RLR, default, per position (s) |"
        )
        print("|---|--:|--:|--:|--:|--:|--:|")
        for close in ("none", "building", "room"):
            print(row(Path(name), close))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"\nThe process peaked at {peak} MB.")


if __name__ == "__main__":
    main()
