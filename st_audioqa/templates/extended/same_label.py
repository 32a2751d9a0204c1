"""Two sources of one name: the one that starts first, the one on the left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.templates.facts import UNCLEAR, Facts
from st_audioqa.templates.rules import CLASSES, MOTION, Asked
from st_audioqa.templates.twins import ordered, sided

__all__ = ["RULES"]

Ints = NDArray[np.int64]

_ORDER = ("first", "second")
_SIDE = ("left", "right")
_PATH_M = 0.5


def ordered_motion(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Does the one that starts first, or second, move or stay?"""
    return _motion(facts, *ordered(facts), _ORDER)


def sided_motion(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Does the one on the left, or right, at an anchor move or stay?"""
    return _motion(facts, *sided(facts, anchor), _SIDE)


def ordered_location(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Where is the one that starts first, or second? The other one is somewhere else."""
    scene, sources = ordered(facts)
    place = facts.places[attribute, anchor].astype(np.int64)
    found = place[scene[:, None], sources]
    keep = (found != UNCLEAR).all(axis=1) & (found[:, 0] != found[:, 1])
    scene, sources, value = _either(scene[keep], sources[keep])
    role = place[scene, sources[:, 0]]
    return Asked(scene, sources, role, CLASSES[attribute], _ORDER, value)


def _motion(facts: Facts, scene: Ints, sources: Ints, values: tuple[str, ...]) -> Asked:
    """Moving or stationary, equally often whatever the other one does."""
    told = ~facts.moving | (facts.timeline["heard_path_m"] >= _PATH_M)
    keep = told[scene[:, None], sources].all(axis=1)
    scene, sources, value = _either(scene[keep], sources[keep])
    moving = facts.moving[scene[:, None], sources].astype(np.int64)
    stratum = 2 * value + moving[:, 1]
    return Asked(scene, sources, 1 - moving[:, 0], MOTION, values, value, stratum)


def _either(scene: Ints, sources: Ints) -> tuple[Ints, Ints, Ints]:
    """Rows for the first and for the second of each pair, and which of the two it is."""
    value = np.repeat([0, 1], len(scene))
    return np.tile(scene, 2), np.concatenate([sources, sources[:, ::-1]]), value


RULES = (ordered_motion, sided_motion, ordered_location)
