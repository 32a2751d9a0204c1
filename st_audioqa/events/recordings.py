"""What all libraries of recordings share: drawing a clip, finding its ten seconds, its level.

Of a recording longer than a scene an excerpt is drawn among those that sound most. A shorter one
is placed anywhere in the scene, once; with `repeat` it begins within the first second and is
heard again and again, with pauses drawn from `PAUSE_S`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from st_audioqa.conventions import BIN_S, DURATION_S, SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.events.catalogue import Catalogue, Clip
from st_audioqa.events.files import BLOCK_S, Extent, find_sound, read_clip
from st_audioqa.events.labels import confusable, mid
from st_audioqa.events.library import draw_label, draw_level
from st_audioqa.events.loudness import set_level
from st_audioqa.events.own_labels import LabelSet
from st_audioqa.events.storage import BadAudio, Stored
from st_audioqa.scene import Event
from st_audioqa.seeding import generator

__all__ = ["PAUSE_S", "LibraryOptions", "RecordingLibrary"]

PAUSE_S = (0.3, 1.2)
LATEST_START_S = 1.0
_TRIES = 16
"""Clips of a label that are looked at for one whose other labels fit too."""
_ENOUGH = 0.8
"""An excerpt must sound for this share of what the best excerpt of its recording does."""
_WAVEFORMS_KEPT = 4
_EXTENTS_KEPT = 64


class LibraryOptions(BaseModel):
    """What every library of recordings can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    path: str | None = None
    """The folder."""
    level_dbfs: float = -35.0
    level_spread_db: float = Field(3.0, ge=0)
    """Levels are drawn uniformly in `level_dbfs` +- `level_spread_db`."""
    repeat: bool = False
    """Whether a sound shorter than a scene is repeated to its end."""
    min_duration_s: float = Field(BIN_S, ge=0, le=DURATION_S)
    """Shorter sounds are rejected, silence at both ends left out."""
    label_set: LabelSet = "all"
    """"all", "355" or labels: those that may name a source."""


class RecordingLibrary:
    """Clips of a catalogue, read from a folder; the base of the libraries that read files.

    One that is derived says what it `takes` and how its folder is read (`_read`).

    Parameters
    ----------
    options
        As its `takes` has them.

    Raises
    ------
    UserError
        If there is no such folder, or it holds no clip that can be used.
    pydantic.ValidationError
        If an option is unknown or impossible.
    """

    name: str
    version: str
    takes: type[LibraryOptions] = LibraryOptions
    options: LibraryOptions
    needs_path = True
    """Whether it reads nothing without a folder."""
    origin = ""
    """See `st_audioqa.events.catalogue.keep_apart`."""
    _wanted: str
    """What its folder is."""
    _remedy: str
    """What is to be done where that holds no clip."""
    _may_be_cut = False
    """Whether a file may be cut to its clip already, so that its length must tell."""

    def __init__(self, **options: Any) -> None:
        self.options = self.takes.model_validate(options)
        self._root = self._folder(self.options.path)
        self.catalogue = self._read(self._root)
        if not len(self.catalogue):
            raise self._nothing()
        self._bad: dict[str, BadAudio] = {}
        self._extents: OrderedDict[str, Extent] = OrderedDict()
        self._waveforms: OrderedDict[Event, NDArray[np.float32]] = OrderedDict()

    def _read(self, root: Path) -> Catalogue:
        """The clips of a folder."""
        raise NotImplementedError

    def _folder(self, path: str | None) -> Path:
        if path is None:
            raise UserError(
                f"The event library {self.name} needs a path, but has none: give {self._wanted} "
                "(events.path in the recipe, or --events FOLDER)."
            )
        if not Path(path).is_dir():
            raise UserError(f"There is no folder {path}: check the path of the event library.")
        return Path(path)

    def _nothing(self) -> UserError:
        """What is said where no clip can be used."""
        report = self.catalogue.report
        if report["outside the label set"]:
            return UserError(
                f"None of the {report['outside the label set']} clips in {self._root} has a label "
                f"of label_set ({self.options.label_set!r}): name labels that they have, or "
                'leave it out ("all").'
            )
        told = ", ".join(f"{n} {what}" for what, n in sorted(report.items()) if n)
        return UserError(
            f"The event library {self.name} finds no clip that can be used in {self._root} "
            f"({told or 'no audio files'}): {self._remedy}."
        )

    @property
    def details(self) -> dict[str, str]:
        """What the manifest says of the clips: a digest, and how many were used or left out."""
        counts = {what: str(n) for what, n in sorted(self.catalogue.report.items())}
        return {"digest": self.catalogue.digest, **counts}

    def labels(self, split: str) -> list[str]:
        """Labels that name a source in that split, sorted.

        Raises
        ------
        UserError
            If there is no such split.
        """
        return self.catalogue.labels(split)

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
            "no_event" where no label of the split will do, "related_event" where the clips
            looked at have other labels that will not; "missing_event", "unreadable_event",
            "silent_event", "clipped_event" or "short_event" where the drawn clip cannot be used.
        UserError
            If `split` does not exist.
        """
        name = draw_label(rng, self.labels(split), label, avoid)
        clip = self._draw_clip(rng, self.catalogue.rows(split, name), avoid)
        share, lag = rng.uniform(size=2)
        level_dbfs = draw_level(rng, self.options.level_dbfs, self.options.level_spread_db)
        if clip.clip_id in self._bad:
            bad = self._bad[clip.clip_id]
            raise RejectedDraw(bad.reason, str(bad))
        try:
            extent = self._extent(clip)
            event = Event(
                library=self.name,
                library_version=self.version,
                clip_id=clip.clip_id,
                recording=clip.recording,
                # Whole milliseconds, so that the offset survives being written down.
                offset_s=round(self._offset_s(extent, float(share), float(lag)), 3),
                repeated=self.options.repeat and extent.duration_s < DURATION_S,
                level_dbfs=level_dbfs,
                labels=clip.labels,
                mids=tuple(map(mid, clip.labels)),
                licence=clip.licence,
                attribution=self._attribution(clip),
            )
            self.waveform(event)
        except BadAudio as error:
            known = self._extents.get(clip.clip_id)
            if known is None or known.duration_s <= DURATION_S:
                self._bad[clip.clip_id] = error
            raise RejectedDraw(error.reason, str(error)) from error
        return event

    def waveform(self, event: Event) -> NDArray[np.float32]:
        """The sound of an event; see `EventLibrary.waveform`.

        Returns
        -------
        ndarray [shape=(SCENE_SAMPLES,)]

        Raises
        ------
        UserError
            If the library has no such clip, or its file is missing or cannot be used.
        """
        if event in self._waveforms:
            return self._waveforms[event]
        clip = self.catalogue.find(event.clip_id)
        if clip is None:
            raise UserError(
                f"The event library {self.name} {self.version} has no clip {event.clip_id!r}: "
                "use the files and options the scene was made with."
            )
        extent = self._extent(clip)
        sound = read_clip(self._stored(clip), event.offset_s, extent)
        self._extents[clip.clip_id] = replace(extent, frames=None)
        if event.repeated:
            rng = generator(0, self.name, event.clip_id, round(1000 * event.offset_s))
            start = round(-event.offset_s * SAMPLE_RATE)
            sound = _repeated(sound[start:], start, extent.duration_s, rng)
        sound = set_level(sound, event.level_dbfs)
        sound.flags.writeable = False
        _remember(self._waveforms, event, sound, _WAVEFORMS_KEPT)
        return sound

    def _draw_clip(
        self, rng: np.random.Generator, rows: NDArray[np.int64], avoid: Collection[str]
    ) -> Clip:
        for _ in range(_TRIES):
            clip = self.catalogue.clip(int(rows[rng.integers(len(rows))]))
            if not any(confusable(own, other) for own in clip.labels for other in avoid):
                return clip
        raise RejectedDraw(
            "related_event",
            f"{_TRIES} clips of {clip.labels[0]} have labels that fit {sorted(avoid)} badly",
        )

    def _stored(self, clip: Clip) -> Stored:
        return Stored(self._root / clip.file, clip.member)

    def _attribution(self, clip: Clip) -> str:
        return clip.attribution

    def _extent(self, clip: Clip) -> Extent:
        if clip.clip_id not in self._extents:
            extent = find_sound(
                self._stored(clip), clip.start_s, clip.stop_s, may_be_cut=self._may_be_cut
            )
            if extent.duration_s < self.options.min_duration_s:
                raise BadAudio(
                    "short_event",
                    self._stored(clip),
                    f"sounds for {extent.duration_s:.2f} s only, wanted "
                    f"{self.options.min_duration_s:.2f} s",
                    "remove it or lower min_duration_s",
                )
            _remember(self._extents, clip.clip_id, extent, _EXTENTS_KEPT)
        return self._extents[clip.clip_id]

    def _offset_s(self, extent: Extent, share: float, lag: float) -> float:
        """Where the scene begins, counted from the first sound."""
        spare_s = extent.duration_s - DURATION_S
        if spare_s <= 0:
            return share * (max(spare_s, -LATEST_START_S) if self.options.repeat else spare_s)
        n = round(DURATION_S / BLOCK_S)
        total = np.concatenate([[0], np.cumsum(extent.sounding)])
        sounds = total[n:] - total[:-n]
        starts = np.flatnonzero(sounds >= _ENOUGH * sounds.max())
        return min((starts[int(share * len(starts))] + lag) * BLOCK_S, spare_s)


def _remember(kept: OrderedDict, key: object, value: object, limit: int) -> None:  # type: ignore[type-arg]
    kept[key] = value
    while len(kept) > limit:
        kept.popitem(last=False)


def _repeated(
    once: NDArray[np.float32], start: int, duration_s: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A short sound again and again, with pauses, from sample `start` to the scene's end."""
    total = np.zeros(SCENE_SAMPLES, dtype=np.float32)
    while start < SCENE_SAMPLES:
        part = once[: SCENE_SAMPLES - start]
        total[start : start + len(part)] += part
        start += round((duration_s + rng.uniform(*PAUSE_S)) * SAMPLE_RATE)
    return total
