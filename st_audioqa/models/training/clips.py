"""The clips of a split as arrays: features from the cache, truth from the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from st_audioqa.conventions import unit_vectors
from st_audioqa.corpus.reader import Corpus
from st_audioqa.corpus.tables import scene_tables
from st_audioqa.errors import UserError
from st_audioqa.events.labels import with_ancestors
from st_audioqa.models.encoders import Targets
from st_audioqa.models.frontend import Frontend
from st_audioqa.models.training.cache import open_features
from st_audioqa.scene_table import SceneTable

__all__ = ["Clips", "label_vocabulary"]

_SOURCES = 2


def label_vocabulary(corpus: Corpus, split: str = "train") -> tuple[str, ...]:
    """All labels of the sources of a split, sorted: the classes of a model."""
    tables = _tables(corpus, split)
    return tuple(sorted({name for t in tables for s in t.labels for o in s for name in o}))


class Clips:
    """All clips of a split.

    Parameters
    ----------
    corpus : Corpus
    split : str
    classes : tuple of str
        Labels in the order of the targets; others are passed over.
    frontend : Frontend
    cache : Path
        Folder in which `build_cache` has put the features.

    Raises
    ------
    UserError
        A scene cannot be used; `st-audioqa verify` says more.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str,
        classes: tuple[str, ...],
        frontend: Frontend,
        cache: Path,
    ) -> None:
        tables = _tables(corpus, split)
        self.frontend = frontend
        self.features = open_features(corpus, split, frontend, cache)
        self.scene_id = [name for table in tables for name in table.scene_id]
        self.configuration = np.array([c for table in tables for c in table.configuration])
        sizes = [len(array) for array in self.features]
        if sum(sizes) != len(self.scene_id):
            raise UserError(f"The features in {cache} are not those of {corpus.folder}.")
        self._shard = np.repeat(np.arange(len(sizes)), sizes)
        self._row = np.concatenate([np.arange(size) for size in sizes])

        index = {name: i for i, name in enumerate(classes)}
        known = frozenset(classes)
        n = len(self.scene_id)
        self.labels = np.zeros((n, len(classes)), dtype=np.float32)
        self.present = np.zeros((n, _SOURCES), dtype=bool)
        self.source_class = np.full((n, _SOURCES), -1, dtype=np.int64)
        self.names = [labels for table in tables for labels in table.labels]
        for i, sources in enumerate(self.names):
            for j, names in enumerate(sources[:_SOURCES]):
                self.present[i, j] = True
                self.source_class[i, j] = index.get(names[0], -1)
                self.labels[i, [index[name] for name in with_ancestors(names, known)]] = 1.0

        def joined(values: list[NDArray[Any]]) -> NDArray[np.float32]:
            return np.concatenate([each[:, :_SOURCES] for each in values]).astype(np.float32)

        self.moving = joined([t.moving for t in tables]).astype(bool)
        self.activity = joined([t.activity for t in tables])
        xyz = [unit_vectors(t.azimuth_deg, t.elevation_deg) for t in tables]
        self.direction = joined(xyz)
        metres = joined([t.distance_m for t in tables])
        self.log_distance = np.log(np.where(self.present[..., None], metres, 1.0))

    def __len__(self) -> int:
        return len(self.scene_id)

    def rows(self, configurations: Sequence[str]) -> NDArray[np.int64]:
        """Indices of the clips of some configurations."""
        return np.flatnonzero(np.isin(self.configuration, list(configurations)))

    def raw(self, rows: NDArray[np.int64]) -> Tensor:
        """Features as stored, in float32 [shape=(batch, channels, frames, bands)]."""
        picked = np.stack([self.features[self._shard[i]][self._row[i]] for i in rows])
        return torch.as_tensor(picked).float()

    def targets(self, rows: NDArray[np.int64], teacher: NDArray[Any] | None = None) -> Targets:
        """The truth of some clips; every source is asked for by the class that names it."""
        classes = self.source_class[rows]
        asked = self.present[rows] & (classes >= 0)
        # The same name twice in one scene has no single answer.
        twice = (classes[:, :1] == classes[:, 1:]) & asked.all(axis=1, keepdims=True)
        asked &= ~twice
        tensor = torch.as_tensor
        return Targets(
            labels=tensor(self.labels[rows]),
            present=tensor(self.present[rows]),
            source_class=tensor(classes),
            activity=tensor(self.activity[rows]),
            direction=tensor(self.direction[rows]),
            log_distance=tensor(self.log_distance[rows]),
            moving=tensor(self.moving[rows]),
            queries=tensor(np.where(asked, classes, 0)),
            answers=tensor(np.where(asked, np.arange(_SOURCES), -1)),
            teacher=None if teacher is None else tensor(teacher[rows]).float(),
        )


def _tables(corpus: Corpus, split: str) -> list[SceneTable]:
    """Tables of the shards of a split, in the order of the manifest."""
    tables = []
    for entry in corpus.manifest.scenes:
        if entry.split == split:
            for table in scene_tables(corpus.folder / entry.path):
                if table.refused:
                    scene, fault = next(iter(table.refused.items()))
                    raise UserError(
                        f"Scene {scene} of {corpus.folder} cannot be used ({fault}): run "
                        "`st-audioqa verify` on the corpus."
                    )
                tables.append(table)
    if not tables:
        raise UserError(
            f"{corpus.folder} has no split {split!r}, wanted one of {', '.join(corpus.splits)}."
        )
    return tables
