"""Publishing a corpus without the answers of its test split.

`hold` makes two folders of one corpus. The public one is a corpus like any other, but the held
splits have audio and questions only: no answer, no track, no pose, no room, no seed, no clip, no
configuration, and ids that tell nothing. The private one holds what was left out, by public ids:
`answers-SPLIT.parquet` (`ANSWERS_SCHEMA`: the questions of all tables with their answers) and
`scenes-SPLIT.parquet` (the columns of `scenes` but the audio). Who has neither the seed nor the
private folder can only listen.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from st_audioqa.corpus.manifest import QUESTION_TABLES, Manifest, ShardEntry
from st_audioqa.corpus.schema import (
    ANSWERS_SCHEMA,
    QA_SCHEMA,
    SCENES_SCHEMA,
    question_from_row,
)
from st_audioqa.corpus.shards import read_rows, write_shard
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.scene import Question

__all__ = ["answers_path", "hold", "read_answers"]

_LEAST_SEED = 2**48
"""A smaller one is found by trying: the same recipe makes the same scenes for everybody."""
_ROWS_PER_GROUP = 5_000
_TRACKS_SCHEMA = pa.schema([field for field in SCENES_SCHEMA if field.name != "audio"])
_QUESTION_BLANKS: dict[str, Any] = {
    "configuration": "",
    "answer": "",
    "targets": [],
    "template_id": "",
    "paraphrase_id": 0,
}
_SCENE_BLANKS: dict[str, Any] = {
    "configuration": "",
    "room": {"provider": "", "name": "", "category": "", "parameters": "{}"},
    "listener": None,
    "sources": [],
    "seed": None,
    "attempt": None,
}


def answers_path(private: Path, split: str) -> Path:
    """Where the private folder has the answers of a split."""
    return private / f"answers-{split}.parquet"


def hold(folder: Path, public: Path, private: Path, splits: Sequence[str]) -> Manifest:
    """Makes the public and the private folder; the corpus itself stays as it is.

    Shards of other splits are linked where the file system allows it, and copied elsewhere. The
    same corpus gives the same bytes. Returns the public manifest, which is not saved yet.

    Raises
    ------
    UserError
        The seed can be guessed, a split is not there or is trained on, or a folder is not empty.
    """
    manifest = Manifest.load(folder)
    manifest.refuse_held("Holding answers back")
    _check(manifest, splits)
    for place in (public, private):
        if place.exists() and any(place.iterdir()):
            raise UserError(f"A new or empty folder is wanted, and {place} is neither.")
        place.mkdir(parents=True, exist_ok=True)
    if public.resolve() in (private.resolve(), *private.resolve().parents):
        raise UserError(f"The private folder {private} must not lie in the public one.")
    ids = _Ids(f"{manifest.recipe.seed}/{manifest.recipe_hash}")
    kept = [e for e in manifest.files if e.split not in splits]
    entries = {entry.path: _linked(folder, public, entry) for entry in kept}
    answers: dict[str, list[dict[str, Any]]] = {split: [] for split in splits}
    tracks: dict[str, list[dict[str, Any]]] = {split: [] for split in splits}
    for entry in manifest.scenes:
        if entry.split in splits:
            rows = _scenes(folder, entry, ids, tracks[entry.split])
            size = manifest.recipe.corpus.row_group_size
            write_shard(public / entry.path, rows, SCENES_SCHEMA, size)
            entries[entry.path] = ShardEntry.of(public, entry.path, entry.split, len(rows))
    for table in QUESTION_TABLES:
        for split in splits:
            of_split = [e for e in manifest.entries(table) if e.split == split]
            found = sorted(
                _questions(folder, table, of_split, ids), key=lambda row: row["question_id"]
            )
            answers[split] += found
            left = iter(found)
            for entry in of_split:
                rows = [{**next(left), **_QUESTION_BLANKS} for _ in range(entry.rows)]
                public_rows = [{name: row[name] for name in QA_SCHEMA.names} for row in rows]
                write_shard(public / entry.path, public_rows, QA_SCHEMA, _ROWS_PER_GROUP)
                entries[entry.path] = ShardEntry.of(public, entry.path, split, entry.rows)
    for split in splits:
        write_shard(answers_path(private, split), answers[split], ANSWERS_SCHEMA, 5_000)
        by_id = sorted(tracks[split], key=lambda row: row["scene_id"])
        write_shard(private / f"scenes-{split}.parquet", by_id, _TRACKS_SCHEMA, 1_000)
    changed = {
        "recipe": manifest.recipe.model_copy(update={"seed": 0}),
        "seed": None,
        "held": sorted(splits),
        **{
            table: [entries[entry.path] for entry in getattr(manifest, table)]
            for table in ("scenes", *QUESTION_TABLES)
        },
        "bench": [entry for entry in manifest.bench if entry.split not in splits],
    }
    return manifest.model_copy(update=changed)


def _check(manifest: Manifest, splits: Sequence[str]) -> None:
    known = sorted({entry.split for entry in manifest.scenes})
    for split in splits:
        if split not in known:
            raise unknown_name("split", split, known)
        if split == "train":
            raise UserError(
                "Answers of train are there to learn from: hold back another split."
            )
    if manifest.recipe.seed < _LEAST_SEED:
        raise UserError(
            f"The seed {manifest.recipe.seed} is found by trying, and whoever has it makes the "
            "test split with its answers again: generate the corpus with a secret one, such as "
            '--seed $(python -c "import secrets; print(secrets.randbelow(2**63))").'
        )


class _Ids:
    """Public ids: a keyed hash of the ids of the corpus."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._given: dict[str, str] = {}

    def of(self, split: str, name: str) -> str:
        """The public id of a scene or question."""
        digest = hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()[:20]
        public = f"{split}-{digest}"
        if self._given.setdefault(public, name) != name:
            raise ValueError(f"{name} and {self._given[public]} get one id")
        return public


def _linked(folder: Path, public: Path, entry: ShardEntry) -> ShardEntry:
    target = public / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        os.link(folder / entry.path, target)
        return entry
    shutil.copyfile(folder / entry.path, target)
    return entry


def _scenes(
    folder: Path, entry: ShardEntry, ids: _Ids, tracks: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Public rows of a shard, in the order of their new ids; what they lack goes to `tracks`."""
    rows = []
    for row in read_rows(folder / entry.path):
        scene_id = ids.of(entry.split, row["scene_id"])
        audio = row.pop("audio")
        tracks.append({**row, "scene_id": scene_id})
        stored = audio and {"bytes": audio["bytes"], "path": f"{scene_id}.flac"}
        renderer = {**row["renderer"], "rir_hash": ""}
        blank = {**_SCENE_BLANKS, "audio": stored, "renderer": renderer}
        rows.append({**row, **blank, "scene_id": scene_id})
    return sorted(rows, key=lambda row: row["scene_id"])


def _questions(
    folder: Path, table: str, entries: Sequence[ShardEntry], ids: _Ids
) -> Iterator[dict[str, Any]]:
    """Rows of a split of a table with public ids and the ids they come from."""
    for entry in entries:
        for row in read_rows(folder / entry.path):
            yield {
                **row,
                "table": table,
                "question_id": ids.of(entry.split, row["question_id"]),
                "scene_id": ids.of(entry.split, row["scene_id"]),
                "source_question_id": row["question_id"],
                "source_scene_id": row["scene_id"],
            }


def read_answers(path: Path, asked: Sequence[Question], table: str) -> list[Question]:
    """The questions that were asked with their answers, from a private answers file.

    Parameters
    ----------
    path : Path
        `answers-SPLIT.parquet`, as `hold` writes it.
    asked : sequence of Question
        Those of the published split.
    table : str
        Table of questions.

    Raises
    ------
    UserError
        The file is no answers file, or is about other questions.
    """
    wanted = {question.question_id: question for question in asked}
    found = []
    for row in read_rows(path):
        if row.keys() != set(ANSWERS_SCHEMA.names):
            raise UserError(
                f"{path} is no file of answers: wanted answers-SPLIT.parquet, which "
                "`st-audioqa publish --hold-answers` writes."
            )
        if row["table"] == table:
            question = question_from_row({name: row[name] for name in QA_SCHEMA.names})
            public = wanted.pop(question.question_id, None)
            if public is None or public.question != question.question:
                wanted[question.question_id] = question
                break
            found.append(question)
    if wanted:
        raise UserError(
            f"{path} must have the answers to the {len(asked)} questions of the table {table}, "
            f"but it is about others (first: {min(wanted)}): give the answers of this corpus "
            "and split."
        )
    return found
