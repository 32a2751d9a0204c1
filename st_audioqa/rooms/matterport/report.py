"""What of a building is used and what it is made of, as rows of tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from st_audioqa.conventions import BANDS_HZ
from st_audioqa.rooms.matterport.building import Building
from st_audioqa.rooms.matterport.surfaces import category_materials

__all__ = ["region_rows", "surface_rows"]


def region_rows(building: Building, least_kept: float = 0.0) -> list[dict[str, Any]]:
    """One row per region: what it is, and why it is not used if it is not.

    Parameters
    ----------
    building : Building
    least_kept : float
        Share of its rays that a room has to keep, else it is leaky.
    """
    rows = []
    for each in building.regions:
        region = each.region
        kept = 1.0 if each.excluded else building.rays_kept(each)
        rows.append(
            {
                "building": building.name,
                "region": region.index,
                "level": region.level,
                "category": region.category,
                "height (m)": f"{region.height_m:.2f}",
                "walkable (m2)": f"{each.walkable_m2:.1f}",
                "rays kept": "" if each.excluded else f"{kept:.2f}",
                "use": each.excluded or ("room" if kept >= least_kept else "leaky"),
            }
        )
    return rows


def surface_rows(
    building: Building, database: str | Path | None = None
) -> list[dict[str, Any]]:
    """One row per category: its material and its area, the largest first.

    Parameters
    ----------
    building : Building
    database : path, optional
        SoundSpaces' `mp3d_material_config.json`; our own table where not given.
    """
    materials = category_materials(building.categories, database)
    areas = building.category_areas_m2()
    at = BANDS_HZ.index(1000.0)
    return [
        {
            "building": building.name,
            "category": building.categories[i],
            "material": materials[i].name,
            "absorption at 1 kHz": f"{materials[i].absorption[at]:.2f}",
            "area (m2)": f"{areas[i]:.1f}",
            "share": f"{areas[i] / areas.sum():.1%}",
        }
        for i in np.argsort(-areas, kind="stable")
    ]
