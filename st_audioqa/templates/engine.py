"""Asks all questions of a split: every well-posed one, balanced, worded and numbered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import CONFIGURATIONS
from st_audioqa.noun import Noun
from st_audioqa.recipes import QuestionsRecipe
from st_audioqa.scene import Question, Scene
from st_audioqa.scene_table import SceneTable
from st_audioqa.seeding import generator
from st_audioqa.templates.balance import balanced
from st_audioqa.templates.extended import EXTENDED_RULES
from st_audioqa.templates.facts import Facts
from st_audioqa.templates.family import ALL_RULES, Family, Kind, load_families
from st_audioqa.templates.limit import reach
from st_audioqa.templates.naming import Naming
from st_audioqa.templates.pairing import absent_in
from st_audioqa.templates.rules import YES_NO, Asked
from st_audioqa.templates.wording import Batch, Writer

__all__ = ["Chosen", "QuestionEngine"]

Ints = NDArray[np.int64]

_FEW_ANSWERS = {
    "yes_no",
    "motion",
    "source",
    "azimuth_change",
    "elevation_change",
    "distance_change",
    "one_two",
    "pace",
}
"""Answer kinds of which every answer has to come up. Of sectors and distances some may be out of
reach in a small corpus; the others still count."""


@dataclass(frozen=True, eq=False)
class _Group:
    """Questions among which answers are balanced: one kind, one anchor, one case or all."""

    family: str
    kind: Kind
    anchor: str
    case: str
    asked: Asked


@dataclass(frozen=True, eq=False)
class Chosen:
    """All questions of a split, before they are worded, sorted by scene and number."""

    naming: Naming
    batches: tuple[Batch, ...]
    batch: Ints
    """[shape=(n,)]"""
    row: Ints
    """[shape=(n,)] within its batch"""
    number: Ints
    """[shape=(n,)] within its scene"""

    def __len__(self) -> int:
        return len(self.batch)


class QuestionEngine:
    """Makes the questions of scenes from their metadata.

    Parameters
    ----------
    guards : QuestionsRecipe
        Guard bands: what makes an answer clear; and how many questions are wanted.
    noun : callable
        Display name of a label -> how it is spoken in a question.
    related : callable
        Whether two labels are the same or one contains the other.
    families : sequence of Family, optional
        All of the paper's that come with the package if left out.
    letters : str
        What the numbers of questions begin with, in usual and in held-out words; no two tables
        of a corpus have the same.
    """

    def __init__(
        self,
        guards: QuestionsRecipe,
        noun: Callable[[str], Noun],
        related: Callable[[str, str], bool],
        families: Sequence[Family] | None = None,
        letters: str = "qr",
    ) -> None:
        self._guards = guards
        self._noun = noun
        self._related = related
        self._families = tuple(load_families() if families is None else families)
        self._letters = letters

    def ask(self, scenes: Iterable[Scene], seed: int) -> list[Question]:
        """Questions of the scenes of one split, sorted by scene.

        Everything random comes from `seed` and the names of kind, anchor, case and split. The
        numbers within a scene are in random order, so that none tells its answer. Scenes whose
        tracks cannot be used have no questions (`SceneTable.of` names them).
        """
        return list(self.word(self.choose([SceneTable.of(scenes)], seed)))

    def choose(self, tables: Iterable[SceneTable], seed: int) -> Chosen:
        """Which questions are asked of the scenes of one split."""
        extended = any(k.rule in EXTENDED_RULES for each in self._families for k in each.kind)
        facts = Facts.of(tables, self._guards, with_timeline=extended)
        naming = Naming(facts, self._noun, self._related)
        groups = list(self._groups(facts))
        batches = [self._batch(group, naming, seed, most=None) for group in groups]
        for type_, most in self._guards.most.get(facts.split, {}).items():
            self._limit(type_, most, groups, batches, naming, seed)
        sizes = [len(batch.asked) for batch in batches]
        scene = np.concatenate([np.zeros(0, np.int64), *(each.asked.scene for each in batches)])
        batch = np.repeat(np.arange(len(batches)), sizes)
        row = np.concatenate([np.zeros(0, np.int64), *map(np.arange, sizes)])
        chance = generator(seed, "numbers", facts.split).random(len(scene))
        order = np.lexsort((chance, scene))
        sorted_scene = scene[order]
        starts = np.searchsorted(sorted_scene, sorted_scene, side="left")
        number = np.arange(len(order)) - starts
        return Chosen(naming, tuple(batches), batch[order], row[order], number)

    def word(self, chosen: Chosen, *, held_out: bool = False) -> Iterator[Question]:
        """The questions in words, in the order in which they were chosen.

        Parameters
        ----------
        chosen : Chosen
        held_out : bool
            Use the wordings that are kept from training. The questions are the same and have
            ids of their own.
        """
        naming = chosen.naming
        writers = [
            Writer(batch, naming.facts, naming, self._letters[held_out], held_out=held_out)
            for batch in chosen.batches
        ]
        columns = (chosen.batch.tolist(), chosen.row.tolist(), chosen.number.tolist())
        for batch, row, number in zip(*columns, strict=True):
            yield writers[batch].question(row, number)

    def _groups(self, facts: Facts) -> Iterator[_Group]:
        for family in self._families:
            for kind in family.kind:
                cases = [CONFIGURATIONS.index(case) for case in kind.cases]
                attribute = kind.rule_attribute or kind.attribute
                if {attribute, f"{kind.rule}/{attribute}"} & set(self._guards.unasked):
                    continue
                for anchor in kind.anchors:
                    asked = ALL_RULES[kind.rule](facts, attribute, anchor)
                    if not kind.twins:
                        asked = _named_clearly(asked, facts)
                    configuration = facts.configuration[asked.scene]
                    if kind.pool_cases:
                        rows = np.flatnonzero(np.isin(configuration, cases))
                        yield _Group(family.family, kind, anchor, "", asked.take(rows))
                        continue
                    for case in sorted(cases, key=lambda each: CONFIGURATIONS[each]):
                        rows = np.flatnonzero(configuration == case)
                        name = CONFIGURATIONS[case]
                        yield _Group(family.family, kind, anchor, name, asked.take(rows))

    def _batch(self, group: _Group, naming: Naming, seed: int, most: int | None) -> Batch:
        kind, anchor, facts = group.kind, group.anchor, naming.facts
        rng = generator(seed, "questions", facts.split, kind.id, anchor, group.case)
        name = None
        if kind.paired:
            asked, name = self._paired(group.asked, naming, rng, most)
        else:
            asked = group.asked.take(_kept(group, facts, rng, most))
        wordings = generator(seed, "wordings", facts.split, kind.id, anchor, group.case)
        paraphrase = _paraphrases(asked, len(kind.wordings), wordings)
        return Batch(group.family, kind, anchor, asked, paraphrase, name)

    def _limit(
        self,
        type_: str,
        most: int,
        groups: Sequence[_Group],
        batches: list[Batch],
        naming: Naming,
        seed: int,
    ) -> None:
        """Draws batches of a type again where it has more questions than are wanted."""
        mine = [i for i, group in enumerate(groups) if group.kind.type == type_]
        by_kind: dict[str, list[int]] = defaultdict(list)
        for place, i in enumerate(mine):
            by_kind[groups[i].kind.id].append(place)

        def draw(place: int, wanted: int) -> int:
            i = mine[place]
            batches[i] = self._batch(groups[i], naming, seed, wanted)
            return len(batches[i].asked)

        roles = [len(np.unique(batches[i].asked.role)) for i in mine]
        full = np.array([len(batches[i].asked) for i in mine], dtype=np.int64)
        reach(most, list(by_kind.values()), full, np.maximum(roles, 1), draw)

    def _paired(
        self, present: Asked, naming: Naming, rng: np.random.Generator, most: int | None
    ) -> tuple[Asked, Ints]:
        """Every yes, and the same label asked once of a scene that does not hold it.

        So each label is as often present as absent. A label that fits no other scene is left
        out with its yes.
        """
        if most is not None:
            present = present.take(np.sort(rng.permutation(len(present))[: most // 2]))
        hosts, scene = np.unique(present.scene, return_inverse=True)
        name = naming.name[present.scene, present.targets[:, 0]]
        given = absent_in(scene, name, naming.present[hosts], naming.conflict, rng)
        found = np.flatnonzero(given >= 0)
        yes = present.take(found)
        return Asked(
            scene=np.concatenate([yes.scene, hosts[given[found]]]),
            targets=np.concatenate([yes.targets, np.full_like(yes.targets, -1)]),
            role=np.repeat([0, 1], len(found)),
            roles=YES_NO,
        ), np.tile(name[found], 2)


def _kept(group: _Group, facts: Facts, rng: np.random.Generator, most: int | None) -> Ints:
    """Rows of a group that are kept."""
    kind, asked = group.kind, group.asked
    role, n_roles = asked.role, len(asked.roles)
    if kind.answer_kind not in _FEW_ANSWERS:
        occurring, role = np.unique(role, return_inverse=True)
        n_roles = len(occurring)
    variety = asked.column("variety")
    if kind.pool_cases:
        variety = variety * len(CONFIGURATIONS) + facts.configuration[asked.scene]
    unit, per_unit = asked.scene, kind.per_scene
    if asked.said is not None:
        unit, per_unit = unit * (int(asked.said.max(initial=0)) + 1) + asked.said, 1
    return balanced(
        unit,
        role,
        asked.column("stratum"),
        variety,
        n_roles=n_roles,
        per_scene=per_unit,
        rng=rng,
        most=most,
    )


def _named_clearly(asked: Asked, facts: Facts) -> Asked:
    """Questions all of whose sources have names that fit them alone."""
    alone = facts.alone[asked.scene[:, None], asked.targets] | (asked.targets < 0)
    return asked if alone.all() else asked.take(np.flatnonzero(alone.all(axis=1)))


def _paraphrases(asked: Asked, n_wordings: int, rng: np.random.Generator) -> Ints:
    """A wording for each question, dealt evenly within every answer and value: none tells it.

    Where there are fewer questions than wordings, each value begins with another wording, and all
    answers of a value with the same.
    """
    value, chance = asked.column("value"), rng.permutation(len(asked))
    group = asked.role * len(asked.values) + value
    order = np.lexsort((chance, group))
    offset = rng.integers(n_wordings, size=len(asked.values))[value[order]]
    _, start, count = np.unique(group[order], return_index=True, return_counts=True)
    wording = np.empty(len(asked), dtype=np.int64)
    wording[order] = (np.arange(len(asked)) - np.repeat(start, count) + offset) % n_wordings
    return wording
