"""The manifest of a corpus: what it was made from, by what, and what every file holds."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

import soundfile
from pydantic import BaseModel, ConfigDict, ValidationError

from st_audioqa.corpus.shards import write_text
from st_audioqa.errors import UserError
from st_audioqa.recipes import Recipe

__all__ = ["MANIFEST", "Manifest", "ShardEntry", "library_versions"]

MANIFEST = "manifest.json"


class ShardEntry(BaseModel):
    """One Parquet file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    split: str
    rows: int
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """Everything about a corpus that is not in its rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = 1
    recipe: Recipe
    recipe_hash: str
    seed: int
    has_audio: bool
    engine: dict[str, str]
    versions: dict[str, str]
    scenes: list[ShardEntry]
    qa: list[ShardEntry]
    rejections: dict[str, int]
    """Draws that did not pass a check, by reason."""
    questions: dict[str, int]
    """Questions per split and family."""

    def save(self, folder: Path) -> None:
        """Writes `manifest.json`, last of all files of a corpus."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True)
        write_text(folder / MANIFEST, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """The manifest of a corpus.

        Raises
        ------
        UserError
            There is none, or it is not one of ours.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise UserError(
                f"{folder} holds no finished corpus (no {MANIFEST}): make or finish one with "
                f"`st-audioqa generate RECIPE --out {folder}`."
            )
        try:
            data: dict[str, Any] = json.loads(path.read_text("utf-8"))
            return cls.model_validate(data)
        except (OSError, ValueError, ValidationError) as error:
            first = str(error).splitlines()[0]
            raise UserError(
                f"{path} is not a manifest of this version ({first}): regenerate the corpus."
            ) from error


def library_versions() -> dict[str, str]:
    """Versions of what decides the bytes of a corpus."""
    names = ("st_audioqa", "numpy", "scipy", "pyarrow", "soundfile")
    versions = {name: importlib.metadata.version(name) for name in names}
    libsndfile = soundfile.__libsndfile_version__
    return {**versions, "libsndfile": libsndfile, "python": platform.python_version()}
