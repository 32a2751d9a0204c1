"""Reports: breakdowns, side by side, in four styles and as pictures."""

import dataclasses
import json

import numpy as np
import pytest

from st_audioqa.cli import main
from st_audioqa.conventions import N_BINS, SECTORS
from st_audioqa.corpus.reader import Corpus
from st_audioqa.evaluation import score
from st_audioqa.evaluation.blocks import Block
from st_audioqa.evaluation.breakdown import (
    UNREAD,
    break_down,
    details_of,
    distance_errors,
    sector_confusion,
)
from st_audioqa.evaluation.conditions import FACTORS, Conditions
from st_audioqa.pipeline.reverberation import room_t60_s, t60_of_scenes
from st_audioqa.renderers.acoustics import decay_rates
from st_audioqa.rooms.provider import PROVIDERS
from st_audioqa.scene import Prediction
from tests.test_evaluation_questions import VOCABULARY, make_questions

QUESTIONS = make_questions(12)


def scored(predictions, resamples=20, questions=QUESTIONS):
    return score(questions, predictions, vocabulary=VOCABULARY, resamples=resamples)


def right(question):
    return Prediction(question.question_id, question.answer)


def stored(path, result, model="m", table="qa", questions=QUESTIONS, **more):
    content = {**result.to_dict(), "model": model, "table": table, "audio": None, "run": None}
    content |= details_of(result, questions, Conditions())
    path.write_text(json.dumps({**content, **more}))
    return path


def command(capsys, *arguments):
    try:
        main([str(argument) for argument in arguments])
        code = 0
    except SystemExit as stop:
        code = stop.code
    return (code, *capsys.readouterr())


@pytest.fixture(scope="module")
def scene(corpus_dir):
    """A scene of two sources whose tracks are set by hand: due left at 2 m, front at 4 m."""
    found = next(s for s in Corpus(corpus_dir).scenes("test") if s.configuration == "SD")
    heard = np.ones(N_BINS, dtype=bool)
    left, front = (
        dataclasses.replace(
            source,
            azimuth_deg=np.full(N_BINS, azimuth),
            elevation_deg=np.zeros(N_BINS),
            distance_m=np.full(N_BINS, distance),
            activity=heard,
            moving=moving,
            motion={"speed_m_s": 0.7 if moving else 0.0},
        )
        for source, azimuth, distance, moving in zip(
            found.sources, (90.0, 0.0), (2.0, 4.5), (False, True), strict=True
        )
    )
    return dataclasses.replace(found, scene_id="s", sources=(left, front))


def asked(scene, **changes):
    question = next(q for q in QUESTIONS if q.attribute == "azimuth")
    fields = {"scene_id": scene.scene_id, "configuration": "SD", "anchor": "", **changes}
    return dataclasses.replace(question, **fields)


def test_conditions_follow_the_sources_that_are_asked_about(scene):
    conditions = Conditions({"s": scene}, {"s": 0.6})
    one = conditions.of(asked(scene, targets=(0,)))
    assert one == {
        "configuration": "SD",
        "anchor": "whole scene",
        "reverberation": "0.6-0.9 s",
        "distance": "2-3 m",
        "speed": "still",
        "separation": "90-135 deg",
    }
    both = conditions.of(asked(scene, targets=(0, 1)))
    assert (both["distance"], both["speed"]) == ("3-4 m", "0.5-1 m/s")
    assert conditions.of(asked(scene, targets=())) == both
    assert set(Conditions().of(asked(scene))) == {"configuration", "anchor"}


def test_conditions_look_at_the_bins_of_the_anchor_that_sound(scene):
    near = np.where(np.arange(N_BINS) < 2, 0.5, 2.0)
    silent = np.arange(N_BINS) >= 2
    source = dataclasses.replace(scene.sources[0], distance_m=near, activity=silent)
    changed = dataclasses.replace(scene, sources=(source, scene.sources[1]))
    first = asked(scene, targets=(0,), anchor="beginning")
    assert Conditions({"s": changed}).of(first)["distance"] == "2-3 m"
    mute = dataclasses.replace(source, activity=np.zeros(N_BINS, dtype=bool))
    changed = dataclasses.replace(scene, sources=(mute, scene.sources[1]))
    assert Conditions({"s": changed}).of(first)["distance"] == "1-2 m"


@pytest.mark.parametrize("factor", [f for f in FACTORS.values() if f.edges])
def test_levels_hold_their_lower_edge(factor):
    numbered = factor.levels[len(factor.names) :]
    assert [factor.level(edge) for edge in factor.edges] == list(numbered[1:])
    assert factor.level(factor.edges[0] - 1e-9) == numbered[0]


def test_reverberation_is_that_of_the_formula(corpus_dir):
    corpus = Corpus(corpus_dir)
    scenes = {scene.scene_id: scene for scene in corpus.scenes("test")}
    times = t60_of_scenes(corpus.manifest.recipe, scenes.values())
    assert times.keys() == scenes.keys()
    room = PROVIDERS.get("procedural")(shapes=["shoebox"], furniture=[0, 0]).build(
        scenes[next(iter(times))].room
    )
    extent = np.ptp(room.vertices, axis=0)
    rates = decay_rates(room, float(extent.prod()))
    assert room_t60_s(room) == pytest.approx(np.mean(13.8155 / rates[2:4]), rel=1e-4)
    assert times[next(iter(times))] == pytest.approx(room_t60_s(room))


def test_breakdowns_count_every_closed_question_once_per_factor():
    half = [right(q) for q in QUESTIONS[: len(QUESTIONS) // 2]]
    result = scored(half)
    levels = [Conditions().of(q) for q in QUESTIONS]
    cells = break_down(QUESTIONS, result.rows, levels, 50, 1)
    closed = [(q, r) for q, r in zip(QUESTIONS, result.rows, strict=True) if q.options]
    for factor in ("configuration", "anchor"):
        whole = [c for c in cells if c["factor"] == factor and not c["family"]]
        parts = [c for c in cells if c["factor"] == factor and c["family"]]
        assert sum(c["n"] for c in whole) == sum(c["n"] for c in parts) == len(closed)
    cell = next(c for c in cells if c["factor"] == "configuration" and c["level"] == "D")
    mine = [row.correct for q, row in closed if q.configuration == "D"]
    assert cell["value"] == pytest.approx(100 * np.mean(mine))
    assert cell["low"] <= cell["value"] <= cell["high"]
    assert cell["low"] < cell["high"]
    assert cells == break_down(QUESTIONS, result.rows, levels, 50, 1)


def test_confusion_counts_what_was_read_and_what_was_not():
    sectors = [q for q in QUESTIONS if q.answer_kind == "sector"]
    said = [Prediction(q.question_id, "to the left") for q in sectors[1:]]
    confusion = sector_confusion(QUESTIONS, scored(said, 0).rows)
    counts = np.array(confusion["counts"])
    assert counts.sum() == len(sectors)
    assert counts[:, SECTORS.index("left")].sum() == len(sectors) - 1
    assert counts[:, confusion["read"].index(UNREAD)].sum() == 1


def test_errors_by_distance_are_steps_of_sectors_and_bins():
    by_kind = {}
    for q in QUESTIONS:
        by_kind.setdefault(q.answer_kind, q)
    sector = dataclasses.replace(by_kind["sector"], answer="front")
    metres = dataclasses.replace(by_kind["distance"], answer="2.0-2.5 m")
    questions = [sector, metres]
    said = {sector.question_id: "back-right", metres.question_id: "3.0-3.5 m"}
    rows = scored([Prediction(*item) for item in said.items()], 0, questions).rows
    found = distance_errors(questions, rows, [{"distance": "2-3 m"}] * 2, 0)
    assert [(c["kind"], c["value"], c["unit"]) for c in found] == [
        ("sector", 135.0, "deg"),
        ("distance", 1.0, "m"),
    ]
    unread = scored([], 0, questions).rows
    found = distance_errors(questions, unread, [{"distance": "2-3 m"}] * 2, 10)
    assert [(c["n"], c["read"], c["value"]) for c in found] == [(1, 0, None)] * 2


def test_latex_joins_groups_and_escapes():
    header = [("Model",), ("T", "Group_1", "a"), ("T", "Group_1", "b"), ("T", "", "c")]
    text = Block("50 % & more", header, [["x_y~", "1", "2", "3"]]).text("latex")
    assert r"\caption{50 \% \& more}" in text
    assert r" & \multicolumn{2}{c}{Group\_1} &  \\" in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"x\_y\textasciitilde{} & 1 & 2 & 3 \\" in text
    flat = Block("t", [("Model",), ("", "c")], [["x", "1"]]).text("latex")
    assert "multicolumn" not in flat
    assert text.count("{") == text.count("}")
    wide = Block("t", [(str(i),) for i in range(12)], [["x", *["1.0 [0.5, 2.0]"] * 10, "-"]])
    values, intervals = wide.text("latex").splitlines()[8:10]
    assert values == f"x & {'1.0 & ' * 10}- " + r"\\"
    assert intervals == " & " + r"\tiny [0.5, 2.0] & " * 10 + r" \\"


def test_report_shows_models_side_by_side_in_every_style(capsys, tmp_path):
    run = {"revision": "r7", "prompt": {"name": "options", "sha256": "ab" * 32}}
    a = stored(tmp_path / "a.json", scored(map(right, QUESTIONS)), "all & right", run=run)
    b = stored(tmp_path / "b.json", scored([]), "silent|one")
    files = {name: tmp_path / f"r.{name}" for name in ("markdown", "latex", "json")}
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    code, out, _ = command(capsys, "eval", "report", a, b, *options, "--by-family")
    assert code == 0
    assert "Table of questions: qa" in out
    assert "options (abababab)" in out
    assert "silent|one was given audio that is not recorded." in out
    for factor in ("family", "configuration", "anchor"):
        assert f"Accuracy by {factor}" in out
    runs = next(line for line in out.splitlines() if line.startswith("all & right  "))
    assert runs.count("100.0") == 7
    assert "100.0 [100.0, 100.0]" in files["markdown"].read_text()
    assert "silent\\|one" in files["markdown"].read_text()
    assert "all \\& right & 100.0 [100.0, 100.0]" in files["latex"].read_text()
    assert "all \\& right & 100.0 & 100.0" in files["latex"].read_text()
    report = json.loads(files["json"].read_text())
    assert [m["parse_rate"] for m in report["models"]] == [100.0, 0.0]
    assert report["models"][0]["breakdowns"]


def test_results_that_do_not_belong_together_are_refused(capsys, tmp_path):
    result = scored([])
    a = stored(tmp_path / "a.json", result)
    others = {
        "extended": {"table": "extended"},
        "different questions": {"questions_sha256": "0" * 64},
        "different versions": {"scorer_version": "1"},
    }
    for i, (said, changes) in enumerate(others.items()):
        other = stored(tmp_path / f"{i}.json", result, **changes)
        code, _, err = command(capsys, "eval", "report", a, other)
        assert code == 2
        assert said in err
        assert "Traceback" not in err
    for i, broken in enumerate(({"breakdowns": [1]}, {"statuses": {}}, {"counts": None})):
        other = stored(tmp_path / f"broken{i}.json", result, **broken)
        code, _, err = command(capsys, "eval", "report", other)
        assert (code, "is no result" in err) == (2, True)


def test_tables_beyond_the_paper_show_families_and_not_the_paper_tables(capsys, tmp_path):
    a = stored(tmp_path / "a.json", scored([]), table="extended")
    _, out, _ = command(capsys, "eval", "report", a)
    assert "Table of questions: extended (questions beyond the paper)" in out
    assert "Table 4" not in out
    assert "Accuracy by family" in out


def test_scoring_stores_every_condition_and_pictures_are_drawn(capsys, corpus_dir, tmp_path):
    pytest.importorskip("matplotlib")
    answers, result = tmp_path / "p.jsonl", tmp_path / "p.json"
    assert command(capsys, "eval", "run", "oracle", corpus_dir, "--out", answers)[0] == 0
    options = ("--json", result, "--resamples", "20", "--quiet")
    assert command(capsys, "eval", "score", answers, corpus_dir, *options)[0] == 0
    content = json.loads(result.read_text())
    assert {c["factor"] for c in content["breakdowns"]} == {"family", *FACTORS}
    assert {c["value"] for c in content["breakdowns"]} == {100.0}
    assert {c["value"] for c in content["distance_errors"]} == {0.0}
    code, _, _ = command(capsys, "eval", "report", result, "--plots", tmp_path / "pictures")
    assert code == 0
    drawn = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert drawn == ["confusion_oracle.png", "errors_by_distance.png", "families.png"]
    assert all(path.stat().st_size > 5_000 for path in (tmp_path / "pictures").iterdir())
