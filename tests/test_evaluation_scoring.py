"""The scorer: columns, denominators, statuses, faults, intervals, comparison."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from st_audioqa.errors import UserError
from st_audioqa.evaluation import SCORER_VERSION, compare, score
from st_audioqa.evaluation.columns import AVERAGE, COLUMNS
from st_audioqa.evaluation.reading import STATUSES
from st_audioqa.scene import Prediction
from tests.test_evaluation_questions import NAMES, VOCABULARY, make_questions

QUESTIONS = make_questions(40)
RIGHT = [Prediction(q.question_id, q.answer) for q in QUESTIONS]
PATHS = [*(column.path for column in COLUMNS), AVERAGE]


def scored(questions, predictions, **options):
    return score(questions, predictions, vocabulary=VOCABULARY, **{"resamples": 50, **options})


def cell(result, path):
    found = result.tables
    for key in path:
        found = found[key]
    return found


def some_right(share, seed=0):
    """Right answers to a share of the questions, an unreadable text to the others."""
    keep = np.random.default_rng(seed).random(len(QUESTIONS)) < share
    return [
        right if kept else dataclasses.replace(right, response="banana")
        for right, kept in zip(RIGHT, keep, strict=True)
    ]


def test_right_answers_score_100_everywhere():
    result = scored(QUESTIONS, RIGHT)
    for path in PATHS:
        found = cell(result, path)
        assert found["value"] == found["strict"] == found["parse_rate"] == 100.0
        assert found["low"] == found["high"] == 100.0
    assert {kind: average["value"] for kind, average in result.averages.items()} == {
        "A": 100.0,
        "B": 100.0,
        "C": 100.0,
    }
    assert all(row.correct and row.strict_correct for row in result.rows)
    assert all(group["accuracy"] == 100.0 for group in result.groups)


def test_chance_is_that_of_the_paper():
    result = scored(QUESTIONS, [], resamples=0)
    table_4, table_5 = result.tables["table_4"], result.tables["table_5"]["C"]
    for kind, source in (("A", ""), ("B", "Src. ")):
        found = table_4[kind]
        assert found["Semantic"]["Y/N"]["chance"] == 50.0
        assert round(found["Spatial loc."][f"{source}DoA"]["chance"], 1) == 22.9
        assert found["Spatial loc."][f"{source}Dist."]["chance"] == 10.0
        assert found["Spatial chg."][f"{source}DoA"]["chance"] == 50.0
        assert found["Spatial chg."][f"{source}Dist."]["chance"] == 50.0
    assert table_4["A"]["Move"]["Acc."]["chance"] == 50.0
    assert table_4["B"]["Move"]["Src. Move"]["chance"] == 50.0
    assert {c["chance"] for c in table_4["B"]["Source grounding"].values()} == {25.0}
    assert {c["chance"] for c in table_5.values()} == {50.0}
    assert table_4["A"]["Semantic"]["mAP"]["chance"] == pytest.approx(100 / len(NAMES))


@pytest.mark.parametrize("predictions", [[], RIGHT[:100], some_right(0.0)])
def test_denominators_never_shrink(predictions):
    result = scored(QUESTIONS, predictions, resamples=0)
    full = scored(QUESTIONS, RIGHT, resamples=0)
    for path in PATHS:
        assert cell(result, path)["n"] == cell(full, path)["n"] > 0
    assert sum(result.statuses.values()) == len(QUESTIONS) == len(result.rows)
    assert sum(group["n"] for group in result.groups) == len(QUESTIONS)


def test_missing_and_unreadable_answers_are_wrong():
    nothing = scored(QUESTIONS, [], resamples=0)
    assert nothing.statuses["missing"] == len(QUESTIONS)
    prevalence = cell(nothing, ("table_4", "A", "Semantic", "mAP"))["chance"]
    for path in PATHS:
        expected = prevalence if path == ("table_4", "A", "Semantic", "mAP") else 0.0
        if path != ("table_4", "B", "Semantic", "mAP"):
            assert cell(nothing, path)["value"] == pytest.approx(expected, abs=1e-5)
    assert (
        scored(QUESTIONS, some_right(0.0), resamples=0).tables.keys() == nothing.tables.keys()
    )


def test_every_row_ends_with_a_status():
    sides = ("left", "right")
    asked = [
        dataclasses.replace(
            QUESTIONS[0],
            question_id=f"q{i}",
            answer="left",
            options=sides,
            answer_kind="sector",
        )
        for i in range(7)
    ]
    given = [
        Prediction("q0", "It is on the left"),
        Prediction("q1", "left or right"),
        Prediction("q2", "I cannot determine that."),
        Prediction("q3", "banana"),
        Prediction("q4", ""),
        Prediction("q5", None, "RuntimeError: out of memory"),
    ]
    result = scored(asked, given, resamples=0)
    told = ("ok", "ambiguous", "refusal", "ambiguous", "empty", "error", "missing")
    assert tuple(row.status for row in result.rows) == told
    assert [row.named for row in result.rows[:4]] == [(), sides, (), ()]
    assert result.rows[5].error == "RuntimeError: out of memory"
    assert [row.correct for row in result.rows] == [True] + [False] * 6
    assert not result.rows[0].strict_correct
    assert result.statuses == {**dict.fromkeys(STATUSES, 1), "ambiguous": 2}


def test_column_is_the_mean_of_its_attributes():
    questions = [q for q in QUESTIONS if q.family == "spatial_location" and q.type == "A"]
    right = [
        Prediction(q.question_id, q.answer if q.attribute == "azimuth" else None)
        for q in questions
    ]
    few = [q for q in questions if q.attribute != "elevation"] + [
        next(q for q in questions if q.attribute == "elevation")
    ]
    result = scored(few, [p for p in right if p.question_id in {q.question_id for q in few}])
    found = result.tables["table_4"]["A"]["Spatial loc."]
    assert found["DoA"]["value"] == 50.0
    assert found["DoA"]["n"] == 21
    assert found["DoA"]["parts"] == {
        "azimuth": {"value": 100.0, "n": 20},
        "elevation": {"value": 0.0, "n": 1},
    }
    assert found["Dist."]["value"] == 0.0


def test_unscored_is_not_zero():
    questions = [q for q in QUESTIONS if q.family == "temporal_relation_change"]
    result = scored(questions, [Prediction(q.question_id, q.answer) for q in questions])
    for path in PATHS[:-4]:
        assert cell(result, path) == {"value": None, "n": 0, "low": None, "high": None}
    columns = result.tables["table_5"]["C"]
    assert columns["Temp. rel."]["value"] == 100.0
    assert columns["Traj. rel."] == {"value": None, "n": 0, "low": None, "high": None}
    assert columns["Avg."] == {
        "value": None,
        "low": None,
        "high": None,
        "n": len(questions),
        "unscored": ["Move-spat.", "Traj. rel."],
    }
    assert result.averages["A"] == {"value": None, "n": 0, "low": None, "high": None}


def test_average_is_the_mean_of_the_columns():
    result = scored(QUESTIONS, some_right(0.6))
    found = result.tables["table_5"]["C"]
    names = ("Temp. rel.", "Move-spat.", "Traj. rel.")
    for key in ("value", "strict", "chance"):
        mean = np.mean([found[name][key] for name in names])
        assert found["Avg."][key] == pytest.approx(mean, abs=1e-5)
    assert found["Avg."] == result.averages["C"]
    assert found["Avg."]["low"] < found["Avg."]["value"] < found["Avg."]["high"]


def test_mean_average_precision_equals_sklearn():
    questions = [q for q in QUESTIONS if q.attribute == "detection" and q.type == "B"]
    random = np.random.default_rng(3)
    guesses = [
        [str(name) for name in random.choice([*NAMES, "siren"], 2, False)] for _ in questions
    ]
    given = [
        Prediction(q.question_id, " and ".join(guess))
        for q, guess in zip(questions, guesses, strict=True)
    ]
    found = scored(questions, given).tables["table_4"]["B"]["Semantic"]["mAP"]
    truths = [q.answer.split("; ") for q in questions]
    expected = np.mean(
        [
            average_precision_score(
                [name in truth for truth in truths], [name in guess for guess in guesses]
            )
            for name in sorted({name for truth in truths for name in truth})
        ]
    )
    assert found["value"] == pytest.approx(100 * expected, abs=1e-6)
    assert found["classes"] == 6
    assert found["parse_rate"] == 100.0
    both = [set(t) & set(g) for t, g in zip(truths, guesses, strict=True)]
    assert found["f1"] == pytest.approx(100 * np.mean([len(b) / 2 for b in both]), abs=1e-5)
    assert found["strict"] == pytest.approx(found["chance"], abs=1e-5)
    assert found["low"] < found["high"]


def test_strict_counts_exact_answers_only():
    chatty = [dataclasses.replace(p, response=f"Well, {p.response}, I think") for p in RIGHT]
    result = scored(QUESTIONS, chatty, resamples=0)
    for column in COLUMNS:
        if column.attributes != ("detection",):
            assert cell(result, column.path)["value"] == 100.0
            assert cell(result, column.path)["strict"] == 0.0


def test_labels_outside_of_the_vocabulary_can_be_answered():
    q = next(q for q in QUESTIONS if q.attribute == "detection")
    odd = dataclasses.replace(q, answer="theremin, electric")
    result = scored([odd], [Prediction(q.question_id, "I hear a theremin, electric.")])
    assert result.rows[0].correct


def test_intervals_hold_the_value():
    result = scored(QUESTIONS, some_right(0.7), resamples=400)
    for path in PATHS:
        found = cell(result, path)
        assert found["low"] < found["value"] < found["high"]


def test_interval_of_a_low_average_precision_holds_the_value():
    random = np.random.default_rng(0)
    names = [f"event {i}" for i in range(50)]
    questions = [
        dataclasses.replace(
            QUESTIONS[0], question_id=f"q{i}", scene_id=f"s{i}", answer=random.choice(names)
        )
        for i in range(500)
    ]
    guesses = [Prediction(q.question_id, random.choice(names)) for q in questions]
    found = scored(questions, guesses).tables["table_4"]["A"]["Semantic"]["mAP"]
    assert found["low"] < found["value"] < found["high"]


def test_one_scene_has_no_interval():
    questions = [q for q in QUESTIONS if q.scene_id == "test-00001"]
    found = scored(questions, []).tables["table_5"]["C"]["Avg."]
    assert found["low"] is None
    assert found["high"] is None


def test_results_are_stable_and_do_not_depend_on_order():
    given = some_right(0.5)
    text = scored(QUESTIONS, given).to_json()
    assert text == scored(QUESTIONS, given).to_json()
    assert text == scored(QUESTIONS[::-1], given[::-1]).to_json()
    assert text != scored(QUESTIONS, given, seed=1).to_json()
    found = json.loads(text)
    assert found["scorer_version"] == SCORER_VERSION
    assert found["event_scorer"] == "labelset"
    assert found["counts"] == {"questions": 680, "scenes": 40, "predictions": 680}
    assert list(found) == sorted(found)


def test_rows_are_kept_with_bounded_responses():
    long = [dataclasses.replace(RIGHT[0], response="x" * 5000)]
    result = scored(QUESTIONS, long, resamples=0)
    lines = [json.loads(line) for line in result.rows_jsonl()]
    assert len(lines) == len(QUESTIONS)
    assert len(lines[0]["response"]) == 2001
    assert set(lines[0]) == {
        "question_id", "status", "response", "value", "exact", "correct", "strict_correct",
        "named", "error",
    }  # fmt: skip


def test_groups_tell_anchor_and_configuration():
    result = scored(QUESTIONS, RIGHT[:5], resamples=0)
    group = next(g for g in result.groups if g["family"] == "spatial_location")
    assert group["anchor"] == "end"
    assert group["configuration"] == "D"
    assert group["statuses"]
    assert sum(group["correct"] for group in result.groups) == 5


def test_duplicate_predictions_are_refused():
    with pytest.raises(UserError, match=r"1 of them have more \('test-00000-A"):
        scored(QUESTIONS, [*RIGHT, RIGHT[0]])


def test_an_answer_replaces_an_error():
    failed = Prediction(RIGHT[0].question_id, None, "RuntimeError: out of memory")
    assert scored(QUESTIONS, [failed, *RIGHT], resamples=0).rows[0].correct
    with pytest.raises(UserError):
        scored(QUESTIONS, [*RIGHT, failed])


def test_unknown_questions_are_refused():
    unknown = [Prediction(f"other-{i}", "yes") for i in range(5)]
    with pytest.raises(UserError, match=r"'other-0', 'other-1', 'other-2', \.\.\."):
        scored(QUESTIONS, [*RIGHT, *unknown])


def test_bad_questions_are_refused():
    with pytest.raises(UserError, match="there are none"):
        scored([], [])
    with pytest.raises(UserError, match="stand for more"):
        scored([QUESTIONS[0], QUESTIONS[0]], [])


def test_comparison_is_paired():
    worse, better = some_right(0.5, seed=1), some_right(0.5, seed=1)
    better = [
        right if right.question_id.endswith(("0-A", "distance")) else given
        for right, given in zip(RIGHT, better, strict=True)
    ]
    first = scored(QUESTIONS, worse, resamples=300)
    second = scored(QUESTIONS, better, resamples=300)
    differences = compare(first, second)
    assert set(differences) == {*PATHS, ("averages", "A"), ("averages", "B")}
    same = differences["table_4", "A", "Move", "Acc."]
    assert same == {"difference": 0.0, "low": 0.0, "high": 0.0}
    more = differences["table_5", "C", "Avg."]
    assert 0.0 < more["low"] < more["difference"] < more["high"]
    assert compare(first, first)["table_5", "C", "Avg."]["high"] == 0.0


def test_only_like_results_compare():
    first = scored(QUESTIONS, RIGHT)
    with pytest.raises(UserError, match="same questions"):
        compare(first, scored(QUESTIONS[1:], RIGHT[1:]))
    with pytest.raises(UserError, match="same bootstrap settings"):
        compare(first, scored(QUESTIONS, RIGHT, seed=7))
