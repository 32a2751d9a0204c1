"""Keeps as many questions of each answer as of the scarcest one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
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
    """What is to be balanced."""
    scene: Hashable
    """What `per_scene` counts."""


def balanced(
    candidates: Sequence[Candidate[T]], per_scene: int, rng: np.random.Generator
) -> list[T]:
    """As many candidates of every role, and at most `per_scene` of every scene.

    Roles choose in turn, one candidate each, until the first of them can choose no more; a role
    that can choose at all keeps one. Each takes first from the scenes that offer nothing
    scarcer. The order of the result is that of the candidates.
    """
    scenes_of: dict[Hashable, set[Hashable]] = defaultdict(set)
    roles_in: dict[Hashable, set[Hashable]] = defaultdict(set)
    for candidate in candidates:
        scenes_of[candidate.role].add(candidate.scene)
        roles_in[candidate.scene].add(candidate.role)
    supply = {role: len(scenes) for role, scenes in scenes_of.items()}
    scarcest_in = {
        scene: sorted(supply[role] for role in roles) for scene, roles in roles_in.items()
    }

    def rival_supply(index: int) -> int:
        """Supply of the scarcest other role that the candidate's scene offers."""
        mine, found = candidates[index].role, list(scarcest_in[candidates[index].scene])
        found.remove(supply[mine])
        return found[0] if found else len(candidates)

    queues: dict[Hashable, list[int]] = defaultdict(list)
    for index in rng.permutation(len(candidates)):
        queues[candidates[index].role].append(int(index))
    for members in queues.values():
        members.sort(key=rival_supply)
    turns = sorted(queues, key=lambda role: supply[role])
    taken: Counter[Hashable] = Counter()
    kept: dict[Hashable, list[int]] = {role: [] for role in turns}
    for round_ in range(len(candidates)):
        for role in turns:
            members = queues[role]
            while members and taken[candidates[members[-1]].scene] >= per_scene:
                members.pop()
            if members:
                kept[role].append(members.pop())
                taken[candidates[kept[role][-1]].scene] += 1
        if any(len(chosen) <= round_ for chosen in kept.values()):
            break
    cap = max(1, min((len(chosen) for chosen in kept.values()), default=0))
    chosen_first = sorted(i for chosen in kept.values() for i in chosen[:cap])
    return [candidates[i].item for i in chosen_first]
