"""Scores a folder of submissions; a bad one is refused with its reason and stops no other.

Conventions
-----------
`overall` is the mean of the averages of the types A, B and C (ours; the paper has none); entries
are sorted by it, then by name. Where one of the averages is None, so is `overall`, and the entry
stands behind the others.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from st_audioqa.errors import UserError
from st_audioqa.evaluation.columns import AVERAGE, COLUMNS
from st_audioqa.evaluation.predictions import read_predictions
from st_audioqa.evaluation.result import SCORER_VERSION
from st_audioqa.evaluation.result import Path as CellPath
from st_audioqa.evaluation.scoring import score
from st_audioqa.evaluation.summary import TYPES
from st_audioqa.evaluation.vocabulary import Vocabulary
from st_audioqa.leaderboard.archive import unpack
from st_audioqa.leaderboard.questions import Asked
from st_audioqa.leaderboard.submission import Submission, parse_submission

__all__ = ["CELLS", "Board", "Entry", "Refusal", "build"]

_NAMES = str.maketrans({" ": "_", "-": "_", ".": "", "/": ""})

CELLS: Mapping[str, CellPath] = {
    "_".join(path[1:]).translate(_NAMES).lower(): path
    for path in [*(column.path for column in COLUMNS), AVERAGE]
}
"""Name of a column of the results -> path of its cell; the average of type C is the last."""


@dataclass(frozen=True)
class Entry:
    """A submission that was scored."""

    file: str
    submission: Submission
    tables: Mapping[str, Any]
    averages: Mapping[str, Any]
    counts: Mapping[str, int]
    statuses: Mapping[str, int]

    @property
    def overall(self) -> float | None:
        """Mean of the averages of the three types, in percent."""
        values = [self.averages[kind]["value"] for kind in TYPES]
        if any(value is None for value in values):
            return None
        return round(sum(values) / len(values), 6)

    @property
    def parse_rate(self) -> float:
        """Percent of questions with a readable answer."""
        return round(100.0 * self.statuses["ok"] / self.counts["questions"], 6)


@dataclass(frozen=True)
class Refusal:
    """A submission that was not scored."""

    file: str
    reason: str


@dataclass(frozen=True)
class Board:
    """A leaderboard."""

    asked: Asked
    dataset_revision: str
    entries: tuple[Entry, ...]
    """Best first."""
    refused: tuple[Refusal, ...]
    bootstrap: Mapping[str, Any]
    scorer_version: str = SCORER_VERSION


def build(
    folder: Path,
    asked: Asked,
    *,
    vocabulary: Vocabulary,
    dataset_revision: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
    progress: Callable[[], object] = lambda: None,
) -> Board:
    """Score every submission of a folder.

    Parameters
    ----------
    folder : Path
        Holds zip files; hidden files are passed over, anything else is refused.
    asked : Asked
    vocabulary : Vocabulary
    dataset_revision : str, optional
        What submissions must say; anything if left out.
    resamples, seed : int
        Of the bootstrap.
    progress : callable
        Called after each submission.

    Raises
    ------
    UserError
        The folder cannot be read.
    """
    entries: list[Entry] = []
    refused: list[Refusal] = []
    seen: dict[str, str] = {}
    bootstrap: Mapping[str, Any] = {"resamples": resamples, "seed": seed}
    for path in _files(folder):
        try:
            submission, identity, predictions = _opened(path, asked, dataset_revision)
            if identity in seen:
                raise UserError(f"It is the same submission as {seen[identity]}.")
            result = score(
                asked.questions,
                predictions,
                vocabulary=vocabulary,
                resamples=resamples,
                seed=seed,
            )
        except Exception as error:
            refused.append(Refusal(_printable(path.name), _reason(error)))
        else:
            seen[identity] = path.name
            bootstrap = result.bootstrap
            entries.append(
                Entry(
                    _printable(path.name),
                    submission,
                    result.tables,
                    result.averages,
                    result.counts,
                    result.statuses,
                )
            )
        progress()
    entries.sort(key=_rank)
    return Board(asked, dataset_revision or "", tuple(entries), tuple(refused), bootstrap)


def _rank(entry: Entry) -> tuple[Any, ...]:
    overall = entry.overall
    unscored = overall is None
    return (unscored, -(overall or 0.0), entry.submission.model.name, entry.file)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(
            f"Submissions lie in a folder, but {folder} cannot be read ({error.strerror}): check "
            "the path."
        ) from error


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:120]


def _reason(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    return f"It could not be scored ({type(error).__name__}: {str(error)[:200]})."


def _opened(
    path: Path, asked: Asked, revision: str | None
) -> tuple[Submission, str, Sequence[Any]]:
    """A submission that fits the questions, what tells it from others, and its predictions."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.jsonl"
        manifest, sha256 = unpack(path, file, len(asked.questions) + 1)
        submission = parse_submission(manifest)
        for what, wanted, got in _claims(submission, asked, revision):
            if wanted != got:
                raise UserError(
                    f"A submission must be about {what} {str(wanted)[:40]}, but this one is "
                    f"about {str(got)[:40]}: answer the questions of this leaderboard."
                )
        claimed = submission.predictions
        if (claimed.sha256, claimed.bytes) != (sha256, file.stat().st_size):
            raise UserError(
                f"The predictions must have the SHA-256 {claimed.sha256[:16]} of the manifest, "
                f"but theirs is {sha256[:16]}: pack them again with `st-audioqa submit`."
            )
        try:
            found = read_predictions(file)
        except UserError as error:
            raise UserError(str(error).replace(str(file), "predictions.jsonl")) from error
    if len(found.predictions) != claimed.rows:
        raise UserError(
            f"The manifest says {claimed.rows} predictions, but there are "
            f"{len(found.predictions)}: pack them again with `st-audioqa submit`."
        )
    return submission, hashlib.sha256(manifest).hexdigest(), found.predictions


def _claims(
    submission: Submission, asked: Asked, revision: str | None
) -> Iterator[tuple[str, object, object]]:
    dataset = submission.dataset
    if revision is not None:
        yield "the dataset revision", revision, dataset.revision
    yield "the split", asked.split, dataset.split
    yield "the table", asked.table, dataset.table
    yield "a number of questions of", len(asked.questions), dataset.questions
    if asked.manifest_sha256:
        yield "the corpus with the manifest", asked.manifest_sha256, dataset.manifest_sha256
    yield "the questions with the hash", asked.asked_sha256, dataset.asked_sha256
