"""Rooms of Matterport3D as habitat-sim sees them: its PathFinder, its regions.

Made for the habitat engine, which hears the same files; the rlr engine renders these rooms as
well. Against the provider `matterport3d`, which needs no habitat-sim, a room is the box around
its region and not the region's own outline: that is what habitat-sim knows of it, and what "same
room" then means. Clearances and lines of sight are those of the mesh that is heard.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.rooms.habitat import load_habitat_sim, read_regions, walkable
from st_audioqa.rooms.matterport.building import Building, load_building
from st_audioqa.rooms.matterport.house import House
from st_audioqa.rooms.matterport.regions import RegionSurvey, survey
from st_audioqa.rooms.matterport.surfaces import category_materials
from st_audioqa.scene import Room, RoomInfo, SceneFiles

__all__ = ["Provider"]

DATASET = "mp3d.scene_dataset_config.json"
_BUILDINGS_KEPT = 2
_ROOMS_KEPT = 16


class _Options(BaseModel):
    """What a recipe may say of the rooms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    buildings: dict[str, tuple[str, ...]]
    materials: Path | None


class Provider:
    """Draws a building of the split, then one of its rooms.

    Parameters
    ----------
    path : str
        Folder with one folder per building, and the scene dataset config
        (`mp3d.scene_dataset_config.json`) beside them.
    buildings : mapping of str to sequence of str
        Names of the buildings of each split.
    materials : str, optional
        `mp3d_material_config.json` of SoundSpaces. With it the semantic mesh is heard, with its
        materials; without it the `.glb`, all of the engine's default material.

    Raises
    ------
    UserError
        habitat-sim is missing, options are of another kind, or a building serves two splits.
    """

    name = "habitat"
    makes = frozenset({"mesh"})

    def __init__(
        self,
        *,
        path: str,
        buildings: Mapping[str, Sequence[str]],
        materials: str | None = None,
    ) -> None:
        given = {"path": path, "buildings": buildings, "materials": materials}
        try:
            options = _Options.model_validate(given)
        except ValueError as error:
            raise UserError(
                "rooms.options of the habitat provider take path, a folder; buildings, lists of "
                f"names by split; and materials, a file; got {given}."
            ) from error
        names = [name for each in options.buildings.values() for name in set(each)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UserError(
                f"rooms.options.buildings names {', '.join(twice)} for several splits: a building "
                "belongs to one, else a test would measure memory."
            )
        self._path, self._buildings = options.path, options.buildings
        self._materials = options.materials
        self._habitat_sim = load_habitat_sim("The room provider habitat")
        # What has been read is kept, so that the scenes of a room share it.
        self._survey = functools.lru_cache(maxsize=None)(self._read_survey)
        self._building = functools.lru_cache(maxsize=_BUILDINGS_KEPT)(self._read_building)
        self._room = functools.lru_cache(maxsize=_ROOMS_KEPT)(self._make_room)

    def draw(self, rng: np.random.Generator, name: str, split: str) -> RoomInfo:
        """A room called `name`, in a building of the split.

        Raises
        ------
        RejectedDraw
            "no_usable_room" if the building has none.
        UserError
            There is no building for the split, or one of its files is missing or broken.
        """
        names = self._buildings.get(split, ())
        if not names:
            raise UserError(
                f"rooms.options.buildings of the habitat provider names no building for the split "
                f"{split!r}: add some."
            )
        building = names[rng.integers(len(names))]
        usable = [each for each in self._survey(building) if not each.excluded]
        if not usable:
            raise RejectedDraw("no_usable_room", building)
        region = usable[rng.integers(len(usable))].region
        parameters: dict[str, Any] = {
            "building": building,
            "region": region.index,
            "level": region.level,
            "materials": self._material_name,
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

    @property
    def _material_name(self) -> str:
        return "soundspaces" if self._materials else "default"

    def _read_survey(self, building: str) -> tuple[RegionSurvey, ...]:
        stem = self._path / building / building
        regions = read_regions(self._habitat_sim, stem.with_name(f"{building}.house"))
        floor = walkable(self._habitat_sim, stem.with_name(f"{building}.navmesh"))
        return survey(House(building, regions, (), (), {}), floor)

    def _read_building(self, building: str) -> Building:
        mesh = "semantic" if self._materials else "render"
        found = load_building(self._path / building, mesh)
        return dataclasses.replace(found, regions=self._survey(building))

    def _make_room(self, name: str, category: str, parameters: str) -> Room:
        stored = json.loads(parameters)
        if stored["materials"] != self._material_name:
            raise UserError(
                f"Room {name!r} was drawn with materials = {stored['materials']!r}, and "
                f"rooms.options now says {self._material_name!r}: use the recipe that the corpus "
                "was made with."
            )
        building = self._building(stored["building"])
        folder = self._path / building.name
        if building.sha256 != stored["sha256"]:
            raise UserError(
                f"The files of {folder} are not those that room {name!r} was drawn from: use the "
                "copy that the corpus was made with."
            )
        found = building.regions[stored["region"]]
        floor_y = min(found.region.floor_y, float(found.walkable[..., 1].min()))
        dataset = self._path / DATASET
        return Room(
            info=RoomInfo(self.name, name, category, stored),
            shape="mesh",
            vertices=building.vertices,
            faces=building.faces,
            face_material=building.face_category,
            materials=category_materials(building.categories, self._materials),
            floor=found.region.outline,
            height_m=found.region.floor_y + found.region.height_m - floor_y,
            obstacles=np.zeros((0, 2, 3)),
            floor_y_m=floor_y,
            walkable=found.walkable,
            files=SceneFiles(
                mesh=folder / f"{building.name}.glb",
                navmesh=folder / f"{building.name}.navmesh",
                dataset=dataset if dataset.is_file() else None,
                materials=self._materials,
            ),
        )
