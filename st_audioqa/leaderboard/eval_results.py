"""Evaluation results in the form that the Hugging Face Hub reads.

A dataset repository has `eval.yaml`, which names its tasks; a model repository has files
`.eval_results/*.yaml` with one value per task. There is one scalar per task, so the averages of
the three types and the mean of these are exported; everything else is behind the link. JSON
texts are YAML, so no YAML library is needed to write them safely.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from st_audioqa.errors import UserError
from st_audioqa.evaluation.summary import TYPES
from st_audioqa.leaderboard.board import Board, Entry

__all__ = ["TASKS", "Published", "eval_results_yaml"]

TASKS: Mapping[str, str] = {
    "overall": "mean of the averages of the types A, B and C",
    **{f"type_{kind.lower()}": f"mean over the columns of type {kind}" for kind in TYPES},
}


@dataclass(frozen=True)
class Published:
    """Where the dataset and its leaderboard can be found."""

    dataset_id: str
    """Of the dataset repository, such as "someone/st-audioqa"."""
    source_url: str | None = None
    """Of the leaderboard."""
    date: str | None = None
    """ISO 8601; the Hub takes that of the commit if left out."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.dataset_id):
            raise UserError(
                f"A dataset on the Hub is named OWNER/NAME, got {self.dataset_id!r}: give it so."
            )
        if self.date and not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", self.date):
            raise UserError(f"A date is written like 2026-11-23, got {self.date!r}.")


def eval_results_yaml(board: Board, published: Published) -> dict[str, str]:
    """Name of a file -> its text: `eval.yaml`, and `eval_results/<submission>.yaml`."""
    asked = board.asked
    about = {
        "name": asked.name or published.dataset_id,
        "description": "Spatio-temporal audio question answering.",
        "evaluation_framework": "st-audioqa",
        "tasks": [{"id": name, "config": asked.table, "split": asked.split} for name in TASKS],
    }
    files = {
        "eval.yaml": "".join(f"{key}: {json.dumps(value)}\n" for key, value in about.items())
    }
    for entry in board.entries:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", entry.file.removesuffix(".zip")).strip("._")
        name = f"eval_results/{stem or 'submission'}.yaml"
        if name in files:
            name = f"eval_results/{entry.submission.predictions.sha256[:16]}.yaml"
        files[name] = _entry_yaml(board, entry, published)
    return files


def _entry_yaml(board: Board, entry: Entry, published: Published) -> str:
    values = {"overall": entry.overall}
    values |= {f"type_{kind.lower()}": entry.averages[kind]["value"] for kind in TYPES}
    lines = []
    for task, value in values.items():
        if value is None:
            continue
        dataset = {"id": published.dataset_id, "task_id": task}
        if board.dataset_revision:
            dataset["revision"] = board.dataset_revision
        item: dict[str, Any] = {"dataset": dataset, "value": round(value, 2)}
        if published.date:
            item["date"] = published.date
        if published.source_url:
            item["source"] = {"url": published.source_url, "name": "st-audioqa leaderboard"}
        item["notes"] = _notes(board, entry, task)
        lines.append(f"- {json.dumps(item)}\n")
    return "".join(lines) or "[]\n"


def _notes(board: Board, entry: Entry, task: str) -> str:
    made = entry.submission
    training = "zero-shot" if made.training.zero_shot else "QA-trained"
    prompt = f"prompt {made.prompt.name}" if made.prompt else "prompt not recorded"
    return (
        f"{TASKS[task]}, percent; {training}; {made.input.layout} audio; {prompt}; "
        f"{entry.parse_rate:.1f} % of the answers readable; scorer {board.scorer_version}"
    )
