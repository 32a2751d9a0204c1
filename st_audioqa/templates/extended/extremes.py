"""Which of three or four sources is nearest, farthest, highest or lowest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.scene import SOURCE_NUMBERS
from st_audioqa.templates.facts import Facts
from st_audioqa.templates.rules import Asked

__all__ = ["RULES"]

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]

_VALUES = {"distance": ("nearest", "farthest"), "elevation": ("lowest", "highest")}


def extreme(facts: Facts, attribute: str, anchor: str) -> Asked:
    """The one source that is beyond all others, by the margin of relations, all window long.

    The sources are named in a ring from each of them on, so that every place in the wording holds
    the answer equally often.
    """
    guards = facts.guards
    margins = {
        "distance": (("distance", guards.distance_margin_m),),
        "elevation": (
            ("elevation", guards.elevation_margin_deg),
            ("height", guards.elevation_agrees_m),
        ),
    }[attribute]
    count = facts.sounds.sum(axis=1)
    usable = (facts.audible[anchor] | ~facts.sounds).all(axis=1) & (count >= 3)
    rows = []
    for value, sign in enumerate((1.0, -1.0)):
        beyond = np.ones(facts.sounds.shape, dtype=bool)
        for name, margin in margins:
            low, high = (facts.timeline[f"{name}/{anchor}/{end}"] for end in ("low", "high"))
            beyond &= _below_all(facts, low * sign, high * sign, sign, margin)
        scene, winner = np.nonzero(beyond & usable[:, None])
        for turn in range(facts.sounds.shape[1]):
            asked = turn < count[scene]
            rows.append(
                np.column_stack(
                    [scene, winner, np.full_like(scene, value), np.full_like(scene, turn)]
                )[asked]
            )
    scene, winner, value, turn = np.concatenate(rows).astype(np.int64).T
    width = count[scene][:, None]
    ring = (np.arange(facts.sounds.shape[1]) + turn[:, None]) % np.maximum(width, 1)
    targets = np.where(np.arange(facts.sounds.shape[1]) < width, ring, -1)
    role = (winner - turn) % np.maximum(width[:, 0], 1)
    return Asked(scene, targets, role, SOURCE_NUMBERS, _VALUES[attribute], value)


def _below_all(
    facts: Facts, low: Floats, high: Floats, sign: float, margin: float
) -> NDArray[np.bool_]:
    """Whether each source stays below all others of its scene by a margin [shape=(n, m)]."""
    least, most = (low, high) if sign > 0 else (high, low)
    others = np.where(facts.sounds, least, np.inf)
    below = np.zeros(facts.sounds.shape, dtype=bool)
    for i in range(facts.sounds.shape[1]):
        rest = np.delete(others, i, axis=1).min(axis=1)
        below[:, i] = facts.sounds[:, i] & (most[:, i] + margin <= rest)
    return below


RULES = (extreme,)
