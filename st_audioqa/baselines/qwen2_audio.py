"""Qwen2-Audio (Chu et al. 2024) through transformers, zero-shot: a row of the paper's Table 4.

The model hears mono clips at 16 kHz, any number of them. An array of two channels would be taken
for two examples and a sum of channels would lose all direction, so what it is given is chosen:
``--model-arg audio=mono`` (W), or ``stereo``, ``binaural`` and ``foa``, where each channel is a
clip of its own and the prompt says which is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from st_audioqa.decoding import AudioLayout
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.evaluation.arguments import ModelArguments, read_arguments
from st_audioqa.evaluation.clips import clips, introduction
from st_audioqa.evaluation.model import ModelSpec, Request, Response, RunContext
from st_audioqa.hrtf import SPHERICAL_HEAD

__all__ = ["Model", "QwenArguments"]

SAMPLE_RATE_HZ = 16_000


class QwenArguments(ModelArguments):
    """What can be said with ``--model-arg``."""

    weights: str = "Qwen/Qwen2-Audio-7B-Instruct"
    """A name on the Hugging Face Hub, or a folder."""
    revision: str = ""
    """Of the weights on the Hub: a commit, a tag or a branch."""
    audio: AudioLayout = "mono"
    hrtf: str = SPHERICAL_HEAD
    max_tokens: Annotated[int, Field(ge=1)] = 64
    device: str = "auto"
    """"auto" takes a GPU where there is one."""
    dtype: str = "auto"
    """"auto" takes that of the weights, "float32" runs everywhere."""


class Model:
    """Greedy answers of Qwen2-Audio."""

    def __init__(self, context: RunContext) -> None:
        wanted = read_arguments("qwen2-audio", QwenArguments, context.arguments)
        self._max_tokens = wanted.max_tokens
        self._introduction = introduction(wanted.audio, "one-per-channel")
        self._torch, self._processor, self._model = _load(wanted)
        self.spec = ModelSpec(
            "qwen2-audio",
            wanted.revision or str(getattr(self._model.config, "_commit_hash", None) or ""),
            wanted.audio,
            sample_rate=SAMPLE_RATE_HZ,
            hrtf=wanted.hrtf,
            settings={
                "weights": wanted.weights,
                "clips": "one-per-channel",
                "introduction": self._introduction,
                "max_tokens": wanted.max_tokens,
                "decoding": "greedy",
                "dtype": str(self._model.dtype).removeprefix("torch."),
            },
        )

    def answer(self, batch: Sequence[Request]) -> list[Response]:
        """The response to each request; the batch is padded on the left and answered at once."""
        audio = [self._clips(request) for request in batch]
        inputs = self._processor(
            text=[
                self._prompt(request, len(heard))
                for request, heard in zip(batch, audio, strict=True)
            ],
            audio=[clip for heard in audio for clip in heard],
            sampling_rate=SAMPLE_RATE_HZ,
            return_tensors="pt",
            padding=True,
            padding_side="left",
        ).to(self._model.device, self._model.dtype)
        with self._torch.inference_mode():
            made = self._model.generate(
                **inputs, max_new_tokens=self._max_tokens, do_sample=False
            )
        said = made[:, inputs["input_ids"].shape[1] :]
        return [
            text.strip()
            for text in self._processor.batch_decode(
                said, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        ]

    def _clips(self, request: Request) -> list[Any]:
        assert request.audio is not None
        return [clip[0] for clip in clips(request.audio, "one-per-channel")]

    def _prompt(self, request: Request, n_clips: int) -> str:
        told = (self._introduction, request.prompt.text)
        text = {"type": "text", "text": "\n".join(part for part in told if part)}
        # The template only asks whether a part is audio, not what lies behind it.
        heard = [{"type": "audio", "audio_url": ""} for _ in range(n_clips)]
        return str(
            self._processor.apply_chat_template(
                [{"role": "user", "content": [*heard, text]}],
                add_generation_prompt=True,
                tokenize=False,
            )
        )


def _load(wanted: QwenArguments) -> tuple[Any, Any, Any]:
    try:
        import torch
        from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration
    except ImportError as error:
        raise MissingPackageError(
            "transformers", "models", "The model 'qwen2-audio'"
        ) from error
    device = wanted.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    revision = {"revision": wanted.revision} if wanted.revision else {}
    try:
        processor = AutoProcessor.from_pretrained(wanted.weights, **revision)
        model = Qwen2AudioForConditionalGeneration.from_pretrained(
            wanted.weights, dtype=wanted.dtype, **revision
        )
        model = model.to(device).eval()
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        told = str(error).strip().splitlines()
        raise UserError(
            f"The weights {wanted.weights!r} of Qwen2-Audio cannot be loaded to {device} "
            f"({told[0] if told else type(error).__name__}): give a name on the Hub or a folder "
            "with --model-arg weights=..., and a dtype and device that this machine has."
        ) from error
    return torch, processor, model
