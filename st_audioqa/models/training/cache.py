"""Features of a corpus on disk, computed once.

One file per shard of scenes: a float16 array [shape=(scenes, channels, frames, bands)], named
after the bytes of the shard and the settings of the features. A file is there whole or not at
all, so building can stop at any time and go on later; several processes, started together or
one by one, share the work by a lock per file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from st_audioqa.conventions import SCENE_SAMPLES
from st_audioqa.corpus.audio import load_audio
from st_audioqa.corpus.manifest import ShardEntry
from st_audioqa.corpus.reader import Corpus
from st_audioqa.corpus.shards import read_rows
from st_audioqa.errors import UserError
from st_audioqa.execution import run_tasks
from st_audioqa.files import whole
from st_audioqa.models.features import FeatureSpec
from st_audioqa.models.frontend import Frontend

__all__ = ["build_cache", "open_features"]

_AT_ONCE = 8


@dataclass(frozen=True)
class _Task:
    shard: Path
    features: Path
    frontend: type[Frontend]
    spec: FeatureSpec


def build_cache(
    corpus: Corpus,
    splits: Sequence[str],
    frontend: Frontend,
    folder: Path,
    workers: int,
    on_scene: Callable[[], object],
) -> None:
    """Computes the features of the shards of some splits that are not there yet.

    Parameters
    ----------
    folder : Path
        Of the cache; serves any number of corpora and feature settings.
    workers : int
        Processes; any number gives the same bytes.
    on_scene : callable
        Called after every scene, at once for those that were there already.

    Raises
    ------
    UserError
        The corpus has no audio, or audio of another length than a scene's.
    """
    if not corpus.manifest.has_audio:
        raise UserError(
            f"Audio is wanted for training, and {corpus.folder} was made with "
            "--questions-only: generate it again in another folder without that option."
        )
    tasks = []
    for entry in corpus.manifest.scenes:
        if entry.split not in splits:
            continue
        path = _path(folder, entry, frontend)
        if path.is_file():
            for _ in range(entry.rows):
                on_scene()
        else:
            tasks.append(
                _Task(corpus.local_folder / entry.path, path, type(frontend), frontend.spec)
            )
    folder.mkdir(parents=True, exist_ok=True)
    for _ in run_tasks(_compute, tasks, workers, on_scene):
        pass


def open_features(
    corpus: Corpus, split: str, frontend: Frontend, folder: Path
) -> list[NDArray[np.float16]]:
    """The features of each shard of a split, mapped from disk, in the order of the manifest."""
    found = []
    for entry in corpus.manifest.scenes:
        if entry.split == split:
            path = _path(folder, entry, frontend)
            array = np.load(path, mmap_mode="r")
            if array.shape[0] != entry.rows:
                raise UserError(
                    f"{path} holds {array.shape[0]} clips, wanted {entry.rows}: delete it, and "
                    "it is computed again."
                )
            found.append(array)
    return found


def _path(folder: Path, entry: ShardEntry, frontend: Frontend) -> Path:
    return folder / f"{entry.sha256[:24]}-{frontend.key}.npy"


def _compute(task: _Task, tick: Callable[[], object]) -> None:
    with FileLock(task.features.with_suffix(".lock")):
        if task.features.is_file():  # another process was faster
            return
        frontend: Any = task.frontend(task.spec)  # type: ignore[call-arg]
        done: list[NDArray[np.float16]] = []
        waiting: list[NDArray[np.float32]] = []

        def flush() -> None:
            batch = torch.as_tensor(np.stack(waiting))
            done.extend(frontend(batch).numpy().astype(np.float16))
            waiting.clear()

        for row in read_rows(task.shard, ["scene_id", "audio"]):
            audio = load_audio(row)
            if audio.shape[1] != SCENE_SAMPLES:
                raise UserError(
                    f"Scene {row['scene_id']} has {audio.shape[1]} samples, wanted "
                    f"{SCENE_SAMPLES}: regenerate the corpus."
                )
            waiting.append(audio)
            if len(waiting) == _AT_ONCE:
                flush()
            tick()
        if waiting:
            flush()
        with whole(task.features) as partial, partial.open("wb") as file:
            np.save(file, np.stack(done))
