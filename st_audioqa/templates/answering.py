"""Answers to questions from tracks: what the rules say, of tracks that need not be true.

The answer rules decide what is clear; here something is always said, the likeliest answer that
the tracks give. On true tracks it is the right one for every question that is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    ANCHORS,
    DISTANCE_BINS,
    ELEVATION_CLASSES,
    SECTORS,
    azimuth_change_deg,
    directions,
    distance_bin,
    elevation_class,
    sector,
    unit_vectors,
    wrap_deg,
)
from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.templates.rules import CHANGES, MOTION, RELATIONS, YES_NO
from st_audioqa.templates.understanding import Query

__all__ = ["HeardSource", "answer_from_tracks"]

Floats = NDArray[np.floating]

_GUARDS = QuestionsRecipe()


@dataclass(frozen=True, eq=False)
class HeardSource:
    """A source as somebody believes it to be."""

    name: str
    """As spoken in questions."""
    movement: float
    """How likely it moves, from 0 to 1."""
    azimuth_deg: Floats
    """[shape=(40,)]"""
    elevation_deg: Floats
    """[shape=(40,)]"""
    distance_m: Floats
    """[shape=(40,)]"""

    def at(self, attribute: str, anchor: str) -> float:
        """Mean azimuth (deg), elevation (deg) or distance (m) over an anchor's window."""
        bins = list(ANCHORS[anchor])
        if attribute == "distance":
            return float(self.distance_m[bins].mean())
        units = unit_vectors(self.azimuth_deg[bins], self.elevation_deg[bins])
        azimuth, elevation, _ = directions(units.mean(axis=0))
        return float(azimuth if attribute == "azimuth" else elevation)

    def change(self, attribute: str) -> float:
        """The mean over the last second minus the mean over the first."""
        track = {
            "azimuth": azimuth_change_deg(self.azimuth_deg),
            "elevation": self.elevation_deg,
            "distance": self.distance_m,
        }[attribute]
        first, last = list(ANCHORS["beginning"]), list(ANCHORS["end"])
        return float(track[last].mean() - track[first].mean())


def answer_from_tracks(query: Query, sources: Sequence[HeardSource]) -> str | None:
    """The likeliest answer; None where there is no source to speak of, or no rule for it.

    Parameters
    ----------
    query : Query
    sources : sequence of HeardSource
        All that are heard. A name that none of them has is taken for the first one.
    """
    if query.rule == "detection":
        return "; ".join(source.name for source in sources) or None
    if query.rule == "verification":
        return _yes(any(_same(source, query.first) for source in sources))
    rule = _RULES.get(query.rule)
    return rule(query, sources) if rule is not None and sources else None


def _same(source: HeardSource, name: str) -> bool:
    return source.name.lower() == name.lower()


def _yes(holds: bool) -> str:
    return YES_NO[0] if holds else YES_NO[1]


def _named(sources: Sequence[HeardSource], name: str) -> HeardSource:
    return next((source for source in sources if _same(source, name)), sources[0])


def _two(query: Query, sources: Sequence[HeardSource]) -> tuple[HeardSource, HeardSource]:
    return _named(sources, query.first), _named(sources, query.second)


def _class(source: HeardSource, attribute: str, anchor: str) -> str:
    value = source.at(attribute, anchor)
    if attribute == "azimuth":
        return SECTORS[int(sector(value))]
    if attribute == "elevation":
        return ELEVATION_CLASSES[int(elevation_class(value))]
    return DISTANCE_BINS[min(int(distance_bin(value)), len(DISTANCE_BINS) - 1)]


def _motion_of(source: HeardSource) -> str:
    return MOTION[0] if source.movement > 0.5 else MOTION[1]


def _motion(query: Query, sources: Sequence[HeardSource]) -> str:
    return _motion_of(_named(sources, query.first))


def _location(query: Query, sources: Sequence[HeardSource]) -> str:
    return _class(_named(sources, query.first), query.attribute, query.anchor)


def _change(query: Query, sources: Sequence[HeardSource]) -> str:
    change = _named(sources, query.first).change(query.attribute)
    return CHANGES[query.attribute][int(change > 0)]


def _grounding(
    fits: Callable[[Query, HeardSource], bool],
) -> Callable[[Query, Sequence[HeardSource]], str]:
    def answer(query: Query, sources: Sequence[HeardSource]) -> str:
        named = _two(query, sources)
        fitting = [
            source.name if _same(source, name) else name
            for source, name in zip(named, (query.first, query.second), strict=True)
            if fits(query, source)
        ]
        return "both" if len(fitting) == 2 else (*fitting, "neither")[0]

    return answer


def _is_there(query: Query, source: HeardSource) -> bool:
    return _class(source, query.attribute, query.anchor) == query.value


def _changes_so(query: Query, source: HeardSource) -> bool:
    # Changes are asked about where they reach the least change or are next to none.
    change = source.change(query.attribute)
    clear = abs(change) >= _GUARDS.min_change(query.attribute) / 2
    return clear and CHANGES[query.attribute][int(change > 0)] == query.value


def _moves_so(query: Query, source: HeardSource) -> bool:
    return _motion_of(source) == query.value


def _relation(attribute: str, anchor: str, a: HeardSource, b: HeardSource) -> str:
    difference = a.at(attribute, anchor) - b.at(attribute, anchor)
    if attribute == "azimuth":
        difference = float(wrap_deg(difference))
    return RELATIONS[attribute][int(difference > 0)]


def _temporal_relation(query: Query, sources: Sequence[HeardSource]) -> str:
    pair = _two(query, sources)
    start, end = (_relation(query.attribute, each, *pair) for each in ("beginning", "end"))
    return _yes(start == query.value and end != query.value)


def _movement_relation(query: Query, sources: Sequence[HeardSource]) -> str:
    ranked = sorted(sources, key=lambda source: -source.movement)
    found = _relation(query.attribute, query.anchor, ranked[0], ranked[-1])
    return _yes(found == query.value)


def _trajectory_relation(query: Query, sources: Sequence[HeardSource]) -> str:
    first, second = (abs(each.change(query.attribute)) for each in _two(query, sources))
    return _yes(first > second)


_RULES: dict[str, Callable[[Query, Sequence[HeardSource]], str]] = {
    "motion": _motion,
    "location": _location,
    "change": _change,
    "grounding_location": _grounding(_is_there),
    "grounding_change": _grounding(_changes_so),
    "grounding_motion": _grounding(_moves_so),
    "temporal_relation": _temporal_relation,
    "movement_relation": _movement_relation,
    "trajectory_relation": _trajectory_relation,
}
