"""Shoebox and L-shaped rooms and flats, with furniture; needs nothing installed."""

from __future__ import annotations

from collections.abc import Sequence
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
from st_audioqa.rooms.flats import Doorway, Rectangle, door_zones, draw_flat, flat_mesh
from st_audioqa.rooms.furniture import furnish
from st_audioqa.rooms.geometry import box_mesh, outline_mesh
from st_audioqa.rooms.materials import choose_material, material, reverberation_s
from st_audioqa.scene import Material, Room, RoomInfo

__all__ = ["SHAPES", "Provider"]

Floats = NDArray[np.floating]

SHAPES = ("shoebox", "l_shaped", "flat")

_SIDE_M = (4.0, 12.0)
_HEIGHT_M = (2.5, 4.5)
_FLAT_HEIGHT_M = (2.4, 3.2)
_SURFACE_DRAWS = 60
_DOOR_FRAME = "wooden door"


Pieces = Annotated[int, Field(ge=0, le=50)]


class _Options(BaseModel):
    """What a recipe may say of the rooms."""

    model_config = ConfigDict(frozen=True, strict=True)

    shapes: tuple[Literal["shoebox", "l_shaped", "flat"], ...] = Field(min_length=1)
    furniture: tuple[Pieces, Pieces]
    max_t60_s: float = Field(gt=0.1)

    @model_validator(mode="after")
    def _in_order(self) -> _Options:
        if self.furniture[0] > self.furniture[1]:
            raise ValueError("fewest is more than most")
        return self


class Provider:
    """Draws rooms.

    Parameters
    ----------
    shapes : sequence of str
        What to choose from: "shoebox", "l_shaped", "flat". A flat has three to five rooms joined
        by open doorways; listener and sources are in one of them.
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
        shapes: Sequence[str] = SHAPES[:2],
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
                f"{', '.join(SHAPES)}, furniture, [fewest, most] pieces, and max_t60_s; got "
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
        if shape == "flat":
            return RoomInfo(self.name, name, shape, self._draw_flat(rng))
        width, depth = rng.uniform(*_SIDE_M, size=2).round(2)
        height = round(rng.uniform(*_HEIGHT_M), 2)
        outline = _outline(rng, shape, width, depth)
        count = int(rng.integers(self._furniture[0], self._furniture[1] + 1))
        parameters: dict[str, Any] = {
            "outline": outline.tolist(),
            "height_m": height,
            **_surfaces(rng, outline, height, self._max_t60_s),
            "furniture": furnish(rng, outline, height, count),
        }
        return RoomInfo(self.name, name, shape, parameters)

    def _draw_flat(self, rng: np.random.Generator) -> dict[str, Any]:
        """Parameters of a flat; `room` is the one to be in, by its area."""
        height = round(rng.uniform(*_FLAT_HEIGHT_M), 2)
        rectangles, doors = draw_flat(rng)
        rooms = []
        for i, rectangle in enumerate(rectangles):
            outline = _corners(rectangle)
            count = int(rng.integers(self._furniture[0], self._furniture[1] + 1))
            rooms.append(
                {
                    "rectangle": list(rectangle),
                    **_surfaces(rng, outline, height, self._max_t60_s),
                    "furniture": furnish(
                        rng, outline, height, count, door_zones(i, rectangles, doors)
                    ),
                }
            )
        area = np.array([(x1 - x0) * (z1 - z0) for x0, z0, x1, z1 in rectangles])
        return {
            "height_m": height,
            "rooms": rooms,
            "doors": [[*each.rooms, each.axis, *each.along] for each in doors],
            "room": int(rng.choice(len(area), p=area / area.sum())),
        }

    def build(self, info: RoomInfo) -> Room:
        """The geometry and surfaces of a drawn room."""
        if info.category == "flat":
            return _build_flat(info)
        stored = info.parameters
        outline = np.asarray(stored["outline"], dtype=np.float64)
        shell = outline_mesh(outline, stored["height_m"])
        names = [stored["floor"], stored["ceiling"], *stored["walls"]]
        empty = not stored["furniture"] and info.category == "shoebox"
        return _room(
            info, shell, names, outline, stored["furniture"], stored["furniture"], empty
        )


def _build_flat(info: RoomInfo) -> Room:
    stored = info.parameters
    rooms = stored["rooms"]
    rectangles: list[Rectangle] = [tuple(each["rectangle"]) for each in rooms]
    doors = [Doorway((i, j), axis, (a, b)) for i, j, axis, a, b in stored["doors"]]
    shell = flat_mesh(rectangles, doors, stored["height_m"])
    names = [
        name for each in rooms for name in (each["floor"], each["ceiling"], *each["walls"])
    ]
    names.append(_DOOR_FRAME)
    pieces = [piece for each in rooms for piece in each["furniture"]]
    here = stored["room"]
    outline = _corners(rectangles[here])
    return _room(info, shell, names, outline, pieces, rooms[here]["furniture"], empty=False)


def _room(
    info: RoomInfo,
    shell: tuple[Floats, NDArray[np.int64], NDArray[np.int64]],
    names: list[str],
    outline: Floats,
    furniture: list[dict[str, Any]],
    here: list[dict[str, Any]],
    empty: bool,
) -> Room:
    """A shell with the materials of its surfaces and furniture; `here` stands in the outline."""
    vertices, faces, surface = shell
    names = [*names, *(piece["material"] for piece in furniture)]
    meshes, parts, material_ids = [vertices], [faces], [surface]
    offset = len(vertices)
    for k, piece in enumerate(furniture, start=len(names) - len(furniture)):
        box_vertices, box_faces = box_mesh(piece["lower"], piece["upper"])
        meshes.append(box_vertices)
        parts.append(box_faces + offset)
        material_ids.append(np.full(len(box_faces), k))
        offset += len(box_vertices)
    boxes = [[piece["lower"], piece["upper"]] for piece in here]
    return Room(
        info=info,
        shape="shoebox" if empty else "mesh",
        vertices=np.concatenate(meshes),
        faces=np.concatenate(parts),
        face_material=np.concatenate(material_ids),
        materials=tuple(material(each) for each in names),
        floor=outline,
        height_m=info.parameters["height_m"],
        obstacles=np.asarray(boxes, dtype=np.float64).reshape(-1, 2, 3),
    )


def _corners(rectangle: Rectangle) -> Floats:
    x_low, z_low, x_high, z_high = rectangle
    return np.array([[x_low, z_low], [x_high, z_low], [x_high, z_high], [x_low, z_high]])


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
        common = choose_material(rng, "wall")
        walls = [
            choose_material(rng, "wall") if rng.random() < 0.3 else common for _ in walls_m2
        ]
        surfaces = [choose_material(rng, "floor"), choose_material(rng, "ceiling"), *walls]
        t60 = float(reverberation_s(floor_m2 * height_m, areas, surfaces)[1:-1].max())
        drawn.append((t60, surfaces))
        if t60 <= max_t60_s:
            break
    else:
        drawn.sort(key=lambda each: each[0], reverse=True)
    floor, ceiling, *around = (each.name for each in drawn[-1][1])
    return {"floor": floor, "ceiling": ceiling, "walls": around}
