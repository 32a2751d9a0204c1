"""Many scenes at once: their source tracks as arrays, for whoever has to look at all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import N_BINS
from st_audioqa.scene import Scene

__all__ = ["SceneTable"]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Labels = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class SceneTable:
    """Source tracks of n scenes of one split with at most m >= 2 sources; the places of sources
    that a scene does not have are zero."""

    split: str
    scene_id: tuple[str, ...]
    configuration: tuple[str, ...]
    labels: tuple[Labels, ...]
    """Labels of every source of every scene, the naming one first."""
    moving: Bools
    """[shape=(n, m)]"""
    activity: Bools
    """[shape=(n, m, 40)]"""
    azimuth_deg: Floats
    """[shape=(n, m, 40)]"""
    elevation_deg: Floats
    """[shape=(n, m, 40)]"""
    distance_m: Floats
    """[shape=(n, m, 40)]"""
    height_m: Floats
    """[shape=(n, m, 40)] world y of the source"""
    refused: Mapping[str, str]
    """Scenes that were left out because their tracks cannot be used, and why."""

    def __len__(self) -> int:
        return len(self.scene_id)

    @property
    def n_sources(self) -> NDArray[np.int64]:
        """Sources of each scene [shape=(n,)]."""
        return np.array([len(each) for each in self.labels], dtype=np.int64)

    @staticmethod
    def of(scenes: Iterable[Scene]) -> SceneTable:
        """The table of some scenes of one split; unusable ones are named in `refused`."""
        kept, refused = [], {}
        splits = set()
        for scene in scenes:
            splits.add(scene.split)
            fault = _fault(scene)
            if fault:
                refused[scene.scene_id] = fault
            else:
                kept.append(scene)
        if len(splits) > 1:
            raise ValueError(f"scenes of one split are wanted, got {sorted(splits)}")
        width = max([2, *(len(scene.sources) for scene in kept)])
        moving = np.zeros((len(kept), width), dtype=bool)
        activity = np.zeros((len(kept), width, N_BINS), dtype=bool)
        tracks = {
            name: np.zeros((len(kept), width, N_BINS))
            for name in ("azimuth_deg", "elevation_deg", "distance_m", "height_m")
        }
        for i, scene in enumerate(kept):
            for j, source in enumerate(scene.sources):
                moving[i, j] = source.moving
                activity[i, j] = source.activity
                tracks["azimuth_deg"][i, j] = source.azimuth_deg
                tracks["elevation_deg"][i, j] = source.elevation_deg
                tracks["distance_m"][i, j] = source.distance_m
                tracks["height_m"][i, j] = source.position[:, 1]
        return SceneTable(
            splits.pop() if splits else "",
            tuple(scene.scene_id for scene in kept),
            tuple(scene.configuration for scene in kept),
            tuple(tuple(source.event.labels for source in scene.sources) for scene in kept),
            moving,
            activity,
            **tracks,
            refused=refused,
        )


def _fault(scene: Scene) -> str:
    """What is wrong with the tracks of a scene; empty where nothing is."""
    if len(scene.sources) != len(scene.configuration):
        return f"{scene.configuration} wants {len(scene.configuration)} sources, it has " + str(
            len(scene.sources)
        )
    for source in scene.sources:
        tracks = {
            "azimuth_deg": source.azimuth_deg,
            "elevation_deg": source.elevation_deg,
            "distance_m": source.distance_m,
            "position": source.position,
        }
        for name, track in {**tracks, "activity": source.activity}.items():
            if len(track) != N_BINS:
                return f"{name} of source {source.index} has {len(track)} bins, not {N_BINS}"
        for name, track in tracks.items():
            if not np.isfinite(track).all():
                return f"{name} of source {source.index} is not finite"
        if not source.event.labels:
            return f"source {source.index} has no label"
    return ""
