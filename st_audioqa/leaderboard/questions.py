"""The questions that submissions are scored against, from a corpus or a private file of answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from st_audioqa.corpus.manifest import MANIFEST
from st_audioqa.corpus.reader import Corpus
from st_audioqa.corpus.schema import QA_SCHEMA, question_from_row
from st_audioqa.errors import UserError
from st_audioqa.files import file_sha256
from st_audioqa.leaderboard.submission import asked_sha256
from st_audioqa.scene import Question

__all__ = ["Asked", "load_questions"]

_NEEDED = (
    "question_id",
    "scene_id",
    "configuration",
    "type",
    "family",
    "attribute",
    "anchor",
    "question",
    "answer",
    "answer_kind",
    "options",
)
"""What the scorer needs of a question."""


@dataclass(frozen=True)
class Asked:
    """What a leaderboard is about."""

    questions: tuple[Question, ...]
    split: str
    table: str
    asked_sha256: str
    manifest_sha256: str = ""
    """Of the published corpus; empty where that is not at hand."""
    name: str = ""


def load_questions(
    *, corpus: Path | None, answers: Path | None, split: str, table: str
) -> Asked:
    """Questions with their answers.

    Parameters
    ----------
    corpus : Path, optional
        Folder of the corpus. Beside `answers` it is the published one, without answers, and
        only says which manifest submissions must name.
    answers : Path, optional
        Parquet file with the columns of `qa` that the scorer needs, and perhaps `table`.
    split, table : str

    Raises
    ------
    UserError
        Neither is given, a file cannot be read, or the two are about different questions.
    """
    if corpus is None and answers is None:
        raise UserError(
            "Answers are needed to score by: give --corpus DIR, or --answers FILE where they are "
            "held back."
        )
    manifest_sha256, name, published = "", "", None
    if corpus is not None:
        found = Corpus(corpus)
        published = found.questions(split, table)
        manifest_sha256 = file_sha256(corpus / MANIFEST)
        name = found.manifest.recipe.name
    questions = published if answers is None else _read_answers(answers, split, table)
    if not questions:
        raise UserError(
            f"The table {table} of the split {split} has no questions: choose another table."
        )
    if answers is None and not all(question.answer for question in questions):
        raise UserError(
            f"The answers of {split} are held back in {corpus}: add the private file of answers "
            "with --answers."
        )
    if published is not None and asked_sha256(published) != asked_sha256(questions):
        raise UserError(
            f"{answers} is about other questions than {corpus}: give the answers of this corpus, "
            "split and table."
        )
    return Asked(tuple(questions), split, table, asked_sha256(questions), manifest_sha256, name)


def _read_answers(path: Path, split: str, table: str) -> list[Question]:
    try:
        rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise UserError(
            f"Answers are read from a Parquet file, but {path} cannot be read ({error}): check "
            "the path."
        ) from error
    missing = [name for name in _NEEDED if rows and name not in rows[0]]
    if missing:
        raise UserError(
            f"{path} is no file of answers, since it has no column {', '.join(missing)}: wanted "
            "answers-SPLIT.parquet, which `st-audioqa publish --hold-answers` writes."
        )
    blank = {"split": split, "targets": [], "template_id": "", "paraphrase_id": 0}
    return [
        question_from_row({name: row.get(name, blank.get(name)) for name in QA_SCHEMA.names})
        for row in rows
        if row.get("table", table) == table and row.get("split", split) == split
    ]
