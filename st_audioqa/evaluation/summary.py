"""Cells, tables, averages and groups from rows and part values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.evaluation.columns import AVERAGE, COLUMNS, DETECTION, Column, Part
from st_audioqa.evaluation.estimates import class_names, named_sets, places_of
from st_audioqa.evaluation.metrics import accuracy, example_f1, example_jaccard, hallucinated
from st_audioqa.evaluation.result import Cell, Path, Row, bounds, percent
from st_audioqa.evaluation.vocabulary import split_labels
from st_audioqa.scene import Question

__all__ = ["TYPES", "groups_of", "tables_of"]

Floats = NDArray[np.floating]

TYPES = ("A", "B", "C")


def tables_of(
    questions: Sequence[Question],
    rows: Sequence[Row],
    lenient: Mapping[Part, Floats],
    strict: Mapping[Part, Floats],
) -> tuple[dict[str, Any], dict[str, Cell], dict[Path, Floats]]:
    """Tables, averages, and the samples of every cell in them.

    Parameters
    ----------
    questions, rows : sequence
        One row per question, in the same order.
    lenient, strict : mapping
        Part values from `estimates.part_values`.
    """
    places = places_of(questions)
    tables: dict[str, Any] = {}
    cells: dict[Column, Cell] = {}
    samples: dict[Path, Floats] = {}
    for column in COLUMNS:
        parts = [part for part in column.parts if part in places]
        if parts:
            samples[column.path] = np.mean([lenient[part] for part in parts], axis=0)
            by_part = {part: places[part] for part in parts}
            cells[column] = _cell(questions, rows, by_part, lenient, strict)
        else:
            cells[column] = {"value": None, "n": 0, "low": None, "high": None}
        _put(tables, column.path, cells[column])
    averages: dict[str, Cell] = {}
    for kind in TYPES:
        columns = [column for column in COLUMNS if column.type == kind]
        path = AVERAGE if kind == AVERAGE[1] else ("averages", kind)
        averages[kind] = {
            "low": None,
            "high": None,
            **_average({column: cells[column] for column in columns}),
        }
        if all(column.path in samples for column in columns):
            samples[path] = np.mean([samples[column.path] for column in columns], axis=0)
            scenes = {q.scene_id for q in questions if q.type == kind}
            averages[kind] |= bounds(samples[path][1:], len(scenes))
    _put(tables, AVERAGE, averages[AVERAGE[1]])
    return tables, averages, samples


def _put(tables: dict[str, Any], path: Path, cell: Cell) -> None:
    for key in path[:-1]:
        tables = tables.setdefault(key, {})
    tables[path[-1]] = cell


def _cell(
    questions: Sequence[Question],
    rows: Sequence[Row],
    places: Mapping[Part, Sequence[int]],
    lenient: Mapping[Part, Floats],
    strict: Mapping[Part, Floats],
) -> Cell:
    everywhere = [i for indices in places.values() for i in indices]
    asked = {part: [questions[i] for i in indices] for part, indices in places.items()}
    values = np.mean([lenient[part] for part in places], axis=0)
    cell: Cell = {
        "value": percent(float(values[0])),
        "n": len(everywhere),
        **bounds(values[1:], len({questions[i].scene_id for i in everywhere})),
        "strict": percent(float(np.mean([strict[part][0] for part in places]))),
        "parse_rate": percent(accuracy([rows[i].status == "ok" for i in everywhere])),
        "chance": percent(float(np.mean([_chance(part[2], asked[part]) for part in places]))),
        "parts": {
            part[2]: {"value": percent(float(lenient[part][0])), "n": len(asked[part])}
            for part in places
        },
    }
    if any(part[2] == DETECTION for part in places):
        here = [questions[i] for i in everywhere]
        cell |= _set_scores(here, [rows[i] for i in everywhere])
        cell["classes"] = len(class_names(here))
    return cell


def _chance(attribute: str, asked: Sequence[Question]) -> float:
    """Expected share of uniform guessing; for event lists, the mean share of positives."""
    if attribute == DETECTION:
        names = class_names(asked)
        return sum(len(set(split_labels(q.answer))) for q in asked) / (len(asked) * len(names))
    return float(np.mean([1.0 / len(q.options) if q.options else 0.0 for q in asked]))


def _set_scores(asked: Sequence[Question], rows: Sequence[Row]) -> Cell:
    truths, named = [set(split_labels(q.answer)) for q in asked], named_sets(rows)
    return {
        "f1": percent(float(example_f1(truths, named).mean())),
        "jaccard": percent(float(example_jaccard(truths, named).mean())),
        "hallucinated": percent(hallucinated(truths, named)),
    }


def _average(cells: Mapping[Column, Cell]) -> Cell:
    """The mean of a type's columns, each weighing the same; None where one is unscored."""
    scored = [cell for cell in cells.values() if cell["n"]]
    whole = len(scored) == len(cells)
    n = sum(cell["n"] for cell in scored)
    cell: Cell = {"value": None, "n": n}
    if whole:
        cell |= {key: _mean(scored, key) for key in ("value", "strict", "chance")}
        parsed = sum(one["parse_rate"] * one["n"] for one in scored)
        cell["parse_rate"] = round(parsed / n, 6)
    elif scored:
        cell["unscored"] = [" ".join(c.heading) for c, one in cells.items() if not one["n"]]
    return cell


def _mean(cells: Sequence[Cell], key: str) -> float:
    return round(math.fsum(cell[key] for cell in cells) / len(cells), 6)


def groups_of(questions: Sequence[Question], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Accuracy per type, family, attribute, anchor and configuration, sorted.

    The accuracy of event lists is that of the whole set; `f1` and `jaccard` stand beside it.
    """
    places: dict[tuple[str, ...], list[int]] = {}
    for i, q in enumerate(questions):
        key = (q.type, q.family, q.attribute, q.anchor, q.configuration)
        places.setdefault(key, []).append(i)
    names = ("type", "family", "attribute", "anchor", "configuration")
    return [
        {
            **dict(zip(names, key, strict=True)),
            **_group([questions[i] for i in places[key]], [rows[i] for i in places[key]]),
        }
        for key in sorted(places)
    ]


def _group(asked: Sequence[Question], rows: Sequence[Row]) -> Cell:
    statuses = Counter(row.status for row in rows)
    detection = asked[0].attribute == DETECTION
    group: Cell = {
        "n": len(rows),
        "correct": sum(row.correct for row in rows),
        "accuracy": percent(accuracy([row.correct for row in rows])),
        "strict": percent(accuracy([row.strict_correct for row in rows])),
        "parse_rate": percent(accuracy([row.status == "ok" for row in rows])),
        "chance": None if detection else percent(_chance(asked[0].attribute, asked)),
        "statuses": dict(sorted(statuses.items())),
    }
    return group | _set_scores(asked, rows) if detection else group
