"""Several event libraries as one.

    [events]
    library = "mix"
    options.parts = [
        {library = "synth"},
        {library = "folder", path = "/data/recordings", weight = 3},
    ]

Labels are drawn evenly over those that any part has. Where several have the label that was drawn,
a part is drawn by its weight. Each clip keeps the split that its part gives it; where two parts
have one recording in two splits, only one of the splits keeps it
(`st_audioqa.events.catalogue.keep_apart`). Recordings are told by their names: a content hash
(`folder`), a Freesound number (`esc50`, `fsd50k`), or what a table says.

An event names the part it comes from as its library. A part is called after its library; two of
one library need names of their own (`name = "street"`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, validate_call

from st_audioqa.errors import UserError
from st_audioqa.events.catalogue import keep_apart
from st_audioqa.events.library import EventLibrary, draw_label, open_library
from st_audioqa.events.recordings import RecordingLibrary
from st_audioqa.scene import Event

__all__ = ["Library", "Part"]


class Part(BaseModel):
    """One library of a mix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    library: str
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    path: str | None = None
    name: str = Field("", pattern=r"^[\w.-]*$")
    options: dict[str, Any] = {}

    @property
    def called(self) -> str:
        """What its events name as their library."""
        return self.name or self.library


class Library:
    """The libraries of several parts as one.

    Parameters
    ----------
    path : str, optional
        To be left out: every part has its own.
    level_dbfs, level_spread_db : float
        Levels are drawn uniformly in `level_dbfs` +- `level_spread_db`.
    parts : list of Part
        As mappings; a relative path is refused, as it means something else in every folder.

    Raises
    ------
    UserError
        If there are no parts, two have one name, or one cannot be opened.
    """

    name = "mix"
    version = "1.0"

    @validate_call
    def __init__(
        self,
        *,
        parts: Annotated[list[Part], Field(min_length=1)],
        path: str | None = None,
        level_dbfs: float = -35.0,
        level_spread_db: float = 3.0,
    ) -> None:
        if path is not None:
            raise UserError(
                f"The event library {self.name} reads no folder of its own, but has path "
                f"{path!r}: write the path into the part that it is for."
            )
        _check(parts)
        self._parts: dict[str, EventLibrary] = {}
        for part in parts:
            where = f"events.options.parts ({part.called})"
            self._parts[part.called] = open_library(
                part.library,
                part.path,
                part.options,
                level_dbfs=level_dbfs,
                level_spread_db=level_spread_db,
                where=where,
            )
        self._weights = {part.called: part.weight for part in parts}
        opened: list[object] = list(self._parts.values())
        read = [each for each in opened if isinstance(each, RecordingLibrary)]
        kept = keep_apart([each.catalogue for each in read], [each.origin for each in read])
        for each, catalogue in zip(read, kept, strict=True):
            each.catalogue = catalogue

    @property
    def details(self) -> Mapping[str, str]:
        """What the manifest says: a digest of all parts, and each part's version and details."""
        told: dict[str, str] = {}
        for name, part in self._parts.items():
            told[f"version of {name}"] = part.version
            told |= {f"{name}: {what}": text for what, text in part.details.items()}
        made_of = [
            (name, part.name, part.version, part.details.get("digest", ""))
            for name, part in sorted(self._parts.items())
        ]
        digest = hashlib.sha256(repr(made_of).encode()).hexdigest()
        return {"digest": digest[:16], **told}

    def labels(self, split: str) -> list[str]:
        """Labels that name a source in that split in any part, sorted."""
        return sorted({name for part in self._parts.values() for name in part.labels(split)})

    def draw(
        self,
        rng: np.random.Generator,
        split: str,
        label: str | None = None,
        avoid: Collection[str] = (),
    ) -> Event:
        """Draw an event; see `EventLibrary.draw`."""
        having = {name: part.labels(split) for name, part in self._parts.items()}
        every = sorted({label for labels in having.values() for label in labels})
        drawn = draw_label(rng, every, label, avoid)
        names = [name for name, labels in having.items() if drawn in labels]
        weights = np.array([self._weights[name] for name in names])
        name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        return replace(self._parts[name].draw(rng, split, drawn, avoid), library=name)

    def waveform(self, event: Event) -> NDArray[np.float32]:
        """The sound of an event; see `EventLibrary.waveform`.

        Returns
        -------
        ndarray [shape=(SCENE_SAMPLES,)]

        Raises
        ------
        UserError
            If no part has the event's name, or its part cannot make the waveform.
        """
        part = self._parts.get(event.library)
        if part is None:
            raise UserError(
                f"The mix has no part {event.library!r}, which clip {event.clip_id!r} comes "
                f"from, but {', '.join(self._parts)}: use the recipe the scene was made with."
            )
        return part.waveform(replace(event, library=part.name))


def _check(parts: Sequence[Part]) -> None:
    called = [part.called for part in parts]
    for part in parts:
        if part.library == Library.name:
            raise UserError("A part of a mix is a mix: list its parts instead.")
        if called.count(part.called) > 1:
            raise UserError(
                f"{called.count(part.called)} parts of the mix are called {part.called!r}: give "
                'each a name of its own (name = "street").'
            )
        if part.path is not None and not Path(part.path).is_absolute():
            raise UserError(
                f"The part {part.called} of the mix has the relative path {part.path!r}: write "
                "it from the root on, or leave it out and say --events FOLDER."
            )
