"""Rooms from mesh files: .glb, .obj, .ply, .stl and .off (extra `meshes`).

A file is a room or a building. Its floors are found by rays (`st_audioqa.rooms.floors`), and each
connected floor is one region to put a listener and sources in. Everything in the file is heard
and seen from there, so neighbouring rooms behind open doors are part of the sound.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from st_audioqa.conventions import BANDS_HZ
from st_audioqa.errors import UserError
from st_audioqa.rooms.buildings import Building, open_building
from st_audioqa.rooms.materials import material
from st_audioqa.rooms.mesh_folder import deal, mesh_files
from st_audioqa.scene import Room, RoomInfo

__all__ = ["Provider"]

Share = Annotated[float, Field(gt=0, le=1)]
Coefficient = Annotated[float, Field(ge=0, le=1)]


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
            # A misspelt option says more than the one that is missing instead.
            first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
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
        self._files = mesh_files(Path(self._options.path))
        self._dealt: dict[str, list[str]] | None = None

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that read files and trace rays."""
        return {name: importlib.metadata.version(name) for name in ("embreex", "trimesh")}

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

    def report(self) -> dict[str, list[dict[str, Any]]]:
        """What every file is made of, and its floors: rows of tables, in square metres."""
        surfaces: list[dict[str, Any]] = []
        floors: list[dict[str, Any]] = []
        for name, sha256 in self._files.items():
            building = self._open(name, sha256, self._options.of_the_room)
            for i, area in enumerate(building.mesh.part_area_m2):
                surfaces.append(
                    {
                        "file": name,
                        "surface": " / ".join(building.mesh.parts[i]),
                        "material": building.materials[building.part_material[i]].name,
                        "by": building.part_rule[i] or "default_material",
                        "area_m2": round(float(area), 2),
                    }
                )
            for floor, leak in zip(building.floors, building.leaks, strict=True):
                floors.append(
                    {
                        "file": name,
                        "floor_y_m": round(floor.floor_y_m, 2) + 0.0,
                        "height_m": round(floor.height_m, 2),
                        "walkable_m2": round(floor.area_m2, 2),
                        "leak_percent": round(100.0 * leak, 3),
                        "used": "yes" if leak <= building.most_leak else "no, it is open",
                    }
                )
        return {"surfaces": surfaces, "floors": floors}

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
            chosen = self._options
            self._dealt = deal(
                self._files, chosen.shares, chosen.path, share_all=chosen.share_buildings
            )
        if split not in self._dealt:
            raise UserError(
                f"The mesh provider has no files for split {split!r} of {self._options.path}, "
                f"only for {', '.join(sorted(self._dealt)) or 'none'}: set rooms.options.shares, "
                "such as {train = 0.8, test = 0.2}, or make a folder for each split."
            )
        return self._dealt[split]

    def _open(self, file: str, sha256: str, options: Mapping[str, Any]) -> Building:
        return open_building(self._path(file), sha256, json.dumps(options, sort_keys=True))

    def _path(self, file: str) -> Path:
        path = Path(self._options.path)
        return path if path.is_file() else path / file


@functools.lru_cache(maxsize=32)
def _room(path: Path, sha256: str, options: str, region: int, info: str) -> Room:
    """A room as one object per process, so that what is worked out of it is kept with it."""
    building = open_building(path, sha256, options)
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
