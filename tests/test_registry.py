"""Choosing by name, and plugging in from outside by entry point."""

from __future__ import annotations

import sys

import pytest

from st_audioqa.baselines import oracle
from st_audioqa.errors import UserError
from st_audioqa.evaluation.model import MODELS
from st_audioqa.events.library import LIBRARIES
from st_audioqa.renderers.engine import ENGINES
from st_audioqa.rooms.provider import PROVIDERS


@pytest.mark.parametrize(
    ("registry", "names"),
    [
        (ENGINES, {"rlr", "image-source"}),
        (PROVIDERS, {"procedural"}),
        (LIBRARIES, {"synth", "folder"}),
        (MODELS, {"oracle", "chance", "majority"}),
    ],
)
def test_every_file_is_a_thing_with_its_name(registry, names):
    assert names <= set(registry.names())
    for name in names:
        assert callable(registry.get(name))


def test_near_names_are_suggested():
    with pytest.raises(UserError, match="did you mean image-source"):
        ENGINES.get("image_sourse")


def test_another_package_plugs_in_by_entry_point(tmp_path, monkeypatch):
    (tmp_path / "their_models.py").write_text("class Model:\n    answer = 'theirs'\n")
    info = tmp_path / "their_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[st_audioqa.models]\ntheirs = their_models:Model\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "theirs" in MODELS.names()
    assert MODELS.get("theirs").answer == "theirs"
    assert MODELS.get("oracle") is oracle.Model
    sys.modules.pop("their_models", None)
