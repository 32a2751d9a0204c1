"""A corpus as the files of a web page, each made when it is asked for.

Files
-----
``index.html``, ``*.js``, ``*.css``
    The page; it comes with the package and loads nothing from elsewhere.
``data/corpus.json``
    What the corpus is, names that the index counts by, how many index files there are.
``data/index-N.json``
    A thousand scenes each: what one filters by.
``data/scenes/ID.json``
    One scene with its tracks, questions and the models' answers.
``data/audio/ID.flac``
    What two ears hear of it, 16-bit stereo.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from st_audioqa.conventions import BIN_S, CONFIGURATIONS, DURATION_S, N_BINS
from st_audioqa.corpus.reader import Corpus
from st_audioqa.decoding import Decoder
from st_audioqa.scene import Question, Scene
from st_audioqa.viewer.detail import FindRoom, scene_detail
from st_audioqa.viewer.listing import Entry, Listing

__all__ = ["CHUNK", "Site", "Verdict"]

CHUNK = 1000
"""Scenes per index file."""

_PAGE = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".flac": "audio/flac",
}
_PEAK = 0.99


@dataclass(frozen=True)
class Verdict:
    """What a model said to one question, and what the scorer made of it."""

    response: str | None
    status: str
    """"ok" where an answer was read, otherwise why not."""
    correct: bool


class Site:
    """The files of the page for one corpus.

    Parameters
    ----------
    corpus : Corpus
    listing : Listing
        Its scenes.
    answers : mapping, optional
        Model -> question id -> verdict.
    find_room : callable
        The geometry of a scene's room, or None.
    """

    def __init__(
        self,
        corpus: Corpus,
        listing: Listing,
        *,
        answers: Mapping[str, Mapping[str, Verdict]] | None = None,
        find_room: FindRoom = lambda scene: None,
    ) -> None:
        self.corpus = corpus
        self.listing = listing
        self.answers = dict(answers or {})
        self.has_audio = corpus.manifest.has_audio
        self._find_room = find_room
        self._decoder = Decoder("binaural")
        self.show(list(listing.entries))

    def show(self, scene_ids: Sequence[str]) -> None:
        """Show these scenes alone, in this order."""
        self.entries: list[Entry] = [self.listing.entries[each] for each in scene_ids]
        self._shown = frozenset(scene_ids)

    @cached_property
    def page_files(self) -> list[str]:
        """Names of the files that come with the package."""
        return sorted(path.name for path in _PAGE.iterdir() if path.suffix in _TYPES)

    @property
    def index_files(self) -> list[str]:
        """Names of the files that list the scenes."""
        chunks = -(-len(self.entries) // CHUNK)
        return ["data/corpus.json", *(f"data/index-{i}.json" for i in range(chunks))]

    def scene_files(self, scene_id: str) -> list[str]:
        """Names of the files of one scene."""
        audio = [f"data/audio/{scene_id}.flac"] if self.has_audio else []
        return [f"data/scenes/{scene_id}.json", *audio]

    def get(self, name: str) -> tuple[str, bytes] | None:
        """Media type and content of a file, by its name below the root; None if there is none.

        A name is looked up and never joined to a path.

        Raises
        ------
        UserError
            What is asked for is broken in the corpus.
        """
        kind = _TYPES.get(Path(name).suffix, "")
        if name in self.page_files:
            return kind, (_PAGE / name).read_bytes()
        if name == "data/corpus.json":
            return kind, _json(self._overview())
        if (found := re.fullmatch(r"data/index-(\d{1,6})\.json", name)) and (
            chunk := self.entries[int(found[1]) * CHUNK :][:CHUNK]
        ):
            return kind, _json([self._row(entry) for entry in chunk])
        folder, _, file = name.removeprefix("data/").partition("/")
        if folder == "scenes" and (scene_id := file.removesuffix(".json")) in self._shown:
            return kind, _json(self._scene(scene_id))
        if folder == "audio" and (scene_id := file.removesuffix(".flac")) in self._shown:
            return (kind, self._audio(scene_id)) if self.has_audio else None
        return None

    def _overview(self) -> dict[str, Any]:
        manifest = self.corpus.manifest
        known = {entry.configuration for entry in self.entries}
        return {
            "name": manifest.recipe.name,
            "description": manifest.recipe.description,
            "scenes": len(self.entries),
            "chunks": len(self.index_files) - 1,
            "bins": N_BINS,
            "bin_s": BIN_S,
            "duration_s": DURATION_S,
            "has_audio": self.has_audio,
            "models": list(self.answers),
            "splits": self.listing.splits,
            "configurations": [each for each in CONFIGURATIONS if each in known],
            "families": self._families,
            "tables": self.listing.tables,
        }

    @cached_property
    def _families(self) -> list[str]:
        return sorted(
            {name for each in self.listing.entries.values() for name in each.families}
        )

    def _row(self, entry: Entry) -> dict[str, Any]:
        """A scene in the index: short keys, because there are thousands."""
        place = {name: i for i, name in enumerate(self._families)}
        row = {
            "id": entry.scene_id,
            "split": entry.split,
            "conf": entry.configuration,
            "room": entry.room,
            "cat": entry.category,
            "labels": entry.labels,
            "fam": sorted(place[name] for name in entry.families),
        }
        if self.answers:
            marks = self._marks.get(entry.scene_id, {})
            row["right"], row["wrong"] = (
                [
                    sorted(place[name] for name in marks.get((model, correct), ()))
                    for model in self.answers
                ]
                for correct in (True, False)
            )
        return row

    @cached_property
    def _marks(self) -> dict[str, dict[tuple[str, bool], set[str]]]:
        """Scene -> (model, right or wrong) -> families with such an answer."""
        found: dict[str, dict[tuple[str, bool], set[str]]] = {}
        for scene_id, question_id, family in self.listing.asked():
            for model, verdicts in self.answers.items():
                if (verdict := verdicts.get(question_id)) is not None:
                    marks = found.setdefault(scene_id, {})
                    marks.setdefault((model, verdict.correct), set()).add(family)
        return found

    def _scene(self, scene_id: str) -> dict[str, Any]:
        scene: Scene = self.corpus.scene(scene_id)
        detail = scene_detail(scene, self._find_room(scene))
        detail["audio"] = f"data/audio/{scene_id}.flac" if self.has_audio else None
        detail["questions"] = [
            self._question(table, question)
            for table, question in self.listing.questions(scene_id)
        ]
        return detail

    def _question(self, table: str, question: Question) -> dict[str, Any]:
        said = {
            model: verdicts.get(question.question_id)
            for model, verdicts in self.answers.items()
        }
        return {
            "id": question.question_id,
            "table": table,
            "type": question.type,
            "family": question.family,
            "attribute": question.attribute,
            "anchor": question.anchor,
            "question": question.question,
            "answer": question.answer,
            "options": list(question.options),
            "targets": list(question.targets),
            "said": {model: vars(each) for model, each in said.items() if each is not None},
        }

    def _audio(self, scene_id: str) -> bytes:
        """What two ears hear, lowered where it would clip."""
        ears = self._decoder(self.corpus.audio(scene_id))
        ears = ears * min(1.0, _PEAK / max(float(np.abs(ears).max(initial=0.0)), 1e-9))
        buffer = io.BytesIO()
        soundfile.write(buffer, ears.T, self._decoder.sample_rate, format="FLAC")
        return buffer.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )
