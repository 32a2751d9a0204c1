"""What the words of a question alone are worth: logistic regression, trained without audio.

The strongest reader of single words among the attackers of the validity report
(`st_audioqa.validity`), trained on the training questions. Above chance where answers can be
guessed from the wording.
"""

from __future__ import annotations

from collections.abc import Sequence

from st_audioqa.errors import UserError
from st_audioqa.evaluation.model import ModelSpec, Request, Response, RunContext
from st_audioqa.scene import SOURCE_NUMBERS, SOURCE_ROLES
from st_audioqa.validity.attackers.linear import linear
from st_audioqa.validity.posed import Posed

__all__ = ["Model"]


class Model:
    """Gives each question the answer that its words make likeliest."""

    spec = ModelSpec("blind-text", revision="1", audio="none")

    def __init__(self, context: RunContext) -> None:
        training = context.questions("train")
        if not training:
            raise UserError(
                "The model blind-text learns from the split 'train', but this corpus has none: "
                "generate a corpus with that split or choose the model chance."
            )
        train, test = (
            [Posed(question, context.scene(question.scene_id)) for question in questions]
            for questions in (training, context.questions(context.split))
        )
        self._roles = {
            posed.question.question_id: role
            for posed, role in zip(test, linear(train, test), strict=True)
        }

    def answer(self, batch: Sequence[Request]) -> list[Response]:
        """The likeliest answer to each question."""
        return [self._answer(request) for request in batch]

    def _answer(self, request: Request) -> str:
        prompt = request.prompt
        role = self._roles[prompt.question_id]
        places = {"source": SOURCE_ROLES, "one_of": SOURCE_NUMBERS}.get(prompt.answer_kind, ())
        return prompt.options[places.index(role)] if role in places else role
