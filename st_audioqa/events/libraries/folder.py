"""Recordings of one's own: a folder of audio files, with a table or with one folder per class.

Without a table, a sub-folder is named after its label (see `events.own_labels.Reader`) and holds
audio files at any depth. With one (`metadata`, a CSV file below the folder), each row is a clip:

| column | holds |
|---|---|
| `file` | path below the folder |
| `label` | its labels, separated by ";" |
| `split` | optional: train, validation or test (also val, valid, eval) |
| `recording` | optional: what no two splits may share: a session, a speaker, an uploader |
| `start_s`, `stop_s` | optional: where the clip lies in the file |
| `licence`, `attribution` | optional |

`recording_pattern` takes the recording out of a longer text, such as a name with a take.

Files without a split get one for good by a hash of their recording: 80 % train, 10 % validation,
10 % test. Where no recording is given, it is a hash of the file's size and of 64 KiB each from
its beginning, middle and end, so that copies of a file share its split, wherever they lie; a copy
that was cut or encoded anew does not. A corpus without validation scenes leaves that tenth
unused; a label with few files may be missing from a split.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pydantic import Field

from st_audioqa.errors import UserError, unknown_name
from st_audioqa.events.catalogue import Catalogue, Clip, split_of
from st_audioqa.events.own_labels import OwnLabels, Reader
from st_audioqa.events.recordings import LibraryOptions, RecordingLibrary
from st_audioqa.events.storage import audio_files

__all__ = ["Library", "Options", "opened_table"]

_PART_BYTES = 2**16
_COLUMNS = (
    "file",
    "label",
    "split",
    "recording",
    "start_s",
    "stop_s",
    "licence",
    "attribution",
)

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "eval": "test",
    "evaluation": "test",
}


@contextmanager
def opened_table(path: Path) -> Iterator[TextIO]:
    """A CSV file, open for reading.

    Raises
    ------
    UserError
        If it is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            yield lines
    except UnicodeDecodeError as error:
        raise UserError(
            f"The table {path} is not UTF-8 ({error}): save it as UTF-8."
        ) from error


class Options(LibraryOptions):
    """What the library can be told."""

    metadata: str | None = None
    """The table, below the folder."""
    columns: dict[str, str] = Field({})
    """Column of the list above -> what your table calls it."""
    recording_pattern: str | None = None
    r"""A regular expression. Where it fits the beginning of the column `recording`, its groups
    alone name the recording: `[1-5]-(\d+)-` makes "17150" of "1-17150-A.ogg" and of its other
    takes. Needs that column."""
    label_map: dict[str, str] = Field({})
    """Word of yours -> AudioSet display name."""
    own_labels: OwnLabels = "refuse"
    """What is done with a word that is no AudioSet label."""
    licence: str = "unknown"
    attribution: str = ""
    """Of the files that have none in the table."""


class Library(RecordingLibrary):
    """The audio files below a folder; a clip id is a file's path within it.

    Takes `Options`.

    Raises
    ------
    UserError
        If there is no such folder or table, it holds no usable audio files, or a word is no
        label and to be refused.
    """

    name = "folder"
    version = "2.0"
    takes = Options
    options: Options
    _wanted = "the folder whose sub-folders are named after AudioSet labels"
    _remedy = "add files such as bark/one.wav, or give a metadata table"

    def _read(self, root: Path) -> Catalogue:
        options = self.options
        reader = Reader(options.label_map, options.own_labels)
        left_out: Counter[str] = Counter()
        read = _of_folders if options.metadata is None else _of_table
        clips = list(read(root, options, reader, left_out))
        used = {label for clip in clips for label in clip.labels}
        catalogue = Catalogue.of(clips, reader.names(options.label_set, used))
        catalogue.report.update(left_out)
        return catalogue


def _of_folders(
    root: Path, options: Options, reader: Reader, left_out: Counter[str]
) -> Iterator[Clip]:
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        try:
            name = reader.read(folder.name)
        except UserError as error:
            raise UserError(f"The folder {folder} is named after no label. {error}") from error
        for below in audio_files(folder):
            if name is None:
                left_out["without a label"] += 1
                continue
            file = f"{folder.name}/{below}"
            recording = _content(root / file)
            yield Clip(
                file,
                (name,),
                split_of(recording),
                recording,
                file,
                licence=options.licence,
                attribution=options.attribution,
            )


def _of_table(
    root: Path, options: Options, reader: Reader, left_out: Counter[str]
) -> Iterator[Clip]:
    columns, pattern = options.columns, _compiled(options.recording_pattern)
    for name in columns:
        if name not in _COLUMNS:
            raise unknown_name("column", name, _COLUMNS)
    table = root / str(options.metadata)
    if not table.is_file():
        raise UserError(f"There is no table {table}: check the option metadata.")
    with opened_table(table) as lines:
        rows = csv.DictReader(lines)
        for wanted in ("file", "label", *(["recording"] if pattern else [])):
            if columns.get(wanted, wanted) not in (rows.fieldnames or ()):
                raise UserError(
                    f"The table {table} has no column {columns.get(wanted, wanted)!r}, but "
                    f"{rows.fieldnames}: rename one, or name it in the option columns."
                )
        for number, row in enumerate(rows, 2):

            def cell(name: str, row: dict[str, str] = row) -> str:
                return (row.get(columns.get(name, name)) or "").strip()

            file = cell("file")
            try:
                labels = {
                    reader.read(word) for word in cell("label").split(";") if word.strip()
                }
                bounds = [_seconds(cell(at)) for at in ("start_s", "stop_s")]
                split = SPLIT_NAMES[cell("split").lower()] if cell("split") else ""
            except (UserError, ValueError, KeyError) as error:
                raise UserError(f"The table {table}, line {number}: {error}") from error
            if not file or not (root / file).is_file():
                left_out["missing file"] += 1
                continue
            if not labels - {None}:
                left_out["without a label"] += 1
                continue
            recording = _named(cell("recording"), pattern) or _content(root / file)
            start, stop = bounds
            cut = "" if start is None and stop is None else f"#{start or 0:g}"
            yield Clip(
                file + cut,
                tuple(sorted(name for name in labels if name)),
                split or split_of(recording),
                recording,
                file,
                start_s=start,
                stop_s=stop,
                licence=cell("licence") or options.licence,
                attribution=cell("attribution") or options.attribution,
            )


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    try:
        made = None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"The option recording_pattern is {pattern!r}, which is no regular expression "
            f"({error}): correct it."
        ) from error
    if made is not None and not made.groups:
        raise UserError(
            f"The option recording_pattern is {pattern!r}, but nothing in it stands in round "
            "brackets: put them around what names the recording."
        )
    return made


def _named(recording: str, pattern: re.Pattern[str] | None) -> str:
    """A recording by the groups of the pattern, or as it is written."""
    found = pattern.match(recording) if pattern else None
    return "-".join(each or "" for each in found.groups()) if found else recording


def _seconds(text: str) -> float | None:
    seconds = float(text) if text else None
    if seconds is not None and not 0 <= seconds < math.inf:
        raise ValueError(f"{text} is no time within a file")
    return seconds


def _content(path: Path) -> str:
    """A hash of a file's size and of a part of its beginning, its middle and its end.

    The beginning alone will not do: different sounds of one length may begin with silence.
    """
    size = path.stat().st_size
    digest = hashlib.blake2b(f"{size}:".encode(), digest_size=8)
    with path.open("rb") as file:
        for start in (0, size // 2, max(0, size - _PART_BYTES)):
            file.seek(start)
            digest.update(file.read(_PART_BYTES))
    return digest.hexdigest()
