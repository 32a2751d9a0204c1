"""Which material each category of a building gets, and how much of it there is.

Two tables can be used. Ours, `categories.csv`, names a material of `rooms/materials.csv` for each
of Matterport3D's 40 categories. The other is the file that SoundSpaces 2.0 renders with,
`mp3d_material_config.json`: it is not ours to pass on (CC BY-NC 4.0) and is read from where the
user has it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from st_audioqa.conventions import BANDS_HZ
from st_audioqa.errors import UserError
from st_audioqa.rooms.materials import material
from st_audioqa.scene import Material

__all__ = ["NO_CATEGORY", "category_materials"]

NO_CATEGORY = "unlabeled"
"""Category of a face that belongs to no object."""

Rule = Callable[[str], Material]


def category_materials(
    categories: Sequence[str], database: str | Path | None = None
) -> tuple[Material, ...]:
    """The material of each category.

    Parameters
    ----------
    categories : sequence of str
        mpcat40 names. One that our table does not know is treated as unlabeled.
    database : path, optional
        SoundSpaces' `mp3d_material_config.json`; ours where not given.

    Raises
    ------
    UserError
        The database is missing, malformed or without a default material.
    """
    rule = _our_rule() if database is None else _soundspaces_rule(Path(database))
    return tuple(rule(category) for category in categories)


def _our_rule() -> Rule:
    folder = resources.files("st_audioqa.rooms.matterport")
    text = folder.joinpath("categories.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    table = {row["category"]: row["material"] for row in rows}
    return lambda category: material(table.get(category, table[NO_CATEGORY]))


def _soundspaces_rule(path: Path) -> Rule:
    """The material most of whose labels occur in the lower-case category.

    A label that is listed twice counts twice, the first of equals is taken, and "Default" where
    no label occurs: the rule in the header of RLRAudioPropagation.
    """
    entries = _entries(path)
    found = [(_material(path, entry), _labels(path, entry)) for entry in entries]
    default = [each for each, _ in found if each.name == "Default"]
    if not default:
        raise _broken(path, "no material named 'Default'")

    def rule(category: str) -> Material:
        votes = [sum(label in category.lower() for label in labels) for _, labels in found]
        return found[int(np.argmax(votes))][0] if max(votes) else default[0]

    return rule


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}, the materials database, cannot be read ({error.strerror}): give the path "
            "of mp3d_material_config.json, or leave rooms.options.materials out."
        ) from error
    except ValueError as error:
        raise _broken(path, f"no JSON ({error})") from error
    entries = content.get("materials") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise _broken(path, "no list of 'materials'")
    return entries


def _labels(path: Path, entry: dict[str, Any]) -> list[str]:
    labels = entry.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(each, str) for each in labels):
        raise _broken(path, f"labels of {entry.get('name')!r} that are no list of names")
    return [label.lower() for label in labels if label]


def _material(path: Path, entry: dict[str, Any]) -> Material:
    name = entry.get("name")
    if not isinstance(name, str):
        raise _broken(path, "a material without a name")
    absorption, scattering = (
        _bands(path, name, entry.get(curve)) for curve in ("absorption", "scattering")
    )
    return Material(name, absorption, scattering)


def _bands(path: Path, name: str, curve: Any) -> tuple[float, ...]:
    """A curve [frequency, value, ...] at our bands: straight over log frequency, flat outside."""
    try:
        points = np.array(curve, dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise _broken(
            path, f"a curve of {name!r} that is no [frequency, value, ...]"
        ) from error
    frequency, value = points[:, 0], points[:, 1]
    rising = len(points) > 0 and (frequency > 0).all() and (np.diff(frequency) > 0).all()
    if not rising or not ((value >= 0) & (value <= 1)).all():
        raise _broken(path, f"a curve of {name!r} with values out of order or outside 0 to 1")
    found = np.interp(np.log(BANDS_HZ), np.log(frequency), value)
    return tuple(float(each) for each in found)


def _broken(path: Path, what: str) -> UserError:
    return UserError(
        f"{path} has {what}: give SoundSpaces' mp3d_material_config.json, or leave "
        "rooms.options.materials out."
    )
