"""A mesh file as a building: its materials, its floors, and whether it is closed."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import UserError
from st_audioqa.rooms.floors import FloorRegion, find_floors
from st_audioqa.rooms.materials import material
from st_audioqa.rooms.mesh_file import MeshFile, read_mesh
from st_audioqa.rooms.surfaces import Surfaces
from st_audioqa.scene import Material

__all__ = ["Building", "open_building"]

_LEAK_SPOTS, _LEAK_RAYS = 64, 1024
_EAR_M = 1.4
_LEAST_STAY = 0.95
"""Share of its rays that the RLR engine wants to keep."""


@dataclass(frozen=True, eq=False)
class Building:
    """A file, opened and checked."""

    mesh: MeshFile
    materials: tuple[Material, ...]
    part_material: NDArray[np.int64]
    part_rule: tuple[str, ...]
    """The pattern that chose the material of each part; empty where it is the default."""
    floors: tuple[FloorRegion, ...]
    leaks: tuple[float, ...]
    """Share of the rays that leave at once, from each floor."""
    most_leak: float
    """Largest share for which a floor is used."""

    @functools.cached_property
    def regions(self) -> tuple[FloorRegion, ...]:
        """Floors to draw rooms from: those that are closed in."""
        pairs = zip(self.floors, self.leaks, strict=True)
        return tuple(floor for floor, leak in pairs if leak <= self.most_leak)


@functools.lru_cache(maxsize=4)
def open_building(path: Path, sha256: str, options: str) -> Building:
    """Opens a file and checks that rooms can be drawn from it; kept, so that it is opened once.

    Parameters
    ----------
    path : Path
    sha256 : str
        Of the content, so that a file that changes is opened anew.
    options : str
        units, up, materials and default_material (see the mesh provider) as JSON.

    Raises
    ------
    UserError
        It cannot be read, has no floor with a ceiling, or leaks.
    """
    chosen = json.loads(options)
    mesh = read_mesh(path, chosen["units"], chosen["up"])
    materials, part_material, rules = _choose_materials(
        mesh, chosen["materials"], chosen["default_material"]
    )
    rays = Surfaces(mesh.vertices, mesh.faces)
    floors = find_floors(mesh.vertices, mesh.faces, rays)
    if not floors:
        raise UserError(
            f"No floor with headroom was found in the mesh {path}, whose height along "
            f"{chosen['up']} is {np.ptp(mesh.vertices[mesh.faces][..., 1]):.2f} m: if another "
            "axis points up, set rooms.options.up; see that it has a ceiling, and that "
            "rooms.options.units are those of the file."
        )
    absorption = np.array([materials[i].absorption for i in part_material])
    mean = np.average(absorption, axis=0, weights=mesh.part_area_m2)
    limit = _leak_limit(float(mean.min()))
    leaks = tuple(_leak(floor, rays) for floor in floors)
    if min(leaks) > limit:
        raise UserError(
            f"The mesh {path} leaks: {100 * min(leaks):.2g} % of the rays from its floors leave "
            f"it at once, and with its materials at most {100 * limit:.2g} % may, so that "
            f"{100 * _LEAST_STAY:.0f} % stay for all their reflections: close its holes "
            "(windows, ceiling, gaps between walls) in a mesh editor."
        )
    return Building(mesh, materials, part_material, rules, tuple(floors), leaks, limit)


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
