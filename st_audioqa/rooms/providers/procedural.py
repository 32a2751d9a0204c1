"""Shoebox and L-shaped rooms with furniture; needs nothing installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from st_audioqa.errors import UserError
from st_audioqa.rooms.geometry import box_mesh, outline_mesh, points_in_outline
from st_audioqa.rooms.materials import material, materials_for, reverberation_s
from st_audioqa.scene import Material, Room, RoomInfo

__all__ = ["SHAPES", "Provider"]

Floats = NDArray[np.floating]

SHAPES = ("shoebox", "l_shaped")

_SIDE_M = (4.0, 12.0)
_HEIGHT_M = (2.5, 4.5)
_SURFACE_DRAWS = 60
_GAP_M = 0.35
"""Free space kept between two pieces of furniture."""
_LIFT_M = 0.01
"""Furniture stands this far above the floor, so that no two surfaces coincide."""


Pieces = Annotated[int, Field(ge=0, le=50)]


class _Options(BaseModel):
    """What a recipe may say of the rooms."""

    model_config = ConfigDict(frozen=True, strict=True)

    shapes: tuple[Literal["shoebox", "l_shaped"], ...] = Field(min_length=1)
    furniture: tuple[Pieces, Pieces]
    max_t60_s: float = Field(gt=0.1)

    @model_validator(mode="after")
    def _in_order(self) -> _Options:
        if self.furniture[0] > self.furniture[1]:
            raise ValueError("fewest is more than most")
        return self


@dataclass(frozen=True)
class _Kind:
    """A kind of furniture: ranges of length, depth and height in metres."""

    name: str
    length_m: tuple[float, float]
    depth_m: tuple[float, float]
    height_m: tuple[float, float]
    at_wall: bool


_KINDS = (
    _Kind("table", (0.8, 1.8), (0.6, 0.9), (0.70, 0.80), at_wall=False),
    _Kind("cabinet", (0.6, 1.6), (0.40, 0.65), (0.8, 2.1), at_wall=True),
    _Kind("sofa", (1.4, 2.2), (0.80, 1.00), (0.65, 0.95), at_wall=True),
    _Kind("shelf", (0.6, 2.0), (0.28, 0.45), (1.4, 2.2), at_wall=True),
)


class Provider:
    """Draws rooms.

    Parameters
    ----------
    shapes : sequence of str
        Outlines to choose from: "shoebox", "l_shaped".
    furniture : (int, int)
        Fewest and most pieces per room.
    max_t60_s : float
        Materials are drawn again while the empty room would ring longer than this in any
        octave band from 250 Hz to 4 kHz; impulse responses of a second then lose little.

    Raises
    ------
    UserError
        Unknown shape, or a range that holds nothing.
    """

    name = "procedural"

    def __init__(
        self,
        *,
        shapes: Sequence[str] = SHAPES,
        furniture: tuple[int, int] = (2, 6),
        max_t60_s: float = 1.2,
    ) -> None:
        try:
            given = {
                "shapes": tuple(shapes),
                "furniture": tuple(furniture),
                "max_t60_s": float(max_t60_s),
            }
            checked = _Options.model_validate(given)
        except (TypeError, ValueError) as error:
            raise UserError(
                "rooms.options of the procedural provider take shapes, a list of "
                f"{' and '.join(SHAPES)}, furniture, [fewest, most] pieces, and max_t60_s; got "
                f"shapes={shapes!r}, furniture={furniture!r}, max_t60_s={max_t60_s!r}."
            ) from error
        self._shapes = checked.shapes
        self._furniture = checked.furniture
        self._max_t60_s = checked.max_t60_s
        bare = set(self._shapes) == {"shoebox"} and self._furniture[1] == 0
        self.makes = frozenset({"shoebox"} if bare else {"mesh"})

    def draw(self, rng: np.random.Generator, name: str, split: str = "") -> RoomInfo:
        """A room called `name`, whatever the split."""
        shape = self._shapes[rng.integers(len(self._shapes))]
        width, depth = rng.uniform(*_SIDE_M, size=2).round(2)
        height = round(rng.uniform(*_HEIGHT_M), 2)
        outline = _outline(rng, shape, width, depth)
        count = int(rng.integers(self._furniture[0], self._furniture[1] + 1))
        parameters: dict[str, Any] = {
            "outline": outline.tolist(),
            "height_m": height,
            **_surfaces(rng, outline, height, self._max_t60_s),
            "furniture": _furnish(rng, outline, height, count),
        }
        return RoomInfo(self.name, name, shape, parameters)

    def build(self, info: RoomInfo) -> Room:
        """The geometry and surfaces of a drawn room."""
        stored = info.parameters
        outline = np.asarray(stored["outline"], dtype=np.float64)
        vertices, faces, surface = outline_mesh(outline, stored["height_m"])
        names = [stored["floor"], stored["ceiling"], *stored["walls"]]
        meshes, parts, material_ids = [vertices], [faces], [surface]
        offset = len(vertices)
        for piece in stored["furniture"]:
            box_vertices, box_faces = box_mesh(piece["lower"], piece["upper"])
            meshes.append(box_vertices)
            parts.append(box_faces + offset)
            material_ids.append(np.full(len(box_faces), len(names)))
            names.append(piece["material"])
            offset += len(box_vertices)
        boxes = [[piece["lower"], piece["upper"]] for piece in stored["furniture"]]
        empty = not boxes and info.category == "shoebox"
        return Room(
            info=info,
            shape="shoebox" if empty else "mesh",
            vertices=np.concatenate(meshes),
            faces=np.concatenate(parts),
            face_material=np.concatenate(material_ids),
            materials=tuple(material(each) for each in names),
            floor=outline,
            height_m=stored["height_m"],
            obstacles=np.asarray(boxes, dtype=np.float64).reshape(-1, 2, 3),
        )


def _outline(rng: np.random.Generator, shape: str, width: float, depth: float) -> Floats:
    """Corners (x, z) of the floor; an L is a rectangle without one of its corners."""
    if shape == "shoebox":
        return np.array([[0, 0], [width, 0], [width, depth], [0, depth]], dtype=np.float64)
    cut = rng.uniform(0.3, 0.5, size=2) * (width, depth)
    x, z = (np.array([width, depth]) - cut).round(2)
    corners = np.array([[0, 0], [width, 0], [width, z], [x, z], [x, depth], [0, depth]])
    if rng.random() < 0.5:
        corners[:, 0] = width - corners[:, 0]
    if rng.random() < 0.5:
        corners[:, 1] = depth - corners[:, 1]
    return corners.round(2)


def _choose(rng: np.random.Generator, surface: str) -> Material:
    fitting = materials_for(surface)
    return fitting[rng.integers(len(fitting))]


def _surfaces(
    rng: np.random.Generator, outline: Floats, height_m: float, max_t60_s: float
) -> dict[str, Any]:
    """Materials of floor, ceiling and walls, drawn again while the room rings for too long.

    Walls are mostly of one material all round, with some of their own.
    """
    corners = np.roll(outline, -1, axis=0)
    floor_m2 = abs((outline[:, 0] * corners[:, 1] - corners[:, 0] * outline[:, 1]).sum()) / 2
    walls_m2 = np.linalg.norm(corners - outline, axis=1) * height_m
    areas = np.concatenate([[floor_m2, floor_m2], walls_m2])
    drawn: list[tuple[float, list[Material]]] = []
    for _ in range(_SURFACE_DRAWS):
        common = _choose(rng, "wall")
        walls = [_choose(rng, "wall") if rng.random() < 0.3 else common for _ in walls_m2]
        surfaces = [_choose(rng, "floor"), _choose(rng, "ceiling"), *walls]
        t60 = float(reverberation_s(floor_m2 * height_m, areas, surfaces)[1:-1].max())
        drawn.append((t60, surfaces))
        if t60 <= max_t60_s:
            break
    else:
        drawn.sort(key=lambda each: each[0], reverse=True)
    floor, ceiling, *around = (each.name for each in drawn[-1][1])
    return {"floor": floor, "ceiling": ceiling, "walls": around}


def _furnish(
    rng: np.random.Generator, outline: Floats, height_m: float, count: int
) -> list[dict[str, Any]]:
    """Pieces that stand on the floor, apart from each other; fewer than asked if it is full."""
    pieces: list[dict[str, Any]] = []
    low, high = outline.min(axis=0), outline.max(axis=0)
    for _ in range(40 * count):
        if len(pieces) == count:
            break
        kind = _KINDS[rng.integers(len(_KINDS))]
        size = np.array([rng.uniform(*kind.length_m), rng.uniform(*kind.depth_m)]).round(2)
        if rng.random() < 0.5:
            size = size[::-1]
        corner = rng.uniform(low, np.maximum(high - size, low))
        if kind.at_wall:
            axis = int(np.argmin(size))
            corner[axis] = (low[axis] + 0.05, high[axis] - size[axis] - 0.05)[rng.integers(2)]
        top = min(float(rng.uniform(*kind.height_m)), height_m - 0.3)
        lower = [float(corner[0]), _LIFT_M, float(corner[1])]
        upper = [float(corner[0] + size[0]), top, float(corner[1] + size[1])]
        if _stands_free(lower, upper, outline, pieces):
            pieces.append(
                {
                    "kind": kind.name,
                    "lower": [round(value, 3) for value in lower],
                    "upper": [round(value, 3) for value in upper],
                    "material": _choose(rng, kind.name).name,
                }
            )
    return pieces


def _stands_free(
    lower: list[float], upper: list[float], outline: Floats, pieces: list[dict[str, Any]]
) -> bool:
    """Whether a box lies inside the room (2 cm from walls) and clear of the other pieces."""
    low, high = np.array([lower[0], lower[2]]) - 0.02, np.array([upper[0], upper[2]]) + 0.02
    corners = np.array([[x, z] for x in (low[0], high[0]) for z in (low[1], high[1])])
    notched = ((outline > low) & (outline < high)).all(axis=1).any()
    if notched or not points_in_outline(corners, outline).all():
        return False
    for piece in pieces:
        overlap = [
            lower[axis] - _GAP_M < piece["upper"][axis]
            and piece["lower"][axis] - _GAP_M < upper[axis]
            for axis in (0, 2)
        ]
        if all(overlap):
            return False
    return True
