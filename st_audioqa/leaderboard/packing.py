"""Makes a submission of a file of predictions."""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from st_audioqa.decoding import LAYOUTS
from st_audioqa.errors import UserError
from st_audioqa.evaluation.predictions import (
    PredictionFile,
    RunHeader,
    by_question,
    first_few,
    read_predictions,
)
from st_audioqa.evaluation.result import SCORER_VERSION
from st_audioqa.files import file_sha256
from st_audioqa.leaderboard.archive import pack
from st_audioqa.leaderboard.submission import Submission, asked_sha256, submission_of
from st_audioqa.scene import Question

__all__ = ["Claims", "PublishedDataset", "submit"]


@dataclass(frozen=True)
class PublishedDataset:
    """What was answered: the public side of a corpus."""

    name: str
    revision: str
    split: str
    table: str
    manifest_sha256: str
    questions: tuple[Question, ...]
    """Their answers are not looked at."""


@dataclass(frozen=True)
class Claims:
    """What only the submitter knows."""

    zero_shot: bool
    training_data: str
    model: str | None = None
    """Instead of what the header of the predictions says; so are all that follow."""
    revision: str | None = None
    url: str | None = None
    layout: str | None = None
    prompt_sha256: str | None = None
    decoding: Mapping[str, Any] | None = None
    submitted_by: str = ""


def submit(
    predictions: Path,
    dataset: PublishedDataset,
    claims: Claims,
    out: Path,
    *,
    allow_missing: bool = False,
) -> Submission:
    """Validate predictions and pack them with their manifest.

    In the archive there is one line per question, in the order of the questions: the one that
    counts, where a run answered again.

    Raises
    ------
    UserError
        The predictions are about other questions, incomplete, or something is not known of the
        run and not claimed either.
    """
    found = read_predictions(predictions)
    _check_run(predictions, found, dataset)
    answers = by_question(found.predictions)
    known = [question.question_id for question in dataset.questions]
    unknown = sorted(answers.keys() - set(known))
    if unknown:
        raise UserError(
            f"{predictions} must answer the {len(known)} questions of the split "
            f"{dataset.split}, table {dataset.table}, but {len(unknown)} of its answers are to "
            f"others ({first_few(unknown)}): give the corpus, split and table it was made with."
        )
    missing = [name for name in known if name not in answers or answers[name].response is None]
    if missing and not allow_missing:
        raise UserError(
            f"{predictions} must answer all {len(known)} questions, but {len(missing)} have no "
            f"response ({first_few(missing)}): ask the model again, or add --allow-missing to "
            "have them counted as wrong."
        )
    header = _header(found.header or RunHeader(""), dataset, claims)
    rows: list[dict[str, Any]] = [{"type": "run", **asdict(header)}]
    for question_id in known:
        answer = answers.get(question_id)
        if answer is not None:
            row = {"question_id": question_id, "response": answer.response}
            rows.append(row | ({"error": answer.error} if answer.error else {}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.jsonl"
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        manifest = _manifest(header, dataset, claims, path, len(rows) - 1)
        pack(out, manifest.to_json().encode(), path)
    return manifest


def _check_run(predictions: Path, found: PredictionFile, dataset: PublishedDataset) -> None:
    if found.header is None:
        return
    for what, wanted, got in (
        ("split", dataset.split, found.header.split),
        ("corpus", dataset.manifest_sha256, found.header.manifest_sha256),
    ):
        if got not in ("", wanted):
            raise UserError(
                f"{predictions} answers another {what} ({got[:16]}) than is submitted to "
                f"({wanted[:16]}): give the {what} it was made with."
            )


def _header(header: RunHeader, dataset: PublishedDataset, claims: Claims) -> RunHeader:
    """The header of the run, filled up by what the submitter claims."""
    audio: Mapping[str, Any] | None = header.audio
    if claims.layout is not None:
        audio = {**(audio or {}), "layout": claims.layout}
    prompt = header.prompt
    if claims.prompt_sha256 is not None:
        prompt = {"name": "own", "sha256": claims.prompt_sha256}
    filled = replace(
        header,
        model=claims.model or header.model,
        revision=claims.revision or header.revision,
        split=dataset.split,
        manifest_sha256=dataset.manifest_sha256,
        audio=audio,
        settings=header.settings if claims.decoding is None else claims.decoding,
        prompt=prompt,
    )
    for what, value, option in (
        ("model", filled.model, "--model NAME"),
        ("revision", filled.revision, "--revision TEXT"),
        ("audio", (filled.audio or {}).get("layout"), "--audio LAYOUT"),
    ):
        if not value:
            raise UserError(
                f"A submission must say the {what}, and the predictions do not: add {option}."
            )
    return filled


def _manifest(
    header: RunHeader, dataset: PublishedDataset, claims: Claims, path: Path, rows: int
) -> Submission:
    audio = dict(header.audio or {})
    layout = str(audio["layout"])
    channels = next((list(names) for known, names in LAYOUTS.items() if known == layout), [])
    sample_rate = audio.get("sample_rate")
    prompt = header.prompt and {
        "name": str(header.prompt.get("name", "")),
        "sha256": str(header.prompt.get("sha256", "")),
    }
    return submission_of(
        {
            "schema_version": 1,
            "model": {"name": header.model, "revision": header.revision, "url": claims.url},
            "input": {
                "layout": layout,
                "channels": channels,
                "sample_rate": sample_rate if isinstance(sample_rate, int) else None,
                "details": audio,
            },
            "prompt": prompt or None,
            "decoding": dict(header.settings),
            "training": {"zero_shot": claims.zero_shot, "data": claims.training_data},
            "dataset": {
                "name": dataset.name,
                "revision": dataset.revision,
                "split": dataset.split,
                "table": dataset.table,
                "manifest_sha256": dataset.manifest_sha256,
                "questions": len(dataset.questions),
                "asked_sha256": asked_sha256(dataset.questions),
            },
            "predictions": {
                "sha256": file_sha256(path),
                "bytes": path.stat().st_size,
                "rows": rows,
            },
            "scorer_version": SCORER_VERSION,
            "toolkit_version": importlib.metadata.version("st_audioqa"),
            "submitted_by": claims.submitted_by,
        }
    )
