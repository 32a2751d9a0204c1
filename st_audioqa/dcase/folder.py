"""The folders of a DCASE data set: which recordings there are, of which split and room.

    foa_dev/dev-train-tau/fold3_room4_mix001.wav         audio: 4 channels, first-order ambisonics
    metadata_dev/dev-train-tau/fold3_room4_mix001.csv    its annotation

`foa_eval` and `metadata_eval`, and files right below those folders, are found as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from st_audioqa.errors import UserError

__all__ = ["Recording", "find_recordings"]

_SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
_ROOM = re.compile(r"room(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Recording:
    """One recording, or an annotation or audio file without the other."""

    name: str
    """Path below the audio folder, without the ending; with "/" on every system."""
    split: str
    room: str
    audio: Path
    annotation: Path


def find_recordings(folder: Path) -> list[Recording]:
    """All recordings of a data set, sorted by name.

    The split is told by the folder's name (dev-train-tau -> train, dev-val -> validation,
    dev-test-sony -> test); where no folder tells any, all are "test". A room is known by its
    number and by the site at the end of the folder's name; a file without a room number is a
    room of its own.

    Raises
    ------
    UserError
        The folder holds no such data set, or no recording of the split test.
    """
    places = [
        (audio, folder / audio.name.replace("foa", "metadata", 1))
        for audio in sorted(folder.glob("foa_*"))
        if audio.is_dir()
    ]
    found = [
        recording for audio, metadata in places for recording in _recordings(audio, metadata)
    ]
    if not found:
        raise UserError(
            f"{folder} must hold a data set in the DCASE layout (foa_dev/*/*.wav and "
            "metadata_dev/*/*.csv), but no recording was found: name the folder above foa_dev."
        )
    splits = {recording.split for recording in found}
    if "test" not in splits:
        raise UserError(
            f"{folder} must have recordings for a split named test, got {sorted(splits)}: name "
            "one folder of foa_dev and metadata_dev dev-test."
        )
    names = [recording.name for recording in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{folder} has two recordings named {twice[0]}: rename one.")
    return sorted(found, key=lambda each: each.name)


def _recordings(audio: Path, metadata: Path) -> Iterator[Recording]:
    names = {
        path.relative_to(folder).with_suffix("")
        for folder, ending in ((audio, "wav"), (metadata, "csv"))
        for path in folder.rglob(f"*.{ending}")
        if not path.name.startswith(".")  # what some systems leave beside files in archives
    }
    told = {name: _split(name) for name in names}
    for name in sorted(names):
        split = told[name] if any(told.values()) else "test"
        yield Recording(
            name=name.as_posix(),
            split=split or "train",
            room=_room(name),
            audio=(audio / name).with_name(name.name + ".wav"),
            annotation=(metadata / name).with_name(name.name + ".csv"),
        )


def _split(name: Path) -> str:
    """The split that a folder's name tells; empty where it tells none."""
    words = re.split(r"[-_]", name.parts[0].lower()) if len(name.parts) > 1 else []
    return next((_SPLITS[word] for word in words if word in _SPLITS), "")


def _room(name: Path) -> str:
    number = _ROOM.search(name.name)
    if number is None:
        return name.as_posix()
    words = re.split(r"[-_]", name.parts[0].lower()) if len(name.parts) > 1 else []
    site = words[-1] if words and words[-1] not in {*_SPLITS, "dev", "eval"} else ""
    return f"{site}-room{number[1]}" if site else f"room{number[1]}"
