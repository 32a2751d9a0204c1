"""`submission.json`: what a submission says of itself, and its JSON Schema.

The schema that is shipped, `submission.schema.json`, is that of these classes; sizes and alphabets
are bounded, since all of it is shown on a page to which strangers contribute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from st_audioqa.errors import UserError
from st_audioqa.scene import Question

__all__ = [
    "SCHEMA_VERSION",
    "Submission",
    "asked_sha256",
    "json_schema",
    "parse_submission",
    "submission_of",
]

SCHEMA_VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("submission.schema.json")
MAX_SETTINGS_CHARS = 10_000
MAX_DEPTH = 20

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+()/:@,-]*$", max_length=100)
]
"""Begins with a letter or digit: no spreadsheet takes it for a formula."""
Text = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$", max_length=1000)
]
Link = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\"'<>]+$", max_length=300)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Model(_Part):
    """Who answered."""

    name: Name
    revision: Text
    """Of the weights or the endpoint: a commit, a tag, a date."""
    url: Link | None = None


class Input(_Part):
    """What the model was given of the audio."""

    layout: Literal["foa", "binaural", "stereo", "mono", "none", "other"]
    channels: Annotated[list[Name], Field(max_length=64)]
    sample_rate: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    details: dict[str, Any] | None = None
    """All that the run recorded of the conversion."""


class Prompt(_Part):
    """How it was asked."""

    name: Text
    sha256: Sha256


class Training(_Part):
    """What the model had learnt from."""

    zero_shot: bool
    """Whether it never saw a scene or question of the generator or the corpus."""
    data: Text
    """Corpora it was trained on, in words."""


class Dataset(_Part):
    """Which questions were answered."""

    name: Text
    revision: Text
    """Of the published corpus: a tag or a commit; empty where there is none."""
    split: Name
    table: Literal["qa", "robustness", "extended", "extended_robustness"]
    manifest_sha256: Sha256
    questions: Annotated[int, Field(ge=1)]
    asked_sha256: Sha256
    """Hash of ids, texts and options of the questions (`asked_sha256`)."""


class Predictions(_Part):
    """The file of answers."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=1)]
    rows: Annotated[int, Field(ge=0)]


class Submission(_Part):
    """The whole manifest of a submission."""

    schema_version: Literal[1] = 1
    model: Model
    input: Input
    prompt: Prompt | None
    """None where the run did not record it."""
    decoding: dict[str, Any]
    """Settings that decided the answers."""
    training: Training
    dataset: Dataset
    predictions: Predictions
    scorer_version: Text
    toolkit_version: Text
    submitted_by: Text = ""

    def to_json(self) -> str:
        """As it lies in an archive."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True)
        return f"{text}\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `submission.json` (draft 2020-12)."""
    schema = Submission.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def submission_of(content: dict[str, Any]) -> Submission:
    """A submission of JSON values.

    Raises
    ------
    UserError
        Something is missing, unknown or wrong; the first fault is named.
    """
    try:
        found = Submission.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "submission.json"
        raise UserError(
            f"submission.json must be as submission.schema.json says, but {where[:100]}: "
            f"{first['msg'][:200]}; mend it, or pack it again with `st-audioqa submit`."
        ) from error
    for what, value in (("decoding", found.decoding), ("input.details", found.input.details)):
        if _too_deep(value) or len(json.dumps(value)) > MAX_SETTINGS_CHARS:
            raise UserError(
                f"{what} of submission.json may have {MAX_SETTINGS_CHARS} characters and "
                f"{MAX_DEPTH} levels, but it has more: leave out what did not decide the answers."
            )
    return found


def _too_deep(value: Any, depth: int = 0) -> bool:
    if depth > MAX_DEPTH:
        return True
    parts = value.values() if isinstance(value, dict) else value
    return isinstance(value, dict | list) and any(_too_deep(part, depth + 1) for part in parts)


def parse_submission(text: bytes) -> Submission:
    """A submission of the bytes of `submission.json`.

    Raises
    ------
    UserError
        It is no JSON object, or not as the schema says.
    """
    try:
        content = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"submission.json must be a JSON object in UTF-8, but it is not ({error}): pack the "
            "predictions with `st-audioqa submit`."
        ) from error
    if not isinstance(content, dict):
        raise UserError("submission.json must be a JSON object, but it is another JSON value.")
    return submission_of(content)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def asked_sha256(questions: Iterable[Question]) -> str:
    """Hash of what is asked: ids, texts and options, whatever their order; no answers."""
    digest = hashlib.sha256()
    for key in sorted((q.question_id, q.question, *q.options) for q in questions):
        digest.update(json.dumps(key).encode())
    return digest.hexdigest()
