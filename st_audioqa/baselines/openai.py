"""Any model behind an OpenAI-compatible chat endpoint that takes ``input_audio`` parts.

Servers such as vLLM offer Qwen2-Audio, Qwen2.5-Omni, Qwen3-Omni, Kimi-Audio or Phi-4 this way,
and hosted models speak the same protocol::

    st-audioqa eval run openai CORPUS --out predictions.jsonl \\
        --model-arg model=Qwen/Qwen2-Audio-7B-Instruct --model-arg base_url=http://localhost:8000/v1

Requests that meet a time-out, a cut connection or the statuses 408, 409, 429 and 5xx are tried
again, later each time, or when the server says so (by the package `openai`). A key that is
refused or a model that is not there ends the asking: all further questions fail at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from pydantic import Field

from st_audioqa.decoding import AudioLayout
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.evaluation.arguments import ModelArguments, read_arguments
from st_audioqa.evaluation.clips import ClipPolicy, clips, introduction, wav_base64
from st_audioqa.evaluation.model import ModelSpec, Request, Response, RunContext
from st_audioqa.hrtf import SPHERICAL_HEAD

__all__ = ["EndpointArguments", "Model"]


class EndpointArguments(ModelArguments):
    """What can be said with ``--model-arg``."""

    model: str
    """The name that the server knows the model by."""
    base_url: str = "https://api.openai.com/v1"
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; servers of your own often need none."""
    revision: str = ""
    """The revision of the weights, which the protocol does not tell."""
    audio: AudioLayout = "mono"
    clips: ClipPolicy = "one-per-channel"
    hrtf: str = SPHERICAL_HEAD
    sample_rate: Annotated[int, Field(ge=8_000, le=48_000)] = 16_000
    max_s: Annotated[float, Field(gt=0)] = 10.0
    max_tokens: Annotated[int, Field(ge=1)] = 256
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: int | None = None
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    retries: Annotated[int, Field(ge=0, le=100)] = 5
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    """Requests under way at once; at most one batch of the run (``--batch-size``)."""
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None


class Model:
    """Sends each question with its audio and returns the text of the answer."""

    def __init__(self, context: RunContext) -> None:
        self._settings = read_arguments("openai", EndpointArguments, context.arguments)
        wanted = self._settings
        self._client = _client(wanted)
        self._pace = _Pace(wanted.requests_per_minute)
        self._introduction = introduction(wanted.audio, wanted.clips)
        self._refused: Exception | None = None
        self.spec = ModelSpec(
            wanted.model,
            wanted.revision,
            wanted.audio,
            sample_rate=wanted.sample_rate,
            max_s=wanted.max_s,
            hrtf=wanted.hrtf,
            settings={
                "protocol": "openai chat completions",
                "clips": wanted.clips,
                "introduction": self._introduction,
                "max_tokens": wanted.max_tokens,
                "temperature": wanted.temperature,
                "seed": wanted.seed,
            },
        )

    def answer(self, batch: Sequence[Request]) -> list[Response]:
        """The response to each request, or the error that it ended in."""
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            return list(pool.map(self._answer, batch))

    def _answer(self, request: Request) -> Response:
        import openai

        if self._refused is not None:
            return self._refused
        self._pace.wait()
        try:
            return _text(self._complete(request))
        except (
            openai.AuthenticationError,
            openai.PermissionDeniedError,
            openai.NotFoundError,
        ) as error:
            self._refused = error
            return error
        except Exception as error:
            return error

    def _complete(self, request: Request) -> Any:
        wanted = self._settings
        parts: list[Any] = []
        if request.audio is not None:
            for clip in clips(request.audio, wanted.clips):
                data = wav_base64(clip, request.sample_rate)
                parts.append(
                    {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
                )
        told = (self._introduction, request.prompt.text)
        parts.append({"type": "text", "text": "\n".join(part for part in told if part)})
        return self._client.chat.completions.create(
            model=wanted.model,
            messages=[{"role": "user", "content": parts}],
            max_completion_tokens=wanted.max_tokens,
            temperature=wanted.temperature,
            **({} if wanted.seed is None else {"seed": wanted.seed}),
        )


def _client(wanted: EndpointArguments) -> Any:
    try:
        from openai import OpenAI
    except ImportError as error:
        raise MissingPackageError(
            "openai", "api", "Asking an OpenAI-compatible endpoint"
        ) from error
    if not wanted.base_url.startswith(("http://", "https://")):
        raise UserError(
            "The endpoint's base_url begins with http:// or https:// and mostly ends with /v1, "
            f"got {wanted.base_url!r}: correct it."
        )
    key = os.environ.get(wanted.api_key_env, "")
    if not key and wanted.base_url == EndpointArguments.model_fields["base_url"].default:
        raise UserError(
            f"{wanted.base_url} wants a key in the environment variable {wanted.api_key_env}, "
            "which is empty: set it, or give the base_url of a server of your own."
        )
    return OpenAI(
        api_key=key or "none",
        base_url=wanted.base_url,
        timeout=wanted.timeout_s,
        max_retries=wanted.retries,
    )


def _text(completion: Any) -> str | None:
    """The answer's text; a refusal's where the model refused.

    Raises
    ------
    ValueError
        Where what came back is no chat completion.
    """
    choices = getattr(completion, "choices", None)
    if not choices:
        shown = " ".join(str(completion).split())[:120]
        raise ValueError(f"the endpoint sent no chat completion but {shown!r}")
    message = choices[0].message
    text = message.content or getattr(message, "refusal", None)
    return None if text is None else str(text)


class _Pace:
    """Lets requests begin no faster than so many a minute."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap_s = 0.0 if per_minute is None else 60.0 / per_minute
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap_s
        if turn > now:
            time.sleep(turn - now)
