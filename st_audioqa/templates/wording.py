"""Puts chosen questions into words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import CONFIGURATIONS
from st_audioqa.scene import Question
from st_audioqa.templates.facts import Facts
from st_audioqa.templates.family import ANCHOR_WORDS, Kind
from st_audioqa.templates.naming import Naming
from st_audioqa.templates.rules import SOURCE_ROLES, Asked

__all__ = ["Batch", "Writer"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batch:
    """Questions of one kind, anchor and case that are asked."""

    family: str
    kind: Kind
    anchor: str
    asked: Asked
    paraphrase: Ints
    """[shape=(n,)] index into the wordings of the kind"""
    name: Ints | None = None
    """[shape=(n,)] label asked about, index into `Naming.labels`; the first target's if left
    out"""


class Writer:
    """Writes the questions of one batch."""

    def __init__(self, batch: Batch, facts: Facts, naming: Naming) -> None:
        kind, asked = batch.kind, batch.asked
        self._batch, self._facts, self._spoken = batch, facts, naming.spoken
        names = np.where(
            asked.targets >= 0, naming.name[asked.scene[:, None], asked.targets], -1
        )
        self._named = (names[:, 0] if batch.name is None else batch.name).tolist()
        self._names = names.tolist()
        self._targets = [tuple(i for i in each if i >= 0) for each in asked.targets.tolist()]
        self._scene = asked.scene.tolist()
        self._configuration = facts.configuration[asked.scene].tolist()
        self._role = asked.role.tolist()
        self._value = asked.column("value").tolist()
        self._paraphrase = batch.paraphrase.tolist()
        self._said = [kind.phrases.get(value, value) for value in asked.values]
        self._answer = _ANSWERS.get(kind.answer_kind, Writer._role_word)

    def question(self, row: int, number: int) -> Question:
        """The question of a row, by its number within the scene."""
        batch, kind = self._batch, self._batch.kind
        names, value = self._names[row], self._value[row]
        scene_id = self._facts.scene_id[self._scene[row]]
        answer, options = self._answer(self, row)
        text = kind.wordings[self._paraphrase[row]].format(
            name=self._spoken[self._named[row]],
            first=self._spoken[names[0]],
            second=self._spoken[names[-1]],
            value=self._said[value],
            relation=self._said[value],
            opposite=self._said[-1 - value],
            anchor=ANCHOR_WORDS.get(batch.anchor, ""),
        )
        return Question(
            question_id=f"{scene_id}-q{number:03d}",
            scene_id=scene_id,
            split=self._facts.split,
            configuration=CONFIGURATIONS[self._configuration[row]],
            type=kind.type,
            family=batch.family,
            attribute=kind.attribute,
            anchor=batch.anchor,
            question=text[0].upper() + text[1:],
            answer=answer,
            answer_kind=kind.answer_kind,
            options=options,
            targets=self._targets[row],
            template_id=kind.id,
            paraphrase_id=self._paraphrase[row],
        )

    def _role_word(self, row: int) -> tuple[str, tuple[str, ...]]:
        roles = self._batch.asked.roles
        return roles[self._role[row]], roles

    def _source(self, row: int) -> tuple[str, tuple[str, ...]]:
        first, second = (self._spoken[each] for each in self._names[row][:2])
        options = (first, second, *SOURCE_ROLES[2:])
        return options[self._role[row]], options

    def _events(self, row: int) -> tuple[str, tuple[str, ...]]:
        heard = [self._spoken[each] for each in self._names[row] if each >= 0]
        return "; ".join(heard), ()


_ANSWERS: dict[str, Callable[[Writer, int], tuple[str, tuple[str, ...]]]] = {
    "source": Writer._source,
    "events": Writer._events,
}
"""How the answer kinds that are not a role's word make answer and options."""
