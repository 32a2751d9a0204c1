"""Writes miniature buildings in Matterport3D's formats, without using any of our readers.

The building, z up as in the dataset: a ground floor of 8 x 6 m with an L-shaped living room
(region 0) around a closet (region 5), a kitchen (region 1) behind a doorway and, open to it, a
part without label (region 2); a terrace (region 3); a bedroom above the living room (region 4);
a flat roof that the navmesh also covers. Walls are single sheets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

NAME = "miniature"
HEIGHT = 2.8
UPPER = 3.0
ROOF = 5.8

CATEGORIES = ["wall", "floor", "ceiling", "table", "sofa", "window", "door"]
MPCAT40 = {"wall": 1, "floor": 2, "ceiling": 17, "table": 5, "sofa": 10, "window": 9, "door": 4}

LIVING = [(0, 0), (5, 0), (5, 6), (1.5, 6), (1.5, 4.5), (0, 4.5)]
KITCHEN = [(5, 0), (8, 0), (8, 4), (5, 4)]
SPARE = [(5, 4), (8, 4), (8, 6), (5, 6)]
TERRACE = [(8, 0), (11, 0), (11, 6), (8, 6)]
BEDROOM = [(0, 0), (5, 0), (5, 6), (0, 6)]
CLOSET = [(0, 4.5), (1.5, 4.5), (1.5, 6), (0, 6)]

REGIONS = [
    (0, "l", LIVING, 0.0, HEIGHT),
    (0, "k", KITCHEN, 0.0, HEIGHT),
    (0, "-", SPARE, 0.0, HEIGHT),
    (0, "p", TERRACE, 0.0, 3.0),
    (1, "b", BEDROOM, UPPER, HEIGHT),
    (0, "c", CLOSET, 0.0, HEIGHT),
]
"""(level, label, outline, floor z, height) of each region, in the order of the file"""


@dataclass
class Scan:
    """A mesh under construction, z up."""

    spacing: float
    vertices: list[np.ndarray] = field(default_factory=list)
    faces: list[np.ndarray] = field(default_factory=list)
    objects: list[np.ndarray] = field(default_factory=list)
    object_rows: list[tuple[int, str]] = field(default_factory=list)
    """(region, category) of each object"""
    n: int = 0

    def add(self, region: int, category: str) -> int:
        self.object_rows.append((region, category))
        return len(self.object_rows) - 1

    def sheet(self, origin, first, second, thing: int) -> None:
        """A parallelogram of triangles with sides of about the spacing."""
        origin, first, second = (np.asarray(v, dtype=float) for v in (origin, first, second))
        m, n = (max(1, round(np.linalg.norm(v) / self.spacing)) for v in (first, second))
        u, v = np.meshgrid(np.linspace(0, 1, m + 1), np.linspace(0, 1, n + 1), indexing="ij")
        self.vertices.append(origin + u[..., None] * first + v[..., None] * second)
        self.vertices[-1] = self.vertices[-1].reshape(-1, 3)
        index = np.arange((m + 1) * (n + 1)).reshape(m + 1, n + 1)
        a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
        both = [np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))]
        self.faces.append(np.concatenate(both) + self.n)
        self.objects.append(np.full(len(self.faces[-1]), thing))
        self.n += (m + 1) * (n + 1)

    def upright(self, start, end, low: float, high: float, thing: int) -> None:
        (x0, y0), (x1, y1) = start, end
        self.sheet((x0, y0, low), (x1 - x0, y1 - y0, 0), (0, 0, high - low), thing)

    def flat(self, low, high, z: float, thing: int) -> None:
        self.sheet((*low, z), (high[0] - low[0], 0, 0), (0, high[1] - low[1], 0), thing)

    def box(self, low, high, thing: int) -> None:
        (x0, y0, z0), (x1, y1, z1) = low, high
        self.flat((x0, y0), (x1, y1), z0, thing)
        self.flat((x0, y0), (x1, y1), z1, thing)
        ring = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        for start, end in pairwise(ring):
            self.upright(start, end, z0, z1, thing)


def scan(spacing: float = 1.0, window_open: bool = False) -> Scan:
    """The mesh; with `window_open`, the window of 3 x 2 m in the living room is a hole."""
    s = Scan(spacing)
    wall, floor, ceiling = (s.add(0, each) for each in ("wall", "floor", "ceiling"))
    s.flat((0, 0), (8, 6), 0.0, floor)
    s.flat((0, 0), (8, 6), HEIGHT, ceiling)
    for start, end in (
        ((0, 0), (1, 0)),
        ((4, 0), (8, 0)),
        ((8, 0), (8, 6)),
        ((8, 6), (0, 6)),
        ((0, 6), (0, 0)),
        ((0, 4.5), (1.5, 4.5)),
        ((1.5, 4.5), (1.5, 6)),
        ((5, 0), (5, 2)),
        ((5, 3), (5, 6)),
    ):
        s.upright(start, end, 0.0, HEIGHT, wall)
    s.upright((5, 2), (5, 3), 2.1, HEIGHT, wall)
    s.upright((1, 0), (4, 0), 0.0, 0.6, wall)
    s.upright((1, 0), (4, 0), 2.6, HEIGHT, wall)
    if not window_open:
        s.upright((1, 0), (4, 0), 0.6, 2.6, s.add(0, "window"))
    s.box((2, 2, 0.01), (3.2, 2.8, 0.75), s.add(0, "table"))
    s.box((6.0, 0.1, 0.01), (7.5, 0.9, 0.8), s.add(1, "sofa"))
    # A thing without category, and a scrap of mesh that belongs to no thing at all.
    s.box((4.0, 5.2, 0.01), (4.5, 5.7, 0.4), s.add(0, ""))
    s.box((7.2, 5.2, 0.01), (7.6, 5.6, 0.3), -1)
    s.flat((8, 0), (11, 6), 0.0, s.add(3, "floor"))
    upper = s.add(4, "wall")
    s.box((0, 0, UPPER), (5, 6, UPPER + HEIGHT), upper)
    s.flat((0, 0), (5, 6), UPPER + 0.005, s.add(4, "floor"))
    return s


def write_building(folder: Path, name: str = NAME, **options) -> Path:
    """All files of a building, in `folder/name`; returns that folder."""
    home = folder / name
    home.mkdir(parents=True)
    made = scan(**options)
    (home / f"{name}.house").write_text(house_text(made, name=name), "utf-8")
    (home / f"{name}_semantic.ply").write_bytes(ply_bytes(made))
    (home / f"{name}.navmesh").write_bytes(navmesh_bytes(floor_cells()))
    return home


def house_text(made: Scan, regions=None, name: str = NAME) -> str:
    """A `.house` file as the format's own program writes it, spacing included."""
    regions = REGIONS if regions is None else regions
    lines: list[str] = []
    for level in (0, 1):
        count = sum(each[0] == level for each in regions)
        lines.append(f"L  {level}  {count}  -  0 0 0  0 0 0  1 1 1  0 0 0 0 0 ")
    for i, (level, label, outline, z, height) in enumerate(regions):
        (x0, y0), (x1, y1) = np.min(outline, axis=0), np.max(outline, axis=0)
        lines.append(
            f"R  {i} {level}  0 0  {label}  {x0 + 0.5:g} {y0 + 0.5:g} {z:g}  "
            f"{x0:g} {y0:g} {z:g}  {x1:g} {y1:g} {z + height:g}  {height:g}  0 0 0 0 "
        )
    lines.append("P  0 0  1  -  5 2 0  5 3 2.1  0 0 0 0 ")
    n_vertices = 0
    corners: list[str] = []
    for i, (_, _, outline, z, _) in enumerate(regions):
        lines.append(f"S  {i} {i}  0  -  0 0 {z:g}  0 0 1  0 0 {z:g}  1 1 {z:g}  0 0 0 0 0 ")
        for x, y in outline:
            corners.append(f"V  {n_vertices} {i}  -  {x:g} {y:g} {z:g}  0 0 1  0 0 0 ")
            n_vertices += 1
    lines += corners
    lines.append("P  pano0  0 0  0  1 1 1.5  0 0 0 0 0 ")
    for i, category in enumerate(CATEGORIES):
        lines.append(
            f"C  {i}  {i + 1} some#{category}  {MPCAT40[category]} {category}  0 0 0 0 0 "
        )
    for i, (region, category) in enumerate(made.object_rows):
        which = CATEGORIES.index(category) if category else -1
        lines.append(f"O  {i} {region} {which}  1 1 1  1 0 0  0 1 0  1 1 1  0 0 0 0 0 0 0 0 ")
    for i in range(len(made.object_rows)):
        lines.append(f"E  {i} {i}  {segment_id(i)}  1.5  0 0 0  0 0 0  1 1 1  0 0 0 0 0 ")
    n = len(made.object_rows)
    header = (
        f"H  {name}  -  0 1 {n_vertices} {len(regions)} {n} {n} {len(CATEGORIES)} "
        f"{len(regions)} 1  2  0 0 0 0 0 0 0 0  11 6 {ROOF:g}  0 0 0 0 0 "
    )
    return "\n".join(["ASCII 1.1", header, *lines]) + "\n"


def segment_id(thing: int) -> int:
    return 1_000_000 + 7 * thing


def ply_bytes(made: Scan, order: str = "<", segments: bool = False) -> bytes:
    """habitat's `_semantic.ply`, or (`segments`) the house mesh of Matterport3D itself."""
    vertices, faces = np.concatenate(made.vertices), np.concatenate(made.faces)
    objects = np.concatenate(made.objects)
    extra_v = [("nx", "f4"), ("ny", "f4"), ("nz", "f4"), ("tx", "f4"), ("ty", "f4")]
    vertex = np.dtype(
        [(axis, order + "f4") for axis in "xyz"]
        + [(each, order + kind) for each, kind in extra_v if segments]
        + [(each, "u1") for each in ("red", "green", "blue")]
    )
    names = ["face_material", "face_segment", "face_category"] if segments else ["object_id"]
    face = np.dtype(
        [("n", "u1"), ("corners", order + "i4", 3)] + [(each, order + "i4") for each in names]
    )
    table_v = np.zeros(len(vertices), vertex)
    for i, axis in enumerate("xyz"):
        table_v[axis] = vertices[:, i]
    table_f = np.zeros(len(faces), face)
    table_f["n"], table_f["corners"] = 3, faces
    if segments:
        table_f["face_material"] = np.where(objects >= 0, 1_000_000 + 7 * objects, -1)
    else:
        table_f["object_id"] = objects
    endian = "little" if order == "<" else "big"
    header = ["ply", f"format binary_{endian}_endian 1.0", "comment a miniature"]
    header += [f"element vertex {len(vertices)}", *(f"property float {a}" for a in "xyz")]
    header += [f"property float {each}" for each, _ in extra_v if segments]
    header += [f"property uchar {each}" for each in ("red", "green", "blue")]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    header += [f"property int {each}" for each in names] + ["end_header"]
    return "\n".join(header).encode() + b"\n" + table_v.tobytes() + table_f.tobytes()


def floor_cells() -> list[tuple[int, int, float]]:
    """Cells of 0.5 m that can be walked on, as (x, y) / 0.5 m and height, z up.

    A row of cells along every wall is left out, but not in the doorway; so are the furniture,
    the closet (closed) and all but a strip of the terrace. The roof is an island of its own.
    """
    cells = []
    for i in range(22):
        for j in range(12):
            x, y = 0.5 * i + 0.25, 0.5 * j + 0.25
            living = 0.5 < x < 4.5 and 0.5 < y < 5.5 and not (x < 2 and y > 4)
            table = 1.9 < x < 3.3 and 1.9 < y < 2.9
            doorway = 4.5 < x < 5.5 and 2 < y < 3
            kitchen = 5.5 < x < 7.5 and 1 < y < 5
            terrace = 8.5 < x < 10.5 and 0.5 < y < 5.5
            if (living and not table) or doorway or kitchen or terrace:
                cells.append((i, j, 0.05))
            if 0.5 < x < 4.5 and 0.5 < y < 5.5:
                cells += [(i, j, UPPER + 0.05), (i, j, ROOF)]
            if 2 < x < 3 and 2 < y < 2.5:
                cells.append((i, j, 0.8))  # the top of the table
    return cells


def navmesh_bytes(
    cells, version: int = 2, n_tiles: int = 1, flags: int = 1, tile_version: int = 7
) -> bytes:
    """A navmesh of square polygons; given z up, written y up as habitat turns it."""
    numbers: dict[tuple[int, int, float], int] = {}
    vertices: list[tuple[float, float, float]] = []

    def vertex(i: int, j: int, height: float) -> int:
        if (i, j, height) not in numbers:
            numbers[i, j, height] = len(vertices)
            vertices.append((0.5 * i, height, -0.5 * j))
        return numbers[i, j, height]

    at = {cell: k for k, cell in enumerate(cells)}
    polygons = b""
    for i, j, h in cells:
        corners = [vertex(a, b, h) for a, b in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))]
        beside = [(i, j - 1, h), (i + 1, j, h), (i, j + 1, h), (i - 1, j, h)]
        neighbours = [at.get(each, -1) + 1 for each in beside]
        polygons += struct.pack("<I6H6HHBB", 0, *corners, 0, 0, *neighbours, 0, 0, flags, 4, 0)
    details = b"".join(struct.pack("<IIBBH", 0, 2 * k, 0, 2, 0) for k in range(len(cells)))
    triangles = struct.pack("<8B", 0, 1, 2, 0, 0, 2, 3, 0) * len(cells)
    points = np.array(vertices, dtype="<f4")
    low, high = points.min(axis=0), points.max(axis=0)
    tile = _tile_header(len(cells), len(vertices), low, high, tile_version)
    tile += points.tobytes() + polygons + details + triangles
    data = struct.pack("<4s2i5f2i", b"TESM", version, n_tiles, *low, 12.0, 12.0, 1, 4096)
    data += bytes(56) if version == 2 else b""
    return data + (struct.pack("<Ii", 1, len(tile)) + tile) * max(n_tiles, 0)


def _tile_header(n_polygons, n_vertices, low, high, version) -> bytes:
    counts = [n_polygons, n_vertices, 0, n_polygons, 0, 2 * n_polygons, 0, 0, n_polygons]
    return (
        b"VAND"
        + struct.pack("<4iI", version, 0, 0, 0, 0)
        + struct.pack("<9i", *counts)
        + struct.pack("<3f6ff", 1.5, 0.1, 0.2, *low, *high, 20.0)
    )
