"""What several tests share: small recipes and one small corpus, all on the built-in engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from st_audioqa.pipeline.generate import finish, plan_corpus, render_scenes
from st_audioqa.recipes import Recipe

SMALL: dict[str, Any] = {
    "name": "tiny",
    "seed": 5,
    "splits": {
        "train": {"S": 2, "D": 2, "SS": 2, "SD": 2, "DD": 2},
        "test": {"S": 1, "D": 1, "SS": 1, "SD": 1, "DD": 1},
    },
    "rooms": {"scenes_per_room": 2, "options": {"shapes": ["shoebox"], "furniture": [0, 0]}},
    "renderer": {"engine": "image-source", "preset": "fast", "rir_duration_s": 0.4},
    "corpus": {"scenes_per_shard": 5},
}


def small_recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({**SMALL, **changes})


def make_corpus(
    folder: Path, recipe: Recipe, workers: int = 1, with_audio: bool = True
) -> Path:
    work = plan_corpus(recipe, folder, with_audio=with_audio)
    render_scenes(work, workers, lambda: None)
    finish(work)
    return folder


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished corpus of 15 scenes; not to be written to."""
    return make_corpus(tmp_path_factory.mktemp("corpus") / "tiny", small_recipe())
