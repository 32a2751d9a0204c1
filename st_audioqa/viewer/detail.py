"""One scene as the page draws it: everything in listener axes, so that the page turns nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import to_listener
from st_audioqa.scene import Room, Scene, SourceTrack

__all__ = ["FindRoom", "scene_detail"]

Floats = NDArray[np.floating]
FindRoom = Callable[[Scene], Room | None]
"""The geometry of a scene's room; None where it cannot be had here."""


def scene_detail(scene: Scene, room: Room | None) -> dict[str, Any]:
    """A scene as JSON values.

    Positions are in listener axes (x front, y left, z up) in metres, angles in degrees.

    Parameters
    ----------
    scene : Scene
    room : Room, optional
        Its floor and furniture are drawn where it is given.
    """
    render = scene.render
    return {
        "scene_id": scene.scene_id,
        "split": scene.split,
        "configuration": scene.configuration,
        "room": {
            "name": scene.room.name,
            "category": scene.room.category,
            "provider": scene.room.provider,
            "floor": None if room is None else _plan(room.floor, scene),
            "furniture": [] if room is None else [_plan(b, scene) for b in _boxes(room)],
        },
        "sources": [_source(source, scene) for source in scene.sources],
        "engine": " ".join(filter(None, (render.engine, render.engine_version, render.preset))),
        "gain_db": _number(scene.gain_db),
        "seed": str(scene.seed),
    }


def _source(source: SourceTrack, scene: Scene) -> dict[str, Any]:
    event = source.event
    where = to_listener(source.position, scene.listener.position, scene.listener.yaw_deg)
    return {
        "index": source.index,
        "labels": list(event.labels),
        "moving": source.moving,
        "motion": str(source.motion.get("kind") or ""),
        "speed_m_s": _number(source.motion.get("speed_m_s")),
        "clip": " ".join(filter(None, (event.library, event.clip_id))),
        "licence": event.licence,
        "attribution": event.attribution,
        "path": _rounded(where, 3),
        "azimuth_deg": _rounded(source.azimuth_deg, 2),
        "elevation_deg": _rounded(source.elevation_deg, 2),
        "distance_m": _rounded(source.distance_m, 3),
        "activity": source.activity.tolist(),
        "line_of_sight": source.line_of_sight.tolist(),
    }


def _boxes(room: Room) -> list[Floats]:
    """Outlines of the furniture from above, each four corners (x, z)."""
    return [
        np.array([[x0, z0], [x1, z0], [x1, z1], [x0, z1]])
        for (x0, _, z0), (x1, _, z1) in room.obstacles
    ]


def _plan(outline: Floats, scene: Scene) -> list[list[float]]:
    """An outline (x, z) in world axes as (front, left) of the listener."""
    height = np.full(len(outline), scene.listener.position[1])
    points = np.column_stack([outline[:, 0], height, outline[:, 1]])
    turned = to_listener(points, scene.listener.position, scene.listener.yaw_deg)
    return _rounded(turned[:, :2], 3)


def _rounded(values: Floats, decimals: int) -> Any:
    return np.round(np.asarray(values, dtype=np.float64), decimals).tolist()


def _number(value: Any) -> float | None:
    """A finite number or nothing: JSON knows no others."""
    return (
        round(float(value), 3)
        if isinstance(value, int | float) and np.isfinite(value)
        else None
    )
