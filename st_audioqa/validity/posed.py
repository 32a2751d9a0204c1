"""A question with the scene it is asked of: what all checks look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from st_audioqa.errors import UserError
from st_audioqa.evaluation.columns import DETECTION, Part
from st_audioqa.evaluation.vocabulary import split_labels
from st_audioqa.scene import Question, Scene

__all__ = ["Posed", "by_part", "posed"]


@dataclass(frozen=True, eq=False)
class Posed:
    """A question and its scene."""

    question: Question
    scene: Scene

    @property
    def part(self) -> Part:
        """Type, family and attribute."""
        q = self.question
        return q.type, q.family, q.attribute

    @property
    def role(self) -> str:
        """The answer as what is balanced; of an event list its first name."""
        q = self.question
        return split_labels(q.answer)[0] if q.attribute == DETECTION else q.role

    def is_right(self, role: str) -> bool:
        """Whether a guess is right; of an event list any of its names is."""
        q = self.question
        return role in split_labels(q.answer) if q.attribute == DETECTION else role == q.role


def posed(questions: Iterable[Question], scenes: Iterable[Scene]) -> list[Posed]:
    """Questions with their scenes, in order.

    Raises
    ------
    UserError
        A question's scene is not there.
    """
    by_id = {scene.scene_id: scene for scene in scenes}
    try:
        return [Posed(question, by_id[question.scene_id]) for question in questions]
    except KeyError as error:
        raise UserError(
            f"A question asks about the scene {error.args[0]!r}, which the corpus does not have: "
            "check it with `st-audioqa verify DIR`."
        ) from error


def by_part(asked: Sequence[Posed]) -> dict[Part, list[int]]:
    """Part -> indices of its questions, sorted by part."""
    places: dict[Part, list[int]] = {}
    for i, each in enumerate(asked):
        places.setdefault(each.part, []).append(i)
    return dict(sorted(places.items()))
