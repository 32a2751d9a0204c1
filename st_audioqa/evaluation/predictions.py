r"""``predictions.jsonl``: what a model said, one JSON object a line.

Format
------
The first line may be a header, ``{"type": "run", "model": ..., "revision": ..., "split": ...,
"manifest_sha256": ..., "audio": {...}, "settings": {...}, "prompt": {"name": ..., "sha256":
...}}``, where `audio` says what the model was given (see `st_audioqa.decoding`); every other
line is ``{"question_id": ..., "response": text or null, "error": text, "request_key": text}``,
where the last two may be left out. Further keys are allowed and not read. UTF-8.

A row with an error and no response may be followed by another row for the same question, which
then replaces it: that is how a run that is started again mends failed items. So does a row of
another `request_key`: the same question was asked anew, since what was asked had changed. Any
other second row for a question is a fault of the file (see `by_question`).

A last line that is cut off, as a killed writer leaves it, is an error when scoring: an answer
is missing that the model gave. `PredictionWriter` removes it, and that question is asked again.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from st_audioqa.decoding import describe_audio
from st_audioqa.errors import UserError
from st_audioqa.evaluation.text import bounded
from st_audioqa.scene import Prediction

__all__ = [
    "MAX_RESPONSE_CHARS",
    "PredictionFile",
    "PredictionWriter",
    "RunHeader",
    "by_question",
    "first_few",
    "read_predictions",
]

MAX_RESPONSE_CHARS = 100_000
"""Of a longer response only the beginning and the end are kept."""
MAX_ERROR_CHARS = 500
MAX_LINE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class RunHeader:
    """Which model answered which questions."""

    model: str
    revision: str = ""
    split: str = ""
    manifest_sha256: str = ""
    """Hash of the manifest of the corpus that was asked."""
    audio: Mapping[str, Any] | None = None
    """What the model was given (`st_audioqa.decoding.Decoder.describe`); None if not known."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else decided the answers (`ModelSpec.settings`)."""
    prompt: Mapping[str, Any] | None = None
    """Name and hash of the prompt preset; None if not known."""

    def request_key(self, scene_id: str, text: str) -> str:
        """Hash of one request of this run: what was asked of which model about which audio."""
        asked = json.dumps([asdict(self), scene_id, text], sort_keys=True)
        return hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(frozen=True)
class PredictionFile:
    """The content of a predictions file."""

    header: RunHeader | None
    predictions: tuple[Prediction, ...]
    cut_at: int | None = None
    """Byte at which a last line begins that is cut off."""


def by_question(predictions: Iterable[Prediction]) -> dict[str, Prediction]:
    """The one prediction for each question.

    Raises
    ------
    UserError
        Where a question has two predictions, unless the first one is a mere error or they
        have different request keys; then the last one counts.
    """
    found: dict[str, Prediction] = {}
    twice: dict[str, None] = {}
    for prediction in predictions:
        before = found.get(prediction.question_id)
        if before is not None and not _replaces(prediction, before):
            twice[prediction.question_id] = None
        found[prediction.question_id] = prediction
    if twice:
        raise UserError(
            f"Each question may have one prediction, but {len(twice)} of them have more "
            f"({first_few(list(twice))}): keep one line for each question_id."
        )
    return found


def _replaces(later: Prediction, before: Prediction) -> bool:
    failed = before.response is None and bool(before.error)
    keys = (before.request_key, later.request_key)
    return failed or (all(keys) and keys[0] != keys[1])


def first_few(names: Sequence[str]) -> str:
    """The first three names, for a message."""
    shown = ", ".join(repr(name[:80]) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown}, ..."


def read_predictions(path: str | Path, *, allow_cut: bool = False) -> PredictionFile:
    """Read a predictions file.

    Parameters
    ----------
    path : path
    allow_cut : bool
        Whether a last line that is cut off is passed over and reported in `cut_at`.

    Raises
    ------
    UserError
        Where the file is missing, is empty, is no JSONL or has a wrong row; the line is named.
    """
    path = Path(path)
    header: RunHeader | None = None
    rows: list[Prediction] = []
    cut_at: int | None = None
    for number, offset, line in _lines(path):
        where = f"Line {number} of {path}"
        try:
            row = json.loads(_decoded(line, where), strict=False)
        except (ValueError, RecursionError) as error:
            if line.startswith(b"{") and not line.endswith(b"\n"):
                cut_at = offset
                break
            raise _no_json(path, number, line, error) from error
        if not isinstance(row, dict):
            raise UserError(
                f"{where} must be a JSON object with question_id and response, got "
                f"{_kind(row)}: write one object a line."
            )
        if row.get("type") == "run" and "question_id" not in row:
            if number > 1:
                raise UserError(
                    f"{where} is a run header, which may only be the first line: keep the "
                    "answers of each run in a file of their own."
                )
            header = _header(row, where)
        else:
            rows.append(_prediction(row, where))
    if cut_at is not None and not allow_cut:
        raise UserError(
            f"The last line of {path} must be whole, but it is cut off: run the model again "
            "with the same output to go on where it stopped, or delete that line."
        )
    if header is None and not rows and cut_at is None:
        raise UserError(
            f"{path} must hold predictions, one JSON object a line, but it is empty: run the "
            "model first."
        )
    return PredictionFile(header, tuple(rows), cut_at)


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Line number, byte offset and bytes of every line that is not blank."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UserError(
            f"Predictions are read from a file, but {path} cannot be opened "
            f"({error.strerror}): check the path."
        ) from error
    with stream:
        number, offset = 0, 0
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                raise UserError(
                    f"Line {number} of {path} must be one prediction, but it is longer than "
                    f"{MAX_LINE_BYTES // 2**20} MB: put one JSON object on each line and "
                    "shorten its response."
                )
            if line.strip(b" \t\r\n\xef\xbb\xbf"):
                yield number, offset, line
            offset += len(line)


def _decoded(line: bytes, where: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not line.endswith(b"\n"):
            raise ValueError("cut inside a character") from error
        raise UserError(
            f"{where} must be UTF-8 text, but its byte {error.start} is not: save the file as "
            "UTF-8."
        ) from error


def _no_json(path: Path, number: int, line: bytes, error: Exception) -> UserError:
    head = line[:200].lstrip(b"\xef\xbb\xbf \t")
    wanted = f"{path} must be JSONL (one JSON object a line)"
    if number == 1 and not head.startswith((b"{", b"[")) and b"," in head:
        return UserError(
            f"{wanted}, but it looks like CSV: write each row as "
            '{"question_id": ..., "response": ...}.'
        )
    if number == 1 and head.startswith((b"[", b"{")) and head.strip() in (b"[", b"{"):
        return UserError(
            f"{wanted}, but it looks like one JSON text over several lines: write each "
            "prediction on a line of its own, without commas and brackets around them."
        )
    detail = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return UserError(
        f"Line {number} of {path} must be a JSON object, but it is broken ({detail}): mend or "
        "delete that line."
    )


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a truth value", list: "a list", dict: "an object"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "text")


def _text(row: dict[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = row.get(key, default)
    if not isinstance(value, str):
        raise UserError(
            f'{where} must have "{key}" as text, got {_kind(value)}: mend that line.'
        )
    return _encodable(value)


def _header(row: dict[str, Any], where: str) -> RunHeader:
    keys = ("revision", "split", "manifest_sha256")
    for key in ("audio", "settings", "prompt"):
        if not isinstance(row.get(key), dict | None):
            raise UserError(
                f'{where} must have "{key}" as an object, got {_kind(row[key])}: mend or '
                "delete it."
            )
    revision, split, manifest = (_text(row, key, where, default="") for key in keys)
    model, settings = _text(row, "model", where), row.get("settings") or {}
    audio, prompt = row.get("audio"), row.get("prompt")
    return RunHeader(model, revision, split, manifest, audio, settings, prompt)


def _prediction(row: dict[str, Any], where: str) -> Prediction:
    for key in ("question_id", "response"):
        if key not in row:
            known = ", ".join(sorted(map(str, row))[:6]) or "nothing"
            raise UserError(
                f'{where} must have the keys "question_id" and "response", but it has '
                f'{known}: add "{key}".'
            )
    response = row["response"]
    if response is not None:
        response = bounded(_text(row, "response", where), MAX_RESPONSE_CHARS)
    error = "" if row.get("error") is None else _text(row, "error", where)
    key = _text(row, "request_key", where, default="")
    return Prediction(_text(row, "question_id", where), response, error[:MAX_ERROR_CHARS], key)


def _encodable(text: str) -> str:
    """The text with lone surrogates replaced, so that it can be written again."""
    return text.encode("utf-8", "replace").decode("utf-8")


class PredictionWriter:
    """Appends predictions to a file, each one flushed; goes on with a file that exists.

    Parameters
    ----------
    path : path
        Made with its folders where it does not exist. A last line that is cut off is removed.
    header : RunHeader
        Written first; must agree with the header of a file that exists.

    Attributes
    ----------
    answered : mapping of str to str
        Questions that had a response when the file was opened, and their request keys; failed
        ones are not among them.
    repaired : bool
        Whether a cut last line was removed.

    Raises
    ------
    UserError
        Where the file belongs to another run or is not a predictions file.
    """

    def __init__(self, path: str | Path, header: RunHeader) -> None:
        self.path = Path(path)
        self.answered: Mapping[str, str] = {}
        self.repaired = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > 0:
                self._resume(header)
            self._stream: BinaryIO = self.path.open("ab")
        except OSError as error:
            raise UserError(
                f"Predictions go to {self.path}, but it cannot be written ({error.strerror}): "
                "choose another output file."
            ) from error
        if self._stream.tell() == 0:
            self._append({"type": "run", **asdict(header)})

    def _resume(self, header: RunHeader) -> None:
        found = read_predictions(self.path, allow_cut=True)
        if found.header != header and (found.header or found.predictions):
            raise UserError(
                f"{self.path} must hold answers of this run ({_describe(header)}), but it "
                f"holds those of {_describe(found.header)}: choose another output file."
            )
        rows = by_question(found.predictions).values()
        self.answered = {
            row.question_id: row.request_key
            for row in rows
            if row.response is not None or not row.error
        }
        if found.cut_at is not None:
            self._cut(found.cut_at)
        else:
            self._end_line()

    def _cut(self, size: int) -> None:
        with self.path.open("r+b") as stream:
            stream.truncate(size)
        self.repaired = True

    def _end_line(self) -> None:
        with self.path.open("r+b") as stream:
            stream.seek(-1, io.SEEK_END)
            if stream.read(1) != b"\n":
                stream.write(b"\n")

    def write(self, prediction: Prediction) -> None:
        """Append one prediction and flush it."""
        row: dict[str, Any] = {"question_id": prediction.question_id, "response": None}
        if prediction.response is not None:
            row["response"] = _encodable(bounded(prediction.response, MAX_RESPONSE_CHARS))
        if prediction.error:
            row["error"] = _encodable(prediction.error[:MAX_ERROR_CHARS])
        if prediction.request_key:
            row["request_key"] = prediction.request_key
        self._append(row)

    def _append(self, row: dict[str, Any]) -> None:
        self._stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> PredictionWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _describe(header: RunHeader | None) -> str:
    if header is None:
        return "an unknown run"
    texts = {
        **{key: text for key, text in asdict(header).items() if isinstance(text, str)},
        "prompt": str((header.prompt or {}).get("name", "")),
        "settings": json.dumps(header.settings, sort_keys=True),
    }
    parts = [f"{key} {value[:200]}" for key, value in texts.items() if value not in ("", "{}")]
    return ", ".join([*parts, f"given {describe_audio(header.audio)}"])
