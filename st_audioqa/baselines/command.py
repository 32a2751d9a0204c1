r"""A model in a process of its own, in whatever environment it needs, that speaks JSON lines.

::

    st-audioqa eval run command CORPUS --out predictions.jsonl \
        --model-arg run="conda run --no-capture-output -n bat python serve_bat.py"

The process first writes one line on its standard output that says who it is and what audio it
wants, the fields of a `ModelSpec`::

    {"name": "bat", "revision": "2024-06", "audio": "binaural", "sample_rate": 32000, "max_s": 10}

Then each line on its standard input is a question, and each line it writes is an answer; answers
may come in any order::

    {"id": "0", "question": "...", "options": ["yes", "no"], "answer_kind": "yes_no",
     "audio": "/tmp/x/train-000001.wav", "sample_rate": 32000}
    {"id": "0", "response": "yes"}                     or {"id": "0", "error": "out of memory"}

`audio` is a 32-bit float WAV with the channels that were asked for (null where that is "none"),
and is gone after the answer. Lines that are no JSON objects, such as a library's greetings, are
passed on to the standard error. A process that dies or stays silent for `timeout_s` is started
again, and the question that it died of fails. docs/examples/command_model.py is the whole
other side, for Python 3.6 and later.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Annotated, Any, Literal

from pydantic import BaseModel, Field

from st_audioqa.decoding import AudioLayout
from st_audioqa.errors import UserError
from st_audioqa.evaluation.arguments import ModelArguments, read_arguments
from st_audioqa.evaluation.model import ModelSpec, Request, Response, RunContext
from st_audioqa.hrtf import SPHERICAL_HEAD

__all__ = ["CommandArguments", "Model"]

MAX_LINE_BYTES = 16 * 2**20
"""A longer line of the process is cut there, and then is no JSON."""


class CommandArguments(ModelArguments):
    """What can be said with ``--model-arg``."""

    run: str
    """The command line, split as a shell would."""
    timeout_s: Annotated[float, Field(gt=0)] = 300.0
    """Longest wait for the next line, the first one (loading of weights) too."""


class _Greeting(BaseModel):
    """The first line of the process."""

    name: str
    revision: str = ""
    audio: AudioLayout | Literal["none"] = "foa"
    sample_rate: int = 32_000
    max_s: float = 10.0
    hrtf: str = SPHERICAL_HEAD
    settings: dict[str, Any] = {}


class Model:
    """Hands questions to a process and takes its answers."""

    def __init__(self, context: RunContext) -> None:
        self._wanted = read_arguments("command", CommandArguments, context.arguments)
        self._process: _Process | None = _Process(self._wanted)
        self.spec = self._process.spec

    def answer(self, batch: Sequence[Request]) -> list[Response]:
        """The response to each request, or the error that it ended in.

        Raises
        ------
        OSError, ValueError
            Where the process dies, stays silent or answers what was not asked; the next call
            starts it again.
        """
        if self._process is None:
            self._process = _Process(self._wanted)
        with tempfile.TemporaryDirectory(prefix="st_audioqa-") as folder:
            asked = [_row(str(i), request, folder) for i, request in enumerate(batch)]
            try:
                replies = self._process.exchange(asked)
            except (OSError, ValueError):
                self._process.stop()
                self._process = None
                raise
        return [replies[row["id"]] for row in asked]


def _row(number: str, request: Request, folder: str) -> dict[str, Any]:
    prompt = request.prompt
    audio = None if request.audio is None else str(request.write_wav(folder))
    return {
        "id": number,
        "question": prompt.text,
        "options": list(prompt.options),
        "answer_kind": prompt.answer_kind,
        "audio": audio,
        "sample_rate": request.sample_rate,
    }


def _reply(row: Mapping[str, Any]) -> Response:
    response, error = row.get("response"), row.get("error")
    if error:
        return RuntimeError(str(error))
    if response is None or isinstance(response, str):
        return response
    return TypeError(f"the answer is a {type(response).__name__}, wanted text")


class _Process:
    """The command under way, and the lines to and from it.

    Raises
    ------
    UserError
        Where it cannot be started, or does not say who it is.
    """

    def __init__(self, wanted: CommandArguments) -> None:
        self._timeout_s = wanted.timeout_s
        try:
            self._popen = subprocess.Popen(
                shlex.split(wanted.run),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as error:
            raise UserError(
                f"The model 'command' runs {wanted.run!r}, which cannot be started ({error}): "
                "correct the command line."
            ) from error
        self._finish = weakref.finalize(self, _stop, self._popen)
        self._rows: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(
            target=_listen, args=(self._popen.stdout, self._rows), daemon=True
        ).start()
        try:
            greeting = _Greeting.model_validate(self._receive())
        except (OSError, ValueError) as error:
            self.stop()
            told = " ".join(str(error).split())
            raise UserError(
                f"The command {wanted.run!r} must first write one line of JSON with name, audio "
                f"and sample_rate, but: {told}. See docs/bring_a_model.md."
            ) from error
        fields = greeting.model_dump()
        fields["settings"] = {"protocol": "JSON lines", **greeting.settings}
        self.spec = ModelSpec(**fields)

    def exchange(self, asked: Sequence[Mapping[str, Any]]) -> dict[str, Response]:
        """The reply to every row, by id."""
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in asked)
        # A process that does not read would block the writing for ever; the wait below ends.
        threading.Thread(target=self._send, args=(lines,), daemon=True).start()
        waited = {row["id"] for row in asked}
        replies: dict[str, Response] = {}
        while waited:
            row = self._receive()
            number = str(row.get("id"))
            if number not in waited:
                raise ValueError(
                    f"the command answered the id {number[:40]!r}, which is not waited for"
                )
            waited.remove(number)
            replies[number] = _reply(row)
        return replies

    def _send(self, lines: bytes) -> None:
        assert self._popen.stdin is not None
        # Where the process is gone, the end of its output says so.
        with contextlib.suppress(OSError, ValueError):
            self._popen.stdin.write(lines)
            self._popen.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        try:
            row = self._rows.get(timeout=self._timeout_s)
        except queue.Empty as error:
            raise TimeoutError(
                f"the command wrote nothing for {self._timeout_s:g} s"
            ) from error
        if row is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(5)
            raise OSError(f"the command ended with exit code {self._popen.returncode}")
        return row

    def stop(self) -> None:
        """End the process and whatever it started."""
        self._finish()


def _listen(stream: IO[bytes], rows: queue.Queue[dict[str, Any] | None]) -> None:
    """Put every JSON object of the stream into the queue, and None at its end."""
    while line := stream.readline(MAX_LINE_BYTES):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.put(row)
        else:
            sys.stderr.write(line.decode("utf-8", "replace"))
    rows.put(None)


def _stop(popen: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(popen.pid, signal.SIGTERM)
    try:
        popen.wait(5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()
    for stream in (popen.stdin, popen.stdout):
        with contextlib.suppress(OSError):
            assert stream is not None
            stream.close()
