"""Verifies the questions of a corpus: they must be those that the stored scenes give.

Of the stored questions only digests are kept, so that a million of them fit into memory.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from st_audioqa.corpus.manifest import QUESTION_TABLES, Manifest, ShardEntry
from st_audioqa.corpus.schema import QA_SCHEMA, question_from_row
from st_audioqa.corpus.shards import read_rows
from st_audioqa.corpus.tables import scene_tables
from st_audioqa.errors import UserError
from st_audioqa.execution import run_tasks
from st_audioqa.pipeline.generate import question_engine
from st_audioqa.pipeline.verify_files import check_file
from st_audioqa.scene import Question

__all__ = ["check_questions"]

Found = tuple[list[str], int, int]
"""Faults, files and questions."""


@dataclass(frozen=True)
class _Task:
    """The questions of one set of families about one split."""

    folder: Path
    manifest: Manifest
    split: str
    set: Literal["paper", "extended"]
    scenes: Mapping[str, str]
    """The file of every scene that can be read."""

    @property
    def tables(self) -> list[str]:
        """The tables of the set."""
        return [name for name, (of_set, _) in QUESTION_TABLES.items() if of_set == self.set]

    @property
    def whole(self) -> bool:
        """Whether all scenes of the split can be read, so that they can be asked about again."""
        held = Counter(self.scenes.values())
        entries = [each for each in self.manifest.scenes if each.split == self.split]
        return bool(entries) and all(held[each.path] == each.rows for each in entries)


def check_questions(
    folder: Path, manifest: Manifest, scenes: Mapping[str, str], workers: int
) -> Iterator[Found]:
    """Ids, references and answers of all tables, split by split.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    scenes : mapping
        The file of every scene that can be read.
    workers : int
    """
    sets: list[Literal["paper", "extended"]] = ["paper", "extended"]
    entries = (*manifest.scenes, *manifest.question_files)
    tasks = [
        _Task(folder, manifest, split, set_, scenes)
        for set_ in sets
        if set_ in manifest.recipe.questions.sets
        or any(
            manifest.entries(name) for name, (of, _) in QUESTION_TABLES.items() if of == set_
        )
        for split in sorted({entry.split for entry in entries})
    ]
    yield from run_tasks(_check, tasks, workers, lambda: None)


def _check(task: _Task, tick: Callable[[], object]) -> Found:
    faults: list[str] = []
    n_files = n_questions = 0
    stored: dict[str, dict[str, bytes]] = {table: {} for table in task.tables}
    for table in task.tables:
        for entry in task.manifest.entries(table):
            if entry.split == task.split:
                n_files += (task.folder / entry.path).is_file()
                n_questions += _read(task, entry, stored[table], faults)
    if task.whole and task.set in task.manifest.recipe.questions.sets:
        try:
            faults += _asked_again(task, stored)
        except (UserError, ValueError) as error:
            faults.append(f"qa of {task.split}: cannot be asked again: {error}")
    return faults, n_files, n_questions


def _read(task: _Task, entry: ShardEntry, of_table: dict[str, bytes], faults: list[str]) -> int:
    """Reads the questions of a file; returns how many rows it has."""
    readable, wrong = check_file(task.folder, entry, QA_SCHEMA)
    faults += wrong
    count = 0
    if not readable:
        return count
    try:
        for row in read_rows(task.folder / entry.path):
            count += 1
            try:
                question = question_from_row(row)
            except UserError as error:
                faults.append(f"{entry.path}: {error}")
                continue
            if question.question_id in of_table:
                faults.append(f"{entry.path}: {question.question_id} occurs twice")
            of_table[question.question_id] = _digest(question)
            if question.scene_id not in task.scenes:
                faults.append(
                    f"{entry.path}: {question.question_id} asks about {question.scene_id}, "
                    "which is not in the corpus"
                )
    except UserError as error:
        faults.append(f"{entry.path}: {error}")
    return count


def _asked_again(task: _Task, stored: Mapping[str, Mapping[str, bytes]]) -> Iterator[str]:
    """Stored questions must be those that are asked again."""
    manifest = task.manifest
    paths = [task.folder / each.path for each in manifest.scenes if each.split == task.split]
    engine = question_engine(manifest.recipe, task.set)
    chosen = engine.choose(
        (table for path in paths for table in scene_tables(path)), manifest.recipe.seed
    )
    for table in task.tables:
        held_out = QUESTION_TABLES[table][1]
        if held_out and task.split == "train":
            continue
        wanted = {
            each.question_id: _digest(each) for each in engine.word(chosen, held_out=held_out)
        }
        found = stored[table]
        wrong = [
            question_id
            for question_id in sorted(found.keys() | wanted.keys())
            if found.get(question_id) != wanted.get(question_id)
        ]
        where = f"{table} of {task.split}"
        yield from (f"{where}: {each} is not what the scenes give" for each in wrong[:5])
        if len(wrong) > 5:
            yield f"{where}: {len(wrong)} questions in all are not what the scenes give"


def _digest(question: Question) -> bytes:
    return hashlib.blake2b(repr(question).encode(), digest_size=16).digest()
