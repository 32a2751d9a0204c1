"""Results broken down: by family, by the conditions of the scene, and by kind of error.

Conventions
-----------
Shares and intervals are as in `st_audioqa.evaluation.scoring`: percent, every question counts,
whole scenes are drawn again. Event lists have no right or wrong and are left out of accuracies.
An error in degrees or metres exists only where an answer was read; `read` says of how many.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from st_audioqa.conventions import DISTANCE_BIN_M, DISTANCE_BINS, SECTORS
from st_audioqa.evaluation.bootstrap import interval, resampled_sums
from st_audioqa.evaluation.columns import DETECTION
from st_audioqa.evaluation.conditions import FACTORS, Conditions
from st_audioqa.evaluation.result import Result, Row, bounds, percent
from st_audioqa.scene import Question

__all__ = ["UNREAD", "break_down", "details_of", "distance_errors", "sector_confusion"]

Floats = NDArray[np.floating]

UNREAD = "not read"
DEGREES_PER_SECTOR = 360.0 / len(SECTORS)


def details_of(
    result: Result, questions: Sequence[Question], conditions: Conditions
) -> dict[str, Any]:
    """All breakdowns of a result as JSON values; its own bootstrap settings are used.

    Returns
    -------
    dict
        `breakdowns` (see `break_down`), `confusion` (see `sector_confusion`) and
        `distance_errors`.
    """
    levels = [conditions.of(question) for question in questions]
    draws = (int(result.bootstrap["resamples"]), int(result.bootstrap["seed"]))
    return {
        "breakdowns": break_down(questions, result.rows, levels, *draws),
        "confusion": sector_confusion(questions, result.rows),
        "distance_errors": distance_errors(questions, result.rows, levels, *draws),
    }


def break_down(
    questions: Sequence[Question],
    rows: Sequence[Row],
    levels: Sequence[Mapping[str, str]],
    resamples: int = 1000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Accuracy per family, and per level of every factor, in all and per family.

    Parameters
    ----------
    questions, rows, levels : sequence
        One row, and one mapping of factor to level (`Conditions.of`), per question.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    list of dict
        {"factor", "level", "type", "family", "n", "scenes", "value", "low", "high",
        "parse_rate", "chance"}; factor "family" has the level "", and type and family are ""
        where a cell is about all of them.
    """
    places: dict[tuple[str, str, str, str], list[int]] = {}
    for i, (question, level) in enumerate(zip(questions, levels, strict=True)):
        if question.attribute != DETECTION:
            kind = (question.type, question.family)
            places.setdefault(("family", "", *kind), []).append(i)
            for factor, name in level.items():
                places.setdefault((factor, name, "", ""), []).append(i)
                places.setdefault((factor, name, *kind), []).append(i)
    keys = sorted(places, key=_in_order)
    scenes = _numbered(question.scene_id for question in questions)
    scene = np.array([scenes[question.scene_id] for question in questions])
    correct = np.array([row.correct for row in rows], dtype=np.float64)
    read = np.array([row.status == "ok" for row in rows], dtype=np.float64)
    options = np.array([len(question.options) for question in questions], dtype=np.float64)
    chance = np.divide(1.0, options, out=np.zeros_like(options), where=options > 0)
    here = [np.array(places[key]) for key in keys]
    shares = _means(
        [scene[each] for each in here],
        [correct[each] for each in here],
        len(scenes),
        resamples,
        seed,
    )
    found = []
    for key, each, values in zip(keys, here, shares, strict=True):
        n_scenes = len(np.unique(scene[each]))
        found.append(
            {
                **dict(zip(("factor", "level", "type", "family"), key, strict=True)),
                "n": len(each),
                "scenes": n_scenes,
                "value": percent(float(values[0])),
                **bounds(values[1:], n_scenes),
                "parse_rate": percent(float(read[each].mean())),
                "chance": percent(float(chance[each].mean())),
            }
        )
    return found


def _in_order(key: tuple[str, str, str, str]) -> tuple[Any, ...]:
    factor, level, *kind = key
    if factor not in FACTORS:
        return (-1, 0, "", *kind)
    known = FACTORS[factor].levels
    place = known.index(level) if level in known else len(known)
    return (list(FACTORS).index(factor), place, level, *kind)


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(sorted(set(names)))}


def _means(
    scenes: Sequence[NDArray[Any]],
    values: Sequence[NDArray[Any]],
    n_scenes: int,
    resamples: int,
    seed: int,
) -> Floats:
    """Mean of each cell's values, plain and resampled by scene [shape=(n_cells, 1 + resamples)].

    Parameters
    ----------
    scenes, values : sequence of array [shape=(n_values,)]
        Per cell the scene of each value, and the values.
    """
    n_cells = len(scenes)
    cell = np.repeat(np.arange(n_cells), [len(each) for each in scenes])
    row = np.concatenate([np.zeros(0, dtype=np.int64), *scenes]).astype(np.int64)
    value = np.concatenate([np.zeros(0), *values])
    blocks = (sparse.coo_array((each, (row, cell)), shape=(n_scenes, n_cells))
              for each in (np.ones(len(value)), value))  # fmt: skip
    drawn = resampled_sums(sparse.hstack(list(blocks), format="csr"), resamples, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((drawn[:, n_cells:] / drawn[:, :n_cells]).T)


def sector_confusion(questions: Sequence[Question], rows: Sequence[Row]) -> dict[str, Any]:
    """How often each sector was taken for each other one.

    Returns
    -------
    dict
        {"truth": sectors, "read": sectors and "not read", "counts": one list per true sector}
    """
    read = [*SECTORS, UNREAD]
    counts = [[0] * len(read) for _ in SECTORS]
    for question, row in zip(questions, rows, strict=True):
        if question.answer_kind == "sector" and question.answer in SECTORS:
            said = row.value if row.status == "ok" and row.value in SECTORS else UNREAD
            counts[SECTORS.index(question.answer)][read.index(str(said))] += 1
    return {"truth": list(SECTORS), "read": read, "counts": counts}


def distance_errors(
    questions: Sequence[Question],
    rows: Sequence[Row],
    levels: Sequence[Mapping[str, str]],
    resamples: int = 1000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """How far answers are off, against the distance of the source.

    The error of a sector is 45 degrees per sector that lies between, that of a distance 0.5 m
    per bin: centre to centre.

    Returns
    -------
    list of dict
        {"kind": "sector" or "distance", "unit", "level", "n", "read", "value", "low", "high"}
    """
    places: dict[tuple[str, str], list[int]] = {}
    for i, (question, level) in enumerate(zip(questions, levels, strict=True)):
        if question.answer_kind in ("sector", "distance") and "distance" in level:
            places.setdefault((question.answer_kind, level["distance"]), []).append(i)
    order = FACTORS["distance"].levels
    keys = sorted(places, key=lambda key: (key[0] != "sector", order.index(key[1])))
    scenes = _numbered(question.scene_id for question in questions)
    errors = [
        {
            i: error
            for i in places[key]
            if not math.isnan(error := _error(questions[i], rows[i]))
        }
        for key in keys
    ]
    where = [np.array([scenes[questions[i].scene_id] for i in each]) for each in errors]
    sizes = [np.array(list(each.values())) for each in errors]
    means = _means(where, sizes, len(scenes), resamples, seed)
    found = []
    for key, here, values in zip(keys, where, means, strict=True):
        enough = len(np.unique(here)) > 1
        low, high = (interval(values[1:]) if enough else None) or (math.nan, math.nan)
        cells = {"value": float(values[0]), "low": low, "high": high}
        found.append(
            {
                "kind": key[0],
                "unit": "deg" if key[0] == "sector" else "m",
                "level": key[1],
                "n": len(places[key]),
                "read": len(here),
                **{k: None if math.isnan(v) else round(v, 6) for k, v in cells.items()},
            }
        )
    return found


def _error(question: Question, row: Row) -> float:
    """How far an answer is off, in degrees or metres; NaN where none was read."""
    known = SECTORS if question.answer_kind == "sector" else DISTANCE_BINS
    if row.status != "ok" or row.value not in known or question.answer not in known:
        return math.nan
    steps = abs(known.index(str(row.value)) - known.index(question.answer))
    if question.answer_kind == "sector":
        return min(steps, len(SECTORS) - steps) * DEGREES_PER_SECTOR
    return steps * DISTANCE_BIN_M
