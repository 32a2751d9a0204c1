"""What is clearly true of sources over time, beyond the classes and changes of `facts`.

Everything is an array of shape (n_scenes, n_sources), so that facts of many tables are joined as
others are. Only the extended families ask for it (docs/extended.md has the definitions).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import ANCHORS, BIN_S, N_BINS, unit_vectors
from st_audioqa.scene_table import SceneTable

__all__ = ["UNCLEAR", "timeline"]

Floats = NDArray[np.floating]
Small = NDArray[np.int8]
Bools = NDArray[np.bool_]

UNCLEAR = -128
"""Stands where nothing can be said."""

_STILL_M_S, _WALKS_M_S = 0.02, 0.1
_PAUSE_STEPS = 4
_LEG_M = 0.5
_STRAIGHT_M = 0.05
_ENDS_STEPS = 8
_FASTER, _EVEN = 1.8, 1.15


def timeline(table: SceneTable, part: slice) -> dict[str, NDArray[Any]]:
    """Measures of some scenes, by name.

    ``first``, ``last``
        First and last bin in which the source sounds; 40 and -1 where it never does.
    ``heard_all_along``
        Whether it sounds in every second.
    ``heard_path_m``
        How far it gets, while it sounds, from where it is first heard.
    ``turns_back``, ``pauses``
        1 where it clearly does, 0 where it clearly does not.
    ``pace``
        1 where it gets ever faster, -1 slower, 0 at even speed.
    ``distance/<anchor>/low`` and ``high``, so for ``elevation`` and ``height``
        Least and greatest value in the window.
    ``side/<anchor>``
        1 where it is clearly to the left in the whole window, -1 to the right.
    """
    activity = table.activity[part]
    azimuth, elevation = table.azimuth_deg[part], table.elevation_deg[part]
    distance, height = table.distance_m[part], table.height_m[part]
    place = unit_vectors(azimuth, elevation) * distance[..., None]
    seconds: Bools = np.asarray(
        activity.reshape(*activity.shape[:2], 10, N_BINS // 10).any(axis=3)
    )
    first = np.where(activity.any(axis=2), activity.argmax(axis=2), N_BINS)
    last = np.where(activity.any(axis=2), N_BINS - 1 - activity[..., ::-1].argmax(axis=2), -1)
    found: dict[str, NDArray[Any]] = {
        "first": first,
        "last": last,
        "heard_all_along": np.asarray(seconds.all(axis=2)),
        "heard_path_m": _heard_path(place, activity, first),
        "turns_back": _turns_back(place),
        "pauses": _pauses(place, activity),
        "pace": _pace(place),
    }
    for anchor, window in ANCHORS.items():
        bins = list(window)
        for name, track in (
            ("distance", distance),
            ("elevation", elevation),
            ("height", height),
        ):
            found[f"{name}/{anchor}/low"] = track[..., bins].min(axis=2)
            found[f"{name}/{anchor}/high"] = track[..., bins].max(axis=2)
        found[f"side/{anchor}"] = _side(azimuth[..., bins], elevation[..., bins])
    return found


def _heard_path(place: Floats, activity: Bools, first: NDArray[np.int64]) -> Floats:
    at = np.minimum(first, N_BINS - 1)[..., None, None]
    start = np.take_along_axis(place, at, axis=2)
    apart = np.linalg.norm(place - start, axis=-1)
    return np.asarray(np.where(activity, apart, 0.0).max(axis=2))


def _turns_back(place: Floats) -> Small:
    """Progress towards the farthest point from the start: does it fall by half a metre?"""
    offset = place - place[:, :, :1]
    far = np.linalg.norm(offset, axis=-1).argmax(axis=2)[..., None, None]
    ahead = np.take_along_axis(offset, far, axis=2)
    length = np.linalg.norm(ahead, axis=-1, keepdims=True)
    progress = (offset * ahead / np.maximum(length, 1e-9)).sum(axis=-1)
    fallen = (np.maximum.accumulate(progress, axis=2) - progress).max(axis=2)
    yes = (fallen >= _LEG_M) & (length[..., 0, 0] >= _LEG_M)
    return np.where(yes, 1, np.where(fallen <= _STRAIGHT_M, 0, UNCLEAR)).astype(np.int8)


def _pauses(place: Floats, activity: Bools) -> Small:
    """A second or more of standing still, heard, with half a metre of way before and after."""
    steps = np.linalg.norm(np.diff(place, axis=2), axis=-1)
    still = steps <= _STILL_M_S * BIN_S
    run = np.zeros(still.shape[:2], dtype=np.int64)
    longest, end = run.copy(), run.copy()
    for k in range(still.shape[2]):
        run = np.where(still[..., k], run + 1, 0)
        end = np.where(run > longest, k + 1, end)
        longest = np.maximum(longest, run)
    start = end - longest
    bins = np.arange(N_BINS)
    inside = (bins >= start[..., None]) & (bins <= end[..., None])
    before = np.where(bins[:-1] < start[..., None], steps, 0.0).sum(axis=2)
    after = np.where(bins[:-1] >= end[..., None], steps, 0.0).sum(axis=2)
    yes = (longest >= _PAUSE_STEPS) & (before >= _LEG_M) & (after >= _LEG_M)
    yes &= (inside & activity).sum(axis=2) >= 2
    slow = steps < _WALKS_M_S * BIN_S
    no = ~(slow[..., 1:] & slow[..., :-1]).any(axis=2)
    return np.where(yes, 1, np.where(no, 0, UNCLEAR)).astype(np.int8)


def _pace(place: Floats) -> Small:
    """Speed in the last two seconds against the first two, where it never falls or rises."""
    speed = np.linalg.norm(np.diff(place, axis=2), axis=-1) / BIN_S
    early, late = speed[..., :_ENDS_STEPS].mean(axis=2), speed[..., -_ENDS_STEPS:].mean(axis=2)
    slack = 0.05 * speed.max(axis=2, keepdims=True)
    turns = np.diff(speed, axis=2)
    faster = (late >= _FASTER * early) & (turns >= -slack).all(axis=2)
    slower = (early >= _FASTER * late) & (turns <= slack).all(axis=2)
    even = speed.max(axis=2) <= _EVEN * speed.min(axis=2)
    even &= speed.min(axis=2) > _WALKS_M_S
    found = np.where(even, 0, np.where(faster, 1, np.where(slower, -1, UNCLEAR)))
    return found.astype(np.int8)


def _side(azimuth: Floats, elevation: Floats) -> Small:
    """Within 70 degrees of straight left or right, and below 60 degrees of elevation."""
    level = (np.abs(elevation) <= 60.0).all(axis=2)
    left = level & (np.abs(azimuth - 90.0) <= 70.0).all(axis=2)
    right = level & (np.abs(azimuth + 90.0) <= 70.0).all(axis=2)
    return np.where(left, 1, np.where(right, -1, UNCLEAR)).astype(np.int8)
