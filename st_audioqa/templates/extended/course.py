"""What a moving source does on its way: turns back, pauses, speeds up or slows down."""

from __future__ import annotations

import numpy as np

from st_audioqa.templates.facts import UNCLEAR, Facts
from st_audioqa.templates.rules import YES_NO, Asked

__all__ = ["RULES"]

_PACES = ("speeds up", "slows down", "keeps its speed")


def turns_back(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Does a moving source turn back?"""
    return _course(facts, "turns_back", {1: 0, 0: 1}, YES_NO)


def pauses(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Does a moving source pause on its way?"""
    return _course(facts, "pauses", {1: 0, 0: 1}, YES_NO)


def pace(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Does a moving source speed up, slow down, or keep its speed?"""
    return _course(facts, "pace", {1: 0, -1: 1, 0: 2}, _PACES)


def _course(
    facts: Facts, measure: str, role_of: dict[int, int], roles: tuple[str, ...]
) -> Asked:
    """A measure of moving sources that sound in every second."""
    found = facts.timeline[measure].astype(np.int64)
    clear = facts.moving & facts.timeline["heard_all_along"].astype(bool)
    scene, source = np.nonzero(clear & (found != UNCLEAR))
    role = np.array([role_of[int(each)] for each in found[scene, source]], dtype=np.int64)
    return Asked(scene, source[:, None], role, roles)


RULES = (turns_back, pauses, pace)
