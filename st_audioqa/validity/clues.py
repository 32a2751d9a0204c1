"""What an attacker is given: words of the question, and things known beside it.

Every clue is a string; attackers count clues and know nothing of where they come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from st_audioqa.validity.posed import Posed

__all__ = ["SIDE", "clues", "words"]

_WORD = re.compile(r"\w+(?:[.'-]\w+)*")


def words(text: str) -> list[str]:
    """Words in lower case; "2.0-2.5" and "front-left" are one word each."""
    return _WORD.findall(text.lower())


def clues(each: Posed, side: str = "") -> list[str]:
    """Words, pairs and triples of words, and options of a question; then what `side` adds.

    What is known beside is given alone, and the first of it together with every word, so that a
    linear model can learn "stationary, in a scene of which both sources stay".
    """
    question = each.question
    said = words(question.question)
    found = [f"anchor={question.anchor}"]
    found += [f"option {i}={option}" for i, option in enumerate(question.options)]
    for length in (1, 2, 3):
        found += [" ".join(said[i : i + length]) for i in range(len(said) - length + 1)]
    if side:
        beside = SIDE[side](each)
        found += beside
        found += [f"{beside[0]} & {word}" for word in sorted(set(said))]
    return found


def _configuration(each: Posed) -> list[str]:
    """How many sources move and stay; a model can hear it by localising alone."""
    return [f"configuration={each.scene.configuration}"]


def _movement(each: Posed) -> list[str]:
    """Which of the sources asked about move, in the order of the wording."""
    sources = each.scene.sources
    moving = ["moves" if sources[i].moving else "stays" for i in each.question.targets]
    return [f"movement={' '.join(moving)}", f"configuration={each.scene.configuration}"]


def _sounds(each: Posed) -> list[str]:
    """What one microphone hears: how many sounds, which, when, how loud."""
    found = []
    for source in each.scene.sources:
        active = np.flatnonzero(source.activity)
        found.append(f"sounds={source.event.name}")
        if len(active):
            found += [f"from={active[0] // 10}", f"until={active[-1] // 10}"]
        found.append(f"active={int(source.activity.mean() * 8)}")
        found.append(f"level={round(source.event.level_dbfs)}")
    # Sorted, because the order of sources in a scene is not heard.
    return [f"sources={len(each.scene.sources)}", *sorted(found)]


def _room(each: Posed) -> list[str]:
    """The room: its name, kind and dimensions."""
    room = each.scene.room
    found = [f"category={room.category}", f"sources={len(each.scene.sources)}"]
    found += [f"room={room.name}", f"provider={room.provider}"]
    return found + _measures(room.parameters, "")


def _measures(parameters: Mapping[str, Any], where: str) -> list[str]:
    """Parameters of the room; numbers in steps of a fifth."""
    found = []
    for name, value in sorted(parameters.items()):
        if isinstance(value, Mapping):
            found += _measures(value, f"{where}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            found.append(f"{where}{name}={round(np.log(value) / np.log(1.2))}")
        elif isinstance(value, str):
            found.append(f"{where}{name}={value}")
    return found


SIDE: dict[str, Callable[[Posed], list[str]]] = {
    "configuration": _configuration,
    "movement": _movement,
    "sounds": _sounds,
    "room": _room,
}
"""What can be known beside a question; event detection and verification are not attacked so."""
