"""Reads a `.house` file: levels, regions with their outlines, objects with their categories.

The format is text, "ASCII 1.1", one thing a line (Matterport3D's data_organization.md). Of a
region the file gives the floor polygon, the height above it and a one-letter label; of an object
its region and its category in the dataset's own set of 40 (mpcat40).
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import UserError
from st_audioqa.rooms.matterport.axes import to_y_up

__all__ = ["REGION_CATEGORIES", "House", "Region", "read_house"]

Floats = NDArray[np.floating]

REGION_CATEGORIES = {
    "a": "bathroom",
    "b": "bedroom",
    "c": "closet",
    "d": "dining room",
    "e": "entryway",
    "f": "family room",
    "g": "garage",
    "h": "hallway",
    "i": "library",
    "j": "laundry room",
    "k": "kitchen",
    "l": "living room",
    "m": "meeting room",
    "n": "lounge",
    "o": "office",
    "p": "porch",
    "r": "games room",
    "s": "stairs",
    "t": "toilet",
    "u": "utility room",
    "v": "tv room",
    "w": "gym",
    "x": "outdoors",
    "y": "balcony",
    "z": "other room",
    "B": "bar",
    "C": "classroom",
    "D": "dining booth",
    "S": "spa",
    "Z": "junk",
    "-": "no label",
}
"""What the letters of region labels stand for."""

_COUNTED = {"V": 5, "S": 6, "E": 7, "O": 8, "C": 9, "R": 10, "L": 12}
"""Where the H line (after its letter) says how many lines of a kind follow."""

_REFERRED = frozenset("SOCRL")
"""Kinds that other lines name by index."""

_FLAT = 0.9
"""A surface is part of the floor if the z of its normal is at least this."""

_SAME_M = 1e-3


@dataclass(frozen=True, eq=False)
class Region:
    """A room-like part of a building, in world axes (y up)."""

    index: int
    level: int
    """-1 where the file names none."""
    label: str
    category: str
    outline: Floats
    """[shape=(n_corners, 2)] floor polygon as (x, z), without repeated or needless corners;
    no corner at all where the file has no polygon"""
    floor_y: float
    height_m: float


@dataclass(frozen=True, eq=False)
class House:
    """What a `.house` file says of a building."""

    name: str
    regions: tuple[Region, ...]
    object_categories: tuple[str, ...]
    """mpcat40 name of every object, by its index; empty where it has none."""
    object_regions: tuple[int, ...]
    """Region of every object, -1 where it has none."""
    segment_objects: dict[int, int]
    """Object of every segment id; -1 where it has none."""


@dataclass(frozen=True)
class _Line:
    """One line, with what an error message needs."""

    path: Path
    number: int
    fields: tuple[str, ...]

    def broken(self, problem: str) -> UserError:
        return UserError(
            f"{self.path}, line {self.number}: {problem}; fetch the building's files again."
        )

    def text(self, at: int) -> str:
        if at >= len(self.fields):
            raise self.broken(
                f"an {self.fields[0]} line has more than {at} fields, this one {len(self.fields)}"
            )
        return self.fields[at]

    def integer(self, at: int) -> int:
        try:
            return int(self.text(at))
        except ValueError:
            raise self.broken(
                f"field {at} is to be a whole number, not {self.text(at)!r}"
            ) from None

    def index(self, at: int, count: int, what: str) -> int:
        """A reference to one of `count` things, or -1 for none."""
        value = self.integer(at)
        if not -1 <= value < count:
            raise self.broken(f"there is no {what} {value}, the file has {count}")
        return value

    def numbers(self, at: int, count: int) -> list[float]:
        found = []
        for field in range(at, at + count):
            try:
                value = float(self.text(field))
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise self.broken(
                    f"field {field} is to be a finite number, not {self.text(field)!r}"
                )
            found.append(value)
        return found


def read_house(path: str | Path) -> House:
    """The regions and objects of a building.

    Parameters
    ----------
    path : path
        A `.house` file.

    Returns
    -------
    House
        In world axes (y up).

    Raises
    ------
    UserError
        The file is missing, is no "ASCII 1.1" house, lacks lines that its header promises, names
        things that are not there, or has no regions.
    """
    path = Path(path)
    lines = _lines(path)
    regions = lines["R"]
    if not regions:
        raise UserError(
            f"{path} has no regions, so rooms cannot be told apart: leave this building out "
            "(rooms.options.buildings), or render its mesh with another room provider."
        )
    categories = [line.text(5).replace("#", " ") for line in lines["C"]]
    objects = lines["O"]
    chosen = [line.index(3, len(categories), "category") for line in objects]
    return House(
        name=lines["H"][0].text(1),
        regions=_regions(lines),
        object_categories=tuple(categories[i] if i >= 0 else "" for i in chosen),
        object_regions=tuple(line.index(2, len(regions), "region") for line in objects),
        segment_objects={
            line.integer(3): line.index(2, len(objects), "object") for line in lines["E"]
        },
    )


def _lines(path: Path) -> dict[str, list[_Line]]:
    """Lines by their letter, as many of each as the H line says and in the order of index."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): fetch it again.") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not text: fetch the building's .house file again."
        ) from error
    first, *rest = text.splitlines() or [""]
    if first.strip() != "ASCII 1.1":
        raise UserError(
            f"{path} is to start with 'ASCII 1.1', not {first[:40]!r}: only this version of the "
            ".house format can be read."
        )
    lines: dict[str, list[_Line]] = defaultdict(list)
    for number, content in enumerate(rest, start=2):
        fields = tuple(content.split())
        if fields:
            lines[fields[0]].append(_Line(path, number, fields))
    if len(lines["H"]) != 1:
        raise UserError(f"{path} is to have one H line, not {len(lines['H'])}: fetch it again.")
    for letter, at in _COUNTED.items():
        wanted, got = lines["H"][0].integer(at), len(lines[letter])
        if wanted != got:
            raise UserError(
                f"{path} is to have {wanted} {letter} lines and has {got}: it is cut short or "
                "altered, so fetch it again."
            )
        if letter not in _REFERRED:
            continue
        for position, line in enumerate(lines[letter]):
            if line.integer(1) != position:
                raise line.broken(f"the {letter} line of index {position} is to stand here")
    return lines


def _regions(lines: dict[str, list[_Line]]) -> tuple[Region, ...]:
    corners: dict[int, list[list[float]]] = defaultdict(list)
    for line in lines["V"]:
        corners[line.index(2, len(lines["S"]), "surface")].append(line.numbers(4, 3))
    floors: dict[int, list[Floats]] = defaultdict(list)
    for position, line in enumerate(lines["S"]):
        flat = line.numbers(8, 3)[2] >= _FLAT
        if flat and corners[position]:
            polygon = to_y_up(corners[position])
            floors[line.index(2, len(lines["R"]), "region")].append(polygon)
    return tuple(_region(line, len(lines["L"]), floors) for line in lines["R"])


def _region(line: _Line, n_levels: int, floors: dict[int, list[Floats]]) -> Region:
    index, label = line.integer(1), line.text(5)
    _, _, z = line.numbers(6, 3)
    top = line.numbers(9, 6)[5]
    (height,) = line.numbers(15, 1)
    polygons = floors.get(index, [])
    polygon = max(polygons, key=lambda p: abs(_area(p[:, [0, 2]])), default=np.zeros((0, 3)))
    outline = _plain_corners(polygon[:, [0, 2]])
    return Region(
        index=index,
        level=line.index(2, n_levels, "level"),
        label=label,
        category=REGION_CATEGORIES.get(label, f"label {label}"),
        outline=outline,
        floor_y=float(polygon[:, 1].mean()) if len(polygon) else z,
        height_m=height if height > 0 else max(top - z, 0.0),
    )


def _area(outline: Floats) -> float:
    """Signed area of a polygon [shape=(n, 2)], positive from the first axis to the second."""
    after = np.roll(outline, -1, axis=0)
    return float((outline[:, 0] * after[:, 1] - after[:, 0] * outline[:, 1]).sum() / 2.0)


def _plain_corners(outline: Floats) -> Floats:
    """A polygon without corners that repeat another or lie on a straight edge."""
    points = list(outline)
    i = 0
    while len(points) >= 3 and i < len(points):
        if _sticks_out(points[i - 1], points[i], points[(i + 1) % len(points)]):
            i += 1
        else:
            del points[i]
            i = 0
    return np.array(points) if len(points) >= 3 else np.zeros((0, 2))


def _sticks_out(before: Floats, here: Floats, after: Floats) -> bool:
    first, second = here - before, after - before
    length = math.hypot(*second)
    if math.hypot(*first) < _SAME_M or length < _SAME_M:
        return False
    return abs(first[0] * second[1] - first[1] * second[0]) / length >= _SAME_M
