"""Answer rules: what can be asked of a scene under a kind of question, and the right answer.

A rule takes the facts of a scene, an attribute and an anchor and yields every well-posed
question as an `Asked`. Rules draw nothing at random and know nothing of wordings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from st_audioqa.conventions import DISTANCE_BINS, ELEVATION_CLASSES, SECTORS
from st_audioqa.templates.facts import SceneFacts

__all__ = ["CHANGES", "CLASSES", "RELATIONS", "RULES", "Asked"]

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
SOURCE_ROLES = ("first", "second", "both", "neither")


@dataclass(frozen=True)
class Asked:
    """One well-posed question before it is worded."""

    answer: str
    targets: tuple[int, ...]
    role: str
    """The answer as what is balanced: the answer itself, or for a source its place in the
    wording (first, second, both, neither)."""
    options: tuple[str, ...]
    slots: Mapping[str, str] = field(default_factory=dict)
    stratum: str = ""
    """What is known beside the answer and must not tell it, such as what the wording names."""
    variety: str = ""
    """In which of several ways the answer comes about."""


Rule = Callable[[SceneFacts, str, str], Iterator[Asked]]


def detection(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """What sound events are present? All names, in the order of the sources."""
    if all(source.audible_at_all for source in facts.sources):
        answer = "; ".join(source.name for source in facts.sources)
        targets = tuple(range(len(facts.sources)))
        yield Asked(answer, targets, "", ())


def verification(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """Is the named event present? Only the yes; the engine pairs it with a no elsewhere."""
    for i, source in enumerate(facts.sources):
        if source.audible_at_all:
            yield Asked("yes", (i,), "yes", YES_NO, {"name": source.name})


def motion(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """Is a source moving or stationary? Equally often near, at middle distance and far."""
    for i, source in enumerate(facts.sources):
        if source.audible_at_all:
            answer = MOTION[0] if source.source.moving else MOTION[1]
            distance_m = source.source.distance_m.mean()
            reach = "near" if distance_m < 1.0 else "far" if distance_m >= 3.0 else "middle"
            yield Asked(answer, (i,), answer, MOTION, {"name": source.name}, stratum=reach)


def location(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """Where is a source at an anchor: sector, elevation class or distance bin?"""
    classes = CLASSES[attribute]
    for i, source in enumerate(facts.sources):
        place = source.place(attribute, anchor)
        if place is not None:
            yield Asked(classes[place], (i,), classes[place], classes, {"name": source.name})


def change(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """How does a moving source change from beginning to end?"""
    words = CHANGES[attribute]
    for i, source in enumerate(facts.sources):
        sign = source.change_sign(attribute)
        if source.source.moving and sign:
            answer = words[sign > 0]
            yield Asked(answer, (i,), answer, words, {"name": source.name})


def grounding_location(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """Which of two sources is at a given place?"""
    places = [source.place(attribute, anchor) for source in facts.sources]
    if None not in places:
        for value, word in enumerate(CLASSES[attribute]):
            yield from _which(facts, [place == value for place in places], word)


def grounding_change(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """Which of two sources changes in a given direction?"""
    signs = [source.change_sign(attribute) for source in facts.sources]
    if None not in signs:
        for value, word in zip((-1, 1), CHANGES[attribute], strict=True):
            yield from _which(facts, [sign == value for sign in signs], word)


def grounding_motion(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """Which of two sources moves, or stays?"""
    if all(source.audible_at_all for source in facts.sources):
        moving = [source.source.moving for source in facts.sources]
        yield from _which(facts, moving, MOTION[0])
        yield from _which(facts, [not each for each in moving], MOTION[1])


def temporal_relation(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """Does one source start on one side of the other and end on the opposite side?"""
    start = facts.relation(attribute, "beginning")
    end = facts.relation(attribute, "end")
    if start is None or end is None:
        return
    for i, j, facing in ((0, 1, 1), (1, 0, -1)):
        for wanted in (-1, 1):
            starts, ends = start * facing == wanted, end * facing == -wanted
            asked = _compare(facts, i, j, attribute, wanted, starts and ends)
            yield replace(asked, variety=f"{starts}-{ends}")


def movement_relation(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """At an anchor, how does the moving source lie to the stationary one?"""
    relation = facts.relation(attribute, anchor)
    moving = [i for i, source in enumerate(facts.sources) if source.source.moving]
    if relation is None or len(moving) != 1:
        return
    i = moving[0]
    facing = 1 if i == 0 else -1
    for wanted in (-1, 1):
        yield _compare(facts, i, 1 - i, attribute, wanted, relation * facing == wanted)


def trajectory_relation(facts: SceneFacts, attribute: str, anchor: str) -> Iterator[Asked]:
    """Does one source change more than the other, both overall and along its way?"""
    changes = [source.change(attribute) for source in facts.sources]
    if changes[0] is None or changes[1] is None:
        return
    difference = abs(changes[0]) - abs(changes[1])
    travels = [source.travel(attribute) for source in facts.sources]
    agrees = (travels[0] - travels[1]) * difference > 0
    if abs(difference) < facts.guards.min_change(attribute) or not agrees:
        return
    if attribute == "azimuth" and not all(s.azimuth_clear.all() for s in facts.sources):
        return
    for i, j in ((0, 1), (1, 0)):
        holds = (difference > 0) == (i == 0)
        yield _compare(facts, i, j, attribute, 1, holds)


def _which(facts: SceneFacts, fits: list[bool], value: str) -> Iterator[Asked]:
    """Which of the two, asked in both orders of naming."""
    names = [source.name for source in facts.sources]
    for i, j in ((0, 1), (1, 0)):
        if fits[i] and fits[j]:
            answer, role = "both", "both"
        elif fits[i]:
            answer, role = names[i], "first"
        elif fits[j]:
            answer, role = names[j], "second"
        else:
            answer, role = "neither", "neither"
        options = (names[i], names[j], "both", "neither")
        slots = {"first": names[i], "second": names[j], "value": value}
        yield Asked(answer, (i, j), role, options, slots, stratum=value)


def _compare(
    facts: SceneFacts, i: int, j: int, attribute: str, wanted: int, holds: bool
) -> Asked:
    """Whether source i relates to source j as asked."""
    answer = YES_NO[0] if holds else YES_NO[1]
    words = RELATIONS[attribute]
    slots = {
        "first": facts.sources[i].name,
        "second": facts.sources[j].name,
        "relation": words[wanted > 0],
        "opposite": words[wanted < 0],
    }
    return Asked(answer, (i, j), answer, YES_NO, slots, stratum=words[wanted > 0])


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
