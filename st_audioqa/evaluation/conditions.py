"""The conditions under which a question is asked: what results are broken down by.

Conventions
-----------
A condition has a level, a short text; a question without one (no second source, room not
known) is left out of that condition. What a source does is taken over the bins of the question's
anchor in which it sounds (over all of these bins where it sounds in none), and over the whole
scene where there is no anchor. The sources are those that the question is about (its
`targets`), or all of the scene where it names none.

============== ==============================================================================
configuration  as stored: one letter per source
anchor         beginning, middle, end, or whole scene
distance       mean distance of the sources, in metres
reverberation  T60 of the room, in seconds (see `st_audioqa.pipeline.reverberation`)
speed          of the fastest of the sources along its path, in m/s; "still" where none moves
separation     mean angle on the sphere between the first two sources that are asked about or,
               where it is one, between it and the other one that is nearest in direction
============== ==============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    ANCHORS,
    CONFIGURATIONS,
    N_BINS,
    angular_distance_deg,
    unit_vectors,
)
from st_audioqa.scene import Question, Scene, SourceTrack

__all__ = ["FACTORS", "Conditions", "Factor"]

Floats = NDArray[np.floating]

STILL = "still"
WHOLE = "whole scene"


@dataclass(frozen=True)
class Factor:
    """Something that results are broken down by."""

    name: str
    title: str
    edges: tuple[float, ...] = ()
    unit: str = ""
    names: tuple[str, ...] = ()
    """Levels that have names, in front of those between edges."""

    def level(self, value: float) -> str:
        """The level of a number; a level holds its lower edge."""
        return self.levels[len(self.names) + int(np.searchsorted(self.edges, value, "right"))]

    @property
    def levels(self) -> tuple[str, ...]:
        """All levels in order."""
        if not self.edges:
            return self.names
        pairs = zip(self.edges, self.edges[1:], strict=False)
        return (
            *self.names,
            f"< {self.edges[0]:g} {self.unit}",
            *(f"{low:g}-{high:g} {self.unit}" for low, high in pairs),
            f">= {self.edges[-1]:g} {self.unit}",
        )


FACTORS: Mapping[str, Factor] = {
    factor.name: factor
    for factor in (
        Factor("configuration", "configuration", names=CONFIGURATIONS),
        Factor("anchor", "anchor", names=(*ANCHORS, WHOLE)),
        Factor("distance", "distance of the sources", (1.0, 2.0, 3.0, 4.0, 5.0), "m"),
        Factor("reverberation", "reverberation time T60", (0.3, 0.6, 0.9), "s"),
        Factor("speed", "speed of the fastest source", (0.25, 0.5, 1.0), "m/s", (STILL,)),
        Factor("separation", "angle between two sources", (30.0, 60.0, 90.0, 135.0), "deg"),
    )
}
"""In the order of reports."""


class Conditions:
    """Finds the conditions of questions.

    Parameters
    ----------
    scenes : mapping of str to Scene
        scene_id -> scene; empty where the scenes are not at hand. What needs them is then left
        out.
    t60_s : mapping of str to float
        scene_id -> reverberation time of its room, where it is known.
    """

    def __init__(
        self,
        scenes: Mapping[str, Scene] | None = None,
        t60_s: Mapping[str, float] | None = None,
    ) -> None:
        self._scenes = scenes or {}
        self._t60_s = t60_s or {}
        self._known: dict[tuple[str, str, tuple[int, ...]], dict[str, str]] = {}
        self._angles: dict[tuple[str, int, int], Floats] = {}

    def of(self, question: Question) -> dict[str, str]:
        """Name of a factor -> level."""
        levels = {
            "configuration": str(question.configuration),
            "anchor": question.anchor or WHOLE,
        }
        if question.scene_id in self._t60_s:
            t60_s = self._t60_s[question.scene_id]
            levels["reverberation"] = FACTORS["reverberation"].level(t60_s)
        scene = self._scenes.get(question.scene_id)
        if scene is None:
            return levels
        key = (question.scene_id, question.anchor, question.targets)
        if key not in self._known:
            self._known[key] = _of_sources(scene, question, self._angles)
        return levels | self._known[key]


_ANY = np.ones(N_BINS, dtype=bool)
_BINS = {name: np.isin(np.arange(N_BINS), bins) for name, bins in ANCHORS.items()}


def _of_sources(
    scene: Scene, question: Question, angles: dict[tuple[str, int, int], Floats]
) -> dict[str, str]:
    bins = _BINS.get(question.anchor, _ANY)
    asked = [scene.sources[i] for i in question.targets if 0 <= i < len(scene.sources)]
    sources = asked or list(scene.sources)
    means = [float(s.distance_m[_heard(bins, s.activity)].mean()) for s in sources]
    levels = {"distance": FACTORS["distance"].level(sum(means) / len(means))}
    speeds = [float(s.motion.get("speed_m_s") or 0.0) for s in sources if s.moving]
    if not any(source.moving for source in sources):
        levels["speed"] = STILL
    elif max(speeds) > 0.0:
        levels["speed"] = FACTORS["speed"].level(max(speeds))
    rest = [source for source in scene.sources if source is not sources[0]]
    separations = []
    for other in sources[1:2] if len(sources) > 1 else rest:
        key = (scene.scene_id, sources[0].index, other.index)
        if key not in angles:
            angles[key] = _angles_deg(sources[0], other)
        both = _heard(bins, sources[0].activity & other.activity)
        separations.append(float(angles[key][both].mean()))
    if separations:
        levels["separation"] = FACTORS["separation"].level(min(separations))
    return levels


def _heard(bins: NDArray[np.bool_], activity: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = bins & activity
    return found if found.any() else bins


def _angles_deg(first: SourceTrack, second: SourceTrack) -> Floats:
    one, other = (unit_vectors(s.azimuth_deg, s.elevation_deg) for s in (first, second))
    return angular_distance_deg(one, other)
