"""Opens mesh files: .glb, .obj, .ply, .stl and .off by trimesh (extra `meshes`).

What comes out is in world axes (y up, metres), with every part of a scene graph where the graph
puts it, and a name for every face by which a surface material can be chosen.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.rooms.geometry import LARGEST_M, triangle_areas

__all__ = ["SUFFIXES", "UNITS_M", "MeshFile", "read_mesh"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

SUFFIXES = (".glb", ".obj", ".off", ".ply", ".stl")
UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
_SMALLEST_M = 1.5
_LEAST_AREA_M2 = 5e-11


@dataclass(frozen=True, eq=False)
class MeshFile:
    """The triangles of a file."""

    name: str
    vertices: Floats
    """[shape=(n_vertices, 3)] world axes, metres"""
    faces: Ints
    """[shape=(n_faces, 3)] none of them without an area"""
    face_part: Ints
    """[shape=(n_faces,)] indices into `parts`"""
    parts: tuple[tuple[str, ...], ...]
    """Names of each part: of its material, its object and its place in the scene graph, as far
    as the file gives them; all parts differ."""
    n_without_area: int
    """Faces that were left out because they have none."""

    @property
    def part_area_m2(self) -> Floats:
        """Area of each part in square metres [shape=(n_parts,)]."""
        area = triangle_areas(self.vertices[self.faces])
        return np.bincount(self.face_part, area, len(self.parts)).astype(np.float64)


def read_mesh(path: Path, units: str, up: str) -> MeshFile:
    """Reads a mesh.

    Parameters
    ----------
    path : Path
    units : str
        Of the file's coordinates; a key of `UNITS_M`.
    up : str
        The file's axis that points up, "y" or "z".

    Raises
    ------
    MissingPackageError
        If trimesh is not installed.
    UserError
        The file cannot be read, has no triangles, a vertex that is not finite, or a size that
        no room has.
    """
    scene = _load(path)
    places: list[Floats] = []
    triangles: list[Ints] = []
    part_of: list[Ints] = []
    parts: dict[tuple[str, ...], int] = {}
    offset = 0
    for node in sorted(scene.graph.nodes_geometry):
        transform, geometry = scene.graph[node]
        mesh = scene.geometry[geometry]
        if len(getattr(mesh, "faces", ())) == 0:
            continue
        material = getattr(getattr(mesh.visual, "material", None), "name", None)
        names = tuple(dict.fromkeys(str(n) for n in (material, geometry, node) if n))
        number = parts.setdefault(names, len(parts))
        vertices = np.asarray(mesh.vertices, dtype=np.float64)
        places.append(vertices @ transform[:3, :3].T + transform[:3, 3])
        triangles.append(np.asarray(mesh.faces, dtype=np.int64) + offset)
        part_of.append(np.full(len(mesh.faces), number))
        offset += len(vertices)
    if not triangles:
        raise UserError(
            f"The mesh {path} holds no triangles: export the room's surfaces as a mesh."
        )
    vertices, faces = np.concatenate(places), np.concatenate(triangles)
    used = np.unique(faces)
    broken = int((~np.isfinite(vertices[used]).all(axis=1)).sum())
    if broken:
        raise UserError(
            f"The mesh {path} has {broken} vertices that are not finite numbers: repair it in "
            "the program it was made with."
        )
    vertices = vertices * UNITS_M[units]
    if up == "z":
        vertices = vertices[:, [0, 2, 1]] * [1.0, 1.0, -1.0]
    _check_size(path, np.ptp(vertices[used], axis=0), units)
    kept = triangle_areas(vertices[faces]) > _LEAST_AREA_M2
    if not kept.any():
        raise UserError(f"No triangle of the mesh {path} has an area: export it anew.")
    return MeshFile(
        name=path.name,
        vertices=vertices,
        faces=faces[kept],
        face_part=np.concatenate(part_of)[kept],
        parts=tuple(parts),
        n_without_area=int((~kept).sum()),
    )


def _load(path: Path) -> Any:
    try:
        import trimesh
    except ImportError as error:
        raise MissingPackageError("trimesh", "meshes", "Reading mesh files") from error
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"The mesh {path} cannot be read: {error.strerror}.") from error
    kind = path.suffix.lower().removeprefix(".")
    options: dict[str, Any] = {"file_type": kind, "process": False}
    if kind == "obj":
        data, options["resolver"] = _named_materials(data)
    try:
        return trimesh.load_scene(io.BytesIO(data), **options)
    except Exception as error:  # a broken file can fail anywhere in the parser
        said = " ".join(str(error).split())[:120]
        raise UserError(
            f"The mesh {path} cannot be read as {path.suffix} ({type(error).__name__}: {said}): "
            "export it anew."
        ) from error


def _named_materials(data: bytes) -> tuple[bytes, Any]:
    """An .obj and its material library with the names that it uses and nothing else.

    Names are all that is wanted of materials, so a library that was not copied along with the
    mesh is not missed.
    """
    from trimesh.resolvers import Resolver

    lines = [
        line for line in data.splitlines() if not line.lstrip().lower().startswith(b"mtllib")
    ]
    names = {line.split(None, 1)[1].strip() for line in lines if line.startswith(b"usemtl ")}
    library = b"".join(b"newmtl %s\nKd 1 1 1\n" % name for name in sorted(names))

    class Names(Resolver):  # type: ignore[misc]
        def __init__(self) -> None: ...

        def get(self, name: str) -> bytes:
            return library

        def write(self, name: str, data: bytes) -> None: ...

        def keys(self) -> list[str]:
            return []

        def namespaced(self, namespace: str) -> Resolver:
            return self

    head = [b"mtllib names.mtl"] if names else []
    return b"\n".join([*head, *lines]) + b"\n", Names()


def _check_size(path: Path, extent: Floats, units: str) -> None:
    """Refuses what is too large or too small for a room or a building, and says why it may be."""
    widest, narrowest = float(extent.max()), float(extent.min())
    if widest <= LARGEST_M and narrowest >= _SMALLEST_M:
        return
    size = " x ".join(f"{value:.3g}" for value in extent)
    scale = UNITS_M[units]
    likely = [
        unit
        for unit, metres in UNITS_M.items()
        if _SMALLEST_M <= narrowest / scale * metres <= 12.0 and widest / scale * metres <= 50.0
    ]
    remedy = (
        f"if its coordinates are in {' or '.join(likely)}, say rooms.options.units = "
        f"'{likely[0]}'"
        if likely
        else "give a mesh of a room or a building"
    )
    raise UserError(
        f"The mesh {path} is {size} m large with units = {units!r}, and between {_SMALLEST_M} "
        f"and {LARGEST_M:.0f} m is wanted: {remedy}."
    )
