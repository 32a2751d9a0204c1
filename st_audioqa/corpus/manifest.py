"""The manifest of a corpus: what it was made from, by what, and what every file holds."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import soundfile
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from st_audioqa.errors import UserError
from st_audioqa.files import file_sha256, write_text
from st_audioqa.recipes import Recipe
from st_audioqa.storage import Place

__all__ = ["MANIFEST", "QUESTION_TABLES", "Manifest", "ShardEntry", "library_versions"]

MANIFEST = "manifest.json"
FORMAT_VERSION = 2
"""Of the tables and the manifest; counted up whenever an older reader or corpus would not fit."""
_MAX_BYTES = 100_000_000
"""Of a manifest; a million scenes take a fiftieth."""
_RLR = "rlr-audio-propagation"

QUESTION_TABLES: Mapping[str, tuple[Literal["paper", "extended"], bool]] = {
    "qa": ("paper", False),
    "robustness": ("paper", True),
    "extended": ("extended", False),
    "extended_robustness": ("extended", True),
}
"""Tables of questions: which set of families, and whether in words that are kept from training
(those are not asked of the split `train`)."""


class ShardEntry(BaseModel):
    """One Parquet file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(
        pattern=r"^(scenes|qa|robustness|extended|extended_robustness|bench)/[a-z][a-z0-9_]*-\d{5}-of-\d{5}\.parquet$"
    )
    """Below the corpus folder; anything else in a manifest is refused, since files are read,
    written and deleted by it."""
    split: str
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @classmethod
    def of(cls, folder: Path, path: str, split: str, rows: int) -> ShardEntry:
        """The entry of a file that is written."""
        size = (folder / path).stat().st_size
        sha256 = file_sha256(folder / path)
        return cls(path=path, split=split, rows=rows, bytes=size, sha256=sha256)


class Manifest(BaseModel):
    """Everything about a corpus that is not in its rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    recipe: Recipe
    """As published: without the places of files."""
    recipe_hash: str
    seed: int | None
    """None, and that of the recipe 0, where answers are held back: it would tell them."""
    has_audio: bool
    engine: dict[str, str]
    """Name, version and preset of the RIR engine."""
    events: dict[str, str]
    """Name and version of the event library, a digest of its clips, and how many clips were
    used or left out, by reason."""
    versions: dict[str, str]
    scenes: list[ShardEntry]
    qa: list[ShardEntry]
    robustness: list[ShardEntry] = []
    """The questions of every split but "train", in words that `qa` never uses."""
    extended: list[ShardEntry] = []
    """Questions beyond the paper, where the recipe asks for them."""
    extended_robustness: list[ShardEntry] = []
    """Those of every split but "train", in words that `extended` never uses."""
    bench: list[ShardEntry] = []
    """Some test questions, each with the audio of a scene of its own."""
    held: list[str] = []
    """Splits whose answers and tracks are held back by those who publish the corpus."""
    rejections: dict[str, int]
    """Draws that did not pass a check, by reason."""
    questions: dict[str, int]
    """Questions per split and family."""
    leakage: dict[str, dict[str, int]] = {}
    """Recordings, clips, rooms and trajectories per split, and how many of each serve several
    splits ("shared")."""

    @property
    def event_libraries(self) -> set[tuple[str, str]]:
        """Name and version of every library that an event may name: the parts of a mix."""
        version_of = "version of "
        parts = {
            (what.removeprefix(version_of), text)
            for what, text in self.events.items()
            if what.startswith(version_of)
        }
        return parts or {(self.events["name"], self.events["version"])}

    @property
    def question_files(self) -> list[ShardEntry]:
        """The files of all tables of questions."""
        return [entry for table in QUESTION_TABLES for entry in self.entries(table)]

    def entries(self, table: str) -> list[ShardEntry]:
        """The files of one table of questions."""
        found: list[ShardEntry] = getattr(self, table)
        return found

    @model_serializer(mode="wrap")
    def _without_unasked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        for table, (set_, _) in QUESTION_TABLES.items():
            if set_ not in self.recipe.questions.sets:
                found.pop(table)
        for name in ("bench", "held"):  # as before there were any
            if not found[name]:
                found.pop(name)
        return found

    @property
    def files(self) -> list[ShardEntry]:
        """All Parquet files."""
        return [*self.scenes, *self.question_files, *self.bench]

    def refuse_held(self, what: str) -> None:
        """Tells that a published corpus cannot serve where answers are held back.

        Raises
        ------
        UserError
            They are.
        """
        if self.held:
            raise UserError(
                f"{what} needs all answers and tracks, and those of {', '.join(self.held)} are "
                "held back in this corpus: take the one it was published from."
            )

    def save(self, folder: Path) -> None:
        """Writes `manifest.json`, last of all files of a corpus."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True)
        write_text(folder / MANIFEST, text + "\n")

    @classmethod
    def load(cls, folder: Place) -> Manifest:
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
            if isinstance(path, Path) and path.stat().st_size > _MAX_BYTES:
                raise ValueError(f"it is longer than {_MAX_BYTES // 10**6} MB")
            data: dict[str, Any] = json.loads(path.read_text("utf-8"))
            found = data.get("format_version") if isinstance(data, dict) else None
            if isinstance(found, int) and found != FORMAT_VERSION:
                raise UserError(
                    f"{folder} holds a corpus of format {found}, and this version reads and "
                    f"writes format {FORMAT_VERSION}: regenerate it, or take the version of "
                    "st_audioqa that made it (in its manifest)."
                )
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UserError(
                f"{path} is not a manifest of this version ({where}: {first['msg']}): "
                "regenerate the corpus."
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(
                f"{path} is not a manifest ({error}): regenerate the corpus."
            ) from error


def library_versions() -> dict[str, str]:
    """Versions of what decides the bytes of a corpus."""
    names = ("st_audioqa", "numpy", "scipy", "pyarrow", "soundfile", "soxr")
    versions = {name: importlib.metadata.version(name) for name in names}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        versions[_RLR] = importlib.metadata.version(_RLR)
    libsndfile = soundfile.__libsndfile_version__
    return {**versions, "libsndfile": libsndfile, "python": platform.python_version()}
