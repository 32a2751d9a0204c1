"""How many sources sound, how many move, how many are of one kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import ANCHORS
from st_audioqa.templates.facts import UNCLEAR, Facts
from st_audioqa.templates.rules import Asked
from st_audioqa.templates.twins import twin_pairs

__all__ = ["RULES"]

Ints = NDArray[np.int64]

_PATH_M = 0.5
_NUMBERS = ("0", "1", "2", "3", "4")


def sounding_sources(facts: Facts, attribute: str, anchor: str) -> Asked:
    """How many sources sound? Where all of them can be heard."""
    scene = np.flatnonzero((facts.audible_at_all | ~facts.sounds).all(axis=1))
    role = facts.sounds[scene].sum(axis=1) - 1
    return Asked(scene, _all_of(facts, scene), role, _NUMBERS[1:])


def moving_sources(facts: Facts, attribute: str, anchor: str) -> Asked:
    """How many sources move? Each is heard, and heard to move if it does."""
    told = ~facts.moving | (facts.timeline["heard_path_m"] >= _PATH_M)
    clear = facts.audible_at_all & told
    scene = np.flatnonzero((clear | ~facts.sounds).all(axis=1))
    role = (facts.moving & facts.sounds)[scene].sum(axis=1)
    n_sources = facts.sounds[scene].sum(axis=1)
    return Asked(scene, _all_of(facts, scene), role, _NUMBERS, variety=n_sources)


def same_label_sources(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Are there one or two sources of a name? Two must be heard in different places."""
    scene, one, other = twin_pairs(facts)
    audible = facts.audible_at_all[scene, one] & facts.audible_at_all[scene, other]
    apart = np.zeros(len(scene), dtype=bool)
    for window in ANCHORS:
        place = facts.places["azimuth", window]
        known = (place[scene, one] != UNCLEAR) & (place[scene, other] != UNCLEAR)
        apart |= known & (place[scene, one] != place[scene, other])
    two = audible & apart
    pairs = np.column_stack([scene, one, other])[two]
    several = facts.sounds.sum(axis=1) > 1
    alone = np.argwhere(facts.audible_at_all & facts.alone & several[:, None])
    singles = np.column_stack([alone, np.full(len(alone), -1)])
    rows = np.concatenate([singles, pairs]).astype(np.int64)
    role = np.repeat([0, 1], [len(singles), len(pairs)])
    name = facts.name_ids[rows[:, 0], rows[:, 1]]
    return Asked(rows[:, 0], rows[:, 1:], role, ("one", "two"), stratum=name)


def _all_of(facts: Facts, scene: Ints) -> Ints:
    """All sources of scenes as targets [shape=(k, m)]."""
    return np.where(facts.sounds[scene], np.arange(facts.sounds.shape[1]), -1)


RULES = (sounding_sources, moving_sources, same_label_sources)
