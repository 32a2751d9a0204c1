"""Which of two sources begins first, which ends first; who comes in late, who ends early."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from st_audioqa.conventions import N_BINS
from st_audioqa.scene import SOURCE_NUMBERS
from st_audioqa.templates.facts import Facts
from st_audioqa.templates.rules import YES_NO, Asked
from st_audioqa.templates.twins import APART_BINS

__all__ = ["RULES"]

_LATE = 6
"""So many silent bins at the edge of the scene are clear; the other answer is for none at all."""


def starts_first(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Which of two starts first? One begins at least a second before the other."""
    return _earlier(facts, "first")


def stops_first(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Which of two stops first? One ends at least a second before the other."""
    return _earlier(facts, "last")


def comes_in_late(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Does a source begin clearly after the beginning of the recording?"""
    return _gap(facts, facts.timeline["first"].astype(np.int64))


def ends_early(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Does a source end clearly before the end of the recording?"""
    return _gap(facts, N_BINS - 1 - facts.timeline["last"].astype(np.int64))


def _earlier(facts: Facts, which: str) -> Asked:
    """Both orders of naming; the name that is said first wins as often as it loses."""
    at = facts.timeline[which].astype(np.int64)
    rows = []
    for one, other in permutations(range(facts.sounds.shape[1]), 2):
        clear = facts.audible_at_all[:, one] & facts.audible_at_all[:, other]
        clear &= np.abs(at[:, one] - at[:, other]) >= APART_BINS
        scene = np.flatnonzero(clear)
        role = (at[scene, one] > at[scene, other]).astype(np.int64)
        rows.append(np.column_stack([scene, np.tile([one, other], (len(scene), 1)), role]))
    found = np.concatenate(rows).astype(np.int64)
    stratum = facts.name_ids[found[:, 0], found[:, 1]]
    return Asked(found[:, 0], found[:, 1:3], found[:, 3], SOURCE_NUMBERS[:2], stratum=stratum)


def _gap(facts: Facts, bins: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Asked:
    """Yes and no equally often for every name, as some sounds by nature begin late."""
    clear = facts.audible_at_all & ((bins == 0) | (bins >= _LATE))
    scene, source = np.nonzero(clear)
    role = (bins[scene, source] == 0).astype(np.int64)
    name = facts.name_ids[scene, source]
    return Asked(scene, source[:, None], role, YES_NO, stratum=name)


RULES = (starts_first, stops_first, comes_in_late, ends_early)
