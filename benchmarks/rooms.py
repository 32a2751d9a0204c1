"""What placing listener and sources costs in rooms of boxes and in meshes of many triangles.

Run it as `python benchmarks/rooms.py`. The meshes are flats of the procedural provider whose
triangles are divided further. "scene" is one listener, 128 places and 128 paths of 40 bins, all
with line of sight; everything in milliseconds of CPU time, the median of several.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh

from st_audioqa.errors import RejectedDraw
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.rooms.placement import linear_paths, place_listener, static_positions
from st_audioqa.rooms.providers.mesh import Provider as MeshProvider
from st_audioqa.rooms.providers.procedural import Provider
from st_audioqa.scene import Room
from st_audioqa.seeding import generator


def cpu_ms(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def place(room: Room, seed: int) -> None:
    limits, rng = PlacementRecipe(), generator(seed)
    ears = place_listener(room, rng, limits)
    try:
        static_positions(room, ears, rng, limits, 128)
        linear_paths(room, ears, rng, limits, 128)
    except RejectedDraw:
        pass


def boxes(shape: str, n: int) -> str:
    provider = Provider(shapes=[shape])
    rooms = [provider.build(provider.draw(generator(1, i), "room")) for i in range(n)]
    scenes = [cpu_ms(lambda i=i: place(rooms[i], i)) for i in range(n)]
    return f"| {shape}, boxes | {len(rooms[0].faces)} | | | {statistics.median(scenes):.0f} |"


def meshes(edge_m: float, n: int, folder: Path) -> str:
    provider = Provider(shapes=["flat"], furniture=(4, 8))
    flat = provider.build(provider.draw(generator(2), "flat"))
    fine = trimesh.Trimesh(flat.vertices, flat.faces, process=False)
    fine = fine.subdivide_to_size(edge_m, max_iter=30)
    path = folder / f"{edge_m}.ply"
    fine.export(path)
    found = MeshProvider(path=str(path), shares={"test": 1.0})
    opened = cpu_ms(lambda: found.draw(generator(0), "room", "test"))
    room = found.build(found.draw(generator(0), "room", "test"))
    first = cpu_ms(lambda: place(room, 0))
    scenes = [cpu_ms(lambda i=i: place(room, i)) for i in range(n)]
    median = statistics.median(scenes)
    return (
        f"| flat, mesh | {len(room.faces)} | {opened:.0f} | {first - scenes[0]:.0f} "
        f"| {median:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=20)
    scenes = parser.parse_args().scenes
    print("| room | triangles | open file | first question | scene |\n|---|---|---|---|---|")
    for shape in ("shoebox", "l_shaped", "flat"):
        print(boxes(shape, scenes))
    with tempfile.TemporaryDirectory() as folder:
        for edge_m in (np.inf, 0.5, 0.16, 0.09):
            print(meshes(edge_m, scenes, Path(folder)))


if __name__ == "__main__":
    main()
