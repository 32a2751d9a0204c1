"""Puts chosen questions into words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import CONFIGURATIONS
from st_audioqa.noun import Noun
from st_audioqa.scene import SOURCE_ROLES, Question
from st_audioqa.templates.facts import Facts
from st_audioqa.templates.family import ANCHOR_WORDS, Kind
from st_audioqa.templates.naming import Naming
from st_audioqa.templates.rules import Asked

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

    def __init__(
        self,
        batch: Batch,
        facts: Facts,
        naming: Naming,
        letter: str,
        *,
        held_out: bool = False,
    ) -> None:
        kind, asked = batch.kind, batch.asked
        self._batch, self._facts, self._nouns = batch, facts, naming.nouns
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
        self._letter = letter
        self._wordings = kind.held_out if held_out else kind.wordings
        self._paraphrase = (batch.paraphrase % len(self._wordings)).tolist()
        self._first_id = len(kind.wordings) if held_out else 0
        said = [kind.phrases.get(value, value) for value in asked.values]
        self._said = said
        self._opposite = [
            kind.opposite_phrases.get(value, said[i]) for i, value in enumerate(asked.values)
        ][::-1]
        self._answer = _ANSWERS.get(kind.answer_kind, Writer._role_word)

    def question(self, row: int, number: int) -> Question:
        """The question of a row, by its number within the scene."""
        batch, kind = self._batch, self._batch.kind
        names, value = self._names[row], self._value[row]
        name = self._nouns[self._named[row]]
        second = self._nouns[names[-1]]
        subject = _THE_SOUND if kind.type == "A" else name
        scene_id = self._facts.scene_id[self._scene[row]]
        answer, options = self._answer(self, row)
        text = self._wordings[self._paraphrase[row]].format_map(
            {
                "name": subject.text,
                "a_name": name.indefinite,
                "first": name.text,
                "second": second.text,
                "names": self._either(row) if kind.answer_kind == "one_of" else "",
                "value": self._said[value],
                "relation": self._said[value],
                "opposite": self._opposite[value],
                "anchor": ANCHOR_WORDS.get(batch.anchor, ""),
                "is": subject.agrees("is", "are"),
                "does": subject.agrees("does", "do"),
                "it": second.agrees("it", "them"),
            }
        )
        return Question(
            question_id=f"{scene_id}-{self._letter}{number:03d}",
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
            paraphrase_id=self._first_id + self._paraphrase[row],
        )

    def _role_word(self, row: int) -> tuple[str, tuple[str, ...]]:
        roles = self._batch.asked.roles
        return roles[self._role[row]], roles

    def _source(self, row: int) -> tuple[str, tuple[str, ...]]:
        first, second = (self._nouns[each].text for each in self._names[row][:2])
        options = (first, second, *SOURCE_ROLES[2:])
        return options[self._role[row]], options

    def _one_of(self, row: int) -> tuple[str, tuple[str, ...]]:
        options = tuple(self._nouns[each].text for each in self._names[row] if each >= 0)
        return options[self._role[row]], options

    def _either(self, row: int) -> str:
        *others, last = self._one_of(row)[1]
        return f"{', '.join(others)} or {last}"

    def _events(self, row: int) -> tuple[str, tuple[str, ...]]:
        heard = [self._nouns[each].text for each in self._names[row] if each >= 0]
        return "; ".join(heard), ()


_THE_SOUND = Noun("sound", "count")
_ANSWERS: dict[str, Callable[[Writer, int], tuple[str, tuple[str, ...]]]] = {
    "source": Writer._source,
    "one_of": Writer._one_of,
    "events": Writer._events,
}
"""How the answer kinds that are not a role's word make answer and options."""
