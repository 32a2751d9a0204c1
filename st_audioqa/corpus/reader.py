"""Reads a corpus from disk as our nouns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.corpus.audio import load_audio
from st_audioqa.corpus.manifest import QUESTION_TABLES, Manifest, ShardEntry
from st_audioqa.corpus.schema import QA_SCHEMA, SCENES_SCHEMA, question_from_row, scene_from_row
from st_audioqa.corpus.shards import parquet_file, read_rows
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.scene import Question, Scene
from st_audioqa.storage import Place, located

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCENE_COLUMNS", "Corpus"]

SCENE_COLUMNS = [name for name in SCENES_SCHEMA.names if name != "audio"]
"""All columns of `scenes` but the audio."""


class Corpus:
    """A finished corpus, on disk or on a storage service.

    Parameters
    ----------
    folder : str, Path or StoredPath
        A folder, or an address such as "s3://bucket/corpus" or "hf://datasets/ORG/NAME"
        (see `st_audioqa.storage`).

    Raises
    ------
    UserError
        There is no finished corpus, or it cannot be reached.
    """

    def __init__(self, folder: str | Place) -> None:
        self.folder = located(folder)
        self.manifest = Manifest.load(self.folder)
        self._rows: dict[str, dict[str, tuple[int, int]]] = {}

    @property
    def local_folder(self) -> Path:
        """The folder, for what writes beside a corpus or maps its files.

        Raises
        ------
        UserError
            The corpus lies on a storage service.
        """
        if isinstance(self.folder, Path):
            return self.folder
        raise UserError(
            f"A folder on a disk of this machine is wanted, got {self.folder}: copy the corpus "
            "to one first."
        )

    @property
    def splits(self) -> list[str]:
        """Names of the splits."""
        return sorted({entry.split for entry in self.manifest.scenes})

    def scenes(self, split: str) -> Iterator[Scene]:
        """Scenes of a split, without their audio, in the order of the shards.

        Raises
        ------
        UserError
            The tracks of the split are held back.
        """
        if split in self.manifest.held:
            raise self._held(split)
        for entry in self._entries(self.manifest.scenes, split):
            for row in read_rows(self.folder / entry.path, SCENE_COLUMNS):
                yield scene_from_row(row)

    def scene(self, scene_id: str) -> Scene:
        """One scene by its id.

        Raises
        ------
        UserError
            No such scene, or its tracks are held back.
        """
        row = self._row(scene_id, SCENE_COLUMNS)
        if row["split"] in self.manifest.held:
            raise self._held(row["split"])
        return scene_from_row(row)

    def questions(self, split: str, table: str = "qa") -> list[Question]:
        """Questions of a split; their answers are empty where they are held back.

        Parameters
        ----------
        split : str
        table : {"qa", "robustness", "extended", "extended_robustness"}
            "extended" has questions beyond the paper, where the recipe asks for them. The
            robustness tables have the same questions in words that are kept from training; the
            split "train" is not among them.
        """
        return [
            question_from_row(row, held=split in self.manifest.held)
            for entry in self._entries(self._tables(table), split)
            for row in read_rows(self.folder / entry.path)
        ]

    def frame(
        self, table: str, split: str, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """A split of a table as a data frame, without the audio.

        Parameters
        ----------
        table : {"scenes", "qa", "robustness", "extended", "extended_robustness"}
        split : str
        columns : sequence of str, optional
            All but the audio if left out.
        """
        import pandas as pd  # here, because it takes longer than all other imports together

        wanted = columns or (SCENE_COLUMNS if table == "scenes" else QA_SCHEMA.names)
        paths = [
            self.folder / entry.path for entry in self._entries(self._tables(table), split)
        ]
        return pd.concat(
            [pd.DataFrame(read_rows(path, wanted), columns=list(wanted)) for path in paths],
            ignore_index=True,
        )

    def audio(self, scene_id: str) -> NDArray[np.float32]:
        """The FOA audio of a scene [shape=(4, n)].

        Raises
        ------
        UserError
            No such scene, or a corpus without audio.
        """
        return load_audio(self._row(scene_id, ["audio"]))

    def _row(self, scene_id: str, columns: list[str]) -> dict[str, Any]:
        """Some columns of one scene; reads one row group."""
        # Our scenes are named after their split: its shards are looked through first.
        scenes = self.manifest.scenes
        for entry in sorted(scenes, key=lambda each: not scene_id.startswith(each.split)):
            place = self._rows_of(entry).get(scene_id)
            if place is not None:
                group, row = place
                with parquet_file(self.folder / entry.path) as file:
                    table = file.read_row_group(group, columns=columns)
                    found: dict[str, Any] = table.slice(row, 1).to_pylist()[0]
                return found
        raise UserError(f"There is no scene {scene_id!r} in {self.folder}.")

    def _rows_of(self, entry: ShardEntry) -> dict[str, tuple[int, int]]:
        """Row group and row of every scene of a shard."""
        if entry.path not in self._rows:
            places = {}
            with parquet_file(self.folder / entry.path) as file:
                for group in range(file.num_row_groups):
                    ids = file.read_row_group(group, columns=["scene_id"]).column("scene_id")
                    for row, scene_id in enumerate(ids.to_pylist()):
                        places[scene_id] = (group, row)
            self._rows[entry.path] = places
        return self._rows[entry.path]

    def _held(self, split: str) -> UserError:
        return UserError(
            f"The tracks and answers of {split} are held back in {self.folder}: wanted another "
            "split, or the corpus it was published from."
        )

    def _tables(self, table: str) -> list[ShardEntry]:
        manifest = self.manifest
        tables = {
            "scenes": manifest.scenes,
            **{name: manifest.entries(name) for name in QUESTION_TABLES},
            "bench": manifest.bench,
        }
        if table not in tables:
            raise unknown_name("table", table, tables)
        return tables[table]

    def _entries(self, entries: list[ShardEntry], split: str) -> list[ShardEntry]:
        if split not in self.splits:
            raise unknown_name(f"split of {self.folder}", split, self.splits)
        return [entry for entry in entries if entry.split == split]
