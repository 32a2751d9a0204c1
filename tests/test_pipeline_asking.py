"""Controls: what bounds every column, asked by one command."""

import numpy as np
import pytest

from st_audioqa import Corpus
from st_audioqa.cli import main
from st_audioqa.errors import UserError
from st_audioqa.evaluation import read_predictions
from st_audioqa.evaluation.audio_controls import AUDIO_CONTROLS, audio_control
from st_audioqa.foa import bin_directions, encode
from st_audioqa.pipeline.asking import CONTROLS, Asked, ask_model, run_controls


def test_w_only_points_nowhere_and_shuffling_points_elsewhere():
    rng = np.random.default_rng(0)
    bursts = rng.standard_normal(320_000) * (np.arange(320_000) % 1600 < 400)
    audio = encode(bursts, 90.0, 0.0)
    assert np.abs(AUDIO_CONTROLS["w-only"](audio)[1:]).max() == 0.0
    np.testing.assert_array_equal(AUDIO_CONTROLS["w-only"](audio)[0], audio[0])
    shuffled = AUDIO_CONTROLS["shuffled-channels"](audio)
    found, _ = bin_directions(shuffled)
    np.testing.assert_allclose(found, [[0.0, 0.0, 1.0]] * 40, atol=1e-6)  # left became up
    assert (shuffled**2).sum() == pytest.approx((audio**2).sum())
    with pytest.raises(UserError, match="did you mean w-only"):
        audio_control("w-onyl")


def test_all_controls_are_asked_and_scored(corpus_dir, tmp_path):
    pytest.importorskip("sklearn")
    results, left_out = run_controls(Corpus(corpus_dir), CONTROLS, tmp_path, resamples=0)
    assert left_out == {}
    assert len(results) == len(CONTROLS)
    found = {name: result.tables["table_4"]["A"] for name, result in results.items()}
    moves = {name: table["Move"]["Acc."]["value"] for name, table in found.items()}
    assert moves["oracle"] == moves["noisy-oracle 30 deg 0 m"] == 100.0
    place = {name: table["Spatial loc."]["DoA"]["value"] for name, table in found.items()}
    assert place["oracle"] == 100.0
    assert place["noisy-oracle 10 deg 0 m"] > place["chance"]
    header = read_predictions(tmp_path / "intensity-direct-w-only.jsonl").header
    assert header.model == "intensity-direct (w-only)"
    assert header.settings["audio_control"] == "w-only"


def test_a_listener_with_w_alone_knows_no_direction(corpus_dir, tmp_path):
    corpus = Corpus(corpus_dir)
    ask_model(corpus, Asked("intensity"), tmp_path / "all")
    ask_model(corpus, Asked("intensity", audio_control="w-only"), tmp_path / "w")
    with_all, w = (read_predictions(tmp_path / name).predictions for name in ("all", "w"))
    places = [q for q in corpus.questions("test") if q.answer_kind == "sector"]
    said = {p.question_id: p.response for p in w}
    assert {said[q.question_id] for q in places} <= {None, "front"}
    assert {p.question_id: p.response for p in with_all} != said


def test_a_model_is_asked_as_it_is_and_under_both_controls(corpus_dir, tmp_path, capsys):
    main(
        [
            *("eval", "controls", str(corpus_dir), "--out", str(tmp_path)),
            *("--resamples", "0", "--model", "intensity", "--model-arg", "weighting=plain"),
        ]
    )
    shown = capsys.readouterr().out
    for name in ("intensity-plain (w-only)", "intensity-plain (shuffled-channels)", "oracle"):
        assert name in shown


def test_what_cannot_be_asked_is_left_out_with_its_reason(corpus_dir, tmp_path):
    controls = [Asked("chance"), Asked("oracle", audio_control="w-only")]
    results, left_out = run_controls(Corpus(corpus_dir), controls, tmp_path, resamples=0)
    assert list(results) == ["chance"]
    assert "hears nothing" in left_out["oracle-w-only"]
    with pytest.raises(UserError, match="None of the controls"):
        run_controls(Corpus(corpus_dir), controls[1:], tmp_path, resamples=0)
