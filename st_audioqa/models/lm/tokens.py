"""Audio tokens of a corpus on disk, computed once: all that a training needs of the encoder.

One pair of files per shard of scenes: a float16 array of tokens [shape=(tokens, width)], and an
index of which rows are which piece of which scene, written last. They are named after the shard,
the encoder, the interface and the questions, and are there whole or not at all, so that building
can stop at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.corpus.audio import load_audio
from st_audioqa.corpus.reader import Corpus
from st_audioqa.corpus.shards import read_rows
from st_audioqa.errors import UserError
from st_audioqa.execution import run_tasks
from st_audioqa.files import whole, write_text
from st_audioqa.models.estimate import prepare_audio
from st_audioqa.models.lm.interfaces import Piece
from st_audioqa.models.lm.st_audiolm import semantic_probability
from st_audioqa.models.lm.storage import make_interface
from st_audioqa.models.storage import load_encoder
from st_audioqa.scene import Question

__all__ = ["TokenCache", "build_tokens"]


@dataclass(frozen=True)
class _Task:
    shard: Path
    tokens: Path
    encoder: Path
    interface: Mapping[str, Any]
    questions: Mapping[str, tuple[str, ...]]
    """Scene -> what is asked about it."""


class TokenCache:
    """The pieces of the scenes of a split.

    Parameters
    ----------
    paths : sequence of Path
        Of the arrays of tokens.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._arrays = [np.load(path, mmap_mode="r") for path in paths]
        self._rows: dict[str, tuple[int, dict[int, tuple[int, int]], NDArray[np.float32]]] = {}
        for i, path in enumerate(paths):
            for scene, of in json.loads(path.with_suffix(".json").read_text("utf-8")).items():
                pieces = {int(name): (a, b) for name, (a, b) in of["pieces"].items()}
                self._rows[scene] = i, pieces, np.array(of["probability"], np.float32)

    @property
    def width(self) -> int:
        """Of the tokens."""
        return int(self._arrays[0].shape[1])

    def probability(self, scene_id: str) -> NDArray[np.float32]:
        """What the encoder says of the classes."""
        return self._rows[scene_id][2]

    def piece(self, scene_id: str, name: int) -> Piece:
        """Some tokens of a scene."""
        i, pieces, _ = self._rows[scene_id]
        first, last = pieces[name]
        return Piece(name, torch.as_tensor(np.array(self._arrays[i][first:last])).float())


def build_tokens(
    corpus: Corpus,
    split: str,
    questions: Sequence[Question],
    encoder: Path,
    interface: Mapping[str, Any],
    folder: Path,
    workers: int,
    on_scene: Callable[[], object],
) -> TokenCache:
    """Computes the tokens of a split that are not there yet.

    Parameters
    ----------
    questions : sequence of Question
        They decide which pieces are needed.
    encoder : Path
        Folder of the encoder.
    interface : mapping
        As `AudioInterface.describe` gives it.
    folder : Path
        Of the cache; serves any number of corpora, encoders and interfaces.
    workers : int
        Processes.

    Raises
    ------
    UserError
        The corpus has no audio.
    """
    if not corpus.manifest.has_audio:
        raise UserError(
            f"Audio is wanted for training, and {corpus.folder} was made with "
            "--questions-only: generate it again in another folder without that option."
        )
    asked: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        asked[question.scene_id].append(question.question)
    told = {scene: tuple(sorted(set(texts))) for scene, texts in asked.items()}
    weights = hashlib.sha256((encoder / "model.safetensors").read_bytes()).hexdigest()
    told_text = json.dumps([weights, dict(interface), told], sort_keys=True)
    key = hashlib.sha256(told_text.encode()).hexdigest()[:16]
    paths, tasks = [], []
    for entry in corpus.manifest.scenes:
        if entry.split != split:
            continue
        path = folder / f"{entry.sha256[:24]}-{key}.npy"
        paths.append(path)
        if path.with_suffix(".json").is_file():
            for _ in range(entry.rows):
                on_scene()
        else:
            tasks.append(
                _Task(corpus.local_folder / entry.path, path, encoder, interface, told)
            )
    folder.mkdir(parents=True, exist_ok=True)
    for _ in run_tasks(_compute, tasks, workers, on_scene):
        pass
    return TokenCache(paths)


@torch.no_grad()
def _compute(task: _Task, tick: Callable[[], object]) -> None:
    with FileLock(task.tokens.with_suffix(".lock")):
        if task.tokens.with_suffix(".json").is_file():  # another process was faster
            return
        encoder = load_encoder(task.encoder)
        interface = make_interface(encoder.labels, **task.interface)
        found: list[NDArray[np.float16]] = []
        index: dict[str, Any] = {}
        row = 0
        for scene in read_rows(task.shard, ["scene_id", "audio"]):
            questions = task.questions.get(scene["scene_id"], ())
            tick()
            if not questions:
                continue
            audio = prepare_audio(load_audio(scene), SAMPLE_RATE)
            features = encoder.frontend(torch.as_tensor(audio)[None])
            probability = semantic_probability(encoder, features)
            names = sorted({n for q in questions for n in interface.wanted(q, probability)})
            pieces = {}
            for name, tokens in zip(
                names, interface.read(encoder, features, names), strict=True
            ):
                found.append(tokens.half().numpy())
                pieces[str(name)] = (row, row + len(tokens))
                row += len(tokens)
            index[scene["scene_id"]] = {
                "pieces": pieces,
                "probability": [float(p) for p in probability],
            }
        joined = np.concatenate(found) if found else np.zeros((0, 1), np.float16)
        with whole(task.tokens) as partial, partial.open("wb") as file:
            np.save(file, joined)
        write_text(task.tokens.with_suffix(".json"), json.dumps(index))
