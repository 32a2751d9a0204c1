"""The most common answer of the training questions: what can be won without listening.

Answers are counted per type, family, attribute and anchor. Source names are counted by their
role: named first in the question, named second, both or neither. For event lists the most
common names are given, as many as the type of the question has sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from st_audioqa.errors import UserError
from st_audioqa.evaluation.model import ModelSpec, Request, RunContext
from st_audioqa.evaluation.vocabulary import LIST_SEPARATOR, split_labels
from st_audioqa.scene import Question

__all__ = ["Model"]

Key = tuple[str, ...]


class Model:
    """Gives each kind of question its most common training answer."""

    spec = ModelSpec("majority", revision="1", audio="none")

    def __init__(self, context: RunContext) -> None:
        training = context.questions("train")
        if not training:
            raise UserError(
                "The model majority counts answers of the split 'train', but this corpus has "
                "none: generate a corpus with that split or choose the model chance."
            )
        self._counts: dict[Key, Counter[str]] = {}
        for question in training:
            for key in _keys(question):
                self._counts.setdefault(key, Counter()).update(_roles(question))
        self._questions = {q.question_id: q for q in context.questions(context.split)}

    def answer(self, batch: Sequence[Request]) -> list[str | None]:
        """The most common answer to each question's kind."""
        return [self._common(self._questions[request.prompt.question_id]) for request in batch]

    def _common(self, question: Question) -> str | None:
        counts = next((self._counts[k] for k in _keys(question) if k in self._counts), None)
        if counts is None:
            return question.options[0] if question.options else None
        ranked = sorted(counts, key=lambda answer: (-counts[answer], answer))
        if question.answer_kind == "events":
            return LIST_SEPARATOR.join(ranked[: 1 if question.type == "A" else 2])
        if question.answer_kind in ("source", "one_of"):
            return _named(question).get(ranked[0], ranked[0])
        return ranked[0]


def _keys(question: Question) -> tuple[Key, ...]:
    """The question's kind, then wider ones for where training has no such question."""
    kind = (question.type, question.family, question.attribute)
    return (*kind, question.anchor), kind, (question.answer_kind,)


def _roles(question: Question) -> tuple[str, ...]:
    """What an answer counts as."""
    if question.answer_kind == "events":
        return split_labels(question.answer)
    if question.answer_kind in ("source", "one_of"):
        roles = {name: role for role, name in _named(question).items()}
        return (roles.get(question.answer, question.answer),)
    return (question.answer,)


def _named(question: Question) -> dict[str, str]:
    """Role -> name of the sources; options list them in the order of the question."""
    names = [option for option in question.options if option not in ("both", "neither")]
    return dict(zip(("first", "second", "third", "fourth"), names, strict=False))
