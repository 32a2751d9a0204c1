"""Training of ST-AudioLM: pools, packs, tokens, resuming, and its rows in the evaluation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from safetensors.torch import load_file  # noqa: E402

from st_audioqa.corpus.reader import Corpus  # noqa: E402
from st_audioqa.errors import UserError  # noqa: E402
from st_audioqa.evaluation import RunContext, load_model  # noqa: E402
from st_audioqa.evaluation.model import Request, prompt_of  # noqa: E402
from st_audioqa.models import Encoder, STAudioLM  # noqa: E402
from st_audioqa.models.config import preset  # noqa: E402
from st_audioqa.models.lm.pool import PackPlan, choose_pool  # noqa: E402
from st_audioqa.models.lm.recipe import bundled_lm_recipes, load_lm_recipe  # noqa: E402
from st_audioqa.models.lm.storage import make_interface  # noqa: E402
from st_audioqa.models.lm.tokens import build_tokens  # noqa: E402
from st_audioqa.models.lm.training import train_lm  # noqa: E402
from st_audioqa.models.training.clips import label_vocabulary  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus(corpus_dir):
    return Corpus(corpus_dir)


@pytest.fixture(scope="module")
def encoder_dir(corpus, tmp_path_factory):
    torch.manual_seed(0)
    labels = label_vocabulary(corpus)
    encoder = Encoder.from_config({**preset("test").to_dict(), "labels": labels})
    encoder.trained_stage = 4
    folder = tmp_path_factory.mktemp("encoder")
    encoder.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("tokens")


def tokens_of(corpus, encoder_dir, cache, kind, split="train"):
    interface = make_interface(label_vocabulary(corpus), kind)
    questions = corpus.questions(split)
    found = build_tokens(
        corpus, split, questions, encoder_dir, interface.describe(), cache, 1, lambda: None
    )
    return interface, questions, found


@pytest.fixture(scope="module")
def trained(corpus_dir, encoder_dir, cache, tmp_path_factory):
    """All stages of the test recipe."""
    out = tmp_path_factory.mktemp("lm")
    recipe = load_lm_recipe("lm-test")
    for stage in (1, 2, 3):
        run = train_lm(recipe, stage, corpus_dir, encoder_dir, out, cache=cache, quiet=True)
        assert run.finished
    return out


@pytest.mark.parametrize("kind", ["paper", "tracks"])
def test_cached_tokens_are_those_that_the_model_reads(kind, corpus, encoder_dir, cache):
    interface, questions, found = tokens_of(corpus, encoder_dir, cache, kind)
    encoder = Encoder.from_pretrained(encoder_dir)
    for question in questions[:: len(questions) // 3]:
        scene = question.scene_id
        features = encoder.frontend(torch.as_tensor(corpus.audio(scene))[None])
        names = interface.wanted(question.question, found.probability(scene))
        with torch.no_grad():
            wanted = interface.read(encoder, features, names)
        for name, tokens in zip(names, wanted, strict=True):
            torch.testing.assert_close(found.piece(scene, name).tokens, tokens.half().float())


def test_tokens_are_computed_once(corpus, encoder_dir, cache):
    tokens_of(corpus, encoder_dir, cache, "paper")
    before = {path: path.stat().st_mtime_ns for path in cache.glob("*.npy")}
    tokens_of(corpus, encoder_dir, cache, "paper")
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.npy")} == before


def test_pools_have_the_proportions_of_the_paper_and_hold_the_stage_before(corpus):
    questions = corpus.questions("train")
    pools = [choose_pool(questions, types, None, 3) for types in ("A", "AB", "ABC")]
    assert {q.question_id for q in pools[0]} < {q.question_id for q in pools[1]}
    assert {q.question_id for q in pools[1]} < {q.question_id for q in pools[2]}
    counts = Counter(q.type for q in pools[2])
    assert counts["A"] / counts["B"] == pytest.approx(216 / 300, rel=0.1)
    assert counts["C"] / counts["B"] == pytest.approx(218 / 300, rel=0.1)
    assert choose_pool(questions, "AB", None, 3) == pools[1]
    assert choose_pool(questions, "AB", None, 4) != pools[1]
    assert len(choose_pool(questions, "AB", 20, 3)) == pytest.approx(20, abs=1)


def test_an_epoch_sees_every_question_once_behind_its_own_prefix(corpus, encoder_dir, cache):
    interface, questions, found = tokens_of(corpus, encoder_dir, cache, "tracks")
    stage = load_lm_recipe("lm-test").stage["3"].model_copy(update={"batch": 8, "pack": 3})
    plan = PackPlan(questions, stage, interface, found, 1)
    seen = [plan._bundle(i) for i in range(2 * plan.bundles)]
    for epoch in (seen[: plan.bundles], seen[plan.bundles :]):
        ids = [q.question_id for bundle in epoch for q in bundle.questions]
        assert sorted(ids) == sorted(q.question_id for q in questions)
    assert seen[: plan.bundles] != seen[plan.bundles :]
    for bundle in seen:
        assert len(bundle.questions) <= 3
        for q in bundle.questions:
            assert q.scene_id == bundle.scene_id
            assert interface.wanted(q.question, found.probability(q.scene_id)) == bundle.names
    again = PackPlan(questions, stage, interface, found, 1)
    assert again.step(7) == plan.step(7)


def test_every_bundled_recipe_can_be_read():
    assert bundled_lm_recipes() == ["lm-paper", "lm-small", "lm-test"]
    for name in bundled_lm_recipes():
        recipe = load_lm_recipe(name)
        assert [recipe.stage[n].types for n in "123"] == [["A"], ["A", "B"], ["A", "B", "C"]]
    assert load_lm_recipe("lm-paper").base == "paper"


def test_a_training_learns_and_logs(corpus_dir, encoder_dir, cache, tmp_path):
    recipe = load_lm_recipe("lm-test").changed(1, passes=800)
    run = train_lm(recipe, 1, corpus_dir, encoder_dir, tmp_path, cache=cache, quiet=True)
    lines = [json.loads(x) for x in (run.folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["train"]["answers"] for line in lines if "train" in line]
    # A frozen random model has small logits whatever its adapters do: there is little to gain.
    assert losses[-1] < losses[0] - 0.5
    assert {"A/loss", "A/exact"} <= set(lines[-1]["validation"])
    described = json.loads((run.folder / "training.json").read_text())
    assert set(described["pool"]) == {"A"}


def test_only_adapters_are_trained(trained, encoder_dir):
    first, last = (STAudioLM.from_pretrained(trained / f"stage-{n}") for n in (1, 3))
    before, after = first.describe(), last.describe()
    assert before == after  # the same base and encoder
    changed = [
        name
        for name, p in last.adapters().items()
        if not torch.equal(p, first.adapters()[name])
    ]
    assert len(changed) == len(last.adapters())


def test_the_same_seed_gives_the_same_bytes(corpus_dir, encoder_dir, cache, trained, tmp_path):
    recipe = load_lm_recipe("lm-test")
    train_lm(recipe, 1, corpus_dir, encoder_dir, tmp_path, cache=cache, quiet=True)
    name = "stage-1/adapters.safetensors"
    assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()


def test_a_killed_training_ends_with_the_same_weights(corpus_dir, encoder_dir, cache, tmp_path):
    recipe = load_lm_recipe("lm-test").changed(1, passes=400)
    train_lm(recipe, 1, corpus_dir, encoder_dir, tmp_path / "whole", cache=cache, quiet=True)
    command = [
        *(sys.executable, "-m", "st_audioqa.cli", "train", "lm", "lm-test", "--stage", "1"),
        *("--data", str(corpus_dir), "--encoder", str(encoder_dir), "--cache", str(cache)),
        *("--out", str(tmp_path / "cut"), "--passes", "400"),
        *("--checkpoint-minutes", "0.00001", "--workers", "1"),
    ]
    process = subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checkpoint = tmp_path / "cut" / "stage-1" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = torch.load(checkpoint, weights_only=True)["step"]
    assert done > 0
    assert not (tmp_path / "cut" / "stage-1" / "config.json").is_file()
    run = train_lm(
        recipe, 1, corpus_dir, encoder_dir, tmp_path / "cut", cache=cache, quiet=True
    )
    assert done < run.steps
    name = "stage-1/adapters.safetensors"
    whole, cut = (load_file(tmp_path / part / name) for part in ("whole", "cut"))
    for key, value in whole.items():
        assert torch.equal(value, cut[key]), key


def test_stage_2_wants_stage_1(corpus_dir, encoder_dir, cache, tmp_path):
    with pytest.raises(UserError, match="train stage 1 to its end"):
        train_lm(load_lm_recipe("lm-test"), 2, corpus_dir, encoder_dir, tmp_path, cache=cache)
    with pytest.raises(UserError, match="has no stage 7"):
        train_lm(load_lm_recipe("lm-test"), 7, corpus_dir, encoder_dir, tmp_path, cache=cache)


def answers_of(name, corpus, arguments, count=12):
    questions = sorted(corpus.questions("test"), key=lambda q: q.scene_id)[:count]
    context = RunContext(questions=corpus.questions, scene=corpus.scene, arguments=arguments)
    model = load_model(name, context)
    audio = {q.scene_id: corpus.audio(q.scene_id) for q in questions}
    said = model.answer([Request(prompt_of(q), audio[q.scene_id]) for q in questions])
    return model, questions, said


def test_st_audiolm_is_a_row_of_the_evaluation(trained, corpus):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model, questions, said = answers_of(
            "st-audiolm", corpus, {"weights": str(trained / "stage-3")}
        )
    assert model.spec.audio == "foa"
    assert model.spec.name == "st-audiolm-paper"
    for question, answer in zip(questions, said, strict=True):
        assert isinstance(answer, str)
        assert not question.options or answer in question.options


def test_the_program_is_a_row_of_the_evaluation(encoder_dir, corpus):
    model, questions, said = answers_of("program", corpus, {"encoder": str(encoder_dir)}, 60)
    assert model.spec.audio == "foa"
    for question, answer in zip(questions, said, strict=True):
        assert answer, question.question
        assert not question.options or answer in question.options, question.question


def test_the_program_is_right_where_the_encoder_is(corpus, monkeypatch, tmp_path):
    from st_audioqa.models.estimate import SceneEstimate, Track

    labels = {*label_vocabulary(corpus, "train"), *label_vocabulary(corpus, "test")}
    config = {**preset("test").to_dict(), "labels": tuple(sorted(labels))}
    encoder = Encoder.from_config(config)
    encoder.trained_stage = 4
    encoder.save_pretrained(tmp_path)
    scenes = {s.scene_id: s for s in corpus.scenes("test")}
    hearing: list[str] = []

    def perfect(self, audio, sample_rate, *, sources=None, threshold=0.3):
        scene = scenes[hearing[0]]
        there = [s.event.labels[0] for s in scene.sources]
        tracks = [
            Track(
                s.event.labels[0],
                1.0,
                np.ones(40),
                s.azimuth_deg,
                s.elevation_deg,
                s.distance_m,
            )
            for s in scene.sources
            if sources is None or s.event.labels[0] in sources
        ]
        rest = [(name, 0.0) for name in self.labels if name not in there]
        return SceneEstimate(tuple([(name, 1.0) for name in there] + rest), tuple(tracks))

    monkeypatch.setattr(Encoder, "predict", perfect)
    context = RunContext(corpus.questions, corpus.scene, arguments={"encoder": str(tmp_path)})
    model = load_model("program", context)
    wrong = []
    asked = 0
    for q in corpus.questions("test"):
        hearing[:] = [q.scene_id]
        said = model.answer([Request(prompt_of(q), np.zeros((4, 10)))])[0] or ""
        asked += 1
        if said != q.answer and set(said.split("; ")) != set(q.answer.split("; ")):
            wrong.append((q.question, q.answer, said))
    assert asked > 40
    assert len(wrong) <= 0.03 * asked, wrong


def test_ask_answers_from_a_file(trained, corpus, tmp_path, capsys):
    import soundfile

    from st_audioqa.cli import main

    scene = next(iter(corpus.scenes("test"))).scene_id
    soundfile.write(tmp_path / "scene.wav", corpus.audio(scene).T, 32_000)
    main(
        [
            *("ask", str(tmp_path / "scene.wav"), "Is it moving?", "--option", "yes"),
            *("--option", "no", "--weights", str(trained / "stage-3")),
        ]
    )
    assert capsys.readouterr().out.strip() in ("yes", "no")
