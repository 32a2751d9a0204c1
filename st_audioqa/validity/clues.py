"""What an attacker is given: words of the question, and things known beside it.

Every clue is a string; attackers count clues and know nothing of where they come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from st_audioqa.scene import Scene
from st_audioqa.validity.posed import Posed

__all__ = ["SIDE", "clues", "words"]

_WORD = re.compile(r"\w+(?:[.'-]\w+)*")


def words(text: str) -> list[str]:
    """Words in lower case; "2.0-2.5" and "front-left" are one word each."""
    return _WORD.findall(text.lower())


def clues(each: Posed, side: str = "") -> list[str]:
    """Words, pairs and triples of words, and options of a question; then what `side` adds.

    What is known beside is given alone and together with every word, so that a linear model can
    learn "stationary, in a scene of which both sources stay".
    """
    question = each.question
    said = words(question.question)
    found = [f"anchor={question.anchor}"]
    found += [f"option {i}={option}" for i, option in enumerate(question.options)]
    for length in (1, 2, 3):
        found += [" ".join(said[i : i + length]) for i in range(len(said) - length + 1)]
    if side:
        beside = SIDE[side](each.scene)
        found += beside
        found += [
            f"{clue} & {word}" for clue in beside[:_CROSSED] for word in sorted(set(said))
        ]
    return found


_CROSSED = 3
"""Clues of each kind that are also given with every word: the first ones."""


def _configuration(scene: Scene) -> list[str]:
    """Which sources move; a model can hear it by localising alone."""
    return [f"configuration={scene.configuration}"]


def _sounds(scene: Scene) -> list[str]:
    """What one microphone hears: how many sounds, which, when, how loud."""
    found = [f"sources={len(scene.sources)}"]
    for source in scene.sources:
        active = np.flatnonzero(source.activity)
        found.append(f"sounds={source.event.name}")
        if len(active):
            found += [f"from={active[0] // 10}", f"until={active[-1] // 10}"]
        found += [f"active={int(source.activity.mean() * 8)}"]
        found += [f"level={round(source.event.level_dbfs)}"]
    return found


def _room(scene: Scene) -> list[str]:
    """The room: its name, kind and dimensions."""
    found = [f"category={scene.room.category}", f"sources={len(scene.sources)}"]
    found += [f"room={scene.room.name}", f"provider={scene.room.provider}"]
    return found + _numbers(scene.room.parameters, "")


def _numbers(parameters: Mapping[str, Any], where: str) -> list[str]:
    """Numbers of the room's parameters, on a scale of steps of a fifth."""
    found = []
    for name, value in sorted(parameters.items()):
        if isinstance(value, Mapping):
            found += _numbers(value, f"{where}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            found.append(f"{where}{name}={round(np.log(value) / np.log(1.2))}")
        elif isinstance(value, str):
            found.append(f"{where}{name}={value}")
    return found


SIDE: dict[str, Callable[[Scene], list[str]]] = {
    "configuration": _configuration,
    "sounds": _sounds,
    "room": _room,
}
"""What can be known beside a question."""
