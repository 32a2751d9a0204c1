"""Reaching for aims: which tracks of a scene meet most of what its plan wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    ANCHORS,
    DISTANCE_BIN_M,
    LEVEL_ELEVATION_DEG,
    N_BINS,
    azimuth_change_deg,
    distance_bin,
    elevation_class,
    sector,
    wrap_deg,
)
from st_audioqa.errors import RejectedDraw
from st_audioqa.pipeline.tracks import Tracks

__all__ = ["choose", "track_score"]

Floats = NDArray[np.floating]

_CENTRE_BIN = {anchor: bins[len(bins) // 2] for anchor, bins in ANCHORS.items()}
# A little more than the guard bands, so that what is aimed at can be asked about.
_CLEAR_DEG = 4.0
_CLEAR_M = 0.12
_CLEAR_AZIMUTH_DEG = 16.5


def choose(
    tracks: Sequence[Tracks],
    aims: Mapping[str, Any],
    rng: np.random.Generator,
    *,
    rank: int = 0,
    tie: float = 0.01,
) -> tuple[list[int], float]:
    """Which track each source takes, and the yaw of the listener.

    The yaw brings the first source into the sector it aims at; jitter keeps it off the centre.

    Parameters
    ----------
    tracks : sequence of Tracks
        Those each source can take; two sources never take the same path.
    aims : mapping
        Of the scene (see `pipeline.plan`).
    rng : Generator
    rank : int
        0 takes the tracks that meet most aims together, 1 the second best, and so on; after the
        last it begins again.
    tie : float
        Most points that chance adds to a choice; an aim is worth 1 to 6.

    Returns
    -------
    chosen : list of int
    yaw_deg : float

    Raises
    ------
    RejectedDraw
        There is one path for two sources.
    """
    jitter = float(rng.uniform(-_CLEAR_AZIMUTH_DEG, _CLEAR_AZIMUTH_DEG))
    first_aims = aims["sources"][0]
    first = tracks[0]
    at = _CENTRE_BIN[first_aims["anchor"]]
    yaw = wrap_deg(first.azimuth_deg[:, at] - 45.0 * first_aims["azimuth"] - jitter)
    score = track_score(first, first_aims)
    if len(tracks) == 1:
        score = score + rng.uniform(0, tie, size=len(score))
        best = int(_ranked(score, rank))
        return [best], float(np.float32(yaw[best]))

    second = tracks[1]
    second_aims = aims["sources"][1]
    total = score[:, None] + track_score(second, second_aims)
    at = _CENTRE_BIN[second_aims["anchor"]]
    sectors = sector(wrap_deg(second.azimuth_deg[None, :, at] - yaw[:, None]))
    total += 1.0 * (sectors == second_aims["azimuth"])
    if aims["pair"]:
        total += 6.0 * _pair_met(first, second, yaw, aims["pair"])
    total += rng.uniform(0, tie, size=total.shape)
    if first is second:
        total[first.path[:, None] == second.path[None]] = -np.inf
        if not np.isfinite(total).any():
            raise RejectedDraw("too_few_tracks", "two sources, and one path to share")
    one, other = divmod(_ranked(total.ravel(), rank), total.shape[1])
    chosen = [one, other]
    for further in range(2, len(tracks)):
        chosen.append(_further(tracks, chosen, aims["sources"][further], yaw[one], rng, tie))
    return chosen, float(np.float32(yaw[one]))


def _further(
    tracks: Sequence[Tracks],
    chosen: Sequence[int],
    aims: Mapping[str, Any],
    yaw: float,
    rng: np.random.Generator,
    tie: float,
) -> int:
    """The track of a third or fourth source: its own aims, and no path that is taken."""
    own = tracks[len(chosen)]
    at = _CENTRE_BIN[aims["anchor"]]
    score = track_score(own, aims)
    score += 1.0 * (sector(wrap_deg(own.azimuth_deg[:, at] - yaw)) == aims["azimuth"])
    score += rng.uniform(0, tie, size=len(score))
    for other, which in zip(tracks, chosen, strict=False):
        if other is own:
            score[own.path == own.path[which]] = -np.inf
    if not np.isfinite(score).any():
        raise RejectedDraw("too_few_tracks", "more sources than paths to share")
    return int(np.argmax(score))


def _ranked(scores: Floats, rank: int) -> int:
    """Index of the score that is `rank` places below the best."""
    order = np.argsort(-scores[np.isfinite(scores)], kind="stable")
    return int(np.flatnonzero(np.isfinite(scores))[order[rank % len(order)]])


def track_score(tracks: Tracks, aims: Mapping[str, Any]) -> Floats:
    """Points for each aim a candidate meets: distance 5, a kind of motion 4, the others 2, a near
    speed less."""
    elevation, distance = (
        clear_class(tracks, attribute, aims["anchor"])
        for attribute in ("elevation", "distance")
    )
    score = 2.0 * (elevation == aims["elevation"]) + 5.0 * (distance == aims["distance"])
    if "motion" in aims:
        score += 4.0 * np.array([each["kind"] == aims["motion"] for each in tracks.motions])
    if "change" in aims:
        for attribute, (change, least) in _changes(tracks).items():
            wanted = aims["change"][attribute]
            score += 2.0 * ((np.sign(change) == wanted) & (np.abs(change) > least))
        speed = np.array([motion["speed_m_s"] for motion in tracks.motions])
        score += np.clip(1.5 - np.abs(speed - aims["speed_m_s"]) / 0.1, 0.0, 1.5)
    return score


def clear_class(tracks: Tracks, attribute: str, anchor: str) -> NDArray[np.int64]:
    """Elevation class or distance bin that holds clearly in a whole window, else -1.

    Parameters
    ----------
    tracks : Tracks
    attribute : str
        "elevation" or "distance".
    anchor : str

    Returns
    -------
    ndarray [shape=(n,)]
    """
    bins = list(ANCHORS[anchor])
    if attribute == "elevation":
        values = tracks.elevation_deg[:, bins]
        classes = elevation_class(values)
        inside = np.abs(np.abs(values) - LEVEL_ELEVATION_DEG) > _CLEAR_DEG
    else:
        values = tracks.distance_m[:, bins]
        classes = distance_bin(values)
        within = values - DISTANCE_BIN_M * classes
        inside = (within > _CLEAR_M) | (classes == 0)
        inside &= within < DISTANCE_BIN_M - _CLEAR_M
    same = (classes == classes[:, :1]).all(axis=1) & inside.all(axis=1)
    return np.where(same, classes[:, 0], -1)


def _changes(tracks: Tracks) -> dict[str, tuple[Floats, float]]:
    """Change from the first to the last bin, and the least that is clearly one."""
    swept = azimuth_change_deg(tracks.azimuth_deg)[:, -1]
    risen = tracks.elevation_deg[:, -1] - tracks.elevation_deg[:, 0]
    receded = tracks.distance_m[:, -1] - tracks.distance_m[:, 0]
    return {"azimuth": (swept, 24.0), "elevation": (risen, 12.0), "distance": (receded, 0.6)}


def _pair_met(
    first: Tracks, second: Tracks, yaw: Floats, aim: Mapping[str, str]
) -> NDArray[np.bool_]:
    """Which pairs meet the aim of their pair [shape=(n_first, n_second)]."""
    attribute = aim["attribute"]
    if aim["kind"] == "share":
        at = _CENTRE_BIN[aim["anchor"]]
        if attribute == "azimuth":
            turned = wrap_deg(first.azimuth_deg[:, at] - yaw)
            other = wrap_deg(second.azimuth_deg[None, :, at] - yaw[:, None])
            off_centre = np.abs(wrap_deg(other - 45.0 * sector(other)))
            same = sector(turned)[:, None] == sector(other)
            return np.asarray(same & (off_centre < _CLEAR_AZIMUTH_DEG))
        one, two = (clear_class(each, attribute, aim["anchor"]) for each in (first, second))
        return np.asarray((one[:, None] == two[None]) & (one[:, None] >= 0))
    start, end = (_relation(first, second, attribute, b) for b in (1, N_BINS - 2))
    return np.asarray(start * end < 0)


def _relation(first: Tracks, second: Tracks, attribute: str, at: int) -> Floats:
    """Sign of the difference between two sources in one bin, 0 where it is not clear."""
    if attribute == "azimuth":
        difference = wrap_deg(first.azimuth_deg[:, None, at] - second.azimuth_deg[None, :, at])
        clear = (np.abs(difference) > 15.0) & (np.abs(difference) < 165.0)
    elif attribute == "elevation":
        difference = first.elevation_deg[:, None, at] - second.elevation_deg[None, :, at]
        clear = np.abs(difference) > 8.0
    else:
        difference = first.distance_m[:, None, at] - second.distance_m[None, :, at]
        clear = np.abs(difference) > 0.4
    return np.sign(difference) * clear
