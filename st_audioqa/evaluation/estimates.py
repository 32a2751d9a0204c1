"""Values of the parts of the tables, on all questions and on every resample of scenes.

Conventions
-----------
The value of a part is a function of sums over scenes. Its sums are the number of questions,
then, for accuracies, the right ones; for event detection, per class that is true somewhere, the
questions where it is named rightly, where it is named and where it is true. Resamples of a mean
average precision are centred on its value (`centred`); those of accuracies stay as drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from st_audioqa.evaluation.bootstrap import resampled_sums
from st_audioqa.evaluation.columns import DETECTION, Part
from st_audioqa.evaluation.metrics import labelset_average_precision, macro
from st_audioqa.evaluation.result import Row
from st_audioqa.evaluation.vocabulary import split_labels
from st_audioqa.scene import Question

__all__ = ["centred", "class_names", "indicator", "named_sets", "part_values", "places_of"]

Floats = NDArray[np.floating]


def places_of(questions: Sequence[Question]) -> dict[Part, list[int]]:
    """Part -> indices of its questions."""
    places: dict[Part, list[int]] = {}
    for i, q in enumerate(questions):
        places.setdefault((q.type, q.family, q.attribute), []).append(i)
    return places


def part_values(
    questions: Sequence[Question],
    rows: Sequence[Row],
    *,
    strict: bool,
    resamples: int,
    seed: int,
) -> dict[Part, Floats]:
    """Part -> its value, then its resampled values [shape=(1 + resamples,)], as shares."""
    scenes = {scene_id: s for s, scene_id in enumerate(sorted({q.scene_id for q in questions}))}
    sums: dict[Part, sparse.csr_array] = {}
    for part, places in places_of(questions).items():
        asked = [questions[i] for i in places]
        given = [rows[i] for i in places]
        counts = _detection if part[2] == DETECTION else _accuracy
        by_scene = indicator([{q.scene_id} for q in asked], scenes).T
        sums[part] = (by_scene @ counts(asked, given, strict)).tocsr()
    drawn = resampled_sums(sparse.hstack(list(sums.values()), format="csr"), resamples, seed)
    values: dict[Part, Floats] = {}
    begin = 0
    for part, block in sums.items():
        end = begin + block.shape[1]
        values[part] = _value(part, drawn[:, begin:end])
        begin = end
    return values


def _value(part: Part, sums: Floats) -> Floats:
    total, rest = sums[:, :1], sums[:, 1:]
    if part[2] == DETECTION:
        correct, named, true = np.split(rest, 3, axis=1)
        return centred(macro(labelset_average_precision(correct, named, true, total)))
    with np.errstate(invalid="ignore"):
        return np.asarray((rest / total)[:, 0])


def centred(values: Floats) -> Floats:
    """Resampled values, moved so that their median is the value itself.

    A resample holds some questions several times, which lifts the average precision of rare
    classes; without this the interval of a low value could lie above it.
    """
    if len(values) > 1:
        shift = values[0] - np.nanmedian(values[1:])
        values[1:] = np.clip(values[1:] + shift, 0.0, 1.0)
    return values


def _accuracy(asked: Sequence[Question], rows: Sequence[Row], strict: bool) -> sparse.csr_array:
    correct = [row.strict_correct if strict else row.correct for row in rows]
    return sparse.csr_array(np.stack([np.ones(len(rows)), np.array(correct, float)], axis=1))


def _detection(
    asked: Sequence[Question], rows: Sequence[Row], strict: bool
) -> sparse.csr_array:
    classes = class_names(asked)
    truth = indicator([set(split_labels(q.answer)) for q in asked], classes)
    named = indicator(named_sets(rows, strict=strict), classes)
    total = sparse.csr_array(np.ones((len(rows), 1)))
    return sparse.hstack([total, truth * named, named, truth], format="csr")


def class_names(asked: Iterable[Question]) -> dict[str, int]:
    """Names that are true somewhere -> column."""
    names = {name for q in asked for name in split_labels(q.answer)}
    return {name: c for c, name in enumerate(sorted(names))}


def named_sets(rows: Iterable[Row], *, strict: bool = False) -> list[set[str]]:
    """Names that each row's response gives; none where it could not be read."""
    return [
        set(row.value) if isinstance(row.value, tuple) and (row.exact or not strict) else set()
        for row in rows
    ]


def indicator(groups: Sequence[set[str]], columns: Mapping[str, int]) -> sparse.csr_array:
    """1 where a group holds a name [shape=(n_groups, n_columns)]; others are passed over."""
    pairs = [
        (r, columns[name]) for r, group in enumerate(groups) for name in group & columns.keys()
    ]
    row, column = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    shape = (len(groups), len(columns))
    return sparse.coo_array((np.ones(len(pairs)), (row, column)), shape=shape).tocsr()
