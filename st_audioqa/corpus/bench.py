"""The bench file: some test questions, each in one row with the audio of a scene of its own.

For those who want audio and question together. No scene comes twice, so audio is stored once here
too; kinds of question, and their answers, come up as evenly as the corpus allows.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from st_audioqa.corpus.manifest import Manifest, ShardEntry
from st_audioqa.corpus.schema import BENCH_SCHEMA, question_from_row, question_to_row
from st_audioqa.corpus.shards import read_rows, write_shard
from st_audioqa.errors import UserError
from st_audioqa.scene import Question

__all__ = ["bench_faults", "choose", "write_bench"]

_SCENE = ("audio", "sample_rate", "gain_db")


def choose(questions: Iterable[Question], most: int) -> list[Question]:
    """At most `most` questions about as many scenes, in turn from every kind.

    The choice depends on the questions alone.
    """
    kinds: dict[tuple[str, str, str], list[Question]] = defaultdict(list)
    for question in sorted(questions, key=_rank):
        kinds[question.type, question.family, question.attribute].append(question)
    waiting = [_by_answer(kinds[kind]) for kind in sorted(kinds)]
    chosen: dict[str, Question] = {}
    while waiting and len(chosen) < most:
        left = []
        for each in waiting:
            found = next((q for q in each if q.scene_id not in chosen), None)
            if found is not None and len(chosen) < most:
                chosen[found.scene_id] = found
                left.append(each)
        waiting = left
    return sorted(chosen.values(), key=lambda question: question.question_id)


def _rank(question: Question) -> bytes:
    return hashlib.blake2b(question.question_id.encode(), digest_size=8).digest()


def _by_answer(questions: list[Question]) -> Iterator[Question]:
    """Questions of one kind, in turn of every answer."""
    answers: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        answers[question.role].append(question)
    for turn in zip_longest(*(answers[answer] for answer in sorted(answers))):
        yield from (question for question in turn if question is not None)


def write_bench(folder: Path, manifest: Manifest, most: int) -> list[ShardEntry]:
    """Writes `bench/test-*.parquet` and returns its entries.

    Raises
    ------
    UserError
        The corpus has no audio, or its answers are held back.
    """
    manifest.refuse_held("A bench file")
    if not manifest.has_audio:
        raise UserError(
            f"A bench file holds audio, and {folder} was made with --questions-only: generate "
            "it again in another folder without that option."
        )
    asked = (
        question_from_row(row)
        for entry in manifest.qa
        if entry.split == "test"
        for row in read_rows(folder / entry.path)
    )
    chosen = {question.scene_id: question for question in choose(asked, most)}
    size = manifest.recipe.corpus.scenes_per_shard
    n_shards = max(-(-len(chosen) // size), 1)
    entries: list[ShardEntry] = []
    rows: list[dict[str, Any]] = []
    left = len(chosen)
    for scene_id, heard in _heard(folder, manifest):
        if scene_id in chosen:
            rows.append({**question_to_row(chosen[scene_id]), **heard})
            left -= 1
            if len(rows) == size or left == 0:
                path = f"bench/test-{len(entries):05d}-of-{n_shards:05d}.parquet"
                group = manifest.recipe.corpus.row_group_size
                write_shard(folder / path, rows, BENCH_SCHEMA, group)
                entries.append(ShardEntry.of(folder, path, "test", len(rows)))
                rows = []
            if left == 0:
                break
    return entries


def _heard(folder: Path, manifest: Manifest) -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and audio of every test scene."""
    for entry in manifest.scenes:
        if entry.split == "test":
            for row in read_rows(folder / entry.path, ["scene_id", *_SCENE]):
                yield row["scene_id"], {name: row[name] for name in _SCENE}


def bench_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Rows of the bench file that are not those of `qa` and `scenes`."""
    if not manifest.bench:
        return
    try:
        rows = {
            row["question_id"]: row
            for entry in manifest.bench
            for row in read_rows(folder / entry.path)
        }
        known = {
            row["question_id"]: row
            for entry in manifest.qa
            if entry.split == "test"
            for row in read_rows(folder / entry.path)
            if row["question_id"] in rows
        }
        scenes = {row["scene_id"] for row in rows.values()}
        heard = {name: each for name, each in _heard(folder, manifest) if name in scenes}
    except UserError as error:
        yield f"bench: {error}"
        return
    for question_id, row in sorted(rows.items()):
        right = {**known.get(question_id, {}), **heard.get(row["scene_id"], {})}
        if row != right:
            yield f"bench: {question_id} is not what qa and scenes hold"
