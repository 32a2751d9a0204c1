"""Scoring of answers: reading, metrics, intervals, tables, and running models.

`reading` turns responses into answers, `scoring` turns answers into a `result`, `tables` prints
it; `run` asks a `model` and writes `predictions`. Scoring needs no audio, model or network.
"""

from st_audioqa.evaluation.model import (
    MODELS,
    AudioLanguageModel,
    ModelSpec,
    Prompt,
    Request,
    RunContext,
    load_model,
)
from st_audioqa.evaluation.predictions import read_predictions
from st_audioqa.evaluation.prompts import PRESETS, PromptPreset, prompt_preset
from st_audioqa.evaluation.reading import Reading, read_answer
from st_audioqa.evaluation.result import SCORER_VERSION, Result, compare
from st_audioqa.evaluation.run import RunReport, run
from st_audioqa.evaluation.scoring import score
from st_audioqa.evaluation.tables import format_comparison, format_readings, format_tables
from st_audioqa.evaluation.vocabulary import Vocabulary, audioset_vocabulary

__all__ = [
    "MODELS",
    "PRESETS",
    "SCORER_VERSION",
    "AudioLanguageModel",
    "ModelSpec",
    "Prompt",
    "PromptPreset",
    "Reading",
    "Request",
    "Result",
    "RunContext",
    "RunReport",
    "Vocabulary",
    "audioset_vocabulary",
    "compare",
    "format_comparison",
    "format_readings",
    "format_tables",
    "load_model",
    "prompt_preset",
    "read_answer",
    "read_predictions",
    "run",
    "score",
]
