"""What attackers reach that never listen, with intervals by scenes, against chance.

Conventions
-----------
Attackers learn from one split and answer another. Chance is 1 / number of options, and for event
detection, where one name is guessed, the mean share of the names that are right. A part is "won"
where the lower end of its interval lies more than `MARGIN` points above chance, "open" where only
its value does, "fair" elsewhere. Parts and columns are those of the paper's tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from st_audioqa.errors import MissingPackageError
from st_audioqa.evaluation.bootstrap import interval, resampled_sums
from st_audioqa.evaluation.columns import COLUMNS, DETECTION, Part
from st_audioqa.evaluation.vocabulary import split_labels
from st_audioqa.validity.posed import Posed, by_part

__all__ = ["MARGIN", "attack"]

Attacker = Callable[[Sequence[Posed], Sequence[Posed]], list[str]]

MARGIN = 2.0
"""Points above chance that are tolerated."""
_RESAMPLES = 1000


def attack(
    attackers: Mapping[str, Attacker], train: Sequence[Posed], test: Sequence[Posed]
) -> dict[str, Any]:
    """Accuracy of every attacker at every part and at every column of the tables.

    Returns
    -------
    dict
        `parts` and `columns`: rows with `n`, `chance`, an `attackers` mapping of name to `value`,
        `low` and `high` (percent), `strongest` and `state`. `not_run`: attackers that lack a
        package, and what to do.
    """
    right: dict[str, NDArray[np.bool_]] = {}
    not_run: dict[str, str] = {}
    for name, attacker in attackers.items():
        try:
            given = attacker(train, test)
        except MissingPackageError as error:
            not_run[name] = str(error)
            continue
        right[name] = np.array([p.is_right(g) for p, g in zip(test, given, strict=True)], bool)
    places = by_part(test)
    trained = {part: len(rows) for part, rows in by_part(train).items()}
    samples = _samples(test, places, right)
    chances = {part: _chance(part, [test[i] for i in rows]) for part, rows in places.items()}
    parts = [
        {
            **dict(zip(("type", "family", "attribute"), part, strict=True)),
            "n_train": trained.get(part, 0),
            **_row(len(rows), chances[part], {n: s[part] for n, s in samples.items()}),
        }
        for part, rows in places.items()
    ]
    columns = []
    for column in COLUMNS:
        there = [part for part in column.parts if part in places]
        if there:
            values = {
                n: np.mean([s[part] for part in there], axis=0) for n, s in samples.items()
            }
            chance = float(np.mean([chances[part] for part in there]))
            n = sum(len(places[part]) for part in there)
            columns.append(
                {"column": " ".join((column.type, *column.heading)), **_row(n, chance, values)}
            )
    return {"parts": parts, "columns": columns, "not_run": not_run}


def _samples(
    test: Sequence[Posed],
    places: Mapping[Part, Sequence[int]],
    right: Mapping[str, NDArray[np.bool_]],
) -> dict[str, dict[Part, NDArray[np.floating]]]:
    """Attacker -> part -> accuracy, then its resampled values, as shares."""
    scenes = {name: s for s, name in enumerate(sorted({p.scene.scene_id for p in test}))}
    row = np.array([scenes[p.scene.scene_id] for p in test], dtype=np.int64)
    column = np.zeros(len(test), dtype=np.int64)
    for i, indices in enumerate(places.values()):
        column[indices] = i
    shape = (len(scenes), len(places))

    def sums(values: NDArray[Any]) -> Any:
        return sparse.coo_array((values.astype(float), (row, column)), shape=shape).tocsr()

    blocks = [sums(np.ones(len(test))), *(sums(each) for each in right.values())]
    drawn = resampled_sums(sparse.hstack(blocks, format="csr"), _RESAMPLES, 0)
    total, *correct = np.split(drawn, len(blocks), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            name: dict(zip(places, (each / total).T, strict=True))
            for name, each in zip(right, correct, strict=True)
        }


def _row(n: int, chance: float, samples: Mapping[str, NDArray[np.floating]]) -> dict[str, Any]:
    found: dict[str, dict[str, float]] = {}
    for name, values in samples.items():
        low, high = interval(values[1:]) or (float(values[0]), float(values[0]))
        shares = {"value": float(values[0]), "low": low, "high": high}
        found[name] = {key: round(100.0 * share, 3) for key, share in shares.items()}
    chance = round(100.0 * chance, 3)
    states = {_state(cell, chance) for cell in found.values()}
    state = next((each for each in ("won", "open") if each in states), "fair")
    strongest = max(found, key=lambda name: found[name]["value"], default="")
    if state == "won":
        strongest = max(found, key=lambda name: found[name]["low"])
    return {
        "n": n,
        "chance": chance,
        "attackers": found,
        "strongest": strongest,
        "state": state,
    }


def _state(cell: Mapping[str, float], chance: float) -> str:
    if cell["low"] > chance + MARGIN:
        return "won"
    return "open" if cell["value"] > chance + MARGIN else "fair"


def _chance(part: Part, asked: Sequence[Posed]) -> float:
    if part[2] == DETECTION:
        named = [split_labels(each.question.answer) for each in asked]
        names = {name for each in named for name in each}
        return float(np.mean([len(set(each)) for each in named]) / len(names))
    return float(np.mean([1.0 / max(len(each.question.options), 1) for each in asked]))
