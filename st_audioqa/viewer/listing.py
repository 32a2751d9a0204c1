"""The list of a corpus's scenes: what the page filters by, and where the questions lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow.compute as pc

from st_audioqa.corpus.manifest import QUESTION_TABLES
from st_audioqa.corpus.reader import Corpus
from st_audioqa.corpus.schema import question_from_row
from st_audioqa.corpus.shards import parquet_file
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.scene import Question
from st_audioqa.storage import Place

__all__ = ["Entry", "Listing"]

_COLUMNS = (
    "scene_id",
    "split",
    "configuration",
    "room.name",
    "room.category",
    "sources.list.element.labels",
)
_Group = tuple[str, Place, int]
"""Table, shard and row group."""


@dataclass(frozen=True)
class Entry:
    """A scene as it is listed."""

    scene_id: str
    split: str
    configuration: str
    room: str
    category: str
    labels: tuple[str, ...]
    """The name of each source."""
    families: set[str] = field(default_factory=set)
    """Question families asked of it."""


class Listing:
    """All scenes of some splits, without tracks and audio, and the places of their questions.

    Parameters
    ----------
    corpus : Corpus
    splits : sequence of str
        All where empty, but for those whose tracks and answers are held back.

    Raises
    ------
    UserError
        No such split, one that is held back, or a shard that cannot be read.
    """

    def __init__(self, corpus: Corpus, splits: Sequence[str] = ()) -> None:
        for split in splits:
            if split not in corpus.splits:
                raise unknown_name(f"split of {corpus.folder}", split, corpus.splits)
            if split in corpus.manifest.held:
                raise UserError(
                    f"The tracks and answers of {split} are held back in {corpus.folder}: wanted "
                    "another split, or the corpus it was made from."
                )
        held = corpus.manifest.held
        self.splits = list(splits) or [each for each in corpus.splits if each not in held]
        self.tables = [
            table
            for table in QUESTION_TABLES
            if any(entry.split in self.splits for entry in corpus.manifest.entries(table))
        ]
        self.entries = {entry.scene_id: entry for entry in self._scenes(corpus)}
        self._places: dict[str, list[_Group]] = {}
        self._find_questions(corpus)

    def questions(self, scene_id: str) -> Iterator[tuple[str, Question]]:
        """The questions of a scene, each with its table; reads the row groups they lie in."""
        for table, path, group in self._places.get(scene_id, ()):
            with parquet_file(path) as file:
                rows = file.read_row_group(group)
                rows = rows.filter(pc.equal(rows["scene_id"], scene_id)).to_pylist()
            for row in rows:
                yield table, question_from_row(row)

    def asked(self) -> Iterator[tuple[str, str, str]]:
        """Scene, id and family of every question; reads those columns alone."""
        columns = ["scene_id", "question_id", "family"]
        for path in {path: None for places in self._places.values() for _, path, _ in places}:
            with parquet_file(path) as file:
                for batch in file.iter_batches(columns=columns):
                    found = batch.to_pydict()
                    yield from zip(*(found[name] for name in columns), strict=True)

    def _scenes(self, corpus: Corpus) -> Iterator[Entry]:
        for shard in corpus.manifest.scenes:
            if shard.split not in self.splits:
                continue
            path = corpus.folder / shard.path
            with parquet_file(path) as file:
                for batch in file.iter_batches(columns=list(_COLUMNS)):
                    yield from (_entry(row, path) for row in batch.to_pylist())

    def _find_questions(self, corpus: Corpus) -> None:
        for table in self.tables:
            for shard in corpus.manifest.entries(table):
                if shard.split in self.splits:
                    self._find_in(table, corpus.folder / shard.path)

    def _find_in(self, table: str, path: Place) -> None:
        with parquet_file(path) as file:
            for group in range(file.num_row_groups):
                found = file.read_row_group(group, columns=["scene_id", "family"])
                pairs = found.group_by(["scene_id", "family"]).aggregate([])
                for row in pairs.to_pylist():
                    entry = self.entries.get(row["scene_id"])
                    if entry is None:
                        continue
                    entry.families.add(str(row["family"]))
                    places = self._places.setdefault(entry.scene_id, [])
                    if (table, path, group) not in places:
                        places.append((table, path, group))


def _entry(row: dict[str, object], path: Place) -> Entry:
    try:
        room, sources = row["room"], row["sources"]
        return Entry(
            scene_id=str(row["scene_id"]),
            split=str(row["split"]),
            configuration=str(row["configuration"]),
            room=str(room["name"]),  # type: ignore[index]
            category=str(room["category"]),  # type: ignore[index]
            labels=tuple(str(source["labels"][0]) for source in sources),  # type: ignore[attr-defined]
        )
    except (TypeError, LookupError) as error:
        raise UserError(
            f"The scene {row.get('scene_id')} in {path} lacks its room or labels: run "
            "`st-audioqa verify` on the corpus."
        ) from error
