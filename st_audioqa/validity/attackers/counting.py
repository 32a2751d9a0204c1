"""Attackers that count answers: the commonest of a kind, and that of the same words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence

from st_audioqa.validity.posed import Posed

__all__ = ["majority", "memory"]


def majority(train: Sequence[Posed], test: Sequence[Posed]) -> list[str]:
    """The commonest training answer of the kind of question."""
    return _commonest(train, test, [lambda each: each.part])


def memory(train: Sequence[Posed], test: Sequence[Posed]) -> list[str]:
    """The commonest training answer to the same words, else that of the kind."""
    return _commonest(
        train, test, [lambda each: (each.part, each.question.question), lambda each: each.part]
    )


def _commonest(
    train: Sequence[Posed], test: Sequence[Posed], keys: list[Callable[[Posed], Hashable]]
) -> list[str]:
    """Answers by the first key that training has; ties go to the first in the alphabet."""
    counts: list[dict[Hashable, Counter[str]]] = [defaultdict(Counter) for _ in keys]
    for each in train:
        for key, table in zip(keys, counts, strict=True):
            table[key(each)][each.role] += 1
    best = [
        {key: min(roles, key=lambda role: (-roles[role], role)) for key, roles in table.items()}
        for table in counts
    ]
    found = []
    for each in test:
        known = (table.get(key(each)) for key, table in zip(keys, best, strict=True))
        found.append(next((role for role in known if role is not None), ""))
    return found
