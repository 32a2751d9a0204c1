"""Which mentions of a value are taken back: "not left", "no rain or speech", "unlike the bark"."""

from __future__ import annotations

from collections.abc import Sequence

from st_audioqa.evaluation.phrases import NEGATION_GAP, NEGATIONS
from st_audioqa.evaluation.text import Mention

__all__ = ["negated", "standing"]

_REACH = 6
_LIST_WORDS = frozenset(("a", "an", "any", "the", "to", "on", "in", "of", "your", "my"))
_LINKS = frozenset(("or", "nor"))


def negated(mention: Mention, found: Sequence[str]) -> bool:
    """Whether a negation stands before the mention, with small words between them at most."""
    for i in range(mention.begin - 1, max(mention.begin - 1 - _REACH, -1), -1):
        if found[i] in NEGATIONS or tuple(found[i - 1 : i + 1]) == ("instead", "of"):
            return True
        if found[i] not in NEGATION_GAP:
            return False
    return False


def standing(mentions: Sequence[Mention], found: Sequence[str]) -> list[Mention]:
    """The mentions that are not taken back.

    A negation reaches over a list that ends in "or" or "nor": "no rain, wind or speech".
    """
    kept: list[Mention] = []
    pending: list[Mention] = []
    taken_back = False
    for i, mention in enumerate(mentions):
        gap = set(found[mentions[i - 1].end : mention.begin]) - _LIST_WORDS if i else {""}
        if taken_back and gap and gap <= _LINKS | {","} and not gap.isdisjoint(_LINKS):
            pending = []
        elif taken_back and gap == {","} and not negated(mention, found):
            pending.append(mention)
        else:
            kept += pending
            pending = []
            taken_back = negated(mention, found)
            if not taken_back:
                kept.append(mention)
    return kept + pending
