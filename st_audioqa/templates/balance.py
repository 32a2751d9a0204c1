"""Keeps as many questions of each answer as of the scarcest one."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

__all__ = ["Candidate", "balanced"]

T = TypeVar("T")


@dataclass(frozen=True)
class Candidate(Generic[T]):
    """Something that can be kept."""

    item: T
    role: Hashable
    """The answer: equally often each."""
    scene: Hashable
    """What `per_scene` counts."""
    stratum: Hashable = ""
    """What is known beside the answer, such as a place that the wording names: answers come
    equally often for each."""
    variety: Hashable = ""
    """Ways to be this answer: as even as they come."""


def balanced(
    candidates: Sequence[Candidate[T]],
    per_scene: int,
    rng: np.random.Generator,
    roles: Collection[Hashable] = (),
) -> list[T]:
    """As many candidates of every role in every stratum, and at most `per_scene` of a scene.

    Strata take turns, the one that has least first; in a turn every role of the stratum gets
    one candidate, or none does and the stratum is through. A role takes the variety it has least
    of, and first from scenes that offer nothing scarcer. So no role, stratum or variety tells
    another. Where no stratum has all roles, each role keeps one candidate. The order of the
    result is that of the candidates.

    Parameters
    ----------
    roles : collection
        All roles there could be; those that occur if left out.
    """
    supply = Counter((each.stratum, each.role) for each in candidates)
    offers: dict[Hashable, list[int]] = defaultdict(list)
    for each in candidates:
        offers[each.scene].append(supply[each.stratum, each.role])
    # The sum rises with every scarce thing that the scene offers beside the candidate.
    contested = {
        scene: sum(1.0 / count for count in counts) for scene, counts in offers.items()
    }
    shuffled = rng.permutation(len(candidates)).tolist()
    shuffled.sort(key=lambda i: contested[candidates[i].scene], reverse=True)
    queues: dict[Hashable, dict[Hashable, dict[Hashable, list[int]]]] = {}
    for i in shuffled:
        each = candidates[i]
        by_role = queues.setdefault(each.stratum, {}).setdefault(each.role, {})
        by_role.setdefault(each.variety, []).append(i)

    names = sorted(set(roles) | {each.role for each in candidates}, key=str)
    taken: Counter[Hashable] = Counter()
    had: Counter[Hashable] = Counter()

    def choose(stratum: Hashable, role: Hashable) -> int | None:
        """One candidate of a role, or None where it has none left."""
        varieties = queues[stratum].get(role, {})
        for variety in sorted(varieties, key=lambda each: (had[role, each], str(each))):
            queue = varieties[variety]
            while queue:
                i = queue.pop()
                if taken[candidates[i].scene] < per_scene:
                    taken[candidates[i].scene] += 1
                    had[role, variety] += 1
                    return i
        return None

    kept: list[int] = []
    turns = dict.fromkeys(queues, 0)
    order = {each: (_scarcest(queues[each], names), str(each)) for each in queues}
    still = set(queues)
    while still:
        stratum = min(still, key=lambda each: (turns[each], order[each]))
        turn = [choose(stratum, role) for role in names]
        chosen = [i for i in turn if i is not None]
        if len(chosen) == len(names):
            kept += chosen
            turns[stratum] += 1
            continue
        still.remove(stratum)
        for i in chosen:  # given back, for other strata and for the case that nothing is kept
            each = candidates[i]
            taken[each.scene] -= 1
            had[each.role, each.variety] -= 1
            queues[stratum][each.role][each.variety].append(i)
    if not kept:
        for which in rng.permutation(len(names)):
            role = names[which]
            found = (choose(stratum, role) for stratum in queues)
            kept += list(itertools.islice((i for i in found if i is not None), 1))
    return [candidates[i].item for i in sorted(kept)]


def _scarcest(
    offered: dict[Hashable, dict[Hashable, list[int]]], roles: Sequence[Hashable]
) -> int:
    """How many candidates the scarcest role has in a stratum."""
    return min(sum(map(len, offered.get(role, {}).values())) for role in roles)
