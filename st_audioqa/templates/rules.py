"""Answer rules: what can be asked of scenes under a kind of question, and the right answers.

A rule takes the facts of scenes, an attribute and an anchor and returns every well-posed question
as a row of an `Asked`. Rules draw nothing at random and know nothing of wordings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import DISTANCE_BINS, ELEVATION_CLASSES, SECTORS
from st_audioqa.scene import SOURCE_ROLES
from st_audioqa.templates.facts import UNCLEAR, Facts

__all__ = [
    "CHANGES",
    "CLASSES",
    "MOTION",
    "RELATIONS",
    "RULES",
    "YES_NO",
    "Asked",
    "Rule",
]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CLASSES: dict[str, tuple[str, ...]] = {
    "azimuth": SECTORS,
    "elevation": ELEVATION_CLASSES,
    "distance": DISTANCE_BINS,
}
CHANGES = {
    "azimuth": ("clockwise", "counterclockwise"),
    "elevation": ("downward", "upward"),
    "distance": ("closer", "farther"),
}
"""Words for a negative and a positive change."""
RELATIONS = {
    "azimuth": ("clockwise", "counterclockwise"),
    "elevation": ("lower", "higher"),
    "distance": ("closer", "farther"),
}
"""Words for a negative and a positive relation of one source to another."""
YES_NO = ("yes", "no")
MOTION = ("moving", "stationary")
_NEAR_M, _FAR_M = 1.0, 3.0


@dataclass(frozen=True, eq=False)
class Asked:
    """Well-posed questions before they are worded, one per row of its columns."""

    scene: Ints
    """[shape=(n,)] index into the facts"""
    targets: Ints
    """[shape=(n, k)] sources asked about, in the order of the wording; -1 where there is none"""
    role: Ints
    """[shape=(n,)] the answer as what is balanced, an index into `roles`"""
    roles: tuple[str, ...]
    values: tuple[str, ...] = ("",)
    value: Ints | None = None
    """[shape=(n,)] what the wording names beside the sources, an index into `values`"""
    stratum: Ints | None = None
    """[shape=(n,)] what is known beside the answer and must not tell it; the value if left out"""
    variety: Ints | None = None
    """[shape=(n,)] in which of several ways the answer comes about"""
    said: Ints | None = None
    """[shape=(n,)] rows of a scene with the same number say the same: one of them is asked, and
    as many of a scene as there are numbers. None where no two say the same"""

    def __len__(self) -> int:
        return len(self.scene)

    def column(self, name: str) -> Ints:
        """A column, zeros where it was left out."""
        found: Ints | None = getattr(self, name)
        if found is None and name == "stratum":
            found = self.value
        return np.zeros(len(self), dtype=np.int64) if found is None else found

    def take(self, rows: Ints) -> Asked:
        """Some of the rows."""
        optional: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[rows]
            for name in ("value", "stratum", "variety", "said")
        }
        return replace(
            self,
            scene=self.scene[rows],
            targets=self.targets[rows],
            role=self.role[rows],
            **optional,
        )


Rule = Callable[[Facts, str, str], Asked]


def detection(facts: Facts, attribute: str, anchor: str) -> Asked:
    """What sound events are present? All names, in the order of the sources."""
    scene = np.flatnonzero((facts.audible_at_all | ~facts.sounds).all(axis=1))
    numbers = np.arange(facts.sounds.shape[1])
    targets = np.where(facts.sounds[scene], numbers, -1)
    return Asked(scene, targets, np.zeros(len(scene), dtype=np.int64), ("",))


def verification(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Is the named event present? Only the yes; the engine pairs it with a no elsewhere."""
    scene, source = np.nonzero(facts.audible_at_all)
    return Asked(scene, source[:, None], np.zeros(len(scene), dtype=np.int64), YES_NO)


def motion(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Is a source moving or stationary?

    Equally often near, at middle distance and far, and where one source of the scene moves and
    the other stays: the case tells the answer of all others, but not of these.
    """
    scene, source = np.nonzero(facts.audible_at_all & facts.movement_told)
    reach = np.digitize(facts.mean_distance_m[scene, source], [_NEAR_M, _FAR_M])
    count = facts.moving.sum(axis=1)
    mixed = ((count > 0) & (count < facts.sounds.sum(axis=1)))[scene]
    role = np.where(facts.moving[scene, source], 0, 1)
    stratum = 2 * reach.astype(np.int64) + mixed
    return Asked(scene, source[:, None], role, MOTION, stratum=stratum)


def location(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Where is a source at an anchor: sector, elevation class or distance bin?"""
    place = facts.places[attribute, anchor]
    scene, source = np.nonzero(place != UNCLEAR)
    role = place[scene, source].astype(np.int64)
    return Asked(scene, source[:, None], role, CLASSES[attribute])


def change(facts: Facts, attribute: str, anchor: str) -> Asked:
    """How does a moving source change from beginning to end?"""
    sign = facts.change_sign[attribute]
    scene, source = np.nonzero(facts.moving & (np.abs(sign) == 1))
    role = (sign[scene, source] > 0).astype(np.int64)
    return Asked(scene, source[:, None], role, CHANGES[attribute])


def grounding_location(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Which of two sources is at a given place?"""
    place = facts.places[attribute, anchor][:, :2].astype(np.int64)
    return _which(_pairs(place != UNCLEAR), place, CLASSES[attribute])


def grounding_change(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Which of two sources changes in a given direction?"""
    sign = facts.change_sign[attribute][:, :2]
    value = np.where(sign == 0, -1, sign > 0).astype(np.int64)
    return _which(_pairs(sign != UNCLEAR), value, CHANGES[attribute])


def grounding_motion(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Which of two sources moves, or stays?"""
    value = np.where(facts.moving[:, :2], 0, 1).astype(np.int64)
    told = facts.audible_at_all & facts.movement_told
    return _which(_pairs(told[:, :2]), value, MOTION)


def temporal_relation(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Does one source start on one side of the other and end on the opposite side?

    "A starts higher than B and ends lower" says the same as "B starts lower than A and ends
    higher": only one of the two is asked of a scene.
    """
    start, end = (
        facts.relations[attribute, each].astype(np.int64) for each in ("beginning", "end")
    )
    scene = np.flatnonzero((start != UNCLEAR) & (end != UNCLEAR))
    rows = []
    for targets, facing in (((0, 1), 1), ((1, 0), -1)):
        for wanted in (-1, 1):
            starts = start[scene] * facing == wanted
            ends = end[scene] * facing == -wanted
            asked = _compare(scene, targets, attribute, wanted, starts & ends)
            variety = 2 * starts.astype(np.int64) + ends
            said = np.full(len(scene), int(wanted * facing > 0), dtype=np.int64)
            rows.append(replace(asked, variety=variety, said=said))
    return _stacked(rows)


def movement_relation(facts: Facts, attribute: str, anchor: str) -> Asked:
    """At an anchor, how does the moving source lie to the stationary one?"""
    relation = facts.relations[attribute, anchor].astype(np.int64)
    one_moves = facts.moving.sum(axis=1) == 1
    rows = []
    for moving, facing in ((0, 1), (1, -1)):
        told = facts.moving[:, moving] & facts.movement_told[:, moving]
        scene = np.flatnonzero((relation != UNCLEAR) & one_moves & told)
        for wanted in (-1, 1):
            holds = relation[scene] * facing == wanted
            rows.append(_compare(scene, (moving, 1 - moving), attribute, wanted, holds))
    return _stacked(rows)


def trajectory_relation(facts: Facts, attribute: str, anchor: str) -> Asked:
    """Does one source change more than the other, both overall and along its way?"""
    change, travel = facts.change[attribute], facts.travel[attribute]
    difference = np.abs(change[:, 0]) - np.abs(change[:, 1])
    with np.errstate(invalid="ignore"):
        clear = np.abs(difference) >= facts.guards.min_change(attribute)
        clear &= (travel[:, 0] - travel[:, 1]) * difference > 0
    clear &= facts.sounds[:, 1]
    if attribute == "azimuth":
        clear &= facts.azimuth_clear[:, :2].all(axis=1)
    scene = np.flatnonzero(clear)
    return _stacked(
        [
            _compare(scene, targets, attribute, 1, (difference[scene] > 0) == (targets[0] == 0))
            for targets in ((0, 1), (1, 0))
        ]
    )


def _pairs(known: Bools) -> Ints:
    """Scenes of which both sources are known [shape=(n, 2)] -> [shape=(k,)]."""
    return np.flatnonzero(known.all(axis=1))


def _which(scene: Ints, source_value: Ints, values: tuple[str, ...]) -> Asked:
    """Which of the two has a value, asked for every value in both orders of naming.

    Parameters
    ----------
    scene : ndarray [shape=(k,)]
    source_value : ndarray [shape=(n, 2)]
        Index into `values` of both sources of every scene; another number for none of them.
    values : tuple of str
    """
    rows = []
    for i, j in ((0, 1), (1, 0)):
        for value in range(len(values)):
            first, second = (source_value[scene, source] == value for source in (i, j))
            role = np.where(first, np.where(second, 2, 0), np.where(second, 1, 3))
            rows.append(
                Asked(
                    scene,
                    _repeated((i, j), len(scene)),
                    role.astype(np.int64),
                    SOURCE_ROLES,
                    values,
                    np.full(len(scene), value, dtype=np.int64),
                )
            )
    return _stacked(rows)


def _compare(
    scene: Ints, targets: tuple[int, int], attribute: str, wanted: int, holds: Bools
) -> Asked:
    """Whether the first target relates to the second as asked."""
    return Asked(
        scene,
        _repeated(targets, len(scene)),
        np.where(holds, 0, 1).astype(np.int64),
        YES_NO,
        RELATIONS[attribute],
        np.full(len(scene), int(wanted > 0), dtype=np.int64),
    )


def _repeated(targets: ArrayLike, count: int) -> Ints:
    return np.tile(np.asarray(targets, dtype=np.int64), (count, 1))


def _stacked(rows: Sequence[Asked]) -> Asked:
    """All rows after one another."""
    columns: dict[str, Any] = {
        name: None
        if getattr(rows[0], name) is None
        else np.concatenate([getattr(each, name) for each in rows])
        for name in ("scene", "targets", "role", "value", "stratum", "variety", "said")
    }
    return replace(rows[0], **columns)


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        detection,
        verification,
        motion,
        location,
        change,
        grounding_location,
        grounding_change,
        grounding_motion,
        temporal_relation,
        movement_relation,
        trajectory_relation,
    )
}
