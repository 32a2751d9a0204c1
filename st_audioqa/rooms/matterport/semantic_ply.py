"""Reads a `_semantic.ply` file: the building as triangles, each with the object it belongs to.

Two kinds are read, both binary PLY in either byte order: habitat's file, where a face has an
`object_id` (index of an O line of the `.house` file, -1 for none), and Matterport3D's own house
segmentation, where it has a `face_material`, the id of a segment (an E line).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import UserError
from st_audioqa.rooms.matterport.axes import to_y_up
from st_audioqa.rooms.matterport.house import House

__all__ = ["SemanticMesh", "read_semantic_ply"]

_TYPES = {
    "char": "i1",
    "int8": "i1",
    "uchar": "u1",
    "uint8": "u1",
    "short": "i2",
    "int16": "i2",
    "ushort": "u2",
    "uint16": "u2",
    "int": "i4",
    "int32": "i4",
    "uint": "u4",
    "uint32": "u4",
    "float": "f4",
    "float32": "f4",
    "double": "f8",
    "float64": "f8",
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_INDICES = ("vertex_indices", "vertex_index")
_HEADER_BYTES = 65536


@dataclass(frozen=True, eq=False)
class SemanticMesh:
    """Triangles with objects, in world axes (y up, metres)."""

    vertices: NDArray[np.float64]
    """[shape=(n_vertices, 3)]"""
    faces: NDArray[np.int64]
    """[shape=(n_faces, 3)] indices into `vertices`"""
    face_object: NDArray[np.int64]
    """[shape=(n_faces,)] index of an object of the house, -1 for none"""


@dataclass(frozen=True)
class _Element:
    """One `element` of the header with its properties as (type, name)."""

    name: str
    count: int
    properties: list[tuple[str, str]]


def read_semantic_ply(path: str | Path, house: House) -> SemanticMesh:
    """The triangles of a building and the object of each.

    Parameters
    ----------
    path : path
        A `_semantic.ply` file.
    house : House
        What the `.house` file of the same building says.

    Raises
    ------
    UserError
        The file is missing, cut short or no binary PLY of triangles, has vertices that are not
        finite, or names vertices, objects or segments that are not there.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): fetch it again.") from error
    order, elements, at = _header(path, data)
    vertices, at = _vertices(path, data, at, elements[0], order)
    table = _faces(path, data, at, elements[1], order)
    faces = table["corners"].astype(np.int64)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise _broken(path, "a face that names a vertex that is not there")
    return SemanticMesh(vertices, faces, _objects(path, table, house))


def _header(path: Path, data: bytes) -> tuple[str, tuple[_Element, _Element], int]:
    """Byte order, the elements `vertex` and `face`, and where the numbers start."""
    end = data.find(b"end_header", 0, _HEADER_BYTES)
    newline = data.find(b"\n", end, end + 16)
    if not data.startswith(b"ply") or end < 0 or newline < 0:
        raise _broken(path, "no PLY header")
    lines = [line.split() for line in data[:end].decode("ascii", "replace").splitlines()]
    order = ""
    elements: list[_Element] = []
    for fields in lines:
        if fields[:1] == ["format"]:
            if len(fields) < 2 or fields[1] not in _ORDERS:
                raise _broken(
                    path, f"the format {' '.join(fields[1:2])!r} and not a binary one"
                )
            order = _ORDERS[fields[1]]
        elif fields[:1] == ["element"]:
            if len(fields) != 3 or not fields[2].isdigit():
                raise _broken(path, f"the header line {' '.join(fields)!r}")
            elements.append(_Element(fields[1], int(fields[2]), []))
        elif fields[:1] == ["property"] and elements:
            elements[-1].properties.append((" ".join(fields[1:-1]), fields[-1]))
    if not order or [each.name for each in elements[:2]] != ["vertex", "face"]:
        raise _broken(path, "no vertices followed by faces")
    if elements[0].count == 0 or elements[1].count == 0:
        raise _broken(path, "no vertices or no faces")
    return order, (elements[0], elements[1]), newline + 1


def _vertices(
    path: Path, data: bytes, at: int, element: _Element, order: str
) -> tuple[NDArray[np.float64], int]:
    fields = [(name, _scalar(path, kind, order)) for kind, name in element.properties]
    names = [name for name, _ in fields]
    if not {"x", "y", "z"} <= set(names) or len(set(names)) < len(names):
        raise _broken(path, f"vertices of {', '.join(names) or 'nothing'} and not of x, y, z")
    table, at = _records(path, data, at, np.dtype(fields), element.count)
    with np.errstate(invalid="ignore"):  # whatever is not finite is refused below
        points = np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=-1)
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise _broken(path, f"{int((~finite).sum())} vertices that are not finite")
    return to_y_up(points), at


def _faces(path: Path, data: bytes, at: int, element: _Element, order: str) -> NDArray[np.void]:
    """Faces as records: all have three corners, so all are of one length."""
    fields: list[tuple[Any, ...]] = []
    for kind, name in element.properties:
        words = kind.split()
        if words[:1] != ["list"]:
            fields.append((name, _scalar(path, kind, order)))
        elif len(words) == 3 and name in _INDICES:
            fields.append(("n_corners", _scalar(path, words[1], order)))
            fields.append(("corners", _scalar(path, words[2], order), 3))
        else:
            raise _broken(path, f"faces with a list {name!r}")
    names = [field[0] for field in fields]
    if "corners" not in names or len(set(names)) < len(names):
        raise _broken(path, "faces without vertex_indices")
    table, _ = _records(path, data, at, np.dtype(fields), element.count)
    if (table["n_corners"] != 3).any():
        raise _broken(path, "faces that are no triangles")
    return table


def _records(
    path: Path, data: bytes, at: int, dtype: np.dtype[Any], count: int
) -> tuple[NDArray[np.void], int]:
    end = at + dtype.itemsize * count
    if end > len(data):
        raise _broken(path, "fewer vertices or triangles than its header says")
    return np.frombuffer(data, dtype, count, at), end


def _scalar(path: Path, kind: str, order: str) -> str:
    if kind not in _TYPES:
        raise _broken(path, f"a property of the type {kind!r}")
    return order + _TYPES[kind]


def _objects(path: Path, table: NDArray[np.void], house: House) -> NDArray[np.int64]:
    names = table.dtype.names or ()
    n = len(house.object_categories)
    if "object_id" in names:
        found = table["object_id"].astype(np.int64)
    elif "face_material" in names:
        segments, which = np.unique(table["face_material"], return_inverse=True)
        known = house.segment_objects
        unknown = [int(each) for each in segments if each >= 0 and int(each) not in known]
        if unknown:
            raise _broken(path, f"a segment {unknown[0]} that the .house file does not have")
        found = np.array([known.get(int(each), -1) for each in segments])[which]
    else:
        raise _broken(
            path, "faces without object_id or face_material, so that none can have a material"
        )
    if found.min() < -1 or found.max() >= n:
        worst = int(found.max()) if found.max() >= n else int(found.min())
        raise _broken(path, f"an object {worst}, and the .house file has {n}")
    return found


def _broken(path: Path, what: str) -> UserError:
    return UserError(f"{path} has {what}: fetch this building's _semantic.ply again.")
