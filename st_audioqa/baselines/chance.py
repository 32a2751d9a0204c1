"""Uniform guessing among the options; for event lists, among the names the corpus has.

As many names are guessed as the type of the question has sources: one for A, two for B and C.
"""

from __future__ import annotations

from collections.abc import Sequence

from st_audioqa.evaluation.model import ModelSpec, Request, RunContext
from st_audioqa.evaluation.vocabulary import LIST_SEPARATOR, split_labels
from st_audioqa.seeding import generator

__all__ = ["Model"]


class Model:
    """Guesses that depend on the seed and the question id alone."""

    spec = ModelSpec("chance", revision="1", audio="none")

    def __init__(self, context: RunContext) -> None:
        lists = [q for q in context.questions(context.split) if q.answer_kind == "events"]
        self._seed = context.seed
        self._names = sorted({name for q in lists for name in split_labels(q.answer)})
        self._sizes = {q.question_id: 1 if q.type == "A" else 2 for q in lists}

    def answer(self, batch: Sequence[Request]) -> list[str | None]:
        """A guess for each question."""
        return [self._guess(request) for request in batch]

    def _guess(self, request: Request) -> str:
        prompt = request.prompt
        random = generator(self._seed, "chance", prompt.question_id)
        if prompt.answer_kind == "events":
            size = min(self._sizes[prompt.question_id], len(self._names))
            guessed = random.choice(len(self._names), size=size, replace=False)
            return LIST_SEPARATOR.join(self._names[i] for i in sorted(guessed))
        return prompt.options[int(random.integers(len(prompt.options)))]
