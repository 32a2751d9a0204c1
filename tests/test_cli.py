"""The command line as a newcomer meets it: output, one-sentence errors, exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from st_audioqa.cli import main

RECIPE = """
name = "mini"
seed = 2
[splits.train]
S = 1
SD = 1
[splits.test]
D = 1
SS = 1
[rooms]
options = { shapes = ["shoebox"], furniture = [0, 0] }
[renderer]
engine = "image-source"
preset = "fast"
rir_duration_s = 0.3
"""


def run(capsys, *arguments):
    """Exit code, standard output, standard error."""
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code or 0
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "mini.toml"
    path.write_text(RECIPE)
    return path


def assert_one_sentence(code, err):
    assert code == 2
    assert "Traceback" not in err
    assert err.startswith("Error: ")
    assert len(err.strip().splitlines()) == 1


def test_help_lists_every_command_of_the_contract(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for command in (
        "doctor",
        "generate",
        "plan",
        "render",
        "questions",
        "card",
        "verify",
        "stats",
        "eval",
    ):
        assert f"\n  {command} " in out


def test_doctor_names_engines_and_missing_extras(capsys, monkeypatch):
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert "engine image-source" in out
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    _, out, _ = run(capsys, "doctor")
    assert "pip install 'st_audioqa[plots]'" in out


def test_from_recipe_to_scored_corpus_and_nothing_twice(capsys, recipe, tmp_path):
    out = tmp_path / "out"
    code, said, err = run(capsys, "generate", recipe, "--out", out, "--workers", "1")
    assert code == 0, err
    assert "4 scenes" in said
    code, said, _ = run(capsys, "generate", recipe, "--out", out)
    assert "Nothing to do" in said
    assert run(capsys, "verify", out, "--json", tmp_path / "v.json")[0] == 0
    assert json.loads((tmp_path / "v.json").read_text())["faults"] == []
    assert run(capsys, "stats", out, "--json", tmp_path / "s.json")[0] == 0
    names = []
    for model in ("oracle", "chance", "majority"):
        predictions, result = tmp_path / f"{model}.jsonl", tmp_path / f"{model}.json"
        assert run(capsys, "eval", "run", model, out, "--out", predictions)[0] == 0
        code, said, _ = run(capsys, "eval", "run", model, out, "--out", predictions)
        assert "0 questions asked" in said
        arguments = (
            "--json",
            result,
            "--markdown",
            tmp_path / "t.md",
            "--rows",
            tmp_path / "r.jsonl",
        )
        assert run(capsys, "eval", "score", predictions, out, *arguments)[0] == 0
        names.append(result)
    cells = []

    def collect(node):
        if isinstance(node, dict) and "n" in node:
            cells.append(node)
        elif isinstance(node, dict):
            for child in node.values():
                collect(child)

    collect(json.loads(names[0].read_text())["tables"])
    assert {cell["value"] for cell in cells if cell["n"]} == {100.0}
    code, said, _ = run(capsys, "eval", "report", *names)
    assert code == 0
    assert all(model in said for model in ("oracle", "chance", "majority", "Random chance"))


def test_the_steps_alone_make_the_same_corpus(capsys, recipe, tmp_path):
    whole, steps = tmp_path / "whole", tmp_path / "steps"
    assert run(capsys, "generate", recipe, "--out", whole)[0] == 0
    assert run(capsys, "plan", recipe, "--out", steps)[0] == 0
    code, _, err = run(capsys, "questions", steps)
    assert_one_sentence(code, err)
    assert "st-audioqa render" in err
    assert run(capsys, "render", steps, "--workers", "1")[0] == 0
    assert run(capsys, "questions", steps)[0] == 0
    assert run(capsys, "card", steps)[0] == 0
    assert run(capsys, "questions", steps)[0] == 0
    files = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(steps) for p in steps.rglob("*") if p.is_file())
    assert all((whole / f).read_bytes() == (steps / f).read_bytes() for f in files)


def test_what_needs_audio_refuses_a_corpus_without(capsys, recipe, tmp_path, monkeypatch):
    (tmp_path / "listener.py").write_text(
        "from st_audioqa.evaluation import ModelSpec\n"
        "class Listener:\n"
        "    spec = ModelSpec('listener', '1', 'mono')\n"
        "    def __init__(self, context): pass\n"
        "    def answer(self, batch): return ['yes'] * len(batch)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "generate", recipe, "--out", "c", "--questions-only")[0] == 0
    for arguments in (
        ("export", "c", "--audio", "mono", "--out", "ears"),
        ("eval", "run", "listener:Listener", "c", "--out", "answers.jsonl"),
    ):
        code, _, err = run(capsys, *arguments)
        assert_one_sentence(code, err)
        assert "--questions-only" in err
    assert not (tmp_path / "ears").exists()
    assert not (tmp_path / "answers.jsonl").exists()


def test_questions_only_has_questions_and_no_audio(capsys, recipe, tmp_path):
    out = tmp_path / "out"
    assert run(capsys, "generate", recipe, "--out", out, "--questions-only")[0] == 0
    assert run(capsys, "verify", out)[0] == 0
    code, _, err = run(capsys, "generate", recipe, "--out", out)
    assert_one_sentence(code, err)


def test_another_seed_makes_another_corpus(capsys, recipe, tmp_path):
    for seed in (1, 2):
        arguments = ("--out", tmp_path / str(seed), "--questions-only", "--seed", seed)
        assert run(capsys, "generate", recipe, *arguments)[0] == 0
    one, two = (next((tmp_path / s / "scenes").glob("test*")).read_bytes() for s in ("1", "2"))
    assert one != two


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", "dmeo", "--out", "x"), "did you mean demo"),
        (("generate", "none.toml", "--out", "x"), "cannot be read"),
        (("generate", "demo", "--out", "x", "--engine", "rlrr"), "did you mean rlr"),
        (("verify", "nowhere"), "no finished corpus"),
        (("stats", "nowhere"), "no finished corpus"),
        (("card", "nowhere"), "no finished corpus"),
        (("render", "nowhere"), "no corpus in the making"),
        (("questions", "nowhere"), "no corpus in the making"),
        (("eval", "run", "oracle", "nowhere", "--out", "x"), "no finished corpus"),
    ],
)
def test_mistakes_are_one_sentence(capsys, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert_one_sentence(code, err)
    assert message in err
    assert not (tmp_path / "x").exists()


def test_mistakes_of_evaluation_are_one_sentence(capsys, corpus_dir, tmp_path):
    (tmp_path / "broken.jsonl").write_text("{not json\n")
    (tmp_path / "foreign.jsonl").write_text(
        '{"question_id": "nobody-q000", "response": "yes"}\n'
    )
    shape = {"model": "m", "questions_sha256": "0", "tables": {"table_4": [1], "table_5": 2}}
    (tmp_path / "shape.json").write_text(json.dumps(shape))
    predictions = tmp_path / "chance.jsonl"
    assert run(capsys, "eval", "run", "chance", corpus_dir, "--out", predictions)[0] == 0
    for arguments in (
        ("eval", "run", "chanse", corpus_dir, "--out", tmp_path / "x"),
        ("eval", "run", "oracle", corpus_dir, "--out", predictions),
        ("eval", "run", "oracle", corpus_dir, "--split", "dev", "--out", tmp_path / "x"),
        (
            "eval",
            "run",
            "oracle",
            corpus_dir,
            "--out",
            tmp_path / "x",
            "--model-arg",
            "novalue",
        ),
        ("eval", "score", predictions, corpus_dir, "--split", "train"),
        ("eval", "score", tmp_path / "none.jsonl", corpus_dir),
        ("eval", "score", tmp_path / "broken.jsonl", corpus_dir),
        ("eval", "score", tmp_path / "foreign.jsonl", corpus_dir),
        ("eval", "report", predictions),
        ("eval", "report", tmp_path / "shape.json"),
        ("eval", "run", "os:path", corpus_dir, "--out", tmp_path / "x"),
        ("eval", "run", "builtins:int", corpus_dir, "--out", tmp_path / "x"),
        ("eval", "run", "..x:y", corpus_dir, "--out", tmp_path / "x"),
    ):
        code, _, err = run(capsys, *arguments)
        assert_one_sentence(code, err)


MODEL = """
from st_audioqa.evaluation import ModelSpec

class Model:
    spec = ModelSpec("two-ears", "1", "binaural", sample_rate=16_000)

    def __init__(self, context):
        pass

    def answer(self, batch):
        assert all(request.audio.shape == (2, 160_000) for request in batch)
        return ["yes"] * len(batch)
"""


def test_what_a_model_was_given_is_said_and_kept(capsys, corpus_dir, tmp_path, monkeypatch):
    (tmp_path / "two_ears_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    given = "given binaural audio (least squares below 1500 Hz"
    code, out, _ = run(
        capsys, "eval", "run", "two_ears_model:Model", corpus_dir, "--out", "p.jsonl"
    )
    assert code == 0
    assert given in out
    assert "HRTF spherical-head" in out
    assert "16000 Hz" in out
    assert " 0 failed" in out
    arguments = ("--split", "test", "--json", "r.json", "--resamples", "0")
    code, out, _ = run(capsys, "eval", "score", "p.jsonl", corpus_dir, *arguments)
    assert code == 0
    assert given in out
    assert json.loads(Path("r.json").read_text())["audio"]["hrtf"]["name"] == "spherical-head"
    Path("own.jsonl").write_text("\n".join(Path("p.jsonl").read_text().splitlines()[1:]) + "\n")
    run(capsys, "eval", "score", "own.jsonl", corpus_dir, "--json", "own.json", *arguments[4:])
    code, out, _ = run(capsys, "eval", "report", "r.json", "own.json", "--markdown", "t.md")
    assert code == 0
    for text in (out, Path("t.md").read_text()):
        assert f"two-ears was {given}" in text
        assert "own was given audio that is not recorded" in text


def test_export_writes_files_in_another_layout(capsys, corpus_dir, tmp_path):
    arguments = ("--audio", "stereo", "--split", "test", "--out", tmp_path / "out")
    code, out, _ = run(capsys, "export", corpus_dir, *arguments)
    assert code == 0
    assert "5 files written" in out
    assert "(W + Y) / 2" in out
    assert len(list((tmp_path / "out" / "test").glob("*.wav"))) == 5
    for wrong in (("--split", "dev"), ("--hrtf", "nowhere.sofa"), ("--sample-rate", "7")):
        arguments = ("--audio", "binaural", *wrong, "--out", tmp_path / "other")
        code, _, err = run(capsys, "export", corpus_dir, *arguments)
        assert_one_sentence(code, err)


def test_verify_exits_with_1_and_lists_faults(capsys, corpus_dir, tmp_path):
    copy = shutil.copytree(corpus_dir, tmp_path / "copy")
    next((copy / "qa").glob("*")).write_bytes(b"PAR1")
    code, out, _ = run(capsys, "verify", copy)
    assert code == 1
    assert "FAULT qa/" in out


def test_a_missing_engine_is_told_with_its_pip_line(tmp_path):
    """In a process of its own, where the package cannot be found."""
    recipe = tmp_path / "r.toml"
    recipe.write_text(RECIPE.replace("image-source", "rlr"))
    hide = (
        "import importlib.util as u; find = u.find_spec\n"
        "ours = lambda n: n.startswith('st_audioqa') or 'rlr' not in n.lower()\n"
        "u.find_spec = lambda n, *a: find(n, *a) if ours(n) else None\n"
        "import importlib.metadata as m; files = m.distribution\n"
        "def gone(name):\n"
        "    if 'rlr' in name: raise m.PackageNotFoundError(name)\n"
        "    return files(name)\n"
        "m.distribution = gone\n"
        f"from st_audioqa.cli import main; main(['generate', {str(recipe)!r}, '--out', 'out'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'st_audioqa[soundspaces]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


class Broken:
    """A model that fails at every question, or at some of them."""

    def __init__(self, context):
        from st_audioqa.evaluation import ModelSpec

        self.spec = ModelSpec(name="broken", revision="1", audio="none")
        self.mends = context.arguments.get("mends")

    def answer(self, requests):
        if self.mends and requests[0].prompt.answer_kind == "yes_no":
            return ["yes" for _ in requests]
        raise RuntimeError("no weights found")


@pytest.mark.parametrize("mends", [False, True])
def test_why_a_model_failed_is_told(mends, capsys, corpus_dir, tmp_path):
    model = f"{__name__}:Broken"
    options = ("--model-arg", "mends=1") if mends else ()
    out_path = tmp_path / "predictions.jsonl"
    code, out, err = run(
        capsys, "eval", "run", model, corpus_dir, "--out", out_path, "--batch-size", 1, *options
    )
    assert "The first failure: RuntimeError: no weights found" in out
    assert out_path.is_file()
    assert code == (0 if mends else 2)
    if not mends:
        assert "failed at every question" in err


def test_a_corpus_of_another_format_is_one_sentence(capsys, corpus_dir, tmp_path):
    copy = tmp_path / "old"
    shutil.copytree(corpus_dir, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format_version": 1}))
    code, _, err = run(capsys, "verify", copy)
    assert_one_sentence(code, err)
    assert "format 1" in err
    assert "regenerate" in err


def test_two_models_are_compared_in_pairs(capsys, corpus_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for model in ("chance", "oracle"):
        options = ("--out", f"{model}.jsonl", "--prompt", "options")
        assert run(capsys, "eval", "run", model, corpus_dir, *options)[0] == 0
    files = ("chance.jsonl", "oracle.jsonl", corpus_dir)
    code, said, _ = run(capsys, "eval", "compare", *files, "--resamples", 50, "--json", "c.json",
                        "--markdown", "c.md")  # fmt: skip
    assert code == 0
    assert "oracle minus chance" in said
    found = json.loads(Path("c.json").read_text())
    assert found["models"] == ["chance", "oracle"]
    cell = found["differences"]["table_4 / B / Semantic / mAP"]
    assert cell["low"] <= cell["difference"] <= cell["high"]
    assert Path("c.md").read_text().count("\n| ") > 5
    assert run(capsys, "eval", "compare", *files, "--resamples", 50, "--json", "d.json")[0] == 0
    assert Path("d.json").read_text() == Path("c.json").read_text()
    run(capsys, "eval", "score", *files[1:], "--json", "r.json", "--resamples", 0)
    assert json.loads(Path("r.json").read_text())["run"]["prompt"]["name"] == "options"
    code, _, err = run(capsys, "eval", "run", "oracle", corpus_dir, "--out", "oracle.jsonl")
    assert_one_sentence(code, err)
    code, _, err = run(
        capsys, "eval", "run", "oracle", corpus_dir, "--out", "x", "--prompt", "y"
    )
    assert_one_sentence(code, err)
