"""Makes a corpus: plan -> scenes -> questions -> manifest and card; each step can be rerun."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from st_audioqa.corpus.card import write_card
from st_audioqa.corpus.leakage import SUBJECT_COLUMNS, Leakage
from st_audioqa.corpus.manifest import (
    QUESTION_TABLES,
    Manifest,
    ShardEntry,
    library_versions,
)
from st_audioqa.corpus.schema import (
    QA_SCHEMA,
    question_to_row,
)
from st_audioqa.corpus.shards import read_rows, write_shard
from st_audioqa.corpus.tables import scene_tables
from st_audioqa.errors import UserError
from st_audioqa.events.labels import check_mids, noun, related
from st_audioqa.execution import Backend, Dask, Inline, Processes, results
from st_audioqa.files import file_sha256, remove_partials
from st_audioqa.pipeline.plan import Plan, make_plan
from st_audioqa.pipeline.shard import ShardJob, opened_tools, run_shard
from st_audioqa.pipeline.tools import check_rooms, open_tools
from st_audioqa.pipeline.validity import card_sections
from st_audioqa.pipeline.work import Work
from st_audioqa.recipes import Recipe
from st_audioqa.scene import Question
from st_audioqa.templates import QuestionEngine, load_families

__all__ = [
    "ask_again",
    "finish",
    "plan_corpus",
    "question_engine",
    "render_scenes",
    "write_questions",
]

_LEFT_BEHIND_S = 3600.0
"""Age of a half-written file in a cache that other runs share, after which nobody writes it."""
_QUESTIONS_PER_SHARD = 50_000
_LABEL_COLUMNS = ("sources.list.element.labels", "sources.list.element.mids")
_QUESTIONS_PER_ROW_GROUP = 5_000


def render_scenes(
    work: Work,
    workers: int,
    on_scene: Callable[[], object],
    rir_cache: Path | None = None,
    backend: Backend | None = None,
) -> None:
    """Draws and renders every shard that is not finished.

    Parameters
    ----------
    work : Work
    workers : int
        Processes of this machine; 1 is this one.
    on_scene : callable
        Called after every scene, or for all scenes of a shard where only its end is heard of.
    rir_cache : Path, optional
        Folder that keeps impulse responses from run to run; it changes no byte of the corpus.
    backend : Backend, optional
        Where shards are made instead (`st_audioqa.execution`); changes no byte either.

    Raises
    ------
    UserError
        A recipe that cannot be carried out, or shards that failed at every attempt; finished
        shards stay.
    """
    recipe = work.plan.recipe
    tools = open_tools(recipe)  # so that a mistake shows here, before any process is started
    check_rooms(tools.provider)
    with work.alone():
        for part in rir_cache.glob("??") if rir_cache else ():
            remove_partials(part, older_than_s=_LEFT_BEHIND_S)
        jobs = [work.job(shard, rir_cache) for shard in work.todo()]
        if backend is None:
            backend = Inline() if workers == 1 or len(jobs) <= 1 else Processes(workers)
        ahead = 0

        def on_tick() -> None:
            nonlocal ahead
            ahead += 1
            on_scene()

        for rows in results(backend, run_shard, jobs, on_tick, name=_name, items="shards"):
            ahead -= rows
            for _ in range(-ahead if isinstance(backend, Dask) else 0):
                on_tick()


def _name(job: ShardJob) -> str:
    return job.shard.name


def ask_questions(
    folder: Path, recipe: Recipe, scenes: list[ShardEntry]
) -> tuple[dict[str, list[ShardEntry]], Mapping[str, str]]:
    """Writes all shards of questions of a corpus from its `scenes` shards.

    Returns
    -------
    entries : dict of list of ShardEntry
        By table.
    refused : mapping
        Scenes whose tracks cannot be used and which have no questions, and why.
    """
    asked = {
        name: each for name, each in QUESTION_TABLES.items() if each[0] in recipe.questions.sets
    }
    entries: dict[str, list[ShardEntry]] = {name: [] for name in asked}
    refused: dict[str, str] = {}
    for split in sorted({entry.split for entry in scenes}):
        paths = [folder / entry.path for entry in scenes if entry.split == split]
        for set_ in recipe.questions.sets:
            engine = question_engine(recipe, set_)
            tables = (table for path in paths for table in scene_tables(path))
            chosen = engine.choose(tables, recipe.seed)
            refused |= chosen.naming.facts.refused
            for table, (of_set, held_out) in asked.items():
                if of_set == set_ and not (held_out and split == "train"):
                    questions = engine.word(chosen, held_out=held_out)
                    entries[table] += _write_questions(
                        folder, table, split, questions, len(chosen)
                    )
    return entries, refused


def question_engine(
    recipe: Recipe, families: Literal["paper", "extended"] = "paper"
) -> QuestionEngine:
    """The question engine of a set of families with the guard bands of a recipe."""
    letters = {"paper": "qr", "extended": "xy"}[families]
    return QuestionEngine(recipe.questions, noun, related, load_families(families), letters)


def finish(work: Work) -> Manifest:
    """Questions, manifest and card of a corpus whose shards are all finished."""
    with work.alone():
        scenes, rejections = work.finished_shards()
        manifest = _manifest(work.plan, scenes, rejections, with_audio=work.with_audio)
        manifest = write_questions(work.folder, manifest)
    work.close()
    return manifest


def ask_again(folder: Path) -> Manifest:
    """Makes the questions of a finished corpus anew, and its manifest and card."""
    before = Manifest.load(folder)
    before.refuse_held("Asking again")
    manifest = write_questions(folder, before)
    kept = {entry.path for entry in manifest.files}
    for entry in before.files:
        if entry.path not in kept:
            (folder / entry.path).unlink(missing_ok=True)
    return manifest


def write_questions(folder: Path, manifest: Manifest) -> Manifest:
    """Questions, card and manifest of a corpus whose scenes are written."""
    leakage = _leakage(folder, manifest.scenes)
    written, refused = ask_questions(folder, manifest.recipe, manifest.scenes)
    counts: Counter[str] = Counter()
    for entry in (*written["qa"], *written.get("extended", ())):
        families = pq.read_table(folder / entry.path, columns=["family"]).column("family")
        for each in families.value_counts().to_pylist():
            counts[f"{entry.split}/{each['values']}"] += each["counts"]
    made = {
        **written,
        "bench": [],
        "questions": dict(sorted(counts.items())),
        "leakage": leakage,
    }
    manifest = manifest.model_copy(update=made)
    write_card(folder, manifest, card_sections(folder, manifest))
    manifest.save(folder)
    if refused:
        first = "; ".join(f"{scene}: {why}" for scene, why in list(refused.items())[:5])
        raise UserError(
            f"{len(refused)} scenes have tracks that cannot be used and are not asked about "
            f"({first}): make their shards again. All other questions are written."
        )
    return manifest


def _leakage(folder: Path, scenes: list[ShardEntry]) -> dict[str, dict[str, int]]:
    """What serves each split of a corpus; refuses labels that are nobody's on the way."""
    leakage = Leakage()
    for entry in scenes:
        for row in read_rows(folder / entry.path, [*SUBJECT_COLUMNS, *_LABEL_COLUMNS]):
            for source in row["sources"]:
                check_mids(source["labels"] or (), source["mids"] or ())
            leakage.add(row)
    return leakage.report()


def _manifest(
    plan: Plan, scenes: list[ShardEntry], rejections: Counter[str], *, with_audio: bool
) -> Manifest:
    tools = opened_tools(plan.recipe)
    return Manifest(
        recipe=plan.recipe.published,
        recipe_hash=plan.recipe.hash,
        seed=plan.recipe.seed,
        has_audio=with_audio,
        engine={
            "name": tools.engine.name,
            "version": tools.engine.version,
            "preset": tools.engine.preset,
        },
        events={
            "name": tools.library.name,
            "version": tools.library.version,
            **tools.library.details,
        },
        versions={**library_versions(), **getattr(tools.provider, "versions", {})},
        scenes=scenes,
        qa=[],
        rejections=dict(sorted(rejections.items())),
        questions={},
    )


def _write_questions(
    folder: Path, table: str, split: str, questions: Iterator[Question], total: int
) -> list[ShardEntry]:
    n_shards = max(-(-total // _QUESTIONS_PER_SHARD), 1)
    entries = []
    for number in range(n_shards):
        path = f"{table}/{split}-{number:05d}-of-{n_shards:05d}.parquet"
        piece = itertools.islice(questions, _QUESTIONS_PER_SHARD)
        rows = [question_to_row(question) for question in piece]
        write_shard(folder / path, rows, QA_SCHEMA, _QUESTIONS_PER_ROW_GROUP)
        entries.append(
            ShardEntry(
                path=path,
                split=split,
                rows=len(rows),
                bytes=(folder / path).stat().st_size,
                sha256=file_sha256(folder / path),
            )
        )
    return entries


def plan_corpus(recipe: Recipe, folder: Path, *, with_audio: bool) -> Work:
    """Plans a resolved recipe and begins (or goes on with) its corpus in a folder.

    Raises
    ------
    UserError
        The recipe cannot be carried out, or the folder cannot be written or holds another corpus.
    """
    return Work.begin(folder, make_plan(open_tools(recipe).recipe), with_audio=with_audio)
