"""Rooms of Matterport3D as habitat-sim sees them: its PathFinder, its regions.

Made for the habitat engine, which hears the same files; the rlr engine renders these rooms as
well. Against the provider `matterport3d`, which needs no habitat-sim, a room is the box around
its region and not the region's own outline: that is what habitat-sim knows of it, and what "same
room" then means. Clearances and lines of sight are those of the mesh that is heard.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from st_audioqa.rooms.habitat import load_habitat_sim, read_regions, walkable
from st_audioqa.rooms.matterport.building import Building
from st_audioqa.rooms.matterport.house import House
from st_audioqa.rooms.matterport.regions import RegionSurvey, survey
from st_audioqa.rooms.providers import matterport3d

__all__ = ["Provider"]


class Provider(matterport3d.Provider):
    """Draws a building of the split, then one of its rooms.

    Parameters
    ----------
    path : str
        Folder with one folder per building, and the scene dataset config
        (`mp3d.scene_dataset_config.json`) beside them.
    materials : str
        `mp3d_material_config.json` of SoundSpaces: the semantic mesh is heard, with these.
    buildings : mapping of str to sequence of str, optional
        Names of the buildings of each split. By default the dataset's own division, as far as
        the buildings are there.

    Raises
    ------
    UserError
        habitat-sim is missing, options are of another kind, there is no such folder, or a
        building is missing or serves two splits.
    """

    name = "habitat"

    def __init__(
        self,
        *,
        path: str,
        materials: str,
        buildings: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(path=path, buildings=buildings, materials=materials)
        self._habitat_sim = load_habitat_sim("The room provider habitat")

    def _read_survey(self, building: str) -> tuple[RegionSurvey, ...]:
        folder = self._path / building
        regions = read_regions(self._habitat_sim, folder / f"{building}.house")
        floor = walkable(self._habitat_sim, folder / f"{building}.navmesh")
        return survey(House(building, regions, (), (), {}), floor)

    def _read_building(self, building: str) -> Building:
        found = super()._read_building(building)
        return dataclasses.replace(found, regions=self._survey(building))
