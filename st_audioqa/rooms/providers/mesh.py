"""Rooms from mesh files: .glb, .obj, .ply, .stl and .off (extra `meshes`).

A file is a room or a building. Its floors are found by rays (`st_audioqa.rooms.floors`), and each
connected floor is one region to put a listener and sources in. Everything in the file is heard
and seen from there, so neighbouring rooms behind open doors are part of the sound.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from st_audioqa.errors import UserError
from st_audioqa.rooms.floors import FloorRegion, find_floors
from st_audioqa.rooms.materials import BANDS_HZ, material
from st_audioqa.rooms.mesh_file import SUFFIXES, MeshFile, content_hash, read_mesh
from st_audioqa.rooms.surfaces import Surfaces
from st_audioqa.scene import Material, Room, RoomInfo

__all__ = ["Provider"]

Floats = NDArray[np.floating]
Share = Annotated[float, Field(gt=0, le=1)]
Coefficient = Annotated[float, Field(ge=0, le=1)]

_LEAK_SPOTS, _LEAK_RAYS = 64, 1024
_EAR_M = 1.4
_LEAST_STAY = 0.95
"""Share of its rays that the RLR engine wants to keep."""


class _Options(BaseModel):
    """What a recipe may say of mesh rooms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1)
    units: Literal["m", "cm", "mm", "in", "ft"] = "m"
    up: Literal["y", "z"] = "y"
    materials: dict[str, str | tuple[Coefficient, ...]] = {}
    default_material: str = "plasterboard on frame"
    shares: dict[str, Share] = {"train": 0.8, "test": 0.2}
    share_buildings: bool = False

    @property
    def of_the_room(self) -> dict[str, Any]:
        """Those that a room is built from."""
        wanted = {"units", "up", "materials", "default_material"}
        return self.model_dump(mode="json", include=wanted)


@dataclass(frozen=True, eq=False)
class _Building:
    """A file, opened and checked."""

    mesh: MeshFile
    materials: tuple[Material, ...]
    part_material: NDArray[np.int64]
    part_rule: tuple[str, ...]
    """The pattern that chose the material of each part; empty where it is the default."""
    regions: tuple[FloorRegion, ...]
    leak: float
    """Largest share of rays that leave through gaps, of the regions that were kept."""
    n_open: int
    """Floors that were left out because too many rays leave from there."""


class Provider:
    """Draws rooms.

    Parameters
    ----------
    path : str
        A mesh file, or a folder of mesh files. A folder may hold one folder per split instead.
    units : str
        Of the files: "m", "cm", "mm", "in" or "ft".
    up : str
        The axis of the files that points up: "y" or "z".
    materials : mapping
        What surfaces are made of: a pattern (`*` for anything, case does not matter) for the
        name of a material, object or node of the file, and a name of our table of materials or
        seven absorption coefficients (125 Hz to 8 kHz). The longest pattern that fits counts.
    default_material : str
        Of all other surfaces; those with given coefficients scatter as it does.
    shares : mapping
        Share of the files for each split; files are dealt in the order of their content's hash.
    share_buildings : bool
        Lets every split have every file. Scores then say nothing of rooms that were never heard.

    Raises
    ------
    UserError
        Options that are impossible, or no mesh files at `path`.
    """

    name = "mesh"
    makes = frozenset({"mesh"})

    def __init__(self, **options: Any) -> None:
        try:
            self._options = _Options.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UserError(
                f"rooms.options.{where} of the mesh provider: {first['msg']}, got "
                f"{first.get('input')!r}; it takes path, units, up, materials, "
                "default_material, shares and share_buildings."
            ) from error
        for name, values in self._options.materials.items():
            if isinstance(values, str):
                material(values)
            elif len(values) != len(BANDS_HZ):
                raise UserError(
                    f"rooms.options.materials of the mesh provider: {name!r} needs a material's "
                    f"name or {len(BANDS_HZ)} absorption coefficients, got {len(values)}."
                )
        material(self._options.default_material)
        self._files = _mesh_files(Path(self._options.path))
        self._dealt: dict[str, list[str]] | None = None

    def check(self) -> None:
        """Opens every file.

        Raises
        ------
        UserError
            The first file that cannot be used, with what is wrong with it; or a pattern of
            `materials` that fits nothing in any file.
        """
        fitting: set[str] = set()
        names: set[str] = set()
        for name, sha256 in self._files.items():
            building = self._open(name, sha256, self._options.of_the_room)
            fitting.update(building.part_rule)
            names.update(each for part in building.mesh.parts for each in part)
        for pattern in self._options.materials:
            if pattern not in fitting:
                raise UserError(
                    f"rooms.options.materials of the mesh provider: {pattern!r} fits no surface "
                    f"that a longer pattern leaves; the names in {self._options.path} are "
                    f"{', '.join(sorted(names)[:20])}."
                )

    def report(self) -> list[dict[str, Any]]:
        """What every file is made of: one row per part with its names, material and area."""
        rows = []
        for name, sha256 in self._files.items():
            building = self._open(name, sha256, self._options.of_the_room)
            for i, area in enumerate(building.mesh.part_area_m2):
                rows.append(
                    {
                        "file": name,
                        "surface": " / ".join(building.mesh.parts[i]),
                        "material": building.materials[building.part_material[i]].name,
                        "by": building.part_rule[i] or "default_material",
                        "area_m2": round(float(area), 2),
                    }
                )
        return rows

    def draw(self, rng: np.random.Generator, name: str, split: str) -> RoomInfo:
        """A room called `name`: a floor of one of the split's files, by its area."""
        files = self._files_of(split)
        file = files[rng.integers(len(files))]
        sha256 = self._files[file]
        building = self._open(file, sha256, self._options.of_the_room)
        area = np.array([region.area_m2 for region in building.regions])
        parameters: dict[str, Any] = {
            "file": file,
            "sha256": sha256,
            "region": int(rng.choice(len(area), p=area / area.sum())),
            "options": self._options.of_the_room,
        }
        if not self._options.share_buildings:
            parameters["building"] = sha256
        return RoomInfo(self.name, name, "mesh", parameters)

    def build(self, info: RoomInfo) -> Room:
        """The geometry and surfaces of a drawn room.

        Raises
        ------
        UserError
            The file is missing or is not the one that the room was drawn from.
        """
        stored = info.parameters
        file, sha256 = str(stored["file"]), str(stored["sha256"])
        if self._files.get(file) != sha256:
            same = [name for name, found in self._files.items() if found == sha256]
            if not same:
                what = "has changed since" if file in self._files else "is missing there"
                raise UserError(
                    f"Room {info.name!r} was drawn from {file} in {self._options.path}, which "
                    f"{what}: put back the file with SHA-256 {sha256}."
                )
            file = same[0]
        stored_options = dict(stored["options"])
        return _room(
            self._path(file),
            sha256,
            json.dumps(stored_options, sort_keys=True),
            int(stored["region"]),
            json.dumps([info.provider, info.name, info.category, dict(stored)]),
        )

    def _files_of(self, split: str) -> list[str]:
        if self._dealt is None:
            self._dealt = _deal(self._files, self._options)
        if split not in self._dealt:
            raise UserError(
                f"The mesh provider has no files for split {split!r} of {self._options.path}, "
                f"only for {', '.join(sorted(self._dealt)) or 'none'}: set rooms.options.shares, "
                "such as {train = 0.8, test = 0.2}, or make a folder for each split."
            )
        return self._dealt[split]

    def _open(self, file: str, sha256: str, options: Mapping[str, Any]) -> _Building:
        return _open_building(self._path(file), sha256, json.dumps(options, sort_keys=True))

    def _path(self, file: str) -> Path:
        path = Path(self._options.path)
        return path if path.is_file() else path / file


def _mesh_files(path: Path) -> dict[str, str]:
    """Mesh files below a path and the hash of their content, sorted by name."""
    if path.is_file():
        found = [path]
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(
                f"The mesh {path} is none of {', '.join(SUFFIXES)}: convert it to .glb."
            )
    elif path.is_dir():
        found = [each for each in sorted(path.iterdir()) if each.suffix.lower() in SUFFIXES]
        below = [each for each in sorted(path.glob("*/*")) if each.suffix.lower() in SUFFIXES]
        if found and below:
            raise UserError(
                f"The folder {path} holds meshes as well as folders of meshes: put them all "
                "into folders named after the splits, or none."
            )
        found = found or below
        if not found:
            raise UserError(
                f"The folder {path} holds no meshes ({', '.join(SUFFIXES)}): set "
                "rooms.options.path to a mesh or a folder of meshes."
            )
    else:
        raise UserError(
            f"There is no mesh or folder of meshes at {path}: set rooms.options.path."
        )
    top = path if path.is_dir() else path.parent
    try:
        return {each.relative_to(top).as_posix(): _hash_once(each) for each in found}
    except OSError as error:
        raise UserError(f"A mesh in {path} cannot be read: {error}.") from error


def _hash_once(path: Path) -> str:
    status = path.stat()
    return _hash(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _hash(path: Path, size: int, changed_ns: int) -> str:
    return content_hash(path)


def _deal(files: Mapping[str, str], options: _Options) -> dict[str, list[str]]:
    """Files of each split; a content is in one split only."""
    splits = list(options.shares)
    by_folder: dict[str, list[str]] = {}
    for name in files:
        folder, slash, _ = name.rpartition("/")
        if slash:
            by_folder.setdefault(folder, []).append(name)
    if by_folder:
        splits = list(by_folder)
    if options.share_buildings:
        return {split: list(files) for split in splits}
    if by_folder:
        owner: dict[str, str] = {}
        for split, names in by_folder.items():
            for name in names:
                other = owner.setdefault(files[name], split)
                if other != split:
                    raise UserError(
                        f"The mesh {name} in {options.path} has the same content as one of "
                        f"{other}, and no building may serve two splits: take one of them out."
                    )
        return by_folder
    names_of = {files[name]: name for name in sorted(files, reverse=True)}
    order = [names_of[sha256] for sha256 in sorted(names_of)]
    if len(order) < len(splits):
        raise UserError(
            f"{options.path} holds {len(order)} different mesh(es) for the splits "
            f"{', '.join(splits)}, and no building may serve two: add meshes, set "
            "rooms.options.shares to the splits the recipe has, such as {test = 1.0}, or set "
            "rooms.options.share_buildings = true."
        )
    share = np.array([options.shares[split] for split in splits])
    ends = np.cumsum(share / share.sum()) * len(order)
    counts = np.diff(np.rint(ends).astype(np.int64), prepend=0)
    while (counts == 0).any():
        counts[counts.argmin()] += 1
        counts[counts.argmax()] -= 1
    edges = np.cumsum(counts)
    return {
        split: order[int(end - count) : int(end)]
        for split, count, end in zip(splits, counts, edges, strict=True)
    }


@functools.lru_cache(maxsize=32)
def _room(path: Path, sha256: str, options: str, region: int, info: str) -> Room:
    """A room as one object per process, so that what is worked out of it is kept with it."""
    building = _open_building(path, sha256, options)
    if not 0 <= region < len(building.regions):
        raise UserError(f"The mesh {path} has no floor number {region}: draw its room anew.")
    floor = building.regions[region]
    return Room(
        info=RoomInfo(*json.loads(info)),
        shape="mesh",
        vertices=building.mesh.vertices,
        faces=building.mesh.faces,
        face_material=building.part_material[building.mesh.face_part],
        materials=building.materials,
        floor=floor.outline,
        height_m=floor.height_m,
        obstacles=np.zeros((0, 2, 3)),
        floor_y_m=floor.floor_y_m,
        walkable=floor.walkable,
    )


@functools.lru_cache(maxsize=4)
def _open_building(path: Path, sha256: str, options: str) -> _Building:
    chosen = json.loads(options)
    mesh = read_mesh(path, chosen["units"], chosen["up"])
    materials, part_material, rules = _choose_materials(
        mesh, chosen["materials"], chosen["default_material"]
    )
    rays = Surfaces(mesh.vertices, mesh.faces)
    regions = find_floors(mesh.vertices, mesh.faces, rays)
    if not regions:
        raise UserError(
            f"No floor with headroom was found in the mesh {path}, whose height along "
            f"{chosen['up']} is {np.ptp(mesh.vertices[mesh.faces][..., 1]):.2f} m: if another "
            "axis points up, set rooms.options.up; see that it has a ceiling, and that "
            "rooms.options.units are those of the file."
        )
    absorption = np.array([materials[i].absorption for i in part_material])
    mean = np.average(absorption, axis=0, weights=mesh.part_area_m2)
    limit = _leak_limit(float(mean.min()))
    leaks = np.array([_leak(region, rays) for region in regions])
    if leaks.min() > limit:
        raise UserError(
            f"The mesh {path} leaks: {100 * leaks.min():.2g} % of the rays from its floors leave "
            f"it at once, and with its materials at most {100 * limit:.2g} % may, so that "
            f"{100 * _LEAST_STAY:.0f} % stay for all their reflections: close its holes "
            "(windows, ceiling, gaps between walls) in a mesh editor."
        )
    return _Building(
        mesh=mesh,
        materials=materials,
        part_material=part_material,
        part_rule=rules,
        regions=tuple(r for r, leak in zip(regions, leaks, strict=True) if leak <= limit),
        leak=float(leaks[leaks <= limit].max()),
        n_open=int((leaks > limit).sum()),
    )


def _choose_materials(
    mesh: MeshFile, rules: Mapping[str, Any], default: str
) -> tuple[tuple[Material, ...], NDArray[np.int64], tuple[str, ...]]:
    """Materials, which of them each part has, and the pattern that said so."""
    fallback = material(default)
    found: dict[Material, int] = {}
    of_part, by = [], []
    for names in mesh.parts:
        rule = ""
        for pattern in sorted(rules, key=lambda each: (-len(each), each)):
            if any(fnmatchcase(name.lower(), pattern.lower()) for name in names):
                rule = pattern
                break
        value = rules[rule] if rule else default
        if isinstance(value, str):
            chosen = material(value)
        else:
            chosen = Material(rule, tuple(float(v) for v in value), fallback.scattering)
        of_part.append(found.setdefault(chosen, len(found)))
        by.append(rule)
    return tuple(found), np.array(of_part, dtype=np.int64), tuple(by)


def _leak_limit(absorption: float) -> float:
    """Largest share of rays that may leave at each reflection.

    RLR follows a ray until it has lost 60 dB, for n = 13.8 / -ln(1 - absorption) reflections (20
    to 400). In boxes with a hole its ray efficiency is about (1 + (1 - exp(-x)) / x) / 2 with
    x = n times the share that leaves at each (measured), which is 0.95 at x = 0.2.
    """
    reflections = math.log(1e6) / max(-math.log1p(-min(absorption, 1.0 - 1e-9)), 1e-9)
    return 0.2 / min(max(reflections, 20.0), 400.0)


def _leak(region: FloorRegion, rays: Surfaces) -> float:
    """Share of the rays from ears over a floor that meet nothing."""
    corners = region.walkable
    which = np.linspace(0, len(corners) - 1, _LEAK_SPOTS).round().astype(np.int64)
    ears = corners[which].mean(axis=1) + np.array([0.0, _EAR_M, 0.0])
    k = np.arange(_LEAK_RAYS) + 0.5
    up = 1.0 - 2.0 * k / _LEAK_RAYS
    turn = np.pi * (1.0 + np.sqrt(5.0)) * k
    around = np.sqrt(1.0 - up**2)
    directions = np.column_stack([around * np.cos(turn), up, around * np.sin(turn)])
    met = rays.hit_distance(
        np.repeat(ears[:, None], _LEAK_RAYS, axis=1),
        np.broadcast_to(directions, (_LEAK_SPOTS, _LEAK_RAYS, 3)),
    )
    return float(np.isinf(met).mean())
