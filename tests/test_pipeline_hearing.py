"""From who hears to Table 3: `eval encoder`, `eval tracks`, `eval report`, and `train encoder`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from st_audioqa.cli import cli
from st_audioqa.corpus.reader import Corpus
from st_audioqa.errors import UserError
from st_audioqa.evaluation.table3 import format_table3
from st_audioqa.evaluation.track_file import SceneTracks, Track, read_tracks
from st_audioqa.evaluation.track_scores import score_tracks, told_names
from st_audioqa.pipeline.hearing import IntensityListener, listener, write_tracks


def run(*arguments):
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def truth_of(source, **changes):
    values = {
        "label": source.event.name,
        "activity": [bool(each) for each in source.activity],
        "azimuth_deg": list(source.azimuth_deg),
        "elevation_deg": list(source.elevation_deg),
        "distance_m": list(source.distance_m),
    }
    return Track(**{**values, **changes})


def test_the_estimators_hear_every_scene_and_are_scored(corpus_dir, tmp_path):
    results = []
    for who in ("intensity-plain", "intensity"):
        out, result = tmp_path / f"{who}.jsonl", tmp_path / f"{who}.json"
        assert "heard 5 scenes" in run("eval", "encoder", who, corpus_dir, "--out", out)
        found = read_tracks(out)
        assert found.input == "FOA"
        assert len(found.scenes) == 5
        run("eval", "tracks", out, corpus_dir, "--json", result, "--resamples", 20)
        results.append(result)
    scores = json.loads(results[1].read_text())
    assert scores["static"]["DoA MAE"]["value"] < 45
    assert scores["dynamic"]["mAP"]["value"] is None
    assert scores["two"]["DoA MAE"]["n"] == 2 * scores["counts"]["scenes"] - 4
    told = run("eval", "table3", *results, "--markdown", tmp_path / "t.md")
    assert "Table 3 (b)" in told
    assert "intensity-plain" in told
    assert "| intensity-direct | FOA |" in (tmp_path / "t.md").read_text()
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**scores, "split": "train"}))
    with pytest.raises(UserError, match="different scenes"):
        run("eval", "table3", results[0], other)
    other.write_text("{}")
    with pytest.raises(UserError, match="no result of tracks"):
        run("eval", "table3", results[0], other)


def test_the_truth_is_perfect_where_classes_are_told(corpus_dir):
    scenes = list(Corpus(corpus_dir).scenes("test"))
    said = {
        scene.scene_id: SceneTracks(
            scene_id=scene.scene_id, asked=tuple(map(truth_of, scene.sources))
        )
        for scene in scenes
    }
    two = score_tracks(scenes, said, resamples=10)["two"]
    assert two["DoA MAE"]["value"] == pytest.approx(0.0, abs=1e-3)
    assert two["Traj. Acc@20"]["value"] == 100.0
    pairs = [
        scene for scene in scenes if len(scene.sources) == 2 and len(told_names(scene)) == 2
    ]
    assert two["DoA MAE"]["n"] == 2 * len(pairs)
    first = pairs[0]
    swapped = tuple(
        truth_of(a, label=b.event.name)
        for a, b in zip(first.sources, first.sources[::-1], strict=True)
    )
    said[first.scene_id] = SceneTracks(scene_id=first.scene_id, asked=swapped)
    assert score_tracks(scenes, said, resamples=0)["two"]["DoA MAE"]["value"] > 1.0
    said[first.scene_id] = SceneTracks(scene_id=first.scene_id)
    missing = score_tracks(scenes, said, resamples=0)["two"]["DoA MAE"]["value"]
    active = [sum(map(sum, (s.activity for s in scene.sources))) for scene in pairs]
    assert missing == pytest.approx(180.0 * active[0] / sum(active), rel=1e-3)


def test_the_trajectory_counts_before_the_first_track(corpus_dir):
    scenes = list(Corpus(corpus_dir).scenes("test"))
    scene = next(scene for scene in scenes if scene.configuration == "D")
    wrong = truth_of(scene.sources[0], azimuth_deg=0.0, elevation_deg=90.0)
    row = SceneTracks(scene_id=scene.scene_id, tracks=(wrong,))
    right = row.model_copy(update={"trajectory": truth_of(scene.sources[0])})
    errors = [
        score_tracks([scene], {scene.scene_id: each}, resamples=0)["dynamic"]["DoA MAE"][
            "value"
        ]
        for each in (row, right)
    ]
    assert errors[0] > 30
    assert errors[1] == pytest.approx(0.0, abs=1e-3)


def test_a_label_above_a_source_s_own_is_true_where_others_have_it(corpus_dir):
    scenes = [s for s in Corpus(corpus_dir).scenes("test") if s.configuration in "SD"]
    from dataclasses import replace

    def labelled(scene, *labels):
        source = scene.sources[0]
        event = replace(source.event, labels=labels, mids=())
        return replace(scene, configuration="S", sources=(replace(source, event=event),))

    one, two = labelled(scenes[0], "Bark"), labelled(scenes[1], "Dog", "Animal")
    said = {
        s.scene_id: SceneTracks(scene_id=s.scene_id, labels={"Dog": p, "Animal": p, "Bark": q})
        for s, p, q in ((one, 0.9, 0.9), (two, 0.8, 0.1))
    }
    assert score_tracks([one, two], said, resamples=0)["static"]["mAP"]["value"] == 100.0


def test_table_3_leaves_out_rows_without_values_and_marks_gaps():
    cell = {"value": 12.345, "low": 10.0, "high": 15.0, "n": 9}
    empty = {"value": None, "low": None, "high": None, "n": 0}
    row = {"input": "FOA", "static": {}, "two": {}, "dynamic": {"DoA MAE": cell, "mAP": empty}}
    table = format_table3({"one": row, "none": {**row, "dynamic": {}}})
    assert "12.35 [10.00, 15.00]" in table or "12.34 [10.00, 15.00]" in table
    assert "none" not in table
    assert "Table 3 (a)" not in table
    assert "[" not in format_table3({"one": row}, intervals=False)


def test_what_cannot_hear_is_told(corpus_dir, tmp_path):
    with pytest.raises(UserError, match="Wanted the folder of an encoder"):
        listener("nowhere")
    with pytest.raises(UserError, match="Crops and devices are for encoders"):
        listener("intensity", crop_s=1.0)
    with pytest.raises(UserError, match="no split 'dev'"):
        write_tracks(
            IntensityListener("plain"), Corpus(corpus_dir), "dev", tmp_path / "x", lambda: None
        )
    assert not (tmp_path / "x").exists()


def test_silence_has_no_track(corpus_dir):
    scene = next(Corpus(corpus_dir).scenes("test"))
    (said,) = IntensityListener("direct").hear([scene], np.zeros((1, 4, 320_000), np.float32))
    assert said.tracks == ()
    assert said.lone is None


def test_train_and_eval_commands_work_together(corpus_dir, tmp_path):
    pytest.importorskip("torch")
    out, cache = tmp_path / "run", tmp_path / "cache"
    common = ("--data", corpus_dir, "--out", out, "--cache", cache)
    first = run(
        "train", "encoder", "spatial-ast-test", "--stage", 1, *common, "--minutes", 1e-6
    )
    assert "Stopped after 1 of 4 steps; the same command goes on." in first
    again = run("train", "encoder", "spatial-ast-test", "--stage", 1, *common)
    assert "Stage 1 is finished after 4 steps" in again
    run("train", "encoder", "spatial-ast-test", "--stage", 2, *common, "--passes", 4)
    with pytest.raises(UserError, match="no stage 3"):
        run("train", "encoder", "spatial-ast-test", "--stage", 3, *common)
    tracks = tmp_path / "t.jsonl"
    run(
        "eval", "encoder", out / "stage-2", corpus_dir, "--out", tracks, "--name", "Spatial-AST"
    )
    found = read_tracks(tracks)
    assert (found.model, found.input) == ("Spatial-AST", "Binaural")
    row = next(iter(found.scenes.values()))
    assert len(set(row.trajectory.azimuth_deg)) == 1
    assert row.labels
    told = run("eval", "tracks", tracks, corpus_dir, "--resamples", 10)
    assert "Two sources, each asked for by its class" in told
