"""Asks models the questions of a corpus: where corpora and evaluation meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from st_audioqa.corpus.manifest import MANIFEST
from st_audioqa.corpus.reader import Corpus
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.evaluation import (
    RunContext,
    RunReport,
    audioset_vocabulary,
    load_model,
    prompt_preset,
    read_predictions,
    run,
    score,
)
from st_audioqa.evaluation.audio_controls import Controlled, audio_control
from st_audioqa.evaluation.result import Result
from st_audioqa.files import file_sha256

__all__ = ["CONTROLS", "Asked", "ask_model", "run_controls"]


@dataclass(frozen=True)
class Asked:
    """Which model is asked what of a corpus, and how."""

    model: str
    split: str = "test"
    table: str = "qa"
    arguments: Mapping[str, str] = field(default_factory=dict)
    prompt: str = "bare"
    audio_control: str = ""
    seed: int = 0
    batch_size: int = 8


def ask_model(corpus: Corpus, asked: Asked, out: Path) -> RunReport:
    """Ask all questions that the file `out` has no answer for.

    Raises
    ------
    UserError
        Where there is no such model, split, table, preset or control, the model cannot be made,
        or wants to listen to a corpus without audio.
    """
    preset = prompt_preset(asked.prompt)
    control = audio_control(asked.audio_control) if asked.audio_control else None
    questions = corpus.questions(asked.split, asked.table)
    # Training questions are only asked in usual words.
    trained = {"robustness": "qa", "extended_robustness": "extended"}.get(
        asked.table, asked.table
    )
    context = RunContext(
        questions=lambda split: (
            corpus.questions(split, trained if split == "train" else asked.table)
            if split in corpus.splits
            else []
        ),
        scene=corpus.scene,
        split=asked.split,
        seed=asked.seed,
        arguments=asked.arguments,
    )
    model = load_model(asked.model, context)
    if model.spec.audio != "none" and not corpus.manifest.has_audio:
        raise UserError(
            f"Audio is wanted for the model {asked.model!r}, and {corpus.folder} was made with "
            "--questions-only: generate it again in another folder without that option."
        )
    if control is not None:
        if model.spec.audio == "none":
            raise UserError(
                f"The model {asked.model!r} hears nothing, so an audio control changes nothing: "
                "leave it out."
            )
        model = Controlled(model, asked.audio_control)
    return run(
        model,
        questions,
        corpus.audio if control is None else lambda scene: control(corpus.audio(scene)),
        out,
        split=asked.split,
        manifest_sha256=file_sha256(corpus.folder / MANIFEST),
        preset=preset,
        batch_size=asked.batch_size,
    )


CONTROLS: tuple[Asked, ...] = (
    Asked("chance"),
    Asked("majority"),
    Asked("blind-text"),
    *(
        Asked("intensity", arguments={"weighting": weighting}, audio_control=control)
        for weighting, control in (
            ("plain", ""),
            ("direct", ""),
            ("direct", "w-only"),
            ("direct", "shuffled-channels"),
        )
    ),
    *(
        Asked("noisy-oracle", arguments={"direction_deg": degrees, "distance_m": metres})
        for degrees, metres in (
            *(("10", "0"), ("20", "0"), ("30", "0")),
            *(("0", "0.3"), ("0", "0.6")),
        )
    ),
    Asked("oracle"),
)
"""What bounds every column, from below and from above."""


def run_controls(
    corpus: Corpus, controls: Iterable[Asked], out: Path, resamples: int = 1000
) -> tuple[dict[str, Result], dict[str, str]]:
    """Ask and score controls one after another; predictions go to ``out/<name>.jsonl``.

    Returns
    -------
    results : dict
        Name of the model -> its result.
    left_out : dict
        Model -> why it could not be asked here: a missing package or split, or no audio.

    Raises
    ------
    UserError
        Where a file belongs to another run, or no control can be asked.
    """
    results: dict[str, Result] = {}
    left_out: dict[str, str] = {}
    for asked in controls:
        path = out / f"{_file_name(asked)}.jsonl"
        try:
            ask_model(corpus, asked, path)
        except MissingPackageError as error:
            left_out[_file_name(asked)] = str(error)
            continue
        except UserError as error:
            if path.exists():
                raise
            left_out[_file_name(asked)] = str(error)
            continue
        found = read_predictions(path)
        assert found.header is not None
        results[found.header.model] = score(
            corpus.questions(asked.split, asked.table),
            found.predictions,
            vocabulary=audioset_vocabulary(),
            resamples=resamples,
        )
    if not results:
        raise UserError(
            "None of the controls can be asked here: " + " ".join(left_out.values())
        )
    return results, left_out


def _file_name(asked: Asked) -> str:
    parts = [asked.model, *asked.arguments.values(), asked.audio_control]
    return "-".join(part.replace(":", ".") for part in parts if part)
