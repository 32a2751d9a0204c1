"""What a model is to the evaluation: a spec and one method.

The spec is also the audio contract: the layout, the sample rate and the length that the model
wants. The evaluation decodes the stored ambisonics accordingly (`st_audioqa.decoding` has the
formulas, docs/decoding.md what they keep and lose), and writes what was given into the header of
the predictions.

A model is a class `Model` that takes a `RunContext`; it lives in a file of
`st_audioqa.baselines`, in another package under the entry-point group ``st_audioqa.models``, or
anywhere importable as ``module:Class``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import DURATION_S, SAMPLE_RATE
from st_audioqa.decoding import AudioLayout, Decoder, write_wav
from st_audioqa.errors import UserError
from st_audioqa.evaluation.prompts import PRESETS, PromptPreset
from st_audioqa.hrtf import SPHERICAL_HEAD
from st_audioqa.registry import Registry
from st_audioqa.scene import Question, Scene

__all__ = [
    "MODELS",
    "AudioLanguageModel",
    "ModelSpec",
    "Prompt",
    "Request",
    "Response",
    "RunContext",
    "load_model",
    "prompt_of",
]

AudioContract = AudioLayout | Literal["none"]
Response = str | Exception | None
"""What a model said; an exception where it failed at this request, None for no answer."""

MODELS = Registry("model", "st_audioqa.baselines", "Model", "st_audioqa.models")


@dataclass(frozen=True)
class ModelSpec:
    """Who a model is and what audio it is to be given."""

    name: str
    revision: str
    audio: AudioContract
    """"foa": W, Y, Z, X in SN3D; "binaural" and "stereo": left, right; "mono": W; "none": the
    model gets no audio. The formulas stand in `st_audioqa.decoding`."""
    sample_rate: int = SAMPLE_RATE
    max_s: float = DURATION_S
    """The longest audio that the model takes, in seconds: of longer scenes it hears the
    beginning, and the rest counts against it."""
    hrtf: str = SPHERICAL_HEAD
    """For "binaural": the built-in set, or the path of a SOFA file."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else decides the answers, such as decoding parameters and how several channels
    are handed over, as JSON values: kept in the predictions' header."""

    def decoder(self) -> Decoder | None:
        """From stored FOA audio to what the model is given; None where that is no audio.

        Raises
        ------
        UserError
            If the contract cannot be met.
        """
        if self.audio == "none":
            return None
        return Decoder(self.audio, self.sample_rate, self.max_s, self.hrtf)


@dataclass(frozen=True)
class Prompt:
    """The public part of a question: all that a model may know of it."""

    question_id: str
    scene_id: str
    text: str
    """What the model is told: the question as a prompt preset words it."""
    options: tuple[str, ...]
    answer_kind: str
    question: str = ""
    """The question alone, where `text` says more; for models that know all questions by rule."""

    @property
    def bare(self) -> str:
        """The question alone."""
        return self.question or self.text


def prompt_of(question: Question, preset: PromptPreset = PRESETS["bare"]) -> Prompt:
    """The public part of a question, worded by a preset."""
    return Prompt(
        question.question_id,
        question.scene_id,
        preset.render(question.question, question.options),
        question.options,
        question.answer_kind,
        question.question,
    )


@dataclass(frozen=True, eq=False)
class Request:
    """One question to a model, with the audio it asks about."""

    prompt: Prompt
    audio: NDArray[np.floating] | None
    """What the spec asks for [shape=(n_channels, n)]; None where it says "none"."""
    sample_rate: int = SAMPLE_RATE

    def write_wav(self, folder: str | Path) -> Path:
        """Write the audio as ``<scene_id>.wav`` (32-bit float) for a model that reads files.

        The folder is the model's own: whoever writes there clears it.

        Raises
        ------
        UserError
            If there is no audio.
        """
        if self.audio is None:
            raise UserError("There is no audio to write: declare another `audio` than 'none'.")
        return write_wav(folder, self.prompt.scene_id, self.audio, self.sample_rate)


@dataclass(frozen=True, eq=False)
class RunContext:
    """What a model may ask for when it is made.

    An honest model uses `seed` and `arguments` only; control models (oracle, majority) read
    questions with their answers.
    """

    questions: Callable[[str], Sequence[Question]]
    """Split -> its questions with answers; an empty sequence where there is no such split."""
    scene: Callable[[str], Scene]
    """Scene id -> its metadata."""
    split: str = "test"
    """The split that is asked."""
    seed: int = 0
    arguments: Mapping[str, str] = field(default_factory=dict)
    """What the user passes on to the model, such as a checkpoint."""


@runtime_checkable
class AudioLanguageModel(Protocol):
    """Anything that answers questions about audio."""

    spec: ModelSpec

    def answer(self, batch: Sequence[Request]) -> Sequence[Response]:
        """One response per request, in order.

        Where an exception is raised, all requests of the batch are asked again one by one; where
        it is returned in place of a response, only that request has failed.
        """


def load_model(name: str, context: RunContext) -> AudioLanguageModel:
    """Make the model of that name.

    Parameters
    ----------
    name : str
        A registered name, or ``module:Class`` for a class that can be imported from here.
    context : RunContext
        Passed to the class.

    Raises
    ------
    UserError
        Where there is no such model, or where it has no `spec` and `answer`.
    """
    make = _imported(name) if ":" in name else MODELS.get(name)
    if not (isinstance(make, type) and hasattr(make, "answer")):
        raise UserError(
            f"The model {name!r} must be a class that takes a RunContext and has a method "
            f"`answer`, but it is {make!r}: see st_audioqa.evaluation.model."
        )
    model = make(context)
    if not isinstance(model, AudioLanguageModel):
        raise UserError(
            f"The model {name!r} must have a `spec` and a method `answer`, but it makes a "
            f"{type(model).__name__} without them: see st_audioqa.evaluation.model."
        )
    return model


def _imported(name: str) -> Any:
    module_name, _, class_name = name.partition(":")
    wanted = f"The model {name!r} is wanted as module:Class"
    try:
        module = _import_here(module_name)
    except (ImportError, TypeError, ValueError) as error:
        raise UserError(
            f"{wanted}, but importing {module_name!r} fails ({error}): install its package or "
            "run from the folder that holds it."
        ) from error
    try:
        return getattr(module, class_name)
    except AttributeError as error:
        raise UserError(
            f"{wanted}, but the module {module_name!r} has no {class_name!r}: correct the name."
        ) from error


def _import_here(module_name: str) -> Any:
    """Import with the working directory on the path, which an installed command lacks."""
    here = str(Path.cwd())
    if here in sys.path or "" in sys.path:
        return importlib.import_module(module_name)
    sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    finally:
        sys.path.remove(here)
