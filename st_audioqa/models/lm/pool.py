"""The questions of a stage, and which of them a step sees: functions of the seed and the step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from st_audioqa.errors import UserError
from st_audioqa.models.lm.interfaces import AudioInterface
from st_audioqa.models.lm.recipe import PAPER_POOLS, LMStage
from st_audioqa.models.lm.tokens import TokenCache
from st_audioqa.scene import Question
from st_audioqa.seeding import generator

__all__ = ["Bundle", "PackPlan", "bundled", "choose_pool"]


@dataclass(frozen=True)
class Bundle:
    """Questions behind one prefix."""

    scene_id: str
    names: tuple[int, ...]
    """Pieces of the prefix."""
    questions: tuple[Question, ...]


def choose_pool(
    questions: Sequence[Question], types: Sequence[str], most: int | None, seed: int
) -> list[Question]:
    """As many questions as the proportions of the paper's pools allow.

    A stage's pool holds that of the stage before: a type is chosen from by itself, and its number
    depends on the proportions of all three.

    Raises
    ------
    UserError
        There are no questions of one of the types.
    """
    by_type: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_type[question.type].append(question)
    missing = [type_ for type_ in types if not by_type[type_]]
    if missing:
        raise UserError(
            f"The corpus has no questions of type {missing[0]} to train on: generate one with "
            "scenes of one and of two sources."
        )
    scale = min(len(by_type[t]) / PAPER_POOLS[t] for t in PAPER_POOLS if by_type[t])
    if most is not None:
        scale = min(scale, most / sum(PAPER_POOLS[t] for t in types))
    chosen: list[Question] = []
    for type_ in sorted(types):
        count = max(1, round(scale * PAPER_POOLS[type_]))
        order = generator(seed, "pool", type_).permutation(len(by_type[type_]))[:count]
        chosen += [by_type[type_][i] for i in sorted(order)]
    return chosen


def bundled(
    interface: AudioInterface, questions: Sequence[Question], cache: TokenCache, pack: int
) -> list[Bundle]:
    """Questions by scene and prefix, in their order, at most `pack` together."""
    return [
        Bundle(scene, names, tuple(own[i : i + pack]))
        for (scene, names), own in _grouped(interface, questions, cache).items()
        for i in range(0, len(own), pack)
    ]


class PackPlan:
    """The packs of a stage: epoch after epoch, each with questions in a new order.

    Parameters
    ----------
    pool : sequence of Question
    stage : LMStage
    interface : AudioInterface
    cache : TokenCache
        Of the scenes of the pool.
    seed : int
    """

    def __init__(
        self,
        pool: Sequence[Question],
        stage: LMStage,
        interface: AudioInterface,
        cache: TokenCache,
        seed: int,
    ) -> None:
        self.seed, self.stage, self.size = seed, stage, len(pool)
        self._groups = _grouped(interface, pool, cache)
        self.bundles = sum(-(-len(each) // stage.pack) for each in self._groups.values())
        self.per_step = max(1, round(stage.batch * self.bundles / self.size))
        """Packs of one step."""
        passes = stage.question_passes / self.size
        self.steps = max(1, round(passes * self.bundles / self.per_step))
        self._epochs: dict[int, list[Bundle]] = {}

    @property
    def epoch_steps(self) -> int:
        """Steps between two validations."""
        questions = self.per_step * self.size / self.bundles
        return max(1, round(self.stage.epoch_questions / questions))

    def questions_after(self, step: int) -> float:
        """How many questions have been seen, on average."""
        return step * self.per_step * self.size / self.bundles

    def step(self, step: int) -> list[Bundle]:
        """The packs of a step."""
        first = step * self.per_step
        return [self._bundle(i) for i in range(first, first + self.per_step)]

    def _bundle(self, i: int) -> Bundle:
        epoch, place = divmod(i, self.bundles)
        if epoch not in self._epochs:
            kept = {k: v for k, v in self._epochs.items() if k == epoch - 1}
            self._epochs = {**kept, epoch: self._epoch(epoch)}
        return self._epochs[epoch][place]

    def _epoch(self, epoch: int) -> list[Bundle]:
        """Questions of a group are dealt anew; packs of a group are about equally full."""
        rng = generator(self.seed, "epoch", epoch)
        found = []
        for (scene, names), questions in self._groups.items():
            order = rng.permutation(len(questions))
            count = -(-len(questions) // self.stage.pack)
            for k in range(count):
                own = tuple(questions[i] for i in order[k::count])
                found.append(Bundle(scene, names, own))
        return [found[i] for i in rng.permutation(len(found))]


def _grouped(
    interface: AudioInterface, questions: Sequence[Question], cache: TokenCache
) -> dict[tuple[str, tuple[int, ...]], list[Question]]:
    groups: dict[tuple[str, tuple[int, ...]], list[Question]] = defaultdict(list)
    for q in questions:
        names = interface.wanted(q.question, cache.probability(q.scene_id))
        groups[q.scene_id, names].append(q)
    return groups
