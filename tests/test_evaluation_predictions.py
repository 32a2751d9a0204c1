"""Predictions files: what is read, what is refused, how a run goes on."""

import json

import pytest

from st_audioqa.errors import UserError
from st_audioqa.evaluation.predictions import (
    MAX_RESPONSE_CHARS,
    PredictionWriter,
    RunHeader,
    by_question,
    read_predictions,
)
from st_audioqa.scene import Prediction

HEADER = RunHeader("my-model", "r1", "test", "abc")
GOOD = '{"question_id": "q1", "response": "left"}\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "predictions.jsonl"


def save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_what_is_written_is_read(path):
    rows = [
        Prediction("q1", "left\nand \u2028 \x00 \u00e9 \U0001f415"),
        Prediction("q2", None, "RuntimeError: no"),
        Prediction("q3", None),
    ]
    with PredictionWriter(path, HEADER) as writer:
        for row in rows:
            writer.write(row)
            assert path.read_bytes().endswith(b"\n")
    found = read_predictions(path)
    assert found.header == HEADER
    assert found.predictions == tuple(rows)
    assert found.cut_at is None
    assert json.loads(path.read_text().splitlines()[0])["type"] == "run"


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.rstrip("\n"),
        f"\ufeff{GOOD}",
        f"\n{GOOD}\n\n",
        GOOD.replace("\n", "\r\n"),
        '{"question_id": "q1", "response": "left", "error": null, "note": [1]}',
        f'{{"type": "run", "model": "m", "seed": 3}}\n{GOOD}',
    ],
)
def test_files_made_by_hand_are_read(path, content):
    assert read_predictions(save(path, content)).predictions == (Prediction("q1", "left"),)


def test_control_characters_and_lone_surrogates_are_taken(path):
    save(path, b'{"question_id": "q1", "response": "a\tb\x07 \\ud83d"}\n')
    response = read_predictions(path).predictions[0].response
    assert response == "a\tb\x07 ?"
    with PredictionWriter(path.with_name("again.jsonl"), HEADER) as writer:
        writer.write(Prediction("q1", "\ud83d", "\ud83d"))


def test_long_responses_are_bounded(path):
    save(path, json.dumps({"question_id": "q1", "response": "<" + "x" * 10_000_000 + ">"}))
    response = read_predictions(path).predictions[0].response
    assert len(response) == MAX_RESPONSE_CHARS + 1
    assert (response[0], response[-1]) == ("<", ">")
    with PredictionWriter(path.with_name("again.jsonl"), HEADER) as writer:
        writer.write(Prediction("q1", "x" * 10_000_000, "y" * 10_000))
    assert path.with_name("again.jsonl").stat().st_size < 110_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        (GOOD + "{broken}\n" + GOOD, "Line 2 of .*broken"),
        (GOOD + '{"question_id": "q2", "resp\n' + GOOD, "Line 2 of"),
        (GOOD + "garbage", "Line 2 of .*broken"),
        (GOOD + '{"question_id": "q2", "resp', "cut off"),
        (GOOD + '{"question_id": "q2", "response": "\u00e9'.encode()[:-1].decode("latin1"),
         "cut off"),
        ('{"type": "run", "mod', "cut off"),
        ("question_id,response\nq1,left\n", "looks like CSV"),
        ('"question_id","response"\n"q1","left"\n', "looks like CSV"),
        (f"[\n{GOOD}]\n", "one JSON text over several lines"),
        ('[{"question_id": "q1", "response": "left"}]', "Line 1 of .*got a list"),
        ('"left"\n', "Line 1 of .*got text"),
        ('{"question_id": "q1"}\n', 'it has question_id: add "response"'),
        ('{"id": "q1", "response": "left"}\n', 'add "question_id"'),
        ("{}\n", "it has nothing"),
        ('{"question_id": 7, "response": "left"}\n', '"question_id" as text, got a number'),
        ('{"question_id": "q1", "response": 2.5}\n', '"response" as text, got a number'),
        ('{"question_id": "q1", "response": true}\n', "got a truth value"),
        ('{"question_id": "q1", "response": ["left"]}\n', "got a list"),
        ('{"question_id": "q1", "response": null, "error": 3}\n', '"error" as text'),
        ('{"type": "run"}\n', '"model" as text, got null'),
        ('{"type": "run", "model": "m", "audio": "mono"}\n', '"audio" as an object, got text'),
        (GOOD + '{"type": "run", "model": "m"}\n', "Line 2 of .*run header"),
        (b'{"question_id": "q1", "response": "\xff"}\n', "Line 1 of .*UTF-8"),
        ("[" * 100_000 + "\n", "Line 1 of"),
    ],
)  # fmt: skip
def test_faults_are_told(path, content, message):
    with pytest.raises(UserError, match=message) as caught:
        read_predictions(save(path, content))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_opened_are_told(tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(UserError, match="cannot be opened"):
            read_predictions(path)
    with pytest.raises(UserError, match="cannot be"):
        PredictionWriter(tmp_path, HEADER)


def test_cut_last_line_is_removed_by_the_writer(path):
    with PredictionWriter(path, HEADER) as writer:
        writer.write(Prediction("q1", "left"))
        writer.write(Prediction("q2", "right"))
    whole = path.read_bytes()
    for size in range(1, len(whole)):
        path.write_bytes(whole[:size])
        with PredictionWriter(path, HEADER) as writer:
            for question_id, response in (("q1", "left"), ("q2", "right")):
                if question_id not in writer.answered:
                    writer.write(Prediction(question_id, response))
        assert path.read_bytes() == whole


def test_cut_line_is_reported(path):
    save(path, GOOD + '{"question_id": "q2"')
    found = read_predictions(path, allow_cut=True)
    assert found.cut_at == len(GOOD)
    assert found.predictions == (Prediction("q1", "left"),)


def test_failed_questions_are_not_answered_ones(path):
    with PredictionWriter(path, HEADER) as writer:
        writer.write(Prediction("q1", None, "RuntimeError: no"))
        writer.write(Prediction("q2", None))
        writer.write(Prediction("q3", "left"))
    with PredictionWriter(path, HEADER) as writer:
        assert writer.answered == {"q2": "", "q3": ""}
        assert not writer.repaired


def test_files_of_other_runs_are_not_touched(path):
    with PredictionWriter(path, HEADER) as writer:
        writer.write(Prediction("q1", "left"))
    before = path.read_bytes()
    for other in (
        RunHeader("other", "r1", "test", "abc"),
        RunHeader("my-model", "r1", "test", "def"),
        RunHeader("my-model", "r1", "test", "abc", {"layout": "mono"}),
    ):
        with pytest.raises(UserError, match="holds those of model my-model"):
            PredictionWriter(path, other)
    assert path.read_bytes() == before
    bare = save(path.with_name("bare.jsonl"), GOOD)
    with pytest.raises(UserError, match="holds those of an unknown run"):
        PredictionWriter(bare, HEADER)
    csv = save(path.with_name("table.csv"), "question_id,response\nq1,left")
    with pytest.raises(UserError, match="CSV"):
        PredictionWriter(csv, HEADER)
    assert csv.read_text() == "question_id,response\nq1,left"


def test_one_prediction_for_each_question():
    error, answer = Prediction("q", None, "no"), Prediction("q", "left")
    assert by_question([error, error, answer]) == {"q": answer}
    assert by_question([]) == {}
    for rows in ([answer, answer], [answer, error], [Prediction("q", None), answer]):
        with pytest.raises(UserError, match="'q'"):
            by_question(rows)
