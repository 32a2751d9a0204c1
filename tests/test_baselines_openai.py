"""Models behind an OpenAI-compatible endpoint, against a real HTTP server on this machine."""

import base64
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import soundfile

pytest.importorskip("openai")

from st_audioqa.baselines.openai import Model, _Pace
from st_audioqa.errors import UserError
from st_audioqa.evaluation import Prompt, Request, RunContext, read_predictions, run
from tests.test_evaluation_questions import make_questions


def completion(text, **message):
    content = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": content, "finish_reason": "stop"}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [choice],
    }


class Endpoint:
    """Answers with what `reply(number, body)` returns: (status, headers, bytes or object)."""

    def __init__(self, reply):
        self.bodies, self.heads, self.under_way, self.most = [], [], 0, 0
        lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    number = len(endpoint.bodies)
                    endpoint.bodies.append(body)
                    endpoint.heads.append((self.path, dict(self.headers)))
                    endpoint.under_way += 1
                    endpoint.most = max(endpoint.most, endpoint.under_way)
                try:
                    status, headers, content = reply(number, body)
                finally:
                    with lock:
                        endpoint.under_way -= 1
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                headers = {"Content-Type": "application/json", **headers}
                headers.setdefault("Content-Length", str(len(data)))
                for key, value in headers.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def serve():
    servers = []

    def start(reply):
        servers.append(Endpoint(reply))
        return servers[-1]

    yield start
    for endpoint in servers:
        endpoint.server.shutdown()
        endpoint.server.server_close()


def model(endpoint, **arguments):
    given = {
        "model": "m",
        "base_url": endpoint.url,
        "retries": "0",
        "timeout_s": "10",
        **arguments,
    }
    return Model(RunContext(lambda split: (), lambda scene_id: None, arguments=given))


def request(audio=None, text="Where is the dog?", number=0):
    prompt = Prompt(f"q{number}", "s", text, ("left", "right"), "azimuth")
    return Request(prompt, audio, 16_000)


def ok(text="left"):
    return lambda number, body: (200, {}, completion(text))


def sent_audio(body):
    parts = [part for part in body["messages"][0]["content"] if part["type"] == "input_audio"]
    found = []
    for part in parts:
        assert part["input_audio"]["format"] == "wav"
        data = base64.b64decode(part["input_audio"]["data"], validate=True)
        found.append(soundfile.read(io.BytesIO(data), always_2d=True))
    return found


def sent_text(body):
    (part,) = [part for part in body["messages"][0]["content"] if part["type"] == "text"]
    return part["text"]


def test_mono_is_one_clip_and_the_question_stands_alone(serve):
    endpoint = serve(ok("To the left."))
    audio = np.sin(np.arange(160) / 5.0)[None] * 0.5
    assert model(endpoint).answer([request(audio)]) == ["To the left."]
    (body,) = endpoint.bodies
    ((found, rate),) = sent_audio(body)
    assert rate == 16_000
    np.testing.assert_allclose(found.T, audio, atol=1 / 32768)
    assert sent_text(body) == "Where is the dog?"
    assert (body["model"], body["temperature"], body["max_completion_tokens"]) == (
        "m",
        0.0,
        256,
    )
    assert endpoint.heads[0][0] == "/v1/chat/completions"


def test_two_ears_are_two_clips_that_are_introduced(serve):
    endpoint = serve(ok())
    audio = np.array([[0.5] * 8, [-2.0] * 8])
    asked = model(endpoint, audio="binaural")
    asked.answer([request(audio)])
    left, right = (clip.T for clip, _ in sent_audio(endpoint.bodies[0]))
    # Beyond full scale: both are lowered by one factor.
    np.testing.assert_allclose(left, [[0.25] * 8], atol=1 / 32768)
    np.testing.assert_allclose(right, [[-1.0] * 8], atol=1 / 32768)
    assert "clip 1 by the left ear, clip 2 by the right ear" in sent_text(endpoint.bodies[0])
    assert asked.spec.settings["clips"] == "one-per-channel"
    assert asked.spec.settings["introduction"] in sent_text(endpoint.bodies[0])


def test_one_clip_with_all_channels_can_be_chosen(serve):
    endpoint = serve(ok())
    model(endpoint, audio="foa", clips="one").answer([request(np.zeros((4, 8)))])
    ((found, _),) = sent_audio(endpoint.bodies[0])
    assert found.shape == (8, 4)
    assert "channel 2 by a figure-of-eight microphone" in sent_text(endpoint.bodies[0])


def test_a_model_without_sound_gets_the_question_only(serve):
    endpoint = serve(ok())
    model(endpoint).answer([request(None)])
    assert [part["type"] for part in endpoint.bodies[0]["messages"][0]["content"]] == ["text"]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_trouble_is_tried_again(serve, status):
    def reply(number, body):
        if number < 2:
            return status, {"Retry-After": "0.01"}, {"error": {"message": "busy"}}
        return 200, {}, completion("right")

    endpoint = serve(reply)
    assert model(endpoint, retries="3").answer([request()]) == ["right"]
    assert len(endpoint.bodies) == 3


def test_trouble_that_stays_is_the_error_of_its_question_alone(serve):
    def reply(number, body):
        if "bad" in sent_text(body):
            return 500, {}, {"error": {"message": "no such luck"}}
        return 200, {}, completion("right")

    answers = model(serve(reply)).answer([request(), request(text="bad"), request()])
    assert answers[::2] == ["right", "right"]
    assert "no such luck" in str(answers[1])


def test_pages_and_odd_bodies_are_errors(serve):
    bodies = [
        ({"Content-Type": "text/html"}, b"<html>Welcome to nginx</html>"),
        ({}, {"object": "chat.completion", "choices": []}),
        ({}, b"{broken"),
        ({}, b""),
        ({"Content-Length": "1000"}, b'{"id": "cut'),
    ]
    endpoint = serve(lambda number, body: (200, *bodies[number]))
    asked = model(endpoint, timeout_s="2")
    for _ in bodies:
        (answer,) = asked.answer([request()])
        assert isinstance(answer, Exception), answer
    assert len(endpoint.bodies) == len(bodies)


def test_a_server_that_does_not_answer_is_given_up(serve):
    def reply(number, body):
        time.sleep(3)
        return 200, {}, completion("late")

    begin = time.monotonic()
    (answer,) = model(serve(reply), timeout_s="0.3").answer([request()])
    assert isinstance(answer, Exception)
    assert "timed out" in str(answer).lower()
    assert time.monotonic() - begin < 2.5


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_unknown_model_is_asked_once(serve, status):
    endpoint = serve(lambda number, body: (status, {}, {"error": {"message": "who are you"}}))
    asked = model(endpoint, concurrency="1", retries="3")
    answers = asked.answer([request(number=i) for i in range(4)])
    assert all("who are you" in str(answer) for answer in answers)
    assert len(endpoint.bodies) == 1


def test_refusals_and_empty_answers_are_kept_as_they_are(serve):
    replies = [completion(None, refusal="I cannot help with that."), completion(None)]
    endpoint = serve(lambda number, body: (200, {}, replies[number]))
    asked = model(endpoint)
    assert asked.answer([request()]) == ["I cannot help with that."]
    assert asked.answer([request()]) == [None]


def test_requests_go_side_by_side_but_no_more_than_allowed(serve):
    def reply(number, body):
        time.sleep(0.15)
        return 200, {}, completion(sent_text(body))

    endpoint = serve(reply)
    texts = [f"question {i}" for i in range(9)]
    answers = model(endpoint, concurrency="3").answer([request(text=text) for text in texts])
    assert answers == texts
    assert endpoint.most == 3


def test_the_pace_holds_over_threads():
    pace = _Pace(per_minute=1200)
    begin = time.monotonic()
    threads = [threading.Thread(target=pace.wait) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begin >= 5 * 0.05


def test_a_run_keeps_what_was_answered_and_goes_on(serve, tmp_path):
    broken = True

    def reply(number, body):
        if broken and number % 3 == 0:
            return 503, {}, {"error": {"message": "overloaded"}}
        return 200, {}, completion("yes")

    questions = make_questions(5)
    asked = model(serve(reply))

    def ask():
        audio = np.zeros((4, 3200), dtype=np.float32)
        return run(asked, questions, lambda scene: audio, tmp_path / "p", progress=False)

    first = ask()
    assert 0 < first.failed < first.asked == len(questions)
    broken = False
    again = ask()
    assert (again.asked, again.failed) == (first.failed, 0)
    header = read_predictions(tmp_path / "p").header
    assert header.settings["temperature"] == 0.0


def test_arguments_are_checked(serve, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    endpoint = serve(ok())
    for arguments, told in (
        ({"audio": "surround"}, "audio: Input should be 'foa'"),
        ({"temprature": "1"}, "temprature: Extra inputs"),
        ({"base_url": "localhost:8000"}, "begins with http"),
        ({"base_url": "https://api.openai.com/v1"}, "OPENAI_API_KEY"),
        ({"concurrency": "0"}, "concurrency"),
    ):
        with pytest.raises(UserError, match=told):
            model(endpoint, **arguments)


def test_the_key_is_sent_and_never_kept(serve, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret-value")
    endpoint = serve(ok())
    asked = model(endpoint, api_key_env="MY_KEY")
    asked.answer([request()])
    head = {key.lower(): value for key, value in endpoint.heads[0][1].items()}
    assert head["authorization"] == "Bearer secret-value"
    assert "secret-value" not in repr(asked.spec)
