"""How far the truth is from where the answer would change.

Margins are measured from the tracks with nothing of the question engine. At places: least distance
from the edges of the sector, class or bin in the anchor's window; of changes: their absolute
value; of relations: least difference in the window or windows. Of several sources that are the
answer the least counts. Movement has the length of the way. In degrees, and metres.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    ANCHORS,
    DISTANCE_BIN_M,
    LEVEL_ELEVATION_DEG,
    azimuth_change_deg,
    sector,
    wrap_deg,
)
from st_audioqa.evaluation.columns import Part
from st_audioqa.scene import SourceTrack
from st_audioqa.validity.posed import Posed

__all__ = ["margin", "margins"]

Floats = NDArray[np.floating]

_PERCENTILES = (0, 5, 25, 50, 75, 95)


def margins(asked: Sequence[Posed]) -> list[dict[str, Any]]:
    """Percentiles of the margins of every part that has any."""
    values: dict[Part, list[float]] = defaultdict(list)
    for each in asked:
        found = margin(each)
        if found is not None:
            values[each.part].append(found)
    return [
        {
            **dict(zip(("type", "family", "attribute"), part, strict=True)),
            "unit": "deg" if part[2].endswith(("azimuth", "elevation")) else "m",
            "n": len(values[part]),
            "percentiles": {
                str(which): round(float(np.percentile(values[part], which)), 3)
                for which in _PERCENTILES
            },
        }
        for part in sorted(values)
    ]


def margin(each: Posed) -> float | None:
    """The margin of one question; None where there is nothing to measure."""
    q = each.question
    sources = [each.scene.sources[i] for i in q.targets]
    attribute = q.attribute.rpartition("_")[2]
    if not sources or q.family == "event_semantics":
        return None
    if attribute == "motion":
        return max(_way(source) for source in sources) or None
    if q.family == "spatial_location" or q.attribute.startswith("location"):
        return min(_from_edge(source, attribute, q.anchor) for source in sources)
    if q.family in ("spatial_change", "source_grounding"):
        meant = {"first": sources[:1], "second": sources[1:], "neither": []}
        changing = meant.get(q.role, sources)
        return min((abs(_change(source, attribute)) for source in changing), default=None)
    if q.family == "cross_source_trajectory_relation":
        first, second = (abs(_change(source, attribute)) for source in sources)
        return abs(first - second)
    anchors = [q.anchor] if q.anchor else ["beginning", "end"]
    return min(_apart(sources[0], sources[1], attribute, anchor) for anchor in anchors)


def _track(source: SourceTrack, attribute: str) -> Floats:
    return np.asarray(
        getattr(source, {"distance": "distance_m"}.get(attribute, f"{attribute}_deg"))
    )


def _way(source: SourceTrack) -> float:
    return float(np.linalg.norm(np.diff(source.position, axis=0), axis=1).sum())


def _from_edge(source: SourceTrack, attribute: str, anchor: str) -> float:
    return float(_EDGES[attribute](_track(source, attribute)[list(ANCHORS[anchor])]).min())


def _from_sector_edge(azimuth: Floats) -> Floats:
    return np.asarray(22.5 - np.abs(wrap_deg(azimuth - 45.0 * sector(azimuth))))


def _from_level_edge(elevation: Floats) -> Floats:
    return np.asarray(np.abs(np.abs(elevation) - LEVEL_ELEVATION_DEG))


def _from_bin_edge(distance: Floats) -> Floats:
    inside = np.mod(distance, DISTANCE_BIN_M)
    below = np.where(distance < DISTANCE_BIN_M, np.inf, inside)
    return np.asarray(np.minimum(below, DISTANCE_BIN_M - inside))


_EDGES: dict[str, Callable[[Floats], Floats]] = {
    "azimuth": _from_sector_edge,
    "elevation": _from_level_edge,
    "distance": _from_bin_edge,
}


def _change(source: SourceTrack, attribute: str) -> float:
    track = _track(source, attribute)
    if attribute == "azimuth":
        track = azimuth_change_deg(track)
    first, last = (track[list(ANCHORS[anchor])].mean() for anchor in ("beginning", "end"))
    return float(last - first)


def _apart(one: SourceTrack, other: SourceTrack, attribute: str, anchor: str) -> float:
    """Least difference in a window; azimuths are told apart neither near 0 nor near 180."""
    window = list(ANCHORS[anchor])
    difference = _track(one, attribute)[window] - _track(other, attribute)[window]
    if attribute == "azimuth":
        turned = np.abs(wrap_deg(difference))
        return float(np.minimum(turned, 180.0 - turned).min())
    return float(np.abs(difference).min())
