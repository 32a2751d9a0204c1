"""Questions that are there twice, or nearly, within a split and across splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from st_audioqa.scene import Scene
from st_audioqa.validity.clues import words
from st_audioqa.validity.posed import Posed

__all__ = ["duplicates"]

_STEP_M = 0.05
"""Positions are the same scene's within this."""


def duplicates(splits: Mapping[str, Sequence[Posed]]) -> dict[str, Any]:
    """Counts of duplicates.

    Returns
    -------
    dict
        `within`, by split: `exact`, questions of one scene in the same words; `reordered`, those
        in the same words in another order; `same_matter`, questions of one kind, scene and
        anchor about the same sources with the same answer (mirrored relations, for example).
        `across`, by pair of splits: `texts`, questions of the second whose words come up in the
        first, about other scenes; `scenes`, scenes whose sources have the same sounds at the
        same places. Only the first ones of each are not counted.
    """
    names = sorted(splits)
    within = {}
    for name in names:
        asked = splits[name]
        within[name] = {
            "n": len(asked),
            "exact": _again((p.scene.scene_id, p.question.question) for p in asked),
            "reordered": _again(
                (p.scene.scene_id, tuple(sorted(words(p.question.question)))) for p in asked
            ),
            "same_matter": _again(_matter(p) for p in asked if p.question.targets),
        }
    across = {}
    for one in names:
        texts = {p.question.question for p in splits[one]}
        prints = {_print(p.scene) for p in _scenes(splits[one])}
        for other in names:
            if one != other:
                across[f"{other} in {one}"] = {
                    "n": len(splits[other]),
                    "texts": sum(p.question.question in texts for p in splits[other]),
                    "scenes": sum(_print(p.scene) in prints for p in _scenes(splits[other])),
                }
    return {"within": within, "across": across}


def _again(keys: Iterable[Hashable]) -> int:
    """How many have come before."""
    return sum(count - 1 for count in Counter(keys).values())


def _matter(each: Posed) -> Hashable:
    q = each.question
    return q.scene_id, q.template_id, q.anchor, tuple(sorted(q.targets)), q.answer


def _scenes(asked: Sequence[Posed]) -> list[Posed]:
    """One question of every scene."""
    return list({each.scene.scene_id: each for each in asked}.values())


def _print(scene: Scene) -> Hashable:
    """What two scenes have in common that are nearly the same."""
    return tuple(
        (source.event.clip_id, np.round(source.position / _STEP_M).astype(np.int64).tobytes())
        for source in scene.sources
    )
