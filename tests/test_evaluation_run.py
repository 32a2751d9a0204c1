"""Loading models and asking them."""

import dataclasses
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from st_audioqa.decoding import describe_audio
from st_audioqa.errors import UserError
from st_audioqa.evaluation import (
    MODELS,
    PRESETS,
    AudioLanguageModel,
    ModelSpec,
    Request,
    RunContext,
    load_model,
    prompt_preset,
    read_predictions,
    run,
)
from st_audioqa.evaluation.model import prompt_of
from st_audioqa.evaluation.predictions import by_question
from st_audioqa.foa import encode
from tests.test_evaluation_questions import make_questions

QUESTIONS = make_questions(6)
SHUFFLED = [QUESTIONS[i] for i in np.random.default_rng(0).permutation(len(QUESTIONS))]
CONTEXT = RunContext(questions=lambda split: (), scene=lambda scene_id: None)


class Fake:
    """Repeats the question id; notes what it is given."""

    def __init__(self, audio="foa", fails=(), **spec):
        self.spec = ModelSpec("fake", "1", audio, **spec)
        self.fails = set(fails)
        self.batches = []

    def answer(self, batch):
        self.batches.append(batch)
        for request in batch:
            if request.prompt.question_id in self.fails:
                raise RuntimeError("boom")
        return [request.prompt.question_id for request in batch]


class Audio:
    def __init__(self, fails=()):
        self.loaded = []
        self.fails = set(fails)

    def __call__(self, scene_id):
        self.loaded.append(scene_id)
        if scene_id in self.fails:
            raise OSError("no such scene")
        return np.full((4, 8), int(scene_id.split("-")[1]), dtype=np.float32)


def ask(model, path, questions=SHUFFLED, load=None, **options):
    return run(model, questions, load or Audio(), path, progress=False, **options)


def test_audio_is_loaded_once_per_scene(tmp_path):
    model, load = Fake(), Audio()
    report = ask(model, tmp_path / "p.jsonl", load=load, batch_size=4)
    assert (report.asked, report.failed, report.skipped) == (len(QUESTIONS), 0, 0)
    assert sorted(load.loaded) == sorted({q.scene_id for q in QUESTIONS})
    requests = [request for batch in model.batches for request in batch]
    assert max(map(len, model.batches)) == 4
    for request in requests:
        assert request.audio[0, 0] == int(request.prompt.scene_id.split("-")[1])
    found = read_predictions(tmp_path / "p.jsonl")
    assert {p.question_id for p in found.predictions} == {q.question_id for q in QUESTIONS}
    assert all(p.response == p.question_id for p in found.predictions)
    assert found.header.model == "fake"


def test_no_audio_is_loaded_where_none_is_wanted(tmp_path):
    model, load = Fake("none", sample_rate=16_000), Audio()
    ask(model, tmp_path / "p.jsonl", load=load)
    assert load.loaded == []
    assert all(request.audio is None for batch in model.batches for request in batch)


def test_prompts_hold_no_answer():
    prompt = prompt_of(QUESTIONS[0])
    public = {"question_id", "scene_id", "text", "options", "answer_kind", "question"}
    assert set(vars(prompt)) == public


def test_failing_items_do_not_end_the_run(tmp_path):
    fails = {QUESTIONS[3].question_id, QUESTIONS[20].question_id}
    report = ask(Fake(fails=fails), tmp_path / "p.jsonl", batch_size=5)
    assert (report.asked, report.failed) == (len(QUESTIONS), 2)
    rows = read_predictions(tmp_path / "p.jsonl").predictions
    assert {p.question_id for p in rows if p.response is None} == fails
    assert {p.error for p in rows if p.error} == {"RuntimeError: boom"}
    again = ask(Fake(), tmp_path / "p.jsonl")
    assert (again.asked, again.failed, again.skipped) == (2, 0, len(QUESTIONS) - 2)
    assert ask(Fake(), tmp_path / "p.jsonl").asked == 0


def test_audio_that_does_not_load_fails_its_scene_only(tmp_path):
    report = ask(Fake(), tmp_path / "p.jsonl", load=Audio(fails={"test-00001"}))
    rows = read_predictions(tmp_path / "p.jsonl").predictions
    failed = {p.question_id for p in rows if p.error == "audio: OSError: no such scene"}
    assert failed == {q.question_id for q in QUESTIONS if q.scene_id == "test-00001"}
    assert report.failed == len(failed)


@pytest.mark.parametrize(
    ("answers", "error"),
    [(lambda batch: [3] * len(batch), "int"), (lambda batch: [], "0 answers to 1 questions"),
     (lambda batch: None, "NoneType"), (lambda batch: ["a"] * 99, "99 answers")],
)  # fmt: skip
def test_wrong_answers_are_errors(tmp_path, answers, error):
    model = Fake()
    model.answer = answers
    report = ask(model, tmp_path / "p.jsonl", QUESTIONS[:3])
    assert report.failed == 3
    assert error in read_predictions(tmp_path / "p.jsonl").predictions[0].error


def test_a_stopped_run_goes_on_after_a_cut_line(tmp_path):
    class Stops(Fake):
        def answer(self, batch):
            if len(self.batches) == 3:
                raise KeyboardInterrupt
            return super().answer(batch)

    path = tmp_path / "p.jsonl"
    with pytest.raises(KeyboardInterrupt):
        ask(Stops(), path, batch_size=10)
    path.write_bytes(path.read_bytes()[:-5])
    report = ask(Fake(), path)
    assert report.repaired
    assert report.skipped == 29
    rows = read_predictions(path).predictions
    assert sorted(p.question_id for p in rows) == sorted(q.question_id for q in QUESTIONS)


def plane_wave(scene_id, n=4000):
    """Noise from azimuth 90 (left)."""
    noise = np.random.default_rng(int(scene_id.split("-")[1])).standard_normal(n)
    return (0.1 * encode(noise, 90.0, 0.0)).astype(np.float32)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        ({"audio": "foa"}, (4, 4000)),
        ({"audio": "binaural"}, (2, 4000)),
        ({"audio": "stereo", "sample_rate": 16_000}, (2, 2000)),
        ({"audio": "mono", "sample_rate": 48_000, "max_s": 0.0625}, (1, 3000)),
    ],
)
def test_models_are_given_what_they_ask_for_and_it_is_recorded(tmp_path, spec, shape):
    model, path = Fake(**spec), tmp_path / "p.jsonl"
    report = ask(model, path, QUESTIONS[:4], plane_wave)
    request = model.batches[0][0]
    assert report.failed == 0
    assert request.audio.shape == shape
    assert request.sample_rate == spec.get("sample_rate", 32_000)
    decoder = model.spec.decoder()
    np.testing.assert_array_equal(request.audio, decoder(plane_wave(request.prompt.scene_id)))
    assert read_predictions(path).header.audio == report.audio == decoder.describe()
    assert report.audio["layout"] == spec["audio"]
    assert ask(Fake(**spec), path, QUESTIONS[:4], plane_wave).skipped == 4


def test_a_mono_model_hears_w_and_not_the_mean_of_the_channels(tmp_path):
    model = Fake("mono")
    ask(model, tmp_path / "p.jsonl", QUESTIONS[:1], plane_wave)
    given = model.batches[0][0]
    np.testing.assert_array_equal(given.audio[0], plane_wave(given.prompt.scene_id)[0])


def test_answers_to_other_audio_are_not_mixed_into_a_file(tmp_path):
    path = tmp_path / "p.jsonl"
    ask(Fake("mono"), path, QUESTIONS[:2], plane_wave)
    with pytest.raises(UserError, match=r"given stereo audio.*given mono audio \(W, gain 1\)"):
        ask(Fake("stereo"), path, QUESTIONS[:2], plane_wave)


def test_models_without_audio_say_so(tmp_path):
    report = ask(Fake("none"), tmp_path / "p.jsonl", QUESTIONS[:2])
    assert read_predictions(tmp_path / "p.jsonl").header.audio == {"layout": "none"}
    assert describe_audio(report.audio) == "no audio"


def test_audio_is_written_for_models_that_read_files(tmp_path):
    model = Fake("stereo", sample_rate=16_000)
    ask(model, tmp_path / "p.jsonl", QUESTIONS[:1], plane_wave)
    request = model.batches[0][0]
    samples, rate = soundfile.read(request.write_wav(tmp_path), dtype="float32")
    assert rate == 16_000
    np.testing.assert_array_equal(samples.T, request.audio)
    with pytest.raises(UserError, match="no audio to write"):
        Request(request.prompt, None).write_wav(tmp_path)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"audio": "5.1"}, "no audio layout named '5.1'"),
        ({"audio": "mono", "sample_rate": 0}, "got 0"),
        ({"max_s": 0.0}, "more than 0 s"),
        ({"audio": "binaural", "hrtf": "nowhere.sofa"}, "'nowhere.sofa' is neither"),
    ],
)
def test_contracts_that_cannot_be_met_are_told(tmp_path, spec, message):
    with pytest.raises(UserError, match=message):
        ask(Fake(**spec), tmp_path / "p.jsonl")
    assert not (tmp_path / "p.jsonl").exists()


def test_batches_hold_something(tmp_path):
    with pytest.raises(UserError, match="at least 1"):
        ask(Fake(), tmp_path / "p.jsonl", batch_size=0)


def test_models_load_from_a_module_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "my_audio_model.py").write_text(
        textwrap.dedent(
            """
            from st_audioqa.evaluation import ModelSpec

            class Model:
                spec = ModelSpec("mine", "1", "none")

                def __init__(self, context):
                    self.seed = context.seed

                def answer(self, batch):
                    return ["yes"] * len(batch)

            class Not:
                def __init__(self, context):
                    pass
            """
        )
    )
    monkeypatch.chdir(tmp_path)
    model = load_model("my_audio_model:Model", CONTEXT)
    assert isinstance(model, AudioLanguageModel)
    assert model.spec.name == "mine"
    assert ask(model, tmp_path / "p.jsonl").failed == 0
    for name, message in (
        ("my_audio_model:Nodel", "has no 'Nodel'"),
        ("no_such_module:Model", "importing 'no_such_module' fails"),
        (":Model", "importing '' fails"),
        ("my_audio_model:Not", "has a method"),
    ):
        with pytest.raises(UserError, match=message):
            load_model(name, CONTEXT)


def test_registered_models():
    assert {"chance", "majority", "oracle"} <= set(MODELS.names())
    with pytest.raises(UserError, match="did you mean oracle"):
        load_model("orakle", CONTEXT)


SLOW_RUN = """
import os, sys, time
import numpy as np
from st_audioqa.evaluation import ModelSpec, run
from tests.test_evaluation_questions import make_questions

class Slow:
    spec = ModelSpec("slow", "1", "foa", settings={"temperature": 0})
    def answer(self, batch):
        time.sleep(0.02)
        with open(sys.argv[2], "a") as log:
            log.writelines(f"{request.prompt.question_id}\\n" for request in batch)
        return ["left"] * len(batch)

run(Slow(), make_questions(6), lambda scene: np.zeros((4, 8), np.float32), sys.argv[1],
    batch_size=2, progress=False)
"""


def test_a_killed_run_loses_nothing_that_was_answered(tmp_path):
    path, log = tmp_path / "p.jsonl", tmp_path / "asked.txt"
    root = Path(__file__).parent.parent
    command = [sys.executable, "-c", SLOW_RUN, str(path), str(log)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, env=environment, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not (log.exists() and len(log.read_text().splitlines()) >= 20):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()
    before = log.read_text().splitlines()
    kept = read_predictions(path, allow_cut=True).predictions
    assert len(before) - 2 <= len(kept) < len(QUESTIONS)
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)
    after = log.read_text().splitlines()
    assert len(after) <= len(QUESTIONS) + 2
    rows = read_predictions(path).predictions
    assert sorted(row.question_id for row in rows) == sorted(q.question_id for q in QUESTIONS)


def test_prompts_are_worded_by_a_preset_and_recorded(tmp_path):
    hashes = set()
    for name, preset in PRESETS.items():
        model = Fake()
        path = tmp_path / f"{name}.jsonl"
        ask(model, path, preset=preset)
        texts = {r.prompt.question_id: r.prompt.text for batch in model.batches for r in batch}
        for question in QUESTIONS:
            text = texts[question.question_id]
            assert question.question in text
            listed = "; ".join(question.options) in text
            assert listed or name == "bare" or not question.options
            assert "{" not in text
        header = read_predictions(path).header
        assert header.prompt == {"name": name, "sha256": preset.sha256}
        hashes.add(preset.sha256)
        other = next(value for key, value in PRESETS.items() if key != name)
        with pytest.raises(UserError, match=f"prompt {name}"):
            ask(Fake(), path, preset=other)
    assert len(hashes) == 3
    with pytest.raises(UserError, match="bare, options, reasoning, got 'polite'"):
        prompt_preset("polite")


def test_answers_of_other_settings_are_not_mixed_into_a_file(tmp_path):
    path = tmp_path / "p.jsonl"
    ask(Fake(settings={"temperature": 0, "stop": ("a",)}), path)
    assert read_predictions(path).header.settings == {"temperature": 0, "stop": ["a"]}
    assert ask(Fake(settings={"temperature": 0, "stop": ("a",)}), path).asked == 0
    with pytest.raises(UserError, match="temperature"):
        ask(Fake(settings={"temperature": 1}), path)
    with pytest.raises(UserError, match="plain JSON values"):
        ask(Fake(settings={"stop": {1}}), tmp_path / "q.jsonl")


def test_questions_whose_wording_changed_are_asked_again_and_the_last_answer_counts(tmp_path):
    path = tmp_path / "p.jsonl"
    ask(Fake(), path)
    changed = [dataclasses.replace(QUESTIONS[0], question="Anew?"), *QUESTIONS[1:]]
    report = ask(Fake(), path, questions=changed)
    assert (report.asked, report.skipped) == (1, len(QUESTIONS) - 1)
    rows = read_predictions(path).predictions
    assert len(rows) == len(QUESTIONS) + 1
    assert len(by_question(rows)) == len(QUESTIONS)


def test_a_model_that_leaves_the_program_fails_its_item_only(tmp_path):
    class Leaves(Fake):
        def answer(self, batch):
            if any(request.prompt.question_id == QUESTIONS[3].question_id for request in batch):
                sys.exit(1)
            return super().answer(batch)

    report = ask(Leaves(), tmp_path / "p.jsonl")
    assert (report.failed, report.asked) == (1, len(QUESTIONS))
    assert "SystemExit" in report.first_error
