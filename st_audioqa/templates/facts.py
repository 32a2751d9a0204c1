"""What is clearly true of scenes: the classes, changes and relations that rules speak of.

Guard bands decide what is clear. A class holds at an anchor when it is the same in every bin of
the anchor's window and would still be with every bin moved a little to either side. A change is
the mean over the last second minus the mean over the first, azimuth followed bin by bin. What
is higher or rises must do so both as an angle and in metres, and azimuth is clear only where
the source is not nearly above or below the listener.

All is computed for many scenes at once: n scenes with at most m sources (m >= 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    ANCHORS,
    CONFIGURATIONS,
    DISTANCE_BIN_M,
    DISTANCE_BINS,
    LEVEL_ELEVATION_DEG,
    azimuth_change_deg,
    distance_bin,
    elevation_class,
    sector,
    unit_vectors,
    wrap_deg,
)
from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.scene_table import SceneTable
from st_audioqa.templates.timeline import UNCLEAR, timeline

__all__ = ["UNCLEAR", "Facts"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Small = NDArray[np.int8]
Bools = NDArray[np.bool_]

_HEARD_SPAN_M, _HEARD_SPAN_DEG = 0.5, 20.0
_CHUNK = 4096
"""Scenes looked at together: few enough for the processor's cache and for memory."""


@dataclass(frozen=True, eq=False)
class Facts:
    """Facts of the scenes of one split."""

    guards: QuestionsRecipe
    split: str
    scene_id: tuple[str, ...]
    configuration: Small
    """[shape=(n,)] index into `CONFIGURATIONS`"""
    labels: tuple[tuple[tuple[str, ...], ...], ...]
    """Labels of every source of every scene"""
    sounds: Bools
    """[shape=(n, m)] whether there is such a source"""
    moving: Bools
    """[shape=(n, m)]"""
    audible: Mapping[str, Bools]
    """By anchor [shape=(n, m)]: it sounds in enough bins of the window."""
    audible_at_all: Bools
    """[shape=(n, m)] it sounds in at least two windows, or in a tenth of all bins"""
    movement_told: Bools
    """[shape=(n, m)] it stays, or two of the places where it is heard lie 0.5 m or 20 degrees
    apart: what sounds for a moment cannot be heard to move"""
    mean_distance_m: Floats
    """[shape=(n, m)]"""
    places: Mapping[tuple[str, str], Small]
    """By attribute and anchor [shape=(n, m)]: sector, elevation class or distance bin."""
    change: Mapping[str, Floats]
    """By attribute [shape=(n, m)]: end minus beginning; NaN where silent at either."""
    change_sign: Mapping[str, Small]
    """By attribute [shape=(n, m)]: 1 or -1 for a clear change, 0 for none at all. Positive is
    counterclockwise, upward, farther."""
    travel: Mapping[str, Floats]
    """By attribute [shape=(n, m)]: all changes from bin to bin, whatever their direction."""
    azimuth_clear: Bools
    """[shape=(n, m)] azimuth means much in every bin"""
    relations: Mapping[tuple[str, str], Small]
    """By attribute and anchor [shape=(n,)]: 1 where the first source lies counterclockwise of
    the second (by less than half a turn), higher or farther, -1 for the opposite."""
    timeline: Mapping[str, NDArray[Any]]
    """What `templates.timeline` measures [shape=(n, m)]; empty unless asked for."""
    refused: Mapping[str, str]
    """Scenes that cannot be used, and why."""

    def __len__(self) -> int:
        return len(self.scene_id)

    @cached_property
    def name_ids(self) -> Ints:
        """A number for the name of each source [shape=(n, m)]; -1 for none."""
        names = sorted({source[0] for scene in self.labels for source in scene})
        number = {name: i for i, name in enumerate(names)}
        found = np.full(self.sounds.shape, -1, dtype=np.int64)
        found[self.sounds] = [number[source[0]] for scene in self.labels for source in scene]
        return found

    @cached_property
    def alone(self) -> Bools:
        """Whether no other source of the scene has the same name [shape=(n, m)]."""
        ids = self.name_ids
        same = (ids[:, :, None] == ids[:, None]).sum(axis=2)
        return np.asarray(self.sounds & (same == 1))

    @staticmethod
    def of(
        tables: Iterable[SceneTable], guards: QuestionsRecipe, *, with_timeline: bool = False
    ) -> Facts:
        """Facts of all scenes of some tables, in order."""
        parts = [
            _facts(table, slice(start, start + _CHUNK), guards, with_timeline)
            for table in tables
            for start in range(0, max(len(table), 1), _CHUNK)
        ]
        if not parts:
            parts = [_facts(SceneTable.of([]), slice(0, 0), guards, with_timeline)]
        return _joined(parts)


def _facts(
    table: SceneTable, part: slice, guards: QuestionsRecipe, with_timeline: bool
) -> Facts:
    labels = table.labels[part]
    activity = table.activity[part]
    sounds = table.n_sources[part, None] > np.arange(activity.shape[1])
    audible = {
        anchor: sounds
        & (activity[:, :, list(window)].sum(axis=2, dtype=np.int64) >= guards.min_active_bins)
        for anchor, window in ANCHORS.items()
    }
    windows = sum(each.astype(np.int64) for each in audible.values())
    ends = audible["beginning"] & audible["end"]
    azimuth, elevation, distance = (
        table.azimuth_deg[part],
        table.elevation_deg[part],
        table.distance_m[part],
    )
    horizontal = distance * np.cos(np.radians(elevation))
    clear = (np.abs(elevation) <= guards.max_elevation_deg) & (
        horizontal >= guards.min_horizontal_m
    )
    tracks = {
        "azimuth": azimuth_change_deg(azimuth),
        "elevation": elevation,
        "distance": distance,
    }
    changes = {name: _end_minus_beginning(track) for name, track in tracks.items()}
    rise_m = _end_minus_beginning(table.height_m[part])
    always_clear: Bools = np.asarray(clear.all(axis=2))
    one_way = _goes_one_way(tracks["azimuth"], changes["azimuth"], guards)
    return Facts(
        guards=guards,
        split=table.split,
        scene_id=table.scene_id[part],
        configuration=np.array(
            [CONFIGURATIONS.index(each) for each in table.configuration[part]],
            dtype=np.int8,
        ),
        labels=labels,
        sounds=sounds,
        moving=table.moving[part],
        audible=audible,
        audible_at_all=sounds & ((windows >= 2) | (activity.mean(axis=2) >= 0.1)),
        movement_told=~table.moving[part]
        | _heard_to_move(azimuth, elevation, distance, activity),
        mean_distance_m=distance.mean(axis=2),
        places=_places(azimuth, elevation, distance, clear, audible, guards),
        change={name: np.where(ends, each, np.nan) for name, each in changes.items()},
        change_sign={
            name: _change_sign(name, each, ends, always_clear & one_way, rise_m, guards)
            for name, each in changes.items()
        },
        travel={
            name: np.abs(np.diff(track, axis=2)).sum(axis=2) for name, track in tracks.items()
        },
        azimuth_clear=always_clear,
        relations=_relations(table, part, clear, audible, guards),
        timeline=timeline(table, part) if with_timeline else {},
        refused=table.refused if part.start == 0 else {},
    )


def _places(
    azimuth: Floats,
    elevation: Floats,
    distance: Floats,
    azimuth_clear: Bools,
    audible: Mapping[str, Bools],
    guards: QuestionsRecipe,
) -> dict[tuple[str, str], Small]:
    found = {}
    for anchor, window in ANCHORS.items():
        bins = list(window)
        sectors = sector(azimuth[..., bins])
        from_centre = np.abs(wrap_deg(azimuth[..., bins] - 45.0 * sectors))
        metres = distance[..., bins]
        ranges = distance_bin(metres)
        inside = metres - DISTANCE_BIN_M * ranges
        to_edge = np.minimum(np.where(ranges == 0, np.inf, inside), DISTANCE_BIN_M - inside)
        to_level = np.abs(np.abs(elevation[..., bins]) - LEVEL_ELEVATION_DEG)
        columns = {
            "azimuth": (
                sectors,
                (from_centre <= 22.5 - guards.azimuth_guard_deg) & azimuth_clear[..., bins],
            ),
            "elevation": (
                elevation_class(elevation[..., bins]),
                to_level >= guards.elevation_guard_deg,
            ),
            "distance": (
                ranges,
                (to_edge >= guards.distance_guard_m) & (ranges < len(DISTANCE_BINS)),
            ),
        }
        for attribute, (classes, clear) in columns.items():
            place = _constant(classes, clear)
            found[attribute, anchor] = np.where(audible[anchor], place, UNCLEAR).astype(np.int8)
    return found


def _change_sign(
    attribute: str,
    change: Floats,
    heard: Bools,
    azimuth_clear: Bools,
    rise_m: Floats,
    guards: QuestionsRecipe,
) -> Small:
    least = guards.min_change(attribute)
    sign = np.where(change > 0, 1, -1)
    large = np.abs(change) >= least
    if attribute == "elevation":
        large &= rise_m * sign >= guards.elevation_agrees_m
    if attribute == "azimuth":
        heard = heard & azimuth_clear
    none = np.abs(change) <= least / 4
    if attribute == "elevation":
        none &= np.abs(rise_m) <= guards.elevation_agrees_m
    found = np.where(none, 0, np.where(large, sign, UNCLEAR))
    return np.where(heard, found, UNCLEAR).astype(np.int8)


def _heard_to_move(
    azimuth: Floats, elevation: Floats, distance: Floats, activity: Bools
) -> Bools:
    """Whether places where a source sounds lie far enough apart [shape=(n, m)]."""
    direction = unit_vectors(azimuth, elevation)
    chord = 2.0 * np.sin(np.radians(_HEARD_SPAN_DEG) / 2.0)
    far = _span(direction * distance[..., None], activity) >= _HEARD_SPAN_M
    return np.asarray(far | (_span(direction, activity) >= chord))


def _span(points: Floats, activity: Bools) -> Floats:
    """From the active point that is farthest from the first one to that farthest from it."""
    at = activity.argmax(axis=2)
    for _ in range(2):
        from_ = np.take_along_axis(points, at[..., None, None], axis=2)
        apart = np.where(activity, np.linalg.norm(points - from_, axis=-1), 0.0)
        at = apart.argmax(axis=2)
    return np.asarray(apart.max(axis=2))


def _goes_one_way(swept: Floats, change: Floats, guards: QuestionsRecipe) -> Bools:
    """Whether azimuth hardly turns against its change: who circles both ways has no one way.

    A straight path always goes one way.
    """
    steps = np.diff(swept, axis=2) * np.where(change > 0, -1.0, 1.0)[..., None]
    return np.asarray(steps.clip(min=0.0).sum(axis=2) <= guards.azimuth_guard_deg)


def _relations(
    table: SceneTable,
    part: slice,
    azimuth_clear: Bools,
    audible: Mapping[str, Bools],
    guards: QuestionsRecipe,
) -> dict[tuple[str, str], Small]:
    """How the first source lies to the second."""
    found = {}
    for anchor, window in ANCHORS.items():
        bins = list(window)

        def apart(track: Floats, bins: list[int] = bins) -> Floats:
            of_part = track[part]
            return np.asarray(of_part[:, 0, bins] - of_part[:, 1, bins])

        turned = wrap_deg(apart(table.azimuth_deg))
        risen, higher_m = apart(table.elevation_deg), apart(table.height_m)
        farther = apart(table.distance_m)
        wide, margin = np.abs(turned), guards.azimuth_margin_deg
        columns = {
            "azimuth": (
                turned,
                (wide >= margin)
                & (wide <= 180.0 - margin)
                & azimuth_clear[:, 0, bins]
                & azimuth_clear[:, 1, bins],
            ),
            "elevation": (
                risen,
                (np.abs(risen) >= guards.elevation_margin_deg)
                & (higher_m * np.sign(risen) >= guards.elevation_agrees_m),
            ),
            "distance": (farther, np.abs(farther) >= guards.distance_margin_m),
        }
        both = audible[anchor][:, 0] & audible[anchor][:, 1]
        for attribute, (difference, clear) in columns.items():
            relation = _constant(np.sign(difference).astype(np.int64), clear)
            found[attribute, anchor] = np.where(both, relation, UNCLEAR).astype(np.int8)
    return found


def _end_minus_beginning(track: Floats) -> Floats:
    """Mean over the last second minus mean over the first [shape=(..., 40)] -> [shape=(...)]."""
    first, last = list(ANCHORS["beginning"]), list(ANCHORS["end"])
    return np.asarray(track[..., last].mean(axis=-1) - track[..., first].mean(axis=-1))


def _constant(classes: Ints, clear: Bools) -> Ints:
    """The one class that holds in every bin, where every bin is clear [shape=(..., 4)]."""
    same = (classes == classes[..., :1]).all(axis=-1) & clear.all(axis=-1)
    return np.where(same, classes[..., 0], UNCLEAR)


def _joined(parts: list[Facts]) -> Facts:
    """Facts of all parts after one another, with room for as many sources as any has."""
    width = max(part.sounds.shape[1] for part in parts)

    def join(arrays: list[Any]) -> Any:
        if arrays[0].ndim == 2:
            nothing = UNCLEAR if arrays[0].dtype == np.int8 else 0
            arrays = [
                np.pad(each, ((0, 0), (0, width - each.shape[1])), constant_values=nothing)
                for each in arrays
            ]
        return np.concatenate(arrays)

    joined: dict[str, Any] = {"guards": parts[0].guards, "split": parts[0].split}
    for field in fields(Facts):
        values = [getattr(part, field.name) for part in parts]
        if field.name == "refused":
            joined[field.name] = {key: why for each in values for key, why in each.items()}
        elif isinstance(values[0], tuple):
            joined[field.name] = tuple(each for value in values for each in value)
        elif isinstance(values[0], np.ndarray):
            joined[field.name] = join(values)
        elif isinstance(values[0], dict):
            joined[field.name] = {
                key: join([each[key] for each in values]) for key in values[0]
            }
    return Facts(**joined)
