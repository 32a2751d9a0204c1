"""Rooms of Matterport3D (Chang et al. 2017), from a copy that the user has a licence for."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.rooms.matterport.building import (
    Building,
    building_names,
    load_building,
    survey_building,
)
from st_audioqa.rooms.matterport.closing import HULL_CATEGORIES, close_building, close_room
from st_audioqa.rooms.matterport.regions import RegionSurvey
from st_audioqa.rooms.matterport.report import region_rows, surface_rows
from st_audioqa.rooms.matterport.surfaces import category_materials
from st_audioqa.scene import Room, RoomInfo, SceneFiles

__all__ = ["Provider", "official_split"]

_DATASET = "mp3d.scene_dataset_config.json"
"""Beside the folders of the buildings: says to habitat-sim how their meshes are turned."""
_BUILDINGS_KEPT = 3
_ROOMS_KEPT = 6
_LEAST_KEPT = 0.95
"""Share of its rays that the engine `rlr` wants to keep."""


class _Options(BaseModel):
    """What a recipe may say of the rooms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    buildings: dict[str, tuple[str, ...]] | None
    materials: Path | None
    mesh: Literal["semantic", "render"]
    close: Literal["none", "building", "room"]


class Provider:
    """Draws a building of the split, then one of its rooms.

    Parameters
    ----------
    path : str
        Folder with one folder per building (docs/matterport3d.md).
    buildings : mapping of str to sequence of str, optional
        Names of the buildings of each split. By default the dataset's own division, as far as
        the buildings are there.
    materials : str, optional
        SoundSpaces' `mp3d_material_config.json`, looked for in `path` first; our own table by
        default.
    mesh : str
        "semantic" (triangles with materials) or "render" (the `.glb`, all of one material).
    close : str
        "none" renders the scan as it is. Where too many rays escape through its holes, "building"
        puts a box around it, and "room" a floor, a ceiling and walls around the region alone,
        which is much faster as well.

    Raises
    ------
    UserError
        Options of another kind, no such folder, or a building that is missing or serves two
        splits.
    """

    name = "matterport3d"
    makes = frozenset({"mesh"})

    def __init__(
        self,
        *,
        path: str,
        buildings: Mapping[str, Sequence[str]] | None = None,
        materials: str | None = None,
        mesh: str = "semantic",
        close: str = "none",
    ) -> None:
        given = {
            "path": path,
            "buildings": buildings,
            "materials": materials,
            "mesh": mesh,
            "close": close,
        }
        try:
            options = _Options.model_validate(given)
        except ValueError as error:
            raise UserError(
                f"rooms.options of the {self.name} provider take path, a folder; buildings, lists "
                "of names by split; materials, a file; mesh, 'semantic' or 'render'; and close, "
                f"'none', 'building' or 'room'; got {given}."
            ) from error
        self._path, self._mesh = options.path, options.mesh
        self._close, self._materials = options.close, options.materials
        if options.materials is not None and (options.path / options.materials).is_file():
            self._materials = options.path / options.materials
        self._least_kept = _LEAST_KEPT if options.close == "none" else 0.0
        self._present = building_names(self._path)
        self._buildings = options.buildings
        if options.buildings is not None:
            _check_buildings(options.buildings, self._present, self._path)
        category_materials((), self._materials)  # a broken table is told now
        # What has been read is kept, so that the scenes of a room share it.
        self._survey = functools.lru_cache(maxsize=None)(self._read_survey)
        self._building = functools.lru_cache(maxsize=_BUILDINGS_KEPT)(self._read_building)
        self._kept = functools.lru_cache(maxsize=None)(self._measure_kept)
        self._room = functools.lru_cache(maxsize=_ROOMS_KEPT)(self._make_room)

    def check(self) -> None:
        """Reads the regions and navmesh of every building that a split can have.

        Raises
        ------
        UserError
            A file is missing or broken, or no building has a room.
        """
        names = self._used()
        found = [region for name in names for region in self._survey(name)]
        if not any(not region.excluded for region in found):
            raise UserError(
                f"None of the {len(found)} regions of {len(names)} buildings in {self._path} is a "
                "room that can be used: docs/matterport3d.md says what is wanted."
            )

    def report(self) -> dict[str, list[dict[str, Any]]]:
        """The regions and the surfaces of every building that a split can have."""
        regions: list[dict[str, Any]] = []
        surfaces: list[dict[str, Any]] = []
        for name in self._used():
            building = self._building(name)
            regions += region_rows(building, self._least_kept)
            surfaces += surface_rows(building, self._materials)
        return {"Regions": regions, "Surfaces": surfaces}

    def draw(self, rng: np.random.Generator, name: str, split: str) -> RoomInfo:
        """A room called `name`, in a building of the split.

        Raises
        ------
        RejectedDraw
            "no_usable_room" if the building has none, "leaky_room" if too few rays stay in each of
            them and nothing is to be closed.
        UserError
            There is no building for the split, or one of its files is missing or broken.
        """
        names = self.buildings(split)
        building = names[rng.integers(len(names))]
        usable = [each for each in self._survey(building) if not each.excluded]
        if not usable:
            raise RejectedDraw("no_usable_room", building)
        order = [usable[i].region for i in rng.permutation(len(usable))]
        region = next((each for each in order if self._tight(building, each.index)), None)
        if region is None:
            best = max(self._kept(building, each.index) for each in order)
            raise RejectedDraw("leaky_room", f"{building}: {best:.2f} of the rays stay at most")
        parameters: dict[str, Any] = {
            "building": building,
            "region": region.index,
            "level": region.level,
            "mesh": self._mesh,
            "close": self._close,
            "materials": "soundspaces" if self._materials else "st_audioqa",
            "sha256": self._building(building).sha256,
        }
        return RoomInfo(self.name, name, region.category, parameters)

    def build(self, info: RoomInfo) -> Room:
        """The geometry and surfaces of a drawn room.

        Raises
        ------
        UserError
            A file is missing, broken or not the one the room was drawn from, or the options are
            others.
        """
        return self._room(
            info.name, info.category, json.dumps(dict(info.parameters), sort_keys=True)
        )

    def buildings(self, split: str) -> list[str]:
        """Names of the buildings of a split that are there.

        Raises
        ------
        UserError
            There are none.
        """
        if self._buildings is not None:
            names = list(self._buildings.get(split, ()))
        else:
            official = official_split()
            names = [n for n in self._present if official.get(n) == _OFFICIAL.get(split, split)]
        if not names:
            raise UserError(
                f"{self._path} has no building for the split {split!r}: name them under "
                f"rooms.options.buildings.{split} (there: {', '.join(self._present[:8])}), or "
                "call the splits train, val and test, as the dataset does."
            )
        return names

    def _used(self) -> list[str]:
        """Every building that a split can have."""
        if self._buildings is not None:
            return sorted({name for names in self._buildings.values() for name in names})
        names = [name for name in self._present if name in official_split()]
        if not names:
            raise UserError(
                f"None of the folders in {self._path} is named as a building of Matterport3D: "
                "say under rooms.options.buildings which of them each split has."
            )
        return names

    def _tight(self, building: str, region: int) -> bool:
        return self._close != "none" or self._kept(building, region) >= self._least_kept

    def _measure_kept(self, building: str, region: int) -> float:
        found = self._building(building)
        return found.rays_kept(found.regions[region])

    def _read_survey(self, building: str) -> tuple[RegionSurvey, ...]:
        return survey_building(self._path / building)

    def _read_building(self, building: str) -> Building:
        return load_building(self._path / building, self._mesh)

    def _make_room(self, name: str, category: str, parameters: str) -> Room:
        stored = json.loads(parameters)
        own = {
            "mesh": self._mesh,
            "close": self._close,
            "materials": "soundspaces" if self._materials else "st_audioqa",
        }
        for key, value in own.items():
            if stored[key] != value:
                raise UserError(
                    f"Room {name!r} was drawn with {key} = {stored[key]!r}, and rooms.options now "
                    f"says {value!r}: use the recipe that the corpus was made with."
                )
        building = self._building(stored["building"])
        if building.sha256 != stored["sha256"]:
            raise UserError(
                f"The files of {self._path / building.name} are not those that room {name!r} was "
                "drawn from: use the copy that the corpus was made with."
            )
        info = RoomInfo(self.name, name, category, stored)
        return self._as_room(info, building, building.regions[stored["region"]])

    def _as_room(self, info: RoomInfo, building: Building, found: RegionSurvey) -> Room:
        region = found.region
        floor_y = min(region.floor_y, float(found.walkable[..., 1].min()))
        vertices, faces = building.vertices, building.faces
        categories, face_category = building.categories, building.face_category
        if self._close != "none":
            if self._close == "room":
                vertices, faces, origin = close_room(region, vertices, faces, floor_y)
            else:
                vertices, faces, origin = close_building(vertices, faces)
            hull = len(categories) - 1 - origin
            face_category = np.where(origin >= 0, face_category[np.maximum(origin, 0)], hull)
            categories = (*categories, *HULL_CATEGORIES)
        return Room(
            info=info,
            shape="mesh",
            vertices=vertices,
            faces=faces,
            face_material=face_category,
            materials=category_materials(categories, self._materials),
            floor=region.outline,
            height_m=region.floor_y + region.height_m - floor_y,
            obstacles=np.zeros((0, 2, 3)),
            floor_y_m=floor_y,
            walkable=found.walkable,
            files=self._files(building.name),
        )

    def _files(self, building: str) -> SceneFiles | None:
        """What habitat-sim opens, where it hears the same mesh with the same materials."""
        if (self._mesh, self._close) != ("semantic", "none") or self._materials is None:
            return None
        stem, dataset = self._path / building / building, self._path / _DATASET
        return SceneFiles(
            mesh=stem.with_suffix(".glb"),
            navmesh=stem.with_suffix(".navmesh"),
            dataset=dataset if dataset.is_file() else None,
            materials=self._materials,
        )


_OFFICIAL = {"valid": "val", "validation": "val", "dev": "val"}
"""What else users call the dataset's splits."""


@functools.cache
def official_split() -> dict[str, str]:
    """The dataset's own split (train, val or test) of each building."""
    folder = resources.files("st_audioqa.rooms.matterport")
    text = folder.joinpath("splits.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row["building"]: row["split"] for row in rows}


def _check_buildings(
    buildings: Mapping[str, Sequence[str]], present: Sequence[str], path: Path
) -> None:
    seen: dict[str, str] = {}
    for split, names in buildings.items():
        for name in names:
            if name not in present:
                raise UserError(
                    f"rooms.options.buildings.{split} names {name!r}, and {path} has no folder "
                    f"{name} with a {name}.house in it: fetch it or leave it out."
                )
            if seen.get(name, split) != split:
                raise UserError(
                    f"rooms.options.buildings names {name!r} for {seen[name]} and for {split}: a "
                    "building belongs to one split, else a test would measure memory."
                )
            seen[name] = split
