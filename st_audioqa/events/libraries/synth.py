"""Synthetic sound events: no download, no licence to mind, every clip is new."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import UserError
from st_audioqa.events.labels import label as find_label
from st_audioqa.events.labels import slug
from st_audioqa.events.library import draw_label, draw_level
from st_audioqa.events.loudness import set_level
from st_audioqa.events.synth import SOUNDS, synthesise
from st_audioqa.scene import Event
from st_audioqa.seeding import generator

__all__ = ["Library"]


class Library:
    """Every split has all classes of `st_audioqa.events.synth`; a clip id is a seed.

    Parameters
    ----------
    path : str, optional
        There is nothing to read: to be left out.
    level_dbfs, level_spread_db : float
        Levels are drawn uniformly in `level_dbfs` +- `level_spread_db`.

    Raises
    ------
    UserError
        If a path is given.
    """

    name = "synth"
    version = "2.1"
    """A change of any waveform changes it."""
    details: Mapping[str, str] = {}

    def __init__(
        self,
        *,
        path: str | None = None,
        level_dbfs: float = -35.0,
        level_spread_db: float = 3.0,
    ) -> None:
        if path is not None:
            raise UserError(
                f"The event library {self.name} reads no files, but has path {path!r}: leave "
                "the path out, or use the event library folder."
            )
        self._level_dbfs = level_dbfs
        self._level_spread_db = level_spread_db

    def labels(self, split: str) -> list[str]:
        """Display names of the labels that name a source in that split, sorted."""
        return sorted(SOUNDS)

    def draw(
        self,
        rng: np.random.Generator,
        split: str,
        label: str | None = None,
        avoid: Collection[str] = (),
    ) -> Event:
        """Draw an event; see `EventLibrary.draw`.

        Raises
        ------
        RejectedDraw
            "no_event" where no label will do.
        UserError
            If `label` or one of `avoid` is no AudioSet label.
        """
        name = draw_label(rng, self.labels(split), label, avoid)
        return Event(
            library=self.name,
            library_version=self.version,
            clip_id=f"{slug(name)}-{split}-{rng.integers(2**63):016x}",
            offset_s=0.0,
            level_dbfs=draw_level(rng, self._level_dbfs, self._level_spread_db),
            labels=(name,),
            mids=(find_label(name).mid,),
            licence="CC0-1.0",
        )

    def waveform(self, event: Event) -> NDArray[np.float32]:
        """The sound of an event; see `EventLibrary.waveform`.

        Returns
        -------
        ndarray [shape=(SCENE_SAMPLES,)]

        Raises
        ------
        UserError
            If the library has no such sound class.
        """
        if event.name not in SOUNDS:
            raise UserError(
                f"The event library {self.name} {self.version} has no {event.name!r}, which "
                f"clip {event.clip_id!r} asks for: use the version the scene was made with."
            )
        rng = generator(0, self.name, event.clip_id)
        return set_level(synthesise(event.name, rng), event.level_dbfs)
