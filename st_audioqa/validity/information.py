"""How much single things that are known tell of the answer: mutual information, in bits.

One question of every scene is taken, since those of one scene are no independent evidence. Counted
information is never zero, so it is compared with that of answers dealt out anew among these
questions: the mean of these is subtracted, and `p` is the share of them that is as large
(the smallest p is 1 / (1 + permutations)).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.evaluation.columns import DETECTION
from st_audioqa.seeding import generator
from st_audioqa.validity.posed import Posed, by_part

__all__ = ["SIDE_FACTORS", "information", "mutual_information"]

Ints = NDArray[np.int64]

_PERMUTATIONS = 199
SIDE_FACTORS = ("configuration", "room category")
"""Factors that are not part of the question."""


def information(asked: Sequence[Posed]) -> list[dict[str, Any]]:
    """For each part and factor `bits`, `null` (mean by chance), `excess` and `p`.

    Event detection is left out: its answers are the sounds themselves.
    """
    found = []
    for part, rows in by_part(asked).items():
        if part[2] == DETECTION:
            continue
        # The last one in random order stands for its scene.
        order = generator(0, "validity", "questions", *part).permutation(rows)
        some = list({asked[i].scene.scene_id: asked[i] for i in order}.values())
        answers = _codes([each.role for each in some])
        for name, factor in _FACTORS.items():
            values = [factor(each) for each in some]
            if len(set(values)) < 2 or answers.max() == 0:
                continue
            random = generator(0, "validity", "information", *part, name)
            bits, null, p = mutual_information(_codes(values), answers, random)
            found.append(
                {
                    **dict(zip(("type", "family", "attribute"), part, strict=True)),
                    "factor": name,
                    "n": len(some),
                    "bits": round(bits, 5),
                    "null": round(null, 5),
                    "excess": round(bits - null, 5),
                    "p": round(p, 4),
                }
            )
    return found


def mutual_information(
    values: Ints, answers: Ints, random: np.random.Generator
) -> tuple[float, float, float]:
    """Bits that values tell of answers, their mean by chance, and p.

    Parameters
    ----------
    values, answers : ndarray [shape=(n,)]
        Codes from 0.
    random : Generator
        For the permutations.
    """
    bits = _bits(values, answers)
    null = np.array([_bits(values, random.permutation(answers)) for _ in range(_PERMUTATIONS)])
    p = (1 + np.count_nonzero(null >= bits - 1e-12)) / (1 + len(null))
    return bits, float(null.mean()), float(p)


def _bits(values: Ints, answers: Ints) -> float:
    """H(values) + H(answers) - H(both)."""
    width = int(answers.max()) + 1
    both = np.bincount(values * width + answers)
    return _entropy(np.bincount(values)) + _entropy(np.bincount(answers)) - _entropy(both)


def _entropy(counts: Ints) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def _codes(values: Sequence[Hashable]) -> Ints:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(each, len(numbers)) for each in values], dtype=np.int64)


def _name(which: int) -> Callable[[Posed], str]:
    """The name of a source asked about, by its place in the wording; of a verification none."""

    def name(each: Posed) -> str:
        targets = each.question.targets
        if each.question.attribute == "verification" or len(targets) <= which:
            return ""
        return each.scene.sources[targets[which]].event.name

    return name


def _order(each: Posed) -> Hashable:
    """Whether options stand in alphabetical order, where it is not the same for all."""
    options = each.question.options
    return options[0] < options[1] if each.question.answer_kind == "source" else ""


_FACTORS: dict[str, Callable[[Posed], Hashable]] = {
    "wording": lambda each: each.question.paraphrase_id,
    "order of options": _order,
    "first label": _name(0),
    "second label": _name(1),
    "anchor": lambda each: each.question.anchor,
    "number in the scene": lambda each: int(each.question.question_id[-3:]),
    "configuration": lambda each: each.scene.configuration,
    "room category": lambda each: each.scene.room.category,
}
