"""What an engine of room impulse responses (RIRs) is, and what every engine checks first.

Level
    No engine normalises anything: the direct sound has the gain 1 / r, so that level is a cue to
    distance.
Time
    Sample 0 is the emission, so the direct sound comes after r / 344 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import BANDS_HZ
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.registry import Registry
from st_audioqa.renderers.acoustics import face_areas
from st_audioqa.rooms.geometry import LARGEST_M
from st_audioqa.rooms.space import keeps_clear
from st_audioqa.scene import Room

__all__ = ["ENGINES", "EngineError", "RIREngine", "checked_query", "find_preset"]

Floats = NDArray[np.floating]
T = TypeVar("T")

CLEARANCE_M = 0.01
"""Nothing that sends or hears may be closer to a surface."""

EXTENT_M = (1.0, LARGEST_M)
"""Least and greatest longest side of a room: others come from vertices in other units."""


class RIREngine(Protocol):
    """Something that turns a room, a listener and source positions into impulse responses.

    Its constructor takes one argument, `preset`: "fast", "default" or "reference".
    """

    name: str
    version: str
    preset: str
    shapes: frozenset[str]
    """Room shapes it renders: `{"shoebox"}` or `{"shoebox", "mesh"}`."""
    # An engine of compiled code that may hang or crash also says `native = True`: the pipeline
    # then runs it in a process of its own (`isolation`).

    def rirs(
        self,
        room: Room,
        listener_position: ArrayLike,
        source_positions: ArrayLike,
        *,
        seed: int,
    ) -> NDArray[np.float32]:
        """Impulse responses from every source position to a listener at yaw 0.

        Parameters
        ----------
        room : Room
        listener_position : array [shape=(3,)]
            World axes, metres.
        source_positions : array [shape=(n_positions, 3)]
            In the order of the trajectory: an engine may use what consecutive positions share.
        seed : int
            Of whatever the engine draws at random.

        Returns
        -------
        ndarray [shape=(n_positions, 4, n)]
            AmbiX (W, Y, Z, X; SN3D), 32 kHz, front -z, left -x, up +y. The length is the
            engine's own.

        Raises
        ------
        UserError
            If the room or a position is not what the engine can render.
        RejectedDraw
            If the room or a position gives no usable impulse response.
        """
        ...


ENGINES = Registry("RIR engine", "st_audioqa.renderers.engines", "Engine", "st_audioqa.engines")


class EngineError(RuntimeError):
    """An engine failed in a way that no input explains."""


def find_preset(engine: str, presets: Mapping[str, T], name: str) -> T:
    """The preset of that name; near names are suggested where there is none."""
    if name not in presets:
        raise unknown_name(f"preset of the {engine} engine", name, presets)
    return presets[name]


def checked_query(
    engine: RIREngine, room: Room, listener_position: ArrayLike, source_positions: ArrayLike
) -> tuple[Floats, Floats]:
    """Listener and source positions as arrays, once all is known to be renderable.

    Returns
    -------
    listener : ndarray [shape=(3,)]
    sources : ndarray [shape=(n_positions, 3)]

    Raises
    ------
    UserError
        If the engine does not render rooms of this shape, the mesh or its materials are
        malformed, or a position is malformed, not finite or less than 1 cm inside the room.
    """
    if room.shape not in engine.shapes:
        raise UserError(
            f"The {engine.name} engine renders {' and '.join(sorted(engine.shapes))} rooms and "
            f"{room.info.name!r} is a {room.shape}: choose another engine or room provider."
        )
    _check_mesh(room)
    listener = np.asarray(listener_position, dtype=np.float64)
    sources = np.asarray(source_positions, dtype=np.float64)
    if listener.shape != (3,):
        raise UserError(f"A listener position has shape (3,), not {listener.shape}.")
    if sources.ndim != 2 or sources.shape[1] != 3 or len(sources) == 0:
        raise UserError(f"Source positions have shape (n >= 1, 3), not {sources.shape}.")
    _check_inside(room, listener[None], "listener position")
    _check_inside(room, sources, "source position")
    return listener, sources


def _check_mesh(room: Room) -> None:
    name = room.info.name
    if room.vertices.ndim != 2 or room.vertices.shape[1] != 3 or len(room.vertices) == 0:
        raise UserError(
            f"Vertices of {name!r} have shape {room.vertices.shape}, not (n >= 1, 3)."
        )
    if not np.isfinite(room.vertices).all():
        raise UserError(f"The mesh of {name!r} has a vertex that is not finite: mend it.")
    if room.faces.ndim != 2 or room.faces.shape[1] != 3 or len(room.faces) == 0:
        raise UserError(f"Faces of {name!r} have shape {room.faces.shape}, not (n >= 1, 3).")
    low, high = EXTENT_M
    if not low <= np.ptp(room.vertices, axis=0).max() <= high:
        raise UserError(
            f"{name!r} measures {' x '.join(f'{m:.3g}' for m in np.ptp(room.vertices, axis=0))} "
            f"and its longest side has to be {low:g} to {high:g} m: give its vertices in metres."
        )
    if not all(np.issubdtype(x.dtype, np.integer) for x in (room.faces, room.face_material)):
        raise UserError(f"Faces and their materials of {name!r} have to be whole numbers.")
    if room.faces.min() < 0 or room.faces.max() >= len(room.vertices):
        raise UserError(f"A face of {name!r} points at a vertex that is not there: mend it.")
    if room.face_material.shape != (len(room.faces),):
        raise UserError(f"{name!r} needs one material index for each of its faces.")
    if room.face_material.min() < 0 or room.face_material.max() >= len(room.materials):
        raise UserError(f"A face of {name!r} points at a material that is not there: mend it.")
    if not face_areas(room).any():
        raise UserError(f"All faces of {name!r} have no area: its mesh is not a room.")
    for material in room.materials:
        values = np.array([material.absorption, material.scattering])
        if values.shape != (2, len(BANDS_HZ)) or not ((values >= 0) & (values <= 1)).all():
            raise UserError(
                f"Material {material.name!r} of {name!r} needs {len(BANDS_HZ)} absorption and "
                "scattering values from 0 to 1."
            )


def _check_inside(room: Room, points: Floats, what: str) -> None:
    if not np.isfinite(points).all():
        raise UserError(f"A {what} in {room.info.name!r} is not finite: {points.tolist()}.")
    inside = keeps_clear(
        room,
        points,
        walls_m=CLEARANCE_M,
        furniture_m=CLEARANCE_M,
        floor_m=CLEARANCE_M,
        ceiling_m=CLEARANCE_M,
    )
    if not inside.all():
        where = points[np.argmin(inside)].round(3).tolist()
        raise UserError(
            f"A {what} has to lie {CLEARANCE_M} m or more inside {room.info.name!r} and away "
            f"from its furniture, and {where} does not."
        )
