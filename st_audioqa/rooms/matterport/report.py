"""What of a building is used, and what it is made of, as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from st_audioqa.rooms.materials import BANDS_HZ
from st_audioqa.rooms.matterport.building import Building, load_building
from st_audioqa.rooms.matterport.surfaces import category_materials
from st_audioqa.scene import Material

__all__ = ["describe", "material_areas"]


def material_areas(
    building: Building, database: str | Path | None = None
) -> list[tuple[str, Material, float]]:
    """Category, material and area in square metres, the largest first.

    Parameters
    ----------
    building : Building
    database : path, optional
        SoundSpaces' `mp3d_material_config.json`; our own table where not given.
    """
    materials = category_materials(building.categories, database)
    areas = building.category_areas_m2()
    order = np.argsort(-areas, kind="stable")
    return [(building.categories[i], materials[i], float(areas[i])) for i in order]


def describe(
    path: str | Path,
    names: Sequence[str],
    database: str | Path | None = None,
    mesh: str = "semantic",
) -> Iterator[str]:
    """One section of Markdown per building: its regions, and its surfaces by category.

    Parameters
    ----------
    path : path
        Folder with one folder per building.
    names : sequence of str
        Buildings.
    database, mesh
        As of the provider.

    Raises
    ------
    UserError
        A file is missing or broken.
    """
    for name in names:
        building = load_building(Path(path) / name, mesh)
        lines = [f"## {name}", "", *_regions(building), "", *_surfaces(building, database), ""]
        yield "\n".join(lines)


def _regions(building: Building) -> Iterator[str]:
    yield "| region | level | category | height (m) | walkable (m2) | rays kept | use |"
    yield "|--:|--:|---|--:|--:|--:|---|"
    for each in building.regions:
        region = each.region
        kept = "" if each.excluded else f"{building.rays_kept(each):.2f}"
        yield (
            f"| {region.index} | {region.level} | {region.category} | {region.height_m:.2f} | "
            f"{each.walkable_m2:.1f} | {kept} | {each.excluded or 'room'} |"
        )


def _surfaces(building: Building, database: str | Path | None) -> Iterator[str]:
    at = BANDS_HZ.index(1000.0)
    yield "| category | material | absorption at 1 kHz | area (m2) | share |"
    yield "|---|---|--:|--:|--:|"
    rows = material_areas(building, database)
    total = sum(area for *_, area in rows)
    for category, material, area in rows:
        yield (
            f"| {category} | {material.name} | {material.absorption[at]:.2f} | {area:.1f} | "
            f"{area / total:.1%} |"
        )
