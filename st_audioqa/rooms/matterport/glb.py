"""Reads the `.glb` of a building: its triangles, without textures (extra `meshes`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.rooms.matterport.axes import to_y_up

__all__ = ["read_glb"]


def read_glb(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices and triangles of all meshes of a scene, in world axes (y up, metres).

    Matterport3D's files are z-up although glTF asks for y-up; they are turned here.

    Returns
    -------
    vertices : ndarray [shape=(n_vertices, 3)]
    faces : ndarray [shape=(n_faces, 3)]

    Raises
    ------
    UserError
        The file is missing, no glTF, compressed, without triangles or not finite.
    MissingPackageError
        trimesh is not installed.
    """
    path = Path(path)
    try:
        import trimesh
    except ImportError as error:
        raise MissingPackageError("trimesh", "meshes", f"Reading {path.name}") from error
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): fetch it again.") from error
    if data[:4] != b"glTF":
        raise UserError(f"{path} is no binary glTF: fetch this building's .glb again.")
    if b"KHR_draco_mesh_compression" in data or b"EXT_meshopt_compression" in data:
        raise UserError(
            f"{path} holds compressed meshes, which are not read: use the dataset's own .glb or "
            "decompress it with gltf-transform."
        )
    try:
        with path.open("rb") as file:
            scene = trimesh.load_scene(file, file_type="glb", skip_materials=True)
        mesh = scene.to_mesh()
    except Exception as error:  # trimesh raises whatever its parsing meets
        raise UserError(
            f"{path} cannot be read as glTF ({type(error).__name__}: {error}): fetch it again."
        ) from error
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    faces = np.asarray(mesh.faces, dtype=np.int64)
    if len(faces) == 0 or not np.isfinite(vertices).all():
        raise UserError(
            f"{path} has no triangles or a vertex that is not finite: fetch it again."
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise UserError(
            f"{path} has a face that names a vertex that is not there: fetch it again."
        )
    return to_y_up(vertices), faces
