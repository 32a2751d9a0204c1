from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from st_audioqa.corpus.reader import Corpus  # noqa: E402
from st_audioqa.errors import UserError  # noqa: E402
from st_audioqa.events.labels import with_ancestors  # noqa: E402
from st_audioqa.foa import encode  # noqa: E402
from st_audioqa.models import Encoder  # noqa: E402
from st_audioqa.models.config import preset  # noqa: E402
from st_audioqa.models.encoders import Targets  # noqa: E402
from st_audioqa.models.features import FeatureSpec  # noqa: E402
from st_audioqa.models.frontend import FOAFrontend  # noqa: E402
from st_audioqa.models.losses import encoder_losses  # noqa: E402
from st_audioqa.models.storage import load_encoder  # noqa: E402
from st_audioqa.models.training import load_training_recipe, train_encoder  # noqa: E402
from st_audioqa.models.training.batches import BatchPlan, added, mask_features  # noqa: E402
from st_audioqa.models.training.cache import build_cache  # noqa: E402
from st_audioqa.models.training.clips import Clips, label_vocabulary  # noqa: E402
from st_audioqa.models.training.loop import learning_rate  # noqa: E402
from st_audioqa.models.training.recipe import bundled_training_recipes  # noqa: E402
from st_audioqa.models.training.validation import validate  # noqa: E402

SPEC = FeatureSpec(n_mels=16, direct=True)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cache(corpus_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    corpus = Corpus(corpus_dir)
    build_cache(corpus, corpus.splits, FOAFrontend(SPEC), folder, 1, lambda: None)
    return folder


@pytest.fixture(scope="module")
def clips(corpus_dir, cache):
    corpus = Corpus(corpus_dir)
    return Clips(corpus, "train", label_vocabulary(corpus), FOAFrontend(SPEC), cache)


@pytest.fixture(scope="module")
def recipe():
    return load_training_recipe("encoder-test")


def test_the_cache_holds_the_features_of_each_scene(corpus_dir, clips):
    corpus = Corpus(corpus_dir)
    for row in (0, 7):
        audio = torch.as_tensor(corpus.audio(clips.scene_id[row]))[None]
        wanted = FOAFrontend(SPEC)(audio)
        torch.testing.assert_close(clips.raw(np.array([row])), wanted, atol=0.04, rtol=1e-3)


def test_a_cache_is_built_once_and_mended_where_a_file_is_missing(corpus_dir, cache):
    corpus, frontend = Corpus(corpus_dir), FOAFrontend(SPEC)
    files = sorted(cache.glob("*.npy"))
    before = {path: path.stat().st_mtime_ns for path in files}
    bytes_before = files[0].read_bytes()
    files[0].unlink()
    ticks = []
    build_cache(corpus, corpus.splits, frontend, cache, 1, lambda: ticks.append(1))
    assert len(ticks) == 15
    assert files[0].read_bytes() == bytes_before
    assert [p for p in files if p.stat().st_mtime_ns != before[p]] == files[:1]


def test_targets_are_those_of_the_scenes(corpus_dir, clips):
    corpus = Corpus(corpus_dir)
    targets = clips.targets(np.arange(len(clips)))
    classes = label_vocabulary(corpus)
    for i, name in enumerate(clips.scene_id):
        scene = corpus.scene(name)
        assert targets.present[i].sum() == len(scene.sources)
        for j, source in enumerate(scene.sources):
            assert classes[targets.source_class[i, j]] == source.event.name
            assert targets.labels[i, targets.source_class[i, j]] == 1
            np.testing.assert_allclose(
                targets.log_distance[i, j].exp(), source.distance_m, rtol=1e-5
            )
            x, y, z = targets.direction[i, j].numpy().T
            np.testing.assert_allclose(np.degrees(np.arcsin(z)), source.elevation_deg, atol=0.1)
            turn = np.degrees(np.arctan2(y, x)) - source.azimuth_deg
            np.testing.assert_allclose((turn + 180) % 360 - 180, 0, atol=0.1)


def test_a_label_brings_the_classes_above_it():
    classes = frozenset({"Bark", "Dog", "Rain"})
    assert with_ancestors(["Bark"], classes) == {"Bark", "Dog"}
    assert with_ancestors(["mine"], classes | {"mine"}) == {"mine"}


def test_every_clip_is_seen_equally_often_and_shares_are_kept(clips, recipe):
    stage = recipe.stage["3"].model_copy(update={"shares": {"D": 0.5, "S": 0.5}, "batch": 4})
    plan = BatchPlan(clips, stage, 1)
    rows = np.concatenate([plan.rows(step) for step in range(10)])
    assert len(rows) == 40
    assert set(clips.configuration[rows]) == {"S", "D"}
    assert set(np.unique(rows, return_counts=True)[1]) == {10}


def test_batches_depend_on_seed_and_step_alone(clips, recipe):
    one, two = (BatchPlan(clips, recipe.stage["4"], 3) for _ in range(2))
    for step in (0, 1):
        one.batch(step)
    torch.testing.assert_close(one.batch(5)[0], two.batch(5)[0], rtol=0, atol=0)
    assert not torch.equal(one.batch(5)[0], BatchPlan(clips, recipe.stage["4"], 4).batch(5)[0])


def test_processes_share_a_batch(clips, recipe):
    plan = BatchPlan(clips, recipe.stage["4"], 3)
    parts = [plan.rows(2)[rank::2] for rank in range(2)]
    assert sorted(np.concatenate(parts)) == sorted(plan.rows(2))


def test_absent_classes_are_asked_for_and_have_no_source(clips, recipe):
    plan = BatchPlan(clips, recipe.stage["4"].model_copy(update={"absent": 1.0}), 3)
    _, targets = plan.batch(0)
    absent = targets.answers < 0
    assert absent.any()
    asked = targets.labels.gather(1, targets.queries)
    assert not asked[absent].any()
    assert asked[~absent].all()


def test_added_features_are_near_those_of_the_mixture():
    rng = np.random.default_rng(0)
    one = encode(0.1 * rng.standard_normal(64_000), 60, 0).astype(np.float32)
    two = encode(0.05 * rng.standard_normal(64_000), -100, 30).astype(np.float32)
    frontend = FOAFrontend(SPEC)
    a, b, mixture = frontend(torch.as_tensor(np.stack([one, two, one + two])))
    zero, yes = torch.zeros(2, 2), torch.tensor([[True, False]] * 2)
    targets = Targets(
        labels=torch.eye(2),
        present=yes,
        source_class=torch.tensor([[0, -1], [1, -1]]),
        activity=torch.ones(2, 2, 40),
        direction=torch.arange(480.0).view(2, 2, 40, 3),
        log_distance=torch.zeros(2, 2, 40),
        moving=yes,
        queries=torch.tensor([[0, 0], [1, 0]]),
        answers=torch.tensor([[0, -1], [0, -1]]),
        teacher=zero,
    )

    class Swap:
        def permutation(self, n):
            return np.array([1, 0])

    found, mixed = added(
        torch.stack([a, b]), targets, np.array([True, False]), Swap(), frontend
    )
    level, wanted = found[0, :4].mean((1, 2)), mixture[:4].mean((1, 2))
    torch.testing.assert_close(level, wanted, atol=0.4, rtol=0)
    torch.testing.assert_close(
        found[0, 4:7].mean((1, 2)), mixture[4:7].mean((1, 2)), atol=0.03, rtol=0
    )
    torch.testing.assert_close(found[1], b)
    assert mixed.labels.tolist() == [[1, 1], [0, 1]]
    assert mixed.queries.tolist() == [[0, 1], [1, 0]]
    assert mixed.answers.tolist() == [[0, 1], [0, -1]]
    torch.testing.assert_close(mixed.direction[0, 1], targets.direction[1, 0])


def test_masks_hide_at_most_what_is_asked_for():
    features = torch.randn(6, 7, 400, 16)
    masked = mask_features(features, 20, 3, np.random.default_rng(0), 4)
    changed = (masked != features).any(dim=1)
    assert changed.any()
    assert changed.all(dim=2).sum(dim=1).max() <= 40
    assert (changed.float().mean(dim=1) > 0.9).sum(dim=1).max() <= 6


def test_the_learning_rate_rises_then_falls_as_a_cosine(recipe):
    stage = recipe.stage["1"].model_copy(
        update={"clip_passes": 4000, "batch": 4, "warmup": 0.1, "lr": 1.0, "min_lr": 0.1}
    )
    rates = [learning_rate(stage, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[100] == 1.0
    assert rates[550] == pytest.approx(0.55, abs=0.001)
    assert rates[-1] == pytest.approx(0.1, abs=0.001)


def test_perfect_outputs_cost_nearly_nothing_and_wrong_ones_more(clips):
    targets = clips.targets(np.arange(len(clips)))
    index = targets.answers.clamp_min(0)
    row = torch.arange(len(clips))[:, None]
    big = 20.0
    active = targets.activity[row, index] * (targets.answers >= 0)[..., None]
    outputs = {
        "semantic": big * (2 * targets.labels - 1),
        "doa": targets.direction[:, 0, 0],
        "distance": big
        * torch.nn.functional.one_hot(
            (targets.log_distance[:, 0, 0].exp() / 0.5).long().clamp_max(9), 10
        ).float(),
        "activity": big * (2 * targets.activity[:, 0] - 1),
        "direction": targets.direction[:, 0],
        "log_distance": targets.log_distance[:, 0],
        "query_activity": big * (2 * active - 1),
        "query_direction": targets.direction[row, index],
        "query_log_distance": targets.log_distance[row, index],
    }
    weights = dict.fromkeys(("semantic", "static", "trajectory", "smooth", "query"), 1.0)
    right = encoder_losses(outputs, targets, weights)
    assert set(right) == set(weights)
    assert max(term.item() for term in right.values()) < 0.01
    for name in outputs:
        wrong = encoder_losses({**outputs, name: -outputs[name]}, targets, weights)
        assert sum(wrong.values()) > sum(right.values()) + 0.1, name


def test_validation_of_an_encoder_that_knows_the_truth_is_perfect(clips):
    class Oracle(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.nothing = torch.nn.Parameter(torch.zeros(1))
            self.at = 0

        def forward(self, features, queries, *, dynamic):
            rows = np.arange(self.at, self.at + len(features))
            self.at += len(features)
            t = clips.targets(rows)
            row, index = torch.arange(len(rows))[:, None], t.answers.clamp_min(0)
            metres = t.log_distance[:, 0, 0].exp()
            return {
                "semantic": t.labels,
                "doa": t.direction[:, 0, 0],
                "distance_m": metres,
                "direction": t.direction[:, 0],
                "log_distance": t.log_distance[:, 0] + 0.1,
                "query_direction": t.direction[row, index],
                "query_log_distance": t.log_distance[row, index],
            }

    found = validate(Oracle(), clips, dynamic=True, queries=True, batch=4)
    assert found["static/mAP"] == found["two/mAP"] == 1.0
    assert found["static/distance_acc"] == found["dynamic/track_acc20"] == 1.0
    assert found["two/query/track_acc20"] == 1.0
    assert found["dynamic/track_doa_mae_deg"] < 0.1
    assert 0.02 < found["dynamic/track_distance_mae_m"] < 0.6


def run(recipe, corpus_dir, cache, out, **options):
    return train_encoder(
        recipe, options.pop("stage", 3), corpus_dir, out, cache=cache, quiet=True, **options
    )


@pytest.fixture(scope="module")
def begun(recipe, corpus_dir, cache, tmp_path_factory):
    """Weights that stage 3 can start from."""
    folder = tmp_path_factory.mktemp("start")
    torch.manual_seed(0)
    labels = label_vocabulary(Corpus(corpus_dir))
    Encoder(replace(preset("test"), labels=labels)).save_pretrained(folder)
    return folder


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_the_stages_follow_one_another(recipe, corpus_dir, cache, tmp_path):
    with pytest.raises(UserError, match="train stage 1 to its end"):
        run(recipe, corpus_dir, cache, tmp_path, stage=2)
    for stage in (1, 2, 3, 4):
        result = run(recipe, corpus_dir, cache, tmp_path, stage=stage)
        assert result.finished
        assert Encoder.from_pretrained(result.folder).trained_stage == stage
    lines = [json.loads(x) for x in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert "two/query/track_doa_mae_deg" in lines[-1]["validation"]
    assert set(lines[-2]["train"]) >= {"semantic", "distil", "trajectory", "query", "loss"}
    with pytest.raises(UserError, match="another --out"):
        run(recipe.changed(4, seed=9), corpus_dir, cache, tmp_path, stage=4)


def test_a_training_learns(recipe, corpus_dir, cache, begun, tmp_path):
    longer = recipe.changed(3, passes=240)
    run(longer, corpus_dir, cache, tmp_path, start=begun)
    lines = (tmp_path / "stage-3" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(x)["train"]["loss"] for x in lines if "train" in x]
    assert losses[-1] < 0.9 * losses[0]


KILLED = """
import sys, torch
from pathlib import Path
from st_audioqa.models.training import load_training_recipe, train_encoder
if __name__ == "__main__":
    torch.set_num_threads(1)
    data, cache, start, out = map(Path, sys.argv[1:])
    train_encoder(load_training_recipe("encoder-test").changed(3, passes=400), 3, data, out,
                  cache=cache, start=start, checkpoint_minutes=1e-6, quiet=True)
"""


def test_a_killed_training_goes_on_to_the_same_bytes(
    recipe, corpus_dir, cache, begun, tmp_path
):
    longer = recipe.changed(3, passes=400)
    whole = run(longer, corpus_dir, cache, tmp_path / "whole", start=begun)
    arguments = [str(x) for x in (corpus_dir, cache, begun, tmp_path / "cut")]
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    checkpoint = tmp_path / "cut" / "stage-3" / "checkpoint.pt"
    until = time.monotonic() + 120
    while not checkpoint.is_file() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert checkpoint.is_file()
    assert not (checkpoint.parent / "model.safetensors").is_file()
    cut = run(longer, corpus_dir, cache, tmp_path / "cut", start=begun)
    assert cut.finished
    assert weights(cut.folder) == weights(whole.folder)
    assert cut.metrics == whole.metrics


def test_a_training_stops_after_its_minutes_and_goes_on(
    recipe, corpus_dir, cache, begun, tmp_path
):
    whole = run(recipe, corpus_dir, cache, tmp_path / "whole", start=begun)
    sittings = 0
    finished = False
    while not finished:
        part = run(recipe, corpus_dir, cache, tmp_path / "parts", start=begun, minutes=1e-6)
        finished, sittings = part.finished, sittings + 1
        assert part.steps == sittings
    assert sittings == recipe.stage["3"].steps == 8
    assert weights(part.folder) == weights(whole.folder)
    lines = (part.folder / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)


def test_what_cannot_be_trained_is_told(recipe, corpus_dir, cache, begun, tmp_path):
    with pytest.raises(UserError, match="no stage 7"):
        run(recipe, corpus_dir, cache, tmp_path, stage=7)
    checkpoint = tmp_path / "stage-3" / "checkpoint.pt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"cut")
    with pytest.raises(UserError, match="delete it to begin again"):
        run(recipe, corpus_dir, cache, tmp_path, start=begun)


def test_bundled_recipes_are_sound_and_bad_ones_are_told(tmp_path):
    stages = {"encoder": "1234", "pseldnets": "1234", "spatial-ast": "12"}
    wanted = [f"{kind}-{size}" for kind in stages for size in ("paper", "small", "test")]
    assert bundled_training_recipes() == wanted
    for kind, known in stages.items():
        for size in ("paper", "small", "test"):
            assert "".join(sorted(load_training_recipe(f"{kind}-{size}").stage)) == known


@pytest.mark.parametrize("size", ["small", "paper"])
@pytest.mark.parametrize("kind", ["pseldnets", "spatial-ast"])
def test_all_rows_see_the_same_clips_equally_often(kind, size):
    wanted, found = (load_training_recipe(f"{k}-{size}").stage for k in ("encoder", kind))
    for number, stage in found.items():
        same = ("clip_passes", "shares", "batch", "mix", "rotations")
        assert [getattr(stage, n) for n in same] == [getattr(wanted[number], n) for n in same]


@pytest.mark.parametrize("kind", ["pseldnets", "spatial-ast"])
def test_the_other_rows_train_through_their_stages(kind, corpus_dir, cache, tmp_path):
    recipe = load_training_recipe(f"{kind}-test")
    for stage in sorted(map(int, recipe.stage)):
        result = run(recipe, corpus_dir, cache, tmp_path, stage=stage)
        assert load_encoder(result.folder).trained_stage == stage
    lines = [json.loads(x) for x in (result.folder / "metrics.jsonl").read_text().splitlines()]
    metrics = lines[-1]["validation"]
    if kind == "spatial-ast":
        assert {"static/doa_mae_deg", "static/distance_acc", "static/mAP"} <= set(metrics)
        assert set(lines[-2]["train"]) == {"semantic", "static", "loss"}
    else:
        assert {"dynamic/track_acc20", "two/query/track_doa_mae_deg"} <= set(metrics)
        assert set(lines[-2]["train"]) == {"semantic", "distil", "accdoa", "loss"}
    with pytest.raises(UserError, match="did you mean encoder-small"):
        load_training_recipe("encoder-smal")
    bad = tmp_path / "bad.toml"
    bad.write_text(
        'name = "x"\n[stage.1]\nshares = { S = 1.0 }\nweights = { magic = 1.0 }\nclip_passes = 1\n'
    )
    with pytest.raises(UserError, match="no term of the loss is named 'magic'"):
        load_training_recipe(str(bad))
