"""A small database of surface materials with published absorption and scattering.

The values stand in `materials.csv`: random-incidence energy absorption coefficients and
scattering coefficients in octave bands, with the source of each row named in the file.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Sequence
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import BANDS_HZ, SPEED_OF_SOUND_M_S
from st_audioqa.errors import unknown_name
from st_audioqa.scene import Material

__all__ = [
    "choose_material",
    "material",
    "material_names",
    "materials_for",
    "reverberation_s",
]


@functools.cache
def _table() -> dict[str, tuple[Material, tuple[str, ...]]]:
    text = resources.files("st_audioqa.rooms").joinpath("materials.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    table = {}
    for row in rows:
        absorption = tuple(float(row[f"a{band:.0f}"]) for band in BANDS_HZ)
        scattering = tuple(float(row[f"s{band:.0f}"]) for band in BANDS_HZ)
        found = Material(row["name"], absorption, scattering)
        table[row["name"]] = (found, tuple(row["surfaces"].split("|")))
    return table


def material_names() -> list[str]:
    """Names of all materials."""
    return list(_table())


def material(name: str) -> Material:
    """The material of that name."""
    if name not in _table():
        raise unknown_name("material", name, _table())
    return _table()[name][0]


def reverberation_s(
    volume_m3: float, areas_m2: ArrayLike, materials: Sequence[Material]
) -> NDArray[np.float64]:
    """Reverberation time T60 of an empty room in every band, without air absorption.

    Eyring (1930): T = 24 ln(10) V / (c S (-ln(1 - a))) with the area-weighted mean absorption a.

    Parameters
    ----------
    volume_m3 : float
    areas_m2 : array [shape=(n,)]
        Area of each surface.
    materials : sequence of Material
        Of each surface.

    Returns
    -------
    ndarray [shape=(n_bands,)] seconds
    """
    areas = np.asarray(areas_m2, dtype=np.float64)
    absorption = areas @ np.array([each.absorption for each in materials]) / areas.sum()
    return (
        24
        * np.log(10)
        * volume_m3
        / (SPEED_OF_SOUND_M_S * areas.sum() * -np.log1p(-absorption))
    )


def materials_for(surface: str) -> list[Material]:
    """Materials that fit a surface: wall, floor, ceiling, cabinet, table, sofa or shelf."""
    return [found for found, surfaces in _table().values() if surface in surfaces]


def choose_material(rng: np.random.Generator, surface: str) -> Material:
    """One of the materials that fit a surface, each as likely as the others."""
    fitting = materials_for(surface)
    return fitting[rng.integers(len(fitting))]
