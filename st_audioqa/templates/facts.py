"""What is clearly true of a scene: the classes, changes and relations that rules speak of.

Guard bands decide what is clear. A class holds at an anchor when it is the same in every bin of
the anchor's window and would still be with every bin moved a little to either side. A change is
the mean over the last second minus the mean over the first, azimuth followed bin by bin. What
is higher or rises must do so both as an angle and in metres, and azimuth is clear only where
the source is not nearly above or below the listener.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    ANCHORS,
    DISTANCE_BIN_M,
    DISTANCE_BINS,
    LEVEL_ELEVATION_DEG,
    azimuth_change_deg,
    distance_bin,
    elevation_class,
    sector,
    wrap_deg,
)
from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.scene import Scene, SourceTrack

__all__ = ["ATTRIBUTES", "SceneFacts", "SourceFacts"]

Floats = NDArray[np.floating]

ATTRIBUTES = ("azimuth", "elevation", "distance")


@dataclass(frozen=True)
class SourceFacts:
    """One source of a scene."""

    source: SourceTrack
    name: str
    guards: QuestionsRecipe

    def audible(self, anchor: str) -> bool:
        """Whether the source sounds in enough bins of an anchor's window."""
        active = self.source.activity[list(ANCHORS[anchor])].sum()
        return bool(active >= self.guards.min_active_bins)

    @cached_property
    def audible_at_all(self) -> bool:
        """Whether it sounds in at least two windows, or in a tenth of all bins."""
        windows = sum(self.audible(anchor) for anchor in ANCHORS)
        return windows >= 2 or bool(self.source.activity.mean() >= 0.1)

    def place(self, attribute: str, anchor: str) -> int | None:
        """Sector, elevation class or distance bin at an anchor; None where it is not clear."""
        return self._places[attribute][anchor] if self.audible(anchor) else None

    def change(self, attribute: str) -> float | None:
        """Change from beginning to end; None where the source is silent at either."""
        if self.audible("beginning") and self.audible("end"):
            return self._changes[attribute]
        return None

    def change_sign(self, attribute: str) -> int | None:
        """1 or -1 for a clear change, 0 for none at all, None where it is not clear.

        Positive is counterclockwise, upward, farther.
        """
        change = self.change(attribute)
        if change is None or (attribute == "azimuth" and not self.azimuth_clear.all()):
            return None
        least = self.guards.min_change(attribute)
        if abs(change) <= least / 4:
            return 0
        sign = 1 if change > 0 else -1
        if attribute == "elevation" and self._rise_m * sign < self.guards.elevation_agrees_m:
            return None
        return sign if abs(change) >= least else None

    def travel(self, attribute: str) -> float:
        """Sum of all changes from bin to bin, whatever their direction."""
        return float(np.abs(np.diff(self._tracks[attribute])).sum())

    @cached_property
    def azimuth_clear(self) -> NDArray[np.bool_]:
        """Whether azimuth means much in each bin [shape=(40,)]."""
        elevation = self.source.elevation_deg
        horizontal = self.source.distance_m * np.cos(np.radians(elevation))
        low = np.abs(elevation) <= self.guards.max_elevation_deg
        return np.asarray(low & (horizontal >= self.guards.min_horizontal_m))

    @cached_property
    def _places(self) -> dict[str, dict[str, int | None]]:
        source, guards = self.source, self.guards
        sectors = sector(source.azimuth_deg)
        from_centre = np.abs(wrap_deg(source.azimuth_deg - 45.0 * sectors))
        bins = distance_bin(source.distance_m)
        inside = source.distance_m - DISTANCE_BIN_M * bins
        to_edge = np.where(
            bins == 0, DISTANCE_BIN_M - inside, np.minimum(inside, DISTANCE_BIN_M - inside)
        )
        to_level = np.abs(np.abs(source.elevation_deg) - LEVEL_ELEVATION_DEG)
        columns = {
            "azimuth": (
                sectors,
                (from_centre <= 22.5 - guards.azimuth_guard_deg) & self.azimuth_clear,
            ),
            "elevation": (
                elevation_class(source.elevation_deg),
                to_level >= guards.elevation_guard_deg,
            ),
            "distance": (
                bins,
                (to_edge >= guards.distance_guard_m) & (bins < len(DISTANCE_BINS)),
            ),
        }
        return {
            attribute: {
                anchor: _constant(classes[list(window)], clear[list(window)])
                for anchor, window in ANCHORS.items()
            }
            for attribute, (classes, clear) in columns.items()
        }

    @cached_property
    def _tracks(self) -> dict[str, Floats]:
        return {
            "azimuth": azimuth_change_deg(self.source.azimuth_deg),
            "elevation": self.source.elevation_deg,
            "distance": self.source.distance_m,
        }

    @cached_property
    def _changes(self) -> dict[str, float]:
        return {name: _end_minus_beginning(track) for name, track in self._tracks.items()}

    @cached_property
    def _rise_m(self) -> float:
        return _end_minus_beginning(self.source.position[:, 1])


@dataclass(frozen=True)
class SceneFacts:
    """A scene with its sources, and how two of them relate."""

    scene: Scene
    sources: tuple[SourceFacts, ...]
    guards: QuestionsRecipe

    def relation(self, attribute: str, anchor: str) -> int | None:
        """How the first source lies to the second at an anchor; None where it is not clear.

        1 where it is counterclockwise of it (by less than half a turn), higher, or farther;
        -1 where it is clockwise of it, lower, or closer.
        """
        first, second = self.sources
        if not (first.audible(anchor) and second.audible(anchor)):
            return None
        window = list(ANCHORS[anchor])
        a, b = first.source, second.source
        if attribute == "azimuth":
            difference = wrap_deg(a.azimuth_deg - b.azimuth_deg)[window]
            margin = self.guards.azimuth_margin_deg
            clear = (np.abs(difference) >= margin) & (np.abs(difference) <= 180.0 - margin)
            clear &= first.azimuth_clear[window] & second.azimuth_clear[window]
        elif attribute == "elevation":
            difference = (a.elevation_deg - b.elevation_deg)[window]
            higher_m = (a.position - b.position)[window, 1] * np.sign(difference)
            clear = np.abs(difference) >= self.guards.elevation_margin_deg
            clear &= higher_m >= self.guards.elevation_agrees_m
        else:
            difference = (a.distance_m - b.distance_m)[window]
            clear = np.abs(difference) >= self.guards.distance_margin_m
        return _constant(np.sign(difference).astype(np.int64), clear)


def _end_minus_beginning(track: Floats) -> float:
    """Mean over the last second minus mean over the first."""
    first, last = list(ANCHORS["beginning"]), list(ANCHORS["end"])
    return float(track[last].mean() - track[first].mean())


def _constant(classes: NDArray[np.int64], clear: NDArray[np.bool_]) -> int | None:
    """The one class that holds in every bin, where every bin is clear."""
    if clear.all() and (classes == classes[0]).all():
        return int(classes[0])
    return None
