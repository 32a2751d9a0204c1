"""A model in another process, by lines of JSON."""

import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from st_audioqa.baselines.command import Model
from st_audioqa.errors import UserError
from st_audioqa.evaluation import Prompt, Request, RunContext, read_predictions, run
from tests.test_evaluation_questions import make_questions

EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "command_model.py"
GREETING = """
    import json, os, sys, time
    def say(row):
        print(json.dumps(row), flush=True)
    say({"name": "other", "revision": "7", "audio": "stereo", "sample_rate": 16000, "max_s": 1})
"""


def command(tmp_path, body, **arguments):
    script = tmp_path / "model.py"
    script.write_text(textwrap.dedent(GREETING) + textwrap.dedent(body))
    return started(f"{sys.executable} {script}", **arguments)


def started(line, **arguments):
    given = {"run": line, "timeout_s": "20", **arguments}
    return Model(RunContext(lambda split: (), lambda scene_id: None, arguments=given))


def request(number, text="Is it left?", audio=None):
    prompt = Prompt(f"q{number}", f"s{number}", text, ("yes", "no"), "yes_no")
    return Request(prompt, audio, 16_000)


ECHO = """
    for line in sys.stdin:
        row = json.loads(line)
        say({"id": row["id"], "response": row["question"]})
"""


def test_the_process_says_who_it_is(tmp_path):
    spec = command(tmp_path, ECHO).spec
    assert (spec.name, spec.revision, spec.audio) == ("other", "7", "stereo")
    assert (spec.sample_rate, spec.max_s) == (16_000, 1.0)
    assert spec.settings == {"protocol": "JSON lines"}


def test_the_example_answers_in_a_whole_run(tmp_path):
    questions = make_questions(4)
    model = started(f"{sys.executable} {EXAMPLE}")
    report = run(
        model, questions, lambda scene: np.zeros((4, 320_000)), tmp_path / "p", progress=False
    )
    assert (report.asked, report.failed) == (len(questions), 0)
    assert {p.response for p in read_predictions(tmp_path / "p").predictions} == {"yes"}


def test_answers_may_come_in_any_order_and_greetings_between(tmp_path):
    body = """
        print("Loading weights 100%")
        print("[1, 2]")
        rows = [json.loads(sys.stdin.readline()) for _ in range(3)]
        for row in reversed(rows):
            say({"id": row["id"], "response": row["question"]})
    """
    model = command(tmp_path, body)
    assert model.answer([request(i, f"question {i}") for i in range(3)]) == [
        "question 0",
        "question 1",
        "question 2",
    ]


def test_audio_is_a_float_file_that_is_gone_afterwards(tmp_path, monkeypatch):
    body = """
        for line in sys.stdin:
            row = json.loads(line)
            data = open(row["audio"], "rb").read()
            open(os.environ["COPY"], "wb").write(data)
            say({"id": row["id"], "response": row["audio"]})
    """
    monkeypatch.setenv("COPY", str(tmp_path / "copy.wav"))
    audio = np.array([[0.5, -1.5, 0.0], [0.25, 0.0, 0.125]], dtype=np.float32)
    model = command(tmp_path, body)
    (path,) = model.answer([request(3, audio=audio)])
    found, rate = soundfile.read(tmp_path / "copy.wav", dtype="float32")
    assert rate == 16_000
    np.testing.assert_array_equal(found.T, audio)
    assert Path(path).name == "s3.wav"
    assert not Path(path).exists()


def test_errors_and_wrong_types_are_of_their_question(tmp_path):
    body = """
        for line in sys.stdin:
            row = json.loads(line)
            say({"id": row["id"], **json.loads(row["question"])})
    """
    replies = command(tmp_path, body).answer(
        [
            request(0, '{"response": "yes"}'),
            request(1, '{"error": "out of memory"}'),
            request(2, '{"response": 7}'),
            request(3, '{"response": null}'),
        ]
    )
    assert replies[0] == "yes"
    assert "out of memory" in str(replies[1])
    assert "int" in str(replies[2])
    assert replies[3] is None


def test_a_process_that_dies_fails_one_question_and_is_started_again(tmp_path):
    body = """
        for line in sys.stdin:
            row = json.loads(line)
            if "die" in row["question"]:
                os._exit(9)
            say({"id": row["id"], "response": "ok"})
    """
    questions = make_questions(3)
    fatal = questions[1].question_id

    class Deadly:
        def __init__(self, model):
            self.model, self.spec = model, model.spec

        def answer(self, batch):
            return self.model.answer(
                [
                    request(i, "die" if r.prompt.question_id == fatal else "live")
                    for i, r in enumerate(batch)
                ]
            )

    model = Deadly(command(tmp_path, body))
    run(model, questions, lambda scene: np.zeros((4, 64)), tmp_path / "p", progress=False)
    rows = {p.question_id: p for p in read_predictions(tmp_path / "p").predictions}
    assert len(rows) == len(questions)
    assert "exit code 9" in rows.pop(fatal).error
    assert {row.response for row in rows.values()} == {"ok"}


def test_a_silent_process_is_given_up_and_killed(tmp_path, monkeypatch):
    body = """
        open(os.environ["PID"], "w").write(str(os.getpid()))
        sys.stdin.readline()
        time.sleep(600)
    """
    monkeypatch.setenv("PID", str(tmp_path / "pid"))
    model = command(tmp_path, body, timeout_s="1.5")
    with pytest.raises(TimeoutError, match=r"wrote nothing for 1\.5 s"):
        model.answer([request(0)])
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_a_process_that_never_reads_does_not_block(tmp_path):
    model = command(tmp_path, "time.sleep(600)\n", timeout_s="1")
    with pytest.raises(TimeoutError):
        model.answer([request(0, "x" * 1_000_000)])


def test_an_answer_to_nothing_is_refused(tmp_path):
    body = 'sys.stdin.readline(); say({"id": "99", "response": "yes"}); time.sleep(60)\n'
    with pytest.raises(ValueError, match="'99', which is not waited for"):
        command(tmp_path, body).answer([request(0)])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/no/such/program", "cannot be started"),
        ("", "cannot be started"),
        ('"unbalanced', "cannot be started"),
        ("true", "ended with exit code 0"),
        (f"{sys.executable} -c 'print(\"{{}}\")'", "name"),
        (f"{sys.executable} -c 'print(chr(123)+chr(125)*3)'", "ended with exit code 0"),
    ],
)
def test_commands_that_are_none_are_refused(line, told):
    with pytest.raises(UserError, match=told):
        started(line)


def test_arguments_are_checked():
    with pytest.raises(UserError, match=r"run: Field required.*it takes run, timeout_s"):
        Model(RunContext(lambda split: (), lambda scene_id: None))
