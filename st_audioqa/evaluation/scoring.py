"""The scorer: questions and predictions to a result with tables, intervals and rows.

Conventions
-----------
Every question counts. A missing or unreadable answer is wrong, it never shrinks a denominator,
and nothing is guessed. Values are percent. A cell without questions has the value None and
n = 0: unscored is not zero. An average is None where one of its columns is unscored, and then
`unscored` names those.

A cell holds `value`, `n` (questions), `low` and `high` (95 % bootstrap over scenes; None with
fewer than two scenes), `strict` (only responses that are the answer text itself count),
`parse_rate` (percent of questions with a readable answer), `chance` (percent expected from
uniform guessing among the options; for the mean average precision the mean share of positives)
and `parts` (value and n per attribute). The cell of a mean average precision has also `f1` and
`jaccard` (means over questions), `hallucinated` (percent of all named labels that are not true;
None where none is named) and `classes` (names that are true somewhere; the mean is over these).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from st_audioqa.errors import UserError
from st_audioqa.evaluation.bootstrap import CONFIDENCE
from st_audioqa.evaluation.estimates import part_values
from st_audioqa.evaluation.model import prompt_of
from st_audioqa.evaluation.predictions import by_question, first_few
from st_audioqa.evaluation.reading import STATUSES, Reading, read_answer
from st_audioqa.evaluation.result import Result, Row
from st_audioqa.evaluation.summary import groups_of, tables_of
from st_audioqa.evaluation.text import bounded
from st_audioqa.evaluation.vocabulary import Vocabulary, split_labels
from st_audioqa.scene import Prediction, Question

__all__ = ["score"]

KEPT_RESPONSE_CHARS = 2_000


def score(
    questions: Sequence[Question],
    predictions: Iterable[Prediction],
    *,
    vocabulary: Vocabulary,
    resamples: int = 1000,
    seed: int = 0,
) -> Result:
    """Score predictions against the right answers.

    Parameters
    ----------
    questions : sequence of Question
        All questions of the split; those without a prediction count as wrong.
    predictions : iterable of Prediction
    vocabulary : Vocabulary
        Event names; widened by those in the answers.
    resamples : int
        Bootstrap resamples; 0 leaves intervals out.
    seed : int
        Seed of the bootstrap.

    Raises
    ------
    UserError
        Where there are no questions, where two share an id, where a question has two
        predictions, or where a prediction is for an unknown question.
    """
    _check_questions(questions)
    answers = by_question(predictions)
    _check_known(answers, questions)
    events = [q.answer for q in questions if q.answer_kind == "events"]
    vocabulary = vocabulary.plus(name for answer in events for name in split_labels(answer))
    rows = tuple(_row(q, answers.get(q.question_id), vocabulary) for q in questions)
    lenient = part_values(questions, rows, strict=False, resamples=resamples, seed=seed)
    strict = part_values(questions, rows, strict=True, resamples=0, seed=seed)
    tables, averages, samples = tables_of(questions, rows, lenient, strict)
    statuses = Counter(row.status for row in rows)
    return Result(
        counts={
            "questions": len(questions),
            "scenes": len({q.scene_id for q in questions}),
            "predictions": len(answers),
        },
        questions_sha256=_fingerprint(questions),
        statuses={status: statuses[status] for status in STATUSES},
        tables=tables,
        averages=averages,
        groups=groups_of(questions, rows),
        bootstrap={
            "unit": "scene",
            "resamples": resamples,
            "seed": seed,
            "confidence": CONFIDENCE,
        },
        rows=rows,
        samples=samples,
    )


def _check_questions(questions: Sequence[Question]) -> None:
    if not questions:
        raise UserError(
            "Scoring needs questions, but there are none: choose another split or generate "
            "questions first."
        )
    counts = Counter(q.question_id for q in questions)
    twice = [question_id for question_id, n in counts.items() if n > 1]
    if twice:
        raise UserError(
            f"Each question_id may stand for one question, but {len(twice)} of them stand for "
            f"more ({first_few(twice)}): generate the questions again."
        )


def _check_known(answers: Mapping[str, Prediction], questions: Sequence[Question]) -> None:
    known = {q.question_id for q in questions}
    unknown = [question_id for question_id in answers if question_id not in known]
    if unknown:
        raise UserError(
            f"Predictions must be for the {len(known)} questions that are scored, but "
            f"{len(unknown)} of {len(answers)} are for others ({first_few(unknown)}): check "
            "the corpus and the split."
        )


def _fingerprint(questions: Sequence[Question]) -> str:
    digest = hashlib.sha256()
    for key in sorted((q.question_id, q.scene_id, q.answer, *q.options) for q in questions):
        digest.update(json.dumps(key).encode())
    return digest.hexdigest()


def _row(question: Question, prediction: Prediction | None, vocabulary: Vocabulary) -> Row:
    reading = _read(question, prediction, vocabulary)
    response = prediction.response if prediction else None
    right: str | tuple[str, ...] = question.answer
    if question.answer_kind == "events":
        right = tuple(sorted(set(split_labels(question.answer))))
    return Row(
        question_id=question.question_id,
        status=reading.status,
        response=None if response is None else bounded(response, KEPT_RESPONSE_CHARS),
        value=reading.value,
        exact=reading.exact,
        named=reading.named,
        error=prediction.error if prediction else "",
        correct=reading.status == "ok" and reading.value == right,
    )


def _read(question: Question, prediction: Prediction | None, vocabulary: Vocabulary) -> Reading:
    if prediction is None:
        return Reading("missing")
    if prediction.response is None:
        return Reading("error" if prediction.error else "empty")
    return read_answer(prediction.response, prompt_of(question), vocabulary)
