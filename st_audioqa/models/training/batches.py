"""Which clips a step sees, and how they are changed: functions of the seed and the step alone.

Nothing here has a state, so a training that goes on after an interruption sees what it would
have seen without it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from st_audioqa.models.encoders import Targets
from st_audioqa.models.frontend import Frontend
from st_audioqa.models.rotations import rotate_targets
from st_audioqa.models.training.clips import Clips
from st_audioqa.models.training.recipe import StageRecipe
from st_audioqa.seeding import generator

__all__ = ["BatchPlan", "added", "mask_features"]


class BatchPlan:
    """The batches of a stage.

    Every configuration has an endless row of its own, permutation after permutation; a batch
    takes as much of each as its share asks for.

    Parameters
    ----------
    clips : Clips
    stage : StageRecipe
    seed : int
        Of this stage.
    teacher : ndarray [shape=(len(clips), classes)], optional
        Semantic logits to be kept.
    """

    def __init__(
        self,
        clips: Clips,
        stage: StageRecipe,
        seed: int,
        teacher: NDArray[np.float32] | None = None,
    ) -> None:
        self.clips, self.stage, self.seed, self.teacher = clips, stage, seed, teacher
        shares: dict[str, float] = {
            c: share for c, share in stage.shares.items() if len(clips.rows([c]))
        }
        total = sum(shares.values())
        self.rows_of = {c: clips.rows([c]) for c in shares}
        self.shares = {c: share / total for c, share in shares.items()}
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}

    def rows(self, step: int) -> NDArray[np.int64]:
        """Indices of the clips of a step."""
        size = self.stage.batch
        begin, end = self._counts(step * size), self._counts((step + 1) * size)
        found: list[int] = []
        for name in self.shares:
            found += [self._item(name, i) for i in range(begin[name], end[name])]
        return np.array(found, dtype=np.int64)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> tuple[Tensor, Targets]:
        """Features and truth of a step, for one of several processes."""
        rows = self.rows(step)[rank::world]
        rng = generator(self.seed, "augment", step, rank)
        features, targets = self.clips.raw(rows), self.clips.targets(rows, self.teacher)
        stage = self.stage
        frontend = self.clips.frontend
        exact = np.array([i for i in frontend.rotations if i < stage.rotations])
        chosen = torch.as_tensor(exact[rng.integers(len(exact), size=len(rows))])
        features = frontend.rotate(features, chosen)
        targets = rotate_targets(targets, chosen)
        if stage.mix:
            mixed = rng.random(len(rows)) < stage.mix
            features, targets = added(features, targets, mixed, rng, frontend)
        most = (stage.mask_frames, stage.mask_bands)
        features = mask_features(features, *most, rng, frontend.n_levels)
        return features, _with_absent(targets, stage.absent, rng)

    def _counts(self, n: int) -> dict[str, int]:
        """How many of the first n clips are of each configuration; they sum to n."""
        bounds = np.floor(np.cumsum([0.0, *self.shares.values()]) * n + 1e-6).astype(int)
        bounds[-1] = n
        return dict(zip(self.shares, np.diff(bounds).tolist(), strict=True))

    def _item(self, name: str, i: int) -> int:
        rows = self.rows_of[name]
        turn, place = divmod(i, len(rows))
        if (name, turn) not in self._orders:
            self._orders = {k: v for k, v in self._orders.items() if k[0] != name}
            order = generator(self.seed, "order", name, turn).permutation(len(rows))
            self._orders[name, turn] = order
        return int(rows[self._orders[name, turn][place]])


def mask_features(
    features: Tensor,
    most_frames: int,
    most_bands: int,
    rng: np.random.Generator,
    n_levels: int,
) -> Tensor:
    """Two pieces of time and two of frequency per clip set to silence (Park et al. 2019).

    The first `n_levels` channels get the clip's mean level there, the others zero.
    """
    if not (most_frames or most_bands):
        return features
    n, _, n_frames, n_bands = features.shape
    kept = np.ones((n, 1, n_frames, n_bands), dtype=bool)
    for i in range(n):
        for _ in range(2):
            length, width = rng.integers(most_frames + 1), rng.integers(most_bands + 1)
            first = rng.integers(n_frames - length + 1)
            kept[i, :, first : first + length] = False
            low = rng.integers(n_bands - width + 1)
            kept[i, :, :, low : low + width] = False
    fill = torch.zeros(n, features.shape[1], 1, 1)
    fill[:, :n_levels] = features[:, :n_levels].mean(dim=(2, 3), keepdim=True)
    return torch.where(torch.as_tensor(kept), features, fill)


def added(
    features: Tensor,
    targets: Targets,
    chosen: NDArray[np.bool_],
    rng: np.random.Generator,
    frontend: Frontend,
) -> tuple[Tensor, Targets]:
    """Single-source clips with another one of the batch added (`Frontend.add`), as scenes of
    two sources."""
    alone = (targets.present.sum(dim=1) == 1).numpy()
    names = targets.source_class[:, 0].numpy()
    partners = rng.permutation(len(features))
    good = chosen & alone & alone[partners] & (names != names[partners])
    rows = torch.as_tensor(np.flatnonzero(good))
    if not len(rows):
        return features, targets
    others = torch.as_tensor(partners)[rows]
    features = features.clone()
    features[rows] = frontend.add(features[rows], features[others])

    def both(values: Tensor) -> Tensor:
        values = values.clone()
        values[rows, 1] = values[others, 0]
        return values

    labels = targets.labels.clone()
    labels[rows] = torch.maximum(labels[rows], targets.labels[others])
    queries, answers = both(targets.queries), targets.answers.clone()
    answers[rows, 1] = torch.where(targets.answers[others, 0] >= 0, 1, -1)
    teacher = targets.teacher
    if teacher is not None:
        teacher = teacher.clone()
        teacher[rows] = torch.maximum(teacher[rows], targets.teacher[others])  # type: ignore[index]
    return features, replace(
        targets,
        labels=labels,
        present=both(targets.present),
        source_class=both(targets.source_class),
        activity=both(targets.activity),
        direction=both(targets.direction),
        log_distance=both(targets.log_distance),
        moving=both(targets.moving),
        queries=queries,
        answers=answers,
        teacher=teacher,
    )


def _with_absent(targets: Targets, share: float, rng: np.random.Generator) -> Targets:
    """Fills queries that ask for nothing, and some others, with classes that are not there."""
    queries, answers = targets.queries.clone(), targets.answers.clone()
    n_classes = targets.labels.shape[1]
    for i in range(len(queries)):
        if answers[i, -1] >= 0 and rng.random() < share:
            answers[i, -1] = -1
        absent = np.flatnonzero(targets.labels[i].numpy() == 0)
        for j in range(queries.shape[1]):
            if answers[i, j] < 0:
                queries[i, j] = int(rng.choice(absent)) if len(absent) else n_classes
    return replace(targets, queries=queries, answers=answers)
