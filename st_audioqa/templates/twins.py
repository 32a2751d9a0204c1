"""Two sources of one name, and what tells them apart: order or side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.templates.facts import Facts

__all__ = ["APART_BINS", "ordered", "sided", "twin_pairs"]

Ints = NDArray[np.int64]

APART_BINS = 4
"""One begins, or ends, at least a second before the other."""


def twin_pairs(facts: Facts) -> tuple[Ints, Ints, Ints]:
    """Scene and sources of every two that share a name no third source has."""
    names = facts.name_ids
    rows = [
        (scene, one, other)
        for one in range(names.shape[1])
        for other in range(one + 1, names.shape[1])
        for scene in np.flatnonzero((names[:, one] == names[:, other]) & (names[:, other] >= 0))
        if (names[scene] == names[scene, one]).sum() == 2
    ]
    scene, one, other = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return scene, one, other


def ordered(facts: Facts) -> tuple[Ints, Ints]:
    """Twins that can be told apart by their beginnings.

    Returns
    -------
    scene : ndarray [shape=(k,)]
    sources : ndarray [shape=(k, 2)]
        That which begins first, and the other one.
    """
    scene, one, other = twin_pairs(facts)
    first = facts.timeline["first"]
    lead = first[scene, other] - first[scene, one]
    heard = facts.audible_at_all[scene, one] & facts.audible_at_all[scene, other]
    keep = heard & (np.abs(lead) >= APART_BINS)
    pairs = np.column_stack([one, other])
    pairs = np.where(lead[:, None] > 0, pairs, pairs[:, ::-1])
    return scene[keep], pairs[keep]


def sided(facts: Facts, anchor: str) -> tuple[Ints, Ints]:
    """Twins of which one is to the left and one to the right at an anchor, the left one first."""
    scene, one, other = twin_pairs(facts)
    side = facts.timeline[f"side/{anchor}"]
    audible = facts.audible[anchor]
    heard = audible[scene, one] & audible[scene, other]
    heard &= facts.audible_at_all[scene, one] & facts.audible_at_all[scene, other]
    keep = heard & (side[scene, one].astype(np.int64) * side[scene, other] == -1)
    pairs = np.column_stack([one, other])
    pairs = np.where((side[scene, one] == 1)[:, None], pairs, pairs[:, ::-1])
    return scene[keep], pairs[keep]
