"""A building of Matterport3D, put together from its files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import UserError
from st_audioqa.rooms.geometry import triangle_areas
from st_audioqa.rooms.matterport.glb import read_glb
from st_audioqa.rooms.matterport.house import read_house
from st_audioqa.rooms.matterport.navmesh import read_navmesh
from st_audioqa.rooms.matterport.regions import RegionSurvey, survey
from st_audioqa.rooms.matterport.semantic_ply import read_semantic_ply
from st_audioqa.rooms.matterport.surfaces import NO_CATEGORY
from st_audioqa.rooms.surfaces import Surfaces

__all__ = ["MESHES", "Building", "building_names", "load_building", "survey_building"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

MESHES = {"semantic": "_semantic.ply", "render": ".glb"}
"""Which file the triangles come from, by its ending."""

_STARTS = 8
_RAYS = 64
_EAR_M = 1.5
_SHARE_ON_FLOOR = 0.7
_FLOOR_WITHIN_M = (0.5, 0.7)
"""How far the scanned floor may be above and below the navmesh."""


@dataclass(frozen=True, eq=False)
class Building:
    """A building in world axes (y up, metres)."""

    name: str
    regions: tuple[RegionSurvey, ...]
    vertices: Floats
    """[shape=(n_vertices, 3)]"""
    faces: Ints
    """[shape=(n_faces, 3)]"""
    categories: tuple[str, ...]
    """mpcat40 names that occur"""
    face_category: Ints
    """[shape=(n_faces,)] indices into `categories`"""
    sha256: str
    """Of all the files read."""

    @cached_property
    def surfaces(self) -> Surfaces:
        """All triangles, for rays."""
        return Surfaces(self.vertices, self.faces)

    def category_areas_m2(self) -> Floats:
        """Area of each category [shape=(n_categories,)]."""
        area = triangle_areas(self.vertices[self.faces])
        found = np.bincount(self.face_category, weights=area, minlength=len(self.categories))
        return np.asarray(found, dtype=np.float64)

    def rays_kept(self, region: RegionSurvey, reflections: int = 100) -> float:
        """Share of the reflections of rays from a room that take place, the others being lost.

        1.0 is a closed building. Rays start at eight places, 1.5 m over the walkable floor, in all
        directions and are reflected diffusely; through windows, doors to the open and holes of the
        scan they are lost. It foretells the ray efficiency of the engine `rlr`, which refuses
        rooms of less than 0.95 as leaky.

        Parameters
        ----------
        region : RegionSurvey
            One that can be walked in.
        reflections : int
        """
        rng = np.random.default_rng(region.region.index)
        which = np.linspace(0, len(region.walkable) - 1, _STARTS).astype(np.int64)
        ears = region.walkable[which].mean(axis=1) + np.array([0.0, _EAR_M, 0.0])
        at = np.repeat(ears, _RAYS, axis=0)
        along = _directions(rng, len(at))
        n_kept = 0
        a, b, c = self.vertices[self.faces].swapaxes(0, 1)
        normals = np.cross(b - a, c - a)
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        for _ in range(reflections):
            distance = self.surfaces.hit_distance(at, along)
            face = self.surfaces.hit_face(at, along)
            kept = np.isfinite(distance) & (face >= 0)
            if not kept.any():
                break
            n_kept += int(kept.sum())
            met = at[kept] + distance[kept, None] * along[kept]
            towards = -along[kept]
            normal = normals[face[kept]]
            normal *= np.sign((normal * towards).sum(axis=1))[:, None]
            # Lambert's law; off the surface, so that it is not met again.
            along = normal + (1.0 - 1e-6) * _directions(rng, len(met))
            along /= np.linalg.norm(along, axis=1)[:, None]
            at = met + 1e-4 * normal
        return n_kept / (reflections * _STARTS * _RAYS)


def building_names(path: str | Path) -> list[str]:
    """Folders of a folder that hold a `.house` file of their own name.

    Raises
    ------
    UserError
        There is no such folder, or nothing like that in it.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(
            f"There is no folder {path}: rooms.options.path is the folder that holds one folder "
            "per building of Matterport3D (docs/matterport3d.md)."
        )
    names = sorted(each.parent.name for each in path.glob("*/*.house"))
    names = [name for name in names if (path / name / f"{name}.house").is_file()]
    if not names:
        raise UserError(
            f"{path} holds no building: <name>/<name>.house, <name>_semantic.ply and "
            "<name>.navmesh are wanted, as Matterport3D's download for habitat lays them out."
        )
    return names


def survey_building(folder: Path) -> tuple[RegionSurvey, ...]:
    """The regions of a building, without its mesh: quick.

    Raises
    ------
    UserError
        A file is missing or broken.
    """
    house, navmesh = (_file(folder, ending) for ending in (".house", ".navmesh"))
    return survey(read_house(house), read_navmesh(navmesh))


def load_building(folder: Path, mesh: str = "semantic") -> Building:
    """A building with its triangles.

    Parameters
    ----------
    folder : Path
        Named as the building.
    mesh : str
        "semantic" for the triangles of `_semantic.ply` with their categories, "render" for those
        of the `.glb`, which have none: all are `unlabeled`.

    Raises
    ------
    UserError
        A file is missing or broken, or they do not lie in one frame.
    """
    paths = [_file(folder, ending) for ending in (".house", ".navmesh", MESHES[mesh])]
    house = read_house(paths[0])
    regions = survey(house, read_navmesh(paths[1]))
    if mesh == "render":
        vertices, faces = read_glb(paths[2])
        names = np.full(len(faces), NO_CATEGORY)
    else:
        scanned = read_semantic_ply(paths[2], house)
        vertices, faces = scanned.vertices, scanned.faces
        # -1, no object, takes the last place.
        objects = np.array([each or NO_CATEGORY for each in (*house.object_categories, "")])
        names = objects[scanned.face_object]
    corners = vertices[faces]
    solid = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).any(axis=1)
    categories, face_category = np.unique(names[solid], return_inverse=True)
    if not solid.any():
        raise UserError(f"{paths[2]} has no triangle with an area: fetch it again.")
    building = Building(
        name=folder.name,
        regions=regions,
        vertices=vertices,
        faces=faces[solid],
        categories=tuple(str(each) for each in categories),
        face_category=np.asarray(face_category, dtype=np.int64),
        sha256=_sha256(paths),
    )
    _check_frame(building, paths[1], paths[2])
    return building


def _file(folder: Path, ending: str) -> Path:
    path = folder / f"{folder.name}{ending}"
    if not path.is_file():
        raise UserError(
            f"{path} is missing: Matterport3D's download for habitat (download_mp.py --task "
            "habitat) has it; docs/matterport3d.md says what is wanted."
        )
    return path


def _sha256(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _check_frame(building: Building, navmesh: Path, mesh: Path) -> None:
    """The navmesh must lie on the mesh, else one of them is turned another way."""
    used = [region.walkable for region in building.regions if not region.excluded]
    if not used:
        return
    points = np.concatenate(used).mean(axis=1)
    points = points[:: max(1, len(points) // 500)]
    above, below = _FLOOR_WITHIN_M
    drop = building.surfaces.hit_distance(
        points + np.array([0.0, above, 0.0]), (0.0, -1.0, 0.0)
    )
    share = float((drop <= above + below).mean())
    if share < _SHARE_ON_FLOOR:
        raise UserError(
            f"Of the rooms in {navmesh}, {share:.0%} lies on the floors of {mesh}: the mesh is "
            "to have z up and the navmesh y up, both unaltered and of the same building."
        )


def _directions(rng: np.random.Generator, count: int) -> Floats:
    """Random directions, even over the sphere [shape=(count, 3)]."""
    found = rng.standard_normal((count, 3))
    return np.asarray(found / np.linalg.norm(found, axis=1)[:, None])
