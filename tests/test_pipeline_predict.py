"""What a dry run says must be what generation then makes."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from conftest import make_corpus, small_recipe

from st_audioqa import Corpus
from st_audioqa.cli import cli
from st_audioqa.errors import UserError
from st_audioqa.pipeline.predict import predict
from st_audioqa.pipeline.tools import open_tools


def test_a_prediction_from_all_scenes_is_what_is_made(tmp_path):
    recipe = small_recipe(splits={"test": dict.fromkeys(("S", "D", "SS", "SD", "DD"), 4)})
    found = predict(open_tools(recipe), with_audio=False)
    corpus = Corpus(make_corpus(tmp_path / "made", recipe, with_audio=False))
    asked = [question.type for question in corpus.questions("test")]
    (split,) = found.splits
    assert split.questions == {each: asked.count(each) for each in "ABC"}
    assert split.scenes == split.drawn == 20


def test_questions_that_no_scene_has_are_refused():
    recipe = small_recipe(splits={"test": {"S": 2}}, questions={"most": {"test": {"C": 10}}})
    with pytest.raises(UserError, match="10 questions of type C"):
        predict(open_tools(recipe), with_audio=False)


def test_a_dry_run_writes_nothing_and_a_run_needs_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\n[splits.test]\nS = 2\n[renderer]\nengine = "image-source"\n'
        '[rooms.options]\nshapes = ["shoebox"]\nfurniture = [0, 0]\n'
    )
    result = CliRunner().invoke(cli, ["plan", str(path), "--dry-run", "--questions-only"])
    assert result.exit_code == 0, result.output
    assert "test: 2 scenes" in result.output
    assert [each.name for each in tmp_path.iterdir()] == ["mine.toml"]
    assert CliRunner().invoke(cli, ["plan", str(path)]).exit_code == 2
