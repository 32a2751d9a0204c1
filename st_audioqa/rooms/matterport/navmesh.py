"""Reads a `.navmesh` file: the floor that a walker can reach, as habitat-sim saves it.

The file is a set of tiles ("MSET", version 1 or 2) in the binary layout of Recast/Detour
(tile version 7), little-endian, y up. A tile holds convex polygons with the neighbour over each
of their edges, and for each polygon a finer triangulation, which is what is used here. Polygons
that can be reached from each other form an island.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from st_audioqa.errors import UserError
from st_audioqa.rooms.geometry import triangle_areas

__all__ = ["NavMesh", "read_navmesh"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Records = NDArray[Any]

_SET_HEADER = struct.Struct("<3i5f2i")
"""magic, version, number of tiles; origin, tile width and height, most tiles and polygons"""
_SET_MAGIC, _TILE_MAGIC = b"TESM", b"VAND"
_SETTINGS_BYTES = 56
"""What version 2 holds of how the mesh was built: 13 numbers of 4 bytes and three flags."""
_TILE_VERSION = 7
_TILE_HEADER = struct.Struct("<5iI9i3f6ff")
_WALKABLE = 0x01
"""Flag of a polygon that an agent can stand on."""
_OTHER_TILE = 0x8000
_SMALLEST_M2 = 1e-5
"""habitat-sim takes smaller polygons out of use when it loads a mesh."""

_POLYGON = np.dtype(
    [
        ("link", "<u4"),
        ("corners", "<u2", 6),
        ("neighbours", "<u2", 6),
        ("flags", "<u2"),
        ("n_corners", "u1"),
        ("area_and_type", "u1"),
    ]
)
_DETAIL = np.dtype(
    [
        ("vertex_base", "<u4"),
        ("triangle_base", "<u4"),
        ("n_vertices", "u1"),
        ("n_triangles", "u1"),
        ("padding", "<u2"),
    ]
)


@dataclass(frozen=True, eq=False)
class NavMesh:
    """Where one can stand in a building, in world axes (y up, metres)."""

    triangles: Floats
    """[shape=(n, 3, 3)]"""
    island: Ints
    """[shape=(n,)] which connected part each triangle belongs to, the largest being 0"""
    walker_height_m: float
    """Free height above every point, as the mesh was built for."""
    walker_radius_m: float
    """Distance kept from walls, as the mesh was built for."""

    @property
    def areas_m2(self) -> Floats:
        """Area of each triangle [shape=(n,)]."""
        return triangle_areas(self.triangles)

    def island_areas_m2(self) -> Floats:
        """Area of each island [shape=(n_islands,)]."""
        return np.asarray(np.bincount(self.island, weights=self.areas_m2), dtype=np.float64)


def read_navmesh(path: str | Path) -> NavMesh:
    """The walkable floor of a building.

    Parameters
    ----------
    path : path
        A `.navmesh` file.

    Raises
    ------
    UserError
        The file is missing, cut short, of another format or version, refers to things that are
        not there, has several tiles or nothing walkable.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): fetch or rebuild it."
        ) from error
    return _tile(path, _only_tile(path, data))


def _only_tile(path: Path, data: bytes) -> bytes:
    """The bytes of the one tile of a set."""
    if data[:4] == _SET_MAGIC[::-1]:
        raise UserError(
            f"{path} was written on a big-endian machine: rebuild it with habitat-sim on this one."
        )
    if data[:4] != _SET_MAGIC:
        raise UserError(
            f"{path} does not start as a navmesh (MSET) does: give the .navmesh file that "
            "habitat-sim saves."
        )
    if len(data) < _SET_HEADER.size:
        raise _cut_short(path)
    _, version, n_tiles, *_ = _SET_HEADER.unpack_from(data)
    if version not in (1, 2):
        raise UserError(
            f"{path} is a navmesh of version {version}, versions 1 and 2 can be read: rebuild it "
            "with habitat-sim 0.1 to 0.3."
        )
    if n_tiles != 1:
        raise UserError(
            f"{path} has {n_tiles} tiles, and one is wanted (habitat-sim writes one): rebuild it "
            "with habitat-sim's recompute_navmesh."
        )
    at = _SET_HEADER.size + (_SETTINGS_BYTES if version == 2 else 0)
    if len(data) < at + 8:
        raise _cut_short(path)
    reference, size = struct.unpack_from("<Ii", data, at)
    tile = data[at + 8 :]
    if tile[8:12] == _TILE_MAGIC:
        raise UserError(
            f"{path} was written by a Detour with 64-bit references: rebuild it with habitat-sim."
        )
    if not reference or size <= 0:
        raise UserError(f"{path} holds an empty tile: rebuild it with habitat-sim.")
    if len(tile) < size:
        raise _cut_short(path)
    return tile[:size]


def _tile(path: Path, tile: bytes) -> NavMesh:
    """Triangles and islands of a Detour tile."""
    if len(tile) < _TILE_HEADER.size:
        raise _cut_short(path)
    header = _TILE_HEADER.unpack_from(tile)
    if tile[:4] != _TILE_MAGIC or header[1] != _TILE_VERSION:
        raise UserError(
            f"{path} holds a tile of {tile[:4]!r} version {header[1]}, and b'VAND' version "
            f"{_TILE_VERSION} is wanted: rebuild it with habitat-sim."
        )
    n_polygons, n_vertices, n_links, n_details, n_extra, n_triangles, n_tree, n_off = header[
        6:14
    ]
    height, radius = header[15:17]
    layout = [
        ("vertices", np.dtype(("<f4", 3)), n_vertices),
        ("polygons", _POLYGON, n_polygons),
        ("links", np.dtype("V12"), n_links),
        ("details", _DETAIL, n_details),
        ("extra", np.dtype(("<f4", 3)), n_extra),
        ("triangles", np.dtype(("u1", 4)), n_triangles),
        ("tree", np.dtype("V16"), n_tree),
        ("off_mesh", np.dtype("V36"), n_off),
    ]
    if min(count for *_, count in layout) < 0:
        raise _nonsense(path, "a negative count")
    sizes = [dtype.itemsize * count for _, dtype, count in layout]
    if _TILE_HEADER.size + sum(sizes) > len(tile):
        raise _cut_short(path)
    parts: dict[str, Records] = {}
    at = _TILE_HEADER.size
    for (name, dtype, count), size in zip(layout, sizes, strict=True):
        parts[name] = np.frombuffer(tile, dtype, count, at)
        at += size
    triangles, polygon = _triangles(path, parts)
    if not np.isfinite(triangles).all():
        raise _nonsense(path, "a vertex that is not finite")
    polygons = parts["polygons"]
    on_ground = (polygons["area_and_type"] >> 6 == 0) & (polygons["flags"] & _WALKABLE > 0)
    area = np.bincount(polygon, weights=triangle_areas(triangles), minlength=n_polygons)
    walkable = on_ground & (area >= _SMALLEST_M2)
    kept = walkable[polygon]
    if not kept.any():
        raise UserError(f"{path} has no walkable polygon: rebuild it with habitat-sim.")
    island = _islands(path, polygons, walkable)[polygon[kept]]
    triangles = triangles[kept]
    return NavMesh(triangles, _largest_first(island, triangle_areas(triangles)), height, radius)


def _triangles(path: Path, parts: dict[str, Records]) -> tuple[Floats, Ints]:
    """Fine triangles [shape=(n, 3, 3)] and the polygon of each.

    A fine triangle names corners of its polygon first, then vertices of its own.
    """
    polygons, details = parts["polygons"], parts["details"]
    n_corners = polygons["n_corners"].astype(np.int64)
    # Polygons that link two places (type 1) have no details and come last.
    per_polygon, base = (
        details[name].astype(np.int64) for name in ("n_triangles", "triangle_base")
    )
    polygon = np.repeat(np.arange(len(details)), per_polygon)
    starts = np.cumsum(per_polygon) - per_polygon
    row = np.arange(len(polygon)) + (base - starts)[polygon]
    if len(details) > len(polygons) or (n_corners > 6).any():
        raise _nonsense(path, "a polygon of too many corners or parts")
    if (row >= len(parts["triangles"])).any():
        raise _nonsense(path, "a triangle that is not there")
    corner = parts["triangles"][row, :3].astype(np.int64)
    own = corner >= n_corners[polygon, None]
    shared = polygons["corners"][polygon[:, None], np.minimum(corner, 5)].astype(np.int64)
    added = (
        corner
        + (details["vertex_base"].astype(np.int64) - n_corners[: len(details)])[polygon, None]
    )
    vertices, extra = parts["vertices"], parts["extra"]
    if (shared[~own] >= len(vertices)).any() or (added[own] >= len(extra)).any():
        raise _nonsense(path, "a vertex that is not there")
    found = np.empty((*corner.shape, 3))
    found[~own] = vertices[shared[~own]]
    found[own] = extra[added[own]]
    return found, polygon


def _islands(path: Path, polygons: Records, walkable: NDArray[np.bool_]) -> Ints:
    """Connected part of every polygon; only walkable ones connect."""
    edge = np.arange(6)
    neighbour = polygons["neighbours"].astype(np.int64)
    inner = (neighbour > 0) & (neighbour & _OTHER_TILE == 0)
    inner &= edge < polygons["n_corners"][:, None]
    here = np.nonzero(inner)[0]
    there = neighbour[inner] - 1
    if (there >= len(polygons)).any():
        raise _nonsense(path, "a neighbour that is not there")
    both = walkable[here] & walkable[there]
    here, there = here[both], there[both]
    n = len(polygons)
    graph = coo_matrix((np.ones(len(here)), (here, there)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _largest_first(island: Ints, areas: Floats) -> Ints:
    """Islands numbered by area."""
    _, dense = np.unique(island, return_inverse=True)
    order = np.argsort(-np.bincount(dense, weights=areas), kind="stable")
    return np.argsort(order)[dense]


def _cut_short(path: Path) -> UserError:
    return UserError(f"{path} is cut short: fetch it again or rebuild it with habitat-sim.")


def _nonsense(path: Path, what: str) -> UserError:
    return UserError(f"{path} has {what}: fetch it again or rebuild it with habitat-sim.")
