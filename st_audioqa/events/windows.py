"""Entrances and exits: sounds that come in late, end early, or both.

A window stands at the end of the clip id ("...@2.50-7.75", in seconds), so that an event's fields
alone still give its waveform. It lies on edges of bins, and fades last 20 ms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import BIN_S, DURATION_S, SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.errors import RejectedDraw
from st_audioqa.events.library import EventLibrary
from st_audioqa.events.loudness import activity, set_level
from st_audioqa.scene import Event

__all__ = ["WindowedLibrary", "window_of"]

_FADE_S = 0.02
_LEAST_ACTIVE_BINS = 4
_WINDOWS_S = (
    ((2.0, 6.0), (DURATION_S, DURATION_S)),
    ((0.0, 0.0), (4.0, 8.0)),
    ((1.5, 4.0), (6.5, 8.5)),
)
"""Ranges of first and last moment: enters, leaves, does both."""


class WindowedLibrary:
    """An event library some of whose sounds are heard through a window.

    Parameters
    ----------
    library : EventLibrary
    share : float
        Of events that have a window, 0 to 1. Windows do not depend on the label.
    """

    def __init__(self, library: EventLibrary, share: float) -> None:
        self._library = library
        self._share = share
        self.name = library.name
        self.version = library.version
        self.details: Mapping[str, str] = library.details

    def labels(self, split: str) -> list[str]:
        """Those of the library."""
        return self._library.labels(split)

    def draw(
        self,
        rng: np.random.Generator,
        split: str,
        label: str | None = None,
        avoid: Collection[str] = (),
    ) -> Event:
        """Draw an event; see `EventLibrary.draw`."""
        event = self._library.draw(rng, split, label, avoid)
        if rng.random() >= self._share:
            return event
        first, last = (
            BIN_S * round(float(rng.uniform(*range_)) / BIN_S)
            for range_ in _WINDOWS_S[int(rng.integers(len(_WINDOWS_S)))]
        )
        return replace(
            event,
            clip_id=f"{event.clip_id}@{first:.2f}-{last:.2f}",
            recording=event.recording or event.clip_id,
        )

    def waveform(self, event: Event) -> NDArray[np.float32]:
        """The sound of an event within its window, at the event's level.

        Raises
        ------
        RejectedDraw
            "silent_window": there is next to nothing in it.
        """
        clip_id, window = window_of(event)
        if window is None:
            return self._library.waveform(event)
        whole = self._library.waveform(replace(event, clip_id=clip_id))
        heard = whole * _gate(*window)
        if activity(heard).sum() < _LEAST_ACTIVE_BINS:
            raise RejectedDraw("silent_window", event.clip_id)
        return set_level(heard, event.level_dbfs)


def window_of(event: Event) -> tuple[str, tuple[float, float] | None]:
    """Clip id without the window, and first and last moment in s; None where there is none."""
    clip_id, mark, window = event.clip_id.rpartition("@")
    first, dash, last = window.partition("-")
    if not (mark and dash and _is_number(first) and _is_number(last)):
        return event.clip_id, None
    return clip_id, (float(first), float(last))


def _is_number(text: str) -> bool:
    whole, _, rest = text.partition(".")
    return whole.isdigit() and len(rest) == 2 and rest.isdigit()


def _gate(first_s: float, last_s: float) -> NDArray[np.float32]:
    """Gain over the scene: 1 within the window, raised cosines inside its edges."""
    time = (np.arange(SCENE_SAMPLES) + 0.5) / SAMPLE_RATE
    gate = np.ones(SCENE_SAMPLES)
    if first_s > 0.0:
        gate *= _rise((time - first_s) / _FADE_S)
    if last_s < DURATION_S:
        gate *= _rise((last_s - time) / _FADE_S)
    return gate.astype(np.float32)


def _rise(share: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.sin(0.5 * np.pi * np.clip(share, 0.0, 1.0)) ** 2)
