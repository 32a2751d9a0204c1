"""What scoring gives: rows, cells, tables, and the comparison of two results."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import UserError
from st_audioqa.evaluation.bootstrap import interval, paired_interval
from st_audioqa.evaluation.reading import Status

__all__ = ["EVENT_SCORER", "SCORER_VERSION", "Cell", "Path", "Result", "Row", "compare"]

SCORER_VERSION = "2"
"""Rises whenever any prediction could score differently."""

EVENT_SCORER = "labelset"
"""How event lists become class scores: 0 and 1 over the names, ties kept."""

Floats = NDArray[np.floating]
Cell = dict[str, Any]
Path = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What became of one question."""

    question_id: str
    status: Status
    response: str | None
    """Of more than 2,000 characters, the beginning and the end."""
    value: str | tuple[str, ...] | None
    """The answer that was read."""
    exact: bool
    """Whether the response is an answer text itself, nothing around it."""
    correct: bool
    named: tuple[str, ...] = ()
    """The options that an ambiguous response names."""
    error: str = ""
    """What the run recorded where it failed."""

    @property
    def strict_correct(self) -> bool:
        """Whether the response is the right answer text itself."""
        return self.correct and self.exact


@dataclass(frozen=True, eq=False)
class Result:
    """The score of one set of predictions; all but `rows` and `samples` is plain data."""

    counts: Mapping[str, int]
    """questions, scenes, predictions"""
    questions_sha256: str
    """Hash of what was asked and of the right answers: results compare only where it agrees."""
    statuses: Mapping[str, int]
    """Status -> questions; together all questions."""
    tables: Mapping[str, Any]
    """Nested as the paper's tables: `tables["table_4"]["A"]["Semantic"]["mAP"]` is a cell."""
    averages: Mapping[str, Cell]
    """Type -> cell: the mean over that type's columns."""
    groups: Sequence[Mapping[str, Any]]
    """Accuracy per type, family, attribute, anchor and configuration."""
    bootstrap: Mapping[str, Any]
    rows: tuple[Row, ...] = field(default=(), repr=False)
    samples: Mapping[Path, Floats] = field(default_factory=dict, repr=False)
    """Path of a cell -> its value, then its resampled values [shape=(1 + resamples,)]."""
    scorer_version: str = SCORER_VERSION

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values, without rows."""
        return {
            "type": "result",
            "scorer_version": self.scorer_version,
            "event_scorer": EVENT_SCORER,
            "counts": self.counts,
            "questions_sha256": self.questions_sha256,
            "statuses": self.statuses,
            "tables": self.tables,
            "averages": self.averages,
            "groups": list(self.groups),
            "bootstrap": self.bootstrap,
        }

    def to_json(self) -> str:
        """`to_dict` as sorted JSON: the same result always gives the same text."""
        text = json.dumps(
            self.to_dict(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False
        )
        return f"{text}\n"

    def rows_jsonl(self) -> Iterator[str]:
        """One JSON line per question."""
        for row in self.rows:
            content = {**asdict(row), "strict_correct": row.strict_correct}
            yield f"{json.dumps(content, sort_keys=True, ensure_ascii=False)}\n"


def percent(share: float) -> float | None:
    """A share as percent, rounded where floating point stops meaning anything."""
    return None if math.isnan(share) else round(100.0 * share, 6)


def bounds(samples: Floats, n_scenes: int) -> dict[str, float | None]:
    """`low` and `high` of resampled values; None where there is too little to resample."""
    found = interval(samples) if n_scenes > 1 else None
    low, high = found or (math.nan, math.nan)
    return {"low": percent(low), "high": percent(high)}


def compare(first: Result, second: Result) -> dict[Path, Cell]:
    """Second minus first in every scored cell, with a paired interval.

    Both are resampled with the same scene weights, so the interval is that of the difference:
    much narrower, mostly, than those of the two values suggest.

    Returns
    -------
    dict
        Path of a cell -> {"difference", "low", "high"} in percentage points.

    Raises
    ------
    UserError
        Where the results are not about the same questions or not resampled alike.
    """
    for what, a, b in (
        ("questions", first.questions_sha256, second.questions_sha256),
        ("scorer version", first.scorer_version, second.scorer_version),
        ("bootstrap settings", first.bootstrap, second.bootstrap),
    ):
        if a != b:
            raise UserError(
                f"Two results are compared on the same {what}, but these differ in them: score "
                "both prediction files again on one corpus."
            )
    differences: dict[Path, Cell] = {}
    for path, samples in first.samples.items():
        others = second.samples[path]
        if np.isnan(samples[0]):
            continue
        found = paired_interval(samples[1:], others[1:]) if first.counts["scenes"] > 1 else None
        low, high = found or (math.nan, math.nan)
        differences[path] = {
            "difference": percent(float(others[0] - samples[0])),
            "low": percent(low),
            "high": percent(high),
        }
    return differences
