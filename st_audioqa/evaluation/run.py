"""Asking a model all questions of a split.

Questions are asked scene by scene, so that each scene's audio is loaded once and decoded once to
what the model's spec asks for; where the model takes no audio, none is loaded. Every answer is
written as soon as it is there. What fails is recorded as an error of its question and never ends
the run; a run that is started again on the same file asks failed and missing questions only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from st_audioqa.decoding import NO_AUDIO
from st_audioqa.errors import UserError
from st_audioqa.evaluation.model import AudioLanguageModel, Prompt, Request, prompt_of
from st_audioqa.evaluation.predictions import PredictionWriter, RunHeader
from st_audioqa.evaluation.prompts import PRESETS, PromptPreset
from st_audioqa.scene import Prediction, Question

__all__ = ["RunReport", "run"]

Audio = NDArray[np.floating]


@dataclass(frozen=True)
class RunReport:
    """What a run did."""

    asked: int
    failed: int
    """Of these, how many ended in an error."""
    first_error: str
    """What the first of them said; empty where none failed."""
    skipped: int
    """Questions that the file had answers for."""
    repaired: bool
    """Whether a cut last line was removed first."""
    audio: Mapping[str, Any]
    """What the model was given (`Decoder.describe`)."""


def run(
    model: AudioLanguageModel,
    questions: Sequence[Question],
    load_audio: Callable[[str], Audio],
    path: str | Path,
    *,
    split: str = "",
    manifest_sha256: str = "",
    preset: PromptPreset = PRESETS["bare"],
    batch_size: int = 8,
    progress: bool = True,
) -> RunReport:
    """Ask all questions that the file at `path` has no answer for.

    Parameters
    ----------
    model : AudioLanguageModel
    questions : sequence of Question
    load_audio : callable
        Scene id -> FOA audio [shape=(4, n)] at 32 kHz.
    path : path
        Predictions file; made, or gone on with.
    split, manifest_sha256 : str
        For the header of the file.
    preset : PromptPreset
        How questions are worded.
    batch_size : int
        Requests per call of the model.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    UserError
        Where the model's audio contract cannot be met, or where the file belongs to another
        run.
    """
    decoder = model.spec.decoder()
    given = NO_AUDIO if decoder is None else decoder.describe()
    if batch_size < 1:
        raise UserError(f"A batch holds at least 1 question, got {batch_size}: raise it.")
    spec = model.spec
    header = RunHeader(
        *(spec.name, spec.revision, split, manifest_sha256),
        audio=given,
        settings=plain_settings(spec.settings),
        prompt=preset.describe(),
    )
    asked = failed = 0
    first_error = ""
    with PredictionWriter(path, header) as writer:
        prompts = {q.question_id: prompt_of(q, preset) for q in questions}
        keys = {
            question_id: header.request_key(prompt.scene_id, prompt.text)
            for question_id, prompt in prompts.items()
        }
        todo = [q for q in prompts.values() if not _answered(q.question_id, keys, writer)]
        bar = tqdm(total=len(todo), desc="questions", unit="q", disable=not progress)
        with bar:
            load = None if decoder is None else lambda scene: decoder(load_audio(scene))
            for predictions in _predict(model, _by_scene(todo), load, batch_size):
                for prediction in predictions:
                    key = keys[prediction.question_id]
                    writer.write(replace(prediction, request_key=key))
                    asked += 1
                    failed += bool(prediction.error)
                    first_error = first_error or prediction.error
                    bar.update()
    return RunReport(
        asked, failed, first_error, len(questions) - len(todo), writer.repaired, given
    )


def _answered(question_id: str, keys: Mapping[str, str], writer: PredictionWriter) -> bool:
    """Whether the file has the answer to what would be asked now; no key counts as the same."""
    key = writer.answered.get(question_id)
    return key is not None and key in ("", keys[question_id])


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as they come back from JSON.

    Raises
    ------
    UserError
        Where they are no JSON values.
    """
    try:
        return dict(json.loads(json.dumps(dict(settings), sort_keys=True, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"A model's `settings` hold plain JSON values, but this does not ({error}): give "
            "numbers, text, lists and truth values."
        ) from error


def _by_scene(questions: Sequence[Prompt]) -> list[Prompt]:
    """Questions of a scene behind one another, scenes in the order they first come up."""
    order: dict[str, int] = {}
    for question in questions:
        order.setdefault(question.scene_id, len(order))
    return sorted(questions, key=lambda question: order[question.scene_id])


def _predict(
    model: AudioLanguageModel,
    questions: Sequence[Prompt],
    load_audio: Callable[[str], Audio] | None,
    batch_size: int,
) -> Iterator[list[Prediction]]:
    batch: list[Request] = []
    scene_id: str | None = None
    audio: Audio | None = None
    trouble = ""
    for question in questions:
        if load_audio is not None and question.scene_id != scene_id:
            scene_id = question.scene_id
            audio, trouble = _load(load_audio, scene_id)
        if trouble:
            yield [Prediction(question.question_id, None, trouble)]
            continue
        batch.append(Request(question, audio, model.spec.sample_rate))
        if len(batch) == batch_size:
            yield _answer(model, batch)
            batch = []
    if batch:
        yield _answer(model, batch)


def _load(load_audio: Callable[[str], Audio], scene_id: str) -> tuple[Audio | None, str]:
    try:
        return load_audio(scene_id), ""
    except (Exception, SystemExit) as error:
        return None, f"audio: {_describe(error)}"


def _answer(model: AudioLanguageModel, batch: Sequence[Request]) -> list[Prediction]:
    """Answer a batch; where it fails, its items one by one."""
    try:
        responses = list(model.answer(batch))
        if len(responses) != len(batch):
            raise ValueError(f"{len(responses)} answers to {len(batch)} questions")
    except (Exception, SystemExit) as error:
        if len(batch) > 1:
            return [prediction for request in batch for prediction in _answer(model, [request])]
        return [Prediction(batch[0].prompt.question_id, None, _describe(error))]
    return [
        _prediction(request, response)
        for request, response in zip(batch, responses, strict=True)
    ]


def _prediction(request: Request, response: object) -> Prediction:
    question_id = request.prompt.question_id
    if response is None or isinstance(response, str):
        return Prediction(question_id, response)
    if isinstance(response, Exception):
        return Prediction(question_id, None, _describe(response))
    wrong = type(response).__name__
    return Prediction(question_id, None, f"TypeError: the answer is a {wrong}, wanted text")


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
