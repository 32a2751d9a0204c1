"""Recordings of one's own: a folder whose sub-folders are classes.

A sub-folder is named after an AudioSet label: its display name ("Walk, footsteps"), its spoken
name ("footsteps") or either one in lower case with "_" ("walk_footsteps"). It holds audio files
at any depth; files that do not end in one of `SUFFIXES` are left out.

Each file belongs to one split for good, by a hash of its size and its first 64 KiB: 80 % train,
10 % validation, 10 % test. Copies of a file share its split, wherever they lie. A corpus
without validation scenes leaves that tenth unused; a label with few files may be missing from
a split.

Of a recording longer than a scene, an excerpt is drawn. A shorter one begins within the first
second and is repeated to the end of the scene, with pauses drawn from `PAUSE_S`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import DURATION_S, SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.errors import RejectedDraw, UserError, unknown_name
from st_audioqa.events.files import find_sound, read_clip
from st_audioqa.events.labels import all_labels, slug, spoken_name
from st_audioqa.events.labels import label as find_label
from st_audioqa.events.library import draw_label, draw_level
from st_audioqa.events.loudness import set_level
from st_audioqa.scene import Event
from st_audioqa.seeding import generator

__all__ = ["PAUSE_S", "SPLITS", "SUFFIXES", "Library"]

SUFFIXES = (
    ".aif",
    ".aiff",
    ".au",
    ".caf",
    ".flac",
    ".mp3",
    ".oga",
    ".ogg",
    ".opus",
    ".w64",
    ".wav",
)
SPLITS = ("train", "validation", "test")
PAUSE_S = (0.3, 1.2)
LATEST_START_S = 1.0


@cache
def _label_of_slug() -> dict[str, str]:
    names = [known.name for known in all_labels()]
    return {slug(text): name for name in names for text in (name, spoken_name(name))}


def _split_of(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(2**16)
    digest = hashlib.blake2b(f"{path.stat().st_size}:".encode() + head, digest_size=8).digest()
    tenth = int.from_bytes(digest, "big") * 10 >> 64
    return {8: "validation", 9: "test"}.get(tenth, "train")


class Library:
    """The audio files below a folder; a clip id is a file's path within it.

    Parameters
    ----------
    path : str
        The folder.
    level_dbfs, level_spread_db : float
        Levels are drawn uniformly in `level_dbfs` +- `level_spread_db`.

    Raises
    ------
    UserError
        If no path is given, it is no folder, holds no audio files, or has a sub-folder that
        is named after no AudioSet label.
    """

    name = "folder"
    version = "1.0"

    def __init__(
        self,
        *,
        path: str | None = None,
        level_dbfs: float = -35.0,
        level_spread_db: float = 3.0,
    ) -> None:
        if path is None:
            raise UserError(
                f"The event library {self.name} needs a path, but has none: give the folder "
                "whose sub-folders are named after AudioSet labels."
            )
        self._root = Path(path)
        if not self._root.is_dir():
            raise UserError(f"There is no folder {path}: check the path of the event library.")
        self._level_dbfs = level_dbfs
        self._level_spread_db = level_spread_db
        self._clips: dict[str, dict[str, list[str]]] = {split: {} for split in SPLITS}
        for folder in sorted(self._root.iterdir()):
            if folder.is_dir() and not folder.name.startswith("."):
                self._add(folder)
        if not any(self._clips.values()):
            raise UserError(
                f"The folder {path} holds no audio files in sub-folders: add files such as "
                f"{self._root / 'bark' / 'one.wav'}."
            )

    def _add(self, folder: Path) -> None:
        name = _label_of_slug().get(slug(folder.name))
        if name is None:
            error = unknown_name("AudioSet label", folder.name, _label_of_slug())
            raise UserError(f"The folder {folder} is named after no label. {error}")
        found: dict[str, list[str]] = defaultdict(list)
        for file in sorted(folder.rglob("*")):
            if file.suffix.lower() in SUFFIXES and file.is_file():
                found[_split_of(file)].append(file.relative_to(self._root).as_posix())
        for split, clips in found.items():
            self._clips[split].setdefault(name, []).extend(clips)

    def _of(self, split: str) -> dict[str, list[str]]:
        if split not in self._clips:
            raise unknown_name("split", split, SPLITS)
        return self._clips[split]

    def labels(self, split: str) -> list[str]:
        """Display names of the labels that name a source in that split, sorted.

        Raises
        ------
        UserError
            If `split` is none of `SPLITS`.
        """
        return sorted(self._of(split))

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
            "no_event" where no label of the split will do, "unreadable_event" where the drawn
            file cannot be used; the detail says why.
        UserError
            If `split`, `label` or one of `avoid` does not exist.
        """
        name = draw_label(rng, self.labels(split), label, avoid)
        clips = self._of(split)[name]
        clip_id = clips[int(rng.integers(len(clips)))]
        share = float(rng.uniform())
        level_dbfs = draw_level(rng, self._level_dbfs, self._level_spread_db)
        try:
            extent = find_sound(self._root / clip_id)
            spare_s = extent.duration_s - DURATION_S
            # Whole milliseconds, so that the offset survives being written down.
            offset_s = round(share * max(spare_s, -LATEST_START_S), 3)
            read_clip(self._root / clip_id, offset_s, extent)
        except UserError as error:
            raise RejectedDraw("unreadable_event", str(error)) from error
        return Event(
            library=self.name,
            clip_id=clip_id,
            offset_s=offset_s,
            level_dbfs=level_dbfs,
            labels=(name,),
            mids=(find_label(name).mid,),
            licence="unknown",
        )

    def waveform(self, event: Event) -> NDArray[np.float32]:
        """The sound of an event; see `EventLibrary.waveform`.

        Returns
        -------
        ndarray [shape=(SCENE_SAMPLES,)]

        Raises
        ------
        UserError
            If the event's file is missing or cannot be used.
        """
        path = self._root / event.clip_id
        extent = find_sound(path)
        clip = read_clip(path, event.offset_s, extent)
        rng = generator(0, self.name, event.clip_id, round(1000 * event.offset_s))
        if extent.duration_s < DURATION_S:
            start = round(-event.offset_s * SAMPLE_RATE)
            clip = _repeated(clip[start:], start, extent.duration_s, rng)
        return set_level(clip, event.level_dbfs)


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
