"""The command line: `st-audioqa --help`."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

import st_audioqa
from st_audioqa.commands.doctor import doctor
from st_audioqa.commands.leaderboard import leaderboard, submit
from st_audioqa.commands.options import CORPUS as _CORPUS
from st_audioqa.commands.options import FILE as _FILE
from st_audioqa.commands.options import FOLDER as _FOLDER
from st_audioqa.commands.options import SEED as _SEED
from st_audioqa.commands.options import backend_of as _backend_of
from st_audioqa.commands.options import cluster_options as _cluster_options
from st_audioqa.commands.options import events_option as _events
from st_audioqa.commands.options import progress as _progress
from st_audioqa.commands.options import rir_cache_option as _rir_cache
from st_audioqa.commands.options import rooms_option as _rooms
from st_audioqa.commands.options import workers_option as _workers
from st_audioqa.commands.publish import bench, publish
from st_audioqa.commands.report import report
from st_audioqa.commands.shards import array, generate_shard, status
from st_audioqa.commands.verify import verify
from st_audioqa.errors import MissingPackageError, UserError

if TYPE_CHECKING:
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.evaluation.predictions import PredictionFile
    from st_audioqa.evaluation.result import Result, Row
    from st_audioqa.scene import Question
    from st_audioqa.storage import Place

__all__ = ["cli", "main"]


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # older releases of click have no type parameter
    _ParamType = click.ParamType


class _Place(_ParamType):
    """A folder, or an address such as s3://bucket/corpus or hf://datasets/ORG/NAME."""

    name = "place"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        from st_audioqa.storage import located

        return located(value)


_PLACE = _Place()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(st_audioqa.__version__, prog_name="st-audioqa")
def cli() -> None:
    """Spatio-temporal audio question answering: make corpora, verify them, score models."""


for _command in (doctor, status, generate_shard, array, verify):
    cli.add_command(_command)


def _recipe_options(function: Any) -> Any:
    """Options of the commands that start from a recipe."""
    for option in (
        click.option(
            "--questions-only", is_flag=True, help="Draw scenes without rendering audio."
        ),
        click.option("--engine", help="Take this RIR engine instead of the recipe's."),
        _rooms,
        _events,
        click.option("--seed", type=_SEED, help="Take this seed instead of the recipe's."),
        click.option("--out", "folder", type=_FOLDER, help="Output folder."),
    ):
        function = option(function)
    return click.argument("recipe")(function)


def _begin(
    recipe: str,
    folder: Path | None,
    *,
    questions_only: bool,
    **chosen: Any,
) -> Any:
    """The work of a recipe, begun or taken up again."""
    from st_audioqa.pipeline.generate import plan_corpus

    if folder is None:
        raise click.UsageError("Missing option '--out'.")
    return plan_corpus(_resolved(recipe, **chosen), folder, with_audio=not questions_only)


def _resolved(
    recipe: str,
    *,
    events: Sequence[str],
    rooms: Path | None,
    seed: int | None,
    engine: str | None,
) -> Any:
    """The recipe as it will be carried out here."""
    from st_audioqa.pipeline.places import with_places
    from st_audioqa.pipeline.tools import resolve
    from st_audioqa.recipes import load_recipe

    loaded = with_places(load_recipe(recipe), events, rooms)
    if seed is not None:
        loaded = loaded.model_copy(update={"seed": seed})
    if engine is not None:
        renderer = loaded.renderer.model_copy(update={"engine": engine})
        loaded = loaded.model_copy(update={"renderer": renderer})
    resolved, sentence = resolve(loaded)
    if sentence:
        click.echo(sentence)
    return resolved


def _tell_prediction(recipe: str, *, questions_only: bool, **chosen: Any) -> None:
    from st_audioqa.pipeline.predict import predict
    from st_audioqa.pipeline.tools import open_tools

    found = predict(open_tools(_resolved(recipe, **chosen)), with_audio=not questions_only)
    for each in found.splits:
        whole = "all" if each.drawn == each.scenes else f"the first {each.drawn}"
        click.echo(
            f"{each.split}: {each.scenes} scenes, about {each.rooms} rooms ({whole} drawn)"
        )
        for type_, count in each.questions.items():
            wanted = each.wanted.get(type_)
            limit = "" if wanted is None else f" of {wanted} wanted"
            click.echo(f"  {type_}: about {count} questions{limit}")
            for (of, family), supply in sorted(each.families.items()):
                if of == type_:
                    click.echo(f"     {family}: {supply} can be asked")
        click.echo(f"  yes and no differ from even by {100 * each.unevenness:.1f} % at most")
    how = (
        f"measured on {found.timed} scenes of the largest split"
        if found.timed
        else "of drawing alone, measured"
    )
    click.echo(
        f"{found.n_scenes} scenes at {found.scene_s:.2f} s each ({how}): "
        f"{found.hours(1):.1f} hours with one worker, {found.hours(os.cpu_count() or 1):.1f} "
        f"with {os.cpu_count() or 1}; {found.gigabytes:.1f} GB on disk; "
        f"{found.peak_mb:.0f} MB of memory per worker so far, beside the engine's."
    )


def _render(work: Any, rir_cache: Path | None, **where: Any) -> None:
    from st_audioqa.pipeline.generate import render_scenes

    todo = work.todo()
    done = work.plan.n_scenes - sum(len(shard.scenes) for shard in todo)
    if done and todo:
        click.echo(f"Resuming: {done} of {work.plan.n_scenes} scenes are there already.")
    with _progress(work.plan.n_scenes, "scenes") as bar:
        bar.update(done)
        backend = _backend_of(**where)
        render_scenes(work, where["workers"], lambda: bar.update(1), rir_cache, backend)


def _tell_finished(manifest: Any, folder: Path) -> None:
    scenes = sum(entry.rows for entry in manifest.scenes)
    questions = sum(entry.rows for entry in (*manifest.qa, *manifest.extended))
    rejected = sum(manifest.rejections.values())
    click.echo(
        f"{scenes} scenes and {questions} questions lie in {folder} "
        f"({rejected} draws were rejected and drawn again; README.md there tells more)."
    )


@cli.command()
@_recipe_options
@_workers
@_cluster_options
@_rir_cache
def generate(
    recipe: str,
    folder: Path | None,
    workers: int,
    cluster: str | None,
    attempts: int,
    timeout_min: float,
    rir_cache: Path | None,
    **chosen: Any,
) -> None:
    """Make the corpus of RECIPE (a bundled name or a TOML file); resumes where it was cut."""
    from st_audioqa.corpus.manifest import Manifest
    from st_audioqa.pipeline.generate import finish

    work = _begin(recipe, folder, **chosen)
    if work.finished:
        click.echo("Nothing to do: this corpus is finished.")
        manifest = Manifest.load(work.folder)
    else:
        _render(
            work,
            rir_cache,
            workers=workers,
            cluster=cluster,
            attempts=attempts,
            timeout_min=timeout_min,
        )
        manifest = finish(work)
    _tell_finished(manifest, work.folder)


@cli.command()
@_recipe_options
@click.option("--dry-run", is_flag=True, help="Write nothing; tell what it will hold and cost.")
def plan(recipe: str, folder: Path | None, dry_run: bool, **chosen: Any) -> None:
    """Plan the corpus of RECIPE: the first step of `generate`."""
    if dry_run:
        _tell_prediction(recipe, **chosen)
        return
    work = _begin(recipe, folder, **chosen)
    click.echo(
        f"{work.plan.n_scenes} scenes in {len(work.plan.shards)} shards are planned in {folder}; "
        f"next: st-audioqa render {folder}"
    )


@cli.command()
@click.argument("folder", type=_CORPUS)
@_workers
@_cluster_options
@_rir_cache
def render(folder: Path, rir_cache: Path | None, **where: Any) -> None:
    """Draw and render the scenes planned in FOLDER; resumes where it was cut."""
    from st_audioqa.pipeline.work import Work

    work = Work.resume(folder)
    _render(work, rir_cache, **where)
    click.echo(f"All scenes are rendered; next: st-audioqa questions {folder}")


@cli.command()
@click.argument("folder", type=_CORPUS)
def questions(folder: Path) -> None:
    """Make (again) the questions of the scenes in FOLDER, and its manifest and card."""
    from st_audioqa.corpus.manifest import MANIFEST
    from st_audioqa.pipeline.generate import ask_again, finish
    from st_audioqa.pipeline.work import Work

    finished = (folder / MANIFEST).is_file()
    manifest = ask_again(folder) if finished else finish(Work.resume(folder))
    _tell_finished(manifest, folder)


@cli.command()
@click.argument("recipe")
@click.option("--rooms", "rooms_path", type=_CORPUS, help="Where the meshes or buildings lie.")
def rooms(recipe: str, rooms_path: Path | None) -> None:
    """Check the room files of RECIPE and print what their surfaces are made of."""
    from st_audioqa.pipeline.places import with_places
    from st_audioqa.pipeline.tools import check_rooms, open_rooms
    from st_audioqa.recipes import load_recipe

    provider = open_rooms(with_places(load_recipe(recipe), rooms=rooms_path))
    check_rooms(provider)
    report = getattr(provider, "report", None)
    tables = {} if report is None else report()
    if not tables:
        click.echo(f"The {provider.name} provider draws its rooms and reads no files.")
    for title, rows in tables.items():
        click.echo(f"{title}:\n\n| " + " | ".join(rows[0]) + " |")
        click.echo("|" + "---|" * len(rows[0]))
        for row in rows:
            click.echo("| " + " | ".join(str(value) for value in row.values()) + " |")
        click.echo("")


@cli.command()
@click.argument("folder", type=_CORPUS)
def card(folder: Path) -> None:
    """Write (again) the data card of the corpus in FOLDER."""
    from st_audioqa.corpus.card import write_card
    from st_audioqa.corpus.manifest import Manifest
    from st_audioqa.pipeline.validity import card_sections

    manifest = Manifest.load(folder)
    write_card(folder, manifest, card_sections(folder, manifest))
    click.echo(f"The card is written: {folder / 'README.md'}")


@cli.command()
@click.argument("folder", type=_CORPUS)
@click.option("--json", "json_path", type=_FILE, help="Also write as JSON.")
@click.option("--plots", type=_FOLDER, help="Also draw pictures into this folder.")
@click.option(
    "--validity",
    is_flag=True,
    help="Attack the questions without listening instead; also kept for the card.",
)
@click.option("--markdown", type=_FILE, help="With --validity: also write as Markdown.")
def stats(
    folder: Path,
    json_path: Path | None,
    plots: Path | None,
    validity: bool,
    markdown: Path | None,
) -> None:
    """Count scenes, questions and answers of the corpus in FOLDER, or measure their validity."""
    if validity:
        _validity(folder, json_path, plots, markdown)
        return
    if markdown is not None:
        raise UserError("--markdown writes the validity report: give --validity as well.")
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.corpus.stats import corpus_stats, stats_text

    corpus = Corpus(folder)
    counted = corpus_stats(corpus)
    click.echo(stats_text(counted))
    if json_path is not None:
        _write(json_path, json.dumps(counted, indent=2, sort_keys=True) + "\n")
    if plots is not None:
        from st_audioqa.corpus.pictures import plot_stats

        for path in plot_stats(corpus, plots):
            click.echo(f"plot: {path}")


def _validity(
    folder: Path, json_path: Path | None, plots: Path | None, markdown: Path | None
) -> None:
    from st_audioqa.corpus.card import write_card
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.pipeline.validity import VALIDITY, card_sections, measure_corpus
    from st_audioqa.validity import report_markdown, report_text
    from st_audioqa.validity.pictures import draw

    corpus = Corpus(folder)
    report = measure_corpus(corpus)
    write_card(folder, corpus.manifest, card_sections(folder, corpus.manifest))
    click.echo(report_text(report))
    if json_path is not None:
        _write(json_path, json.dumps(report, indent=2) + "\n")
    if markdown is not None:
        _write(markdown, report_markdown(report))
    if plots is not None:
        for path in draw(report, plots):
            click.echo(f"plot: {path}")
    click.echo(f"Kept in {folder / VALIDITY}; the card of the corpus shows it.")


@cli.command()
@click.argument("folder", type=_PLACE)
@click.option(
    "--audio",
    "layout",
    type=click.Choice(["foa", "binaural", "stereo", "mono"]),
    help="What to decode to; docs/decoding.md has the formulas.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["wav", "seld"]),
    default="wav",
    show_default=True,
    help="Audio alone, or FOA audio with annotations in the DCASE layout.",
)
@click.option("--out", type=_FOLDER, required=True, help="Folder for the files.")
@click.option("--split", "splits", multiple=True, help="Only this split; may be repeated.")
@click.option(
    "--sample-rate", type=click.IntRange(1), show_default="32000, seld 24000", help="In Hz."
)
@click.option(
    "--hrtf",
    default="spherical-head",
    show_default=True,
    help="For binaural: this built-in set, or a SOFA file.",
)
def export(
    folder: Place,
    layout: Any,
    kind: str,
    out: Path,
    splits: tuple[str, ...],
    sample_rate: int | None,
    hrtf: str,
) -> None:
    """Write the audio of the corpus in FOLDER as binaural, stereo, mono or FOA files.

    With --format seld: FOA audio and annotations for sound event localisation systems.
    """
    if kind == "seld":
        _export_seld(folder, layout, out, splits, sample_rate or 24_000)
        return
    if layout is None:
        raise UserError(
            "An export needs --audio (foa, binaural, stereo, mono) or --format seld."
        )
    _export_wav(folder, layout, out, splits, sample_rate or 32_000, hrtf)


def _export_seld(
    folder: Place, layout: str | None, out: Path, splits: tuple[str, ...], sample_rate: int
) -> None:
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.dcase.export import export_seld

    if layout not in (None, "foa"):
        raise UserError(f"--format seld is FOA audio, got --audio {layout}: leave it out.")
    corpus = Corpus(folder)
    _refuse_silent(corpus, "an export")
    bar = partial(tqdm, desc="export", unit=" scenes", dynamic_ncols=True)
    exported = export_seld(corpus, out, splits, sample_rate, bar)
    clipped = f"; {exported.clipped} scenes were lowered" if exported.clipped else ""
    click.echo(
        f"{exported.scenes} scenes of {exported.classes} classes written to {out}{clipped}."
    )


def _export_wav(
    folder: Place, layout: Any, out: Path, splits: tuple[str, ...], sample_rate: int, hrtf: str
) -> None:
    from st_audioqa.corpus.export import export_audio
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.decoding import Decoder, describe_audio

    corpus, decoder = Corpus(folder), Decoder(layout, sample_rate, hrtf=hrtf)
    _refuse_silent(corpus, "an export")
    bar = partial(tqdm, desc="export", unit=" scenes", dynamic_ncols=True)
    written = export_audio(corpus, out, decoder, splits, bar)
    click.echo(f"{written} files written to {out}: {describe_audio(decoder.describe())}.")


@cli.command()
@click.argument("folder", type=_CORPUS)
@click.option(
    "--predictions", type=_FILE, multiple=True, help="Show these answers; may be repeated."
)
@click.option("--split", "splits", multiple=True, help="Only this split; may be repeated.")
@click.option(
    "--rooms", type=_CORPUS, help="Where the meshes or buildings lie, to draw such rooms."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8642, show_default=True, help="0: any."
)
@click.option("--export", "out", type=_FOLDER, help="Write the page as files instead.")
@click.option(
    "--scenes", type=click.IntRange(1), default=20, show_default=True, help="Of an export."
)
def view(
    folder: Path,
    predictions: tuple[Path, ...],
    splits: tuple[str, ...],
    rooms: Path | None,
    port: int,
    out: Path | None,
    scenes: int,
) -> None:
    """Look through the corpus in FOLDER in a web browser.

    Serves a page to this machine alone until it is stopped, or writes it with some scenes to a
    folder (--export) that any web server can serve.
    """
    from st_audioqa.pipeline.view import open_site
    from st_audioqa.viewer import choose, export, open_server

    site = open_site(folder, predictions, splits, rooms)
    if out is not None:
        site.show(choose(site.entries, scenes))
        size = export(site, out, partial(tqdm, desc="export", unit=" scenes"))
        click.echo(
            f"{len(site.entries)} scenes written to {out} ({size / 1e6:.1f} MB); look at them "
            f"with `python -m http.server --bind 127.0.0.1 --directory {out}`."
        )
        return
    with open_server(site, port) as server:
        where = f"http://127.0.0.1:{server.server_address[1]}/"
        click.echo(f"{len(site.entries)} scenes at {where} (end with Ctrl-C)")
        with suppress(KeyboardInterrupt):
            server.serve_forever()


@cli.group(name="import")
def import_() -> None:
    """Make a corpus of annotated recordings in the DCASE layout."""


def _import_options(function: Any) -> Any:
    for option in (
        click.option("--out", type=_FOLDER, required=True, help="New folder for the corpus."),
        click.option("--seed", type=_SEED, default=0, show_default=True, help="Of questions."),
        click.option(
            "--directions-only", is_flag=True, help="Leave out distances and their questions."
        ),
    ):
        function = option(function)
    return click.argument("folder", type=_FOLDER)(function)


@import_.command(name="starss23")
@_import_options
def import_starss23(folder: Path, out: Path, seed: int, directions_only: bool) -> None:
    """Import STARSS23 (or STARSS22) from FOLDER, which holds foa_dev and metadata_dev."""
    from st_audioqa.pipeline.datasets import starss23

    _import(folder, out, starss23(folder), seed, directions_only)


@import_.command(name="dcase")
@_import_options
@click.option("--classes", type=_FILE, help="Class table; FOLDER/classes.csv if left out.")
@click.option("--name", default="dcase", show_default=True, help="Of the data set.")
@click.option("--licence", default="unknown", show_default=True, help="Of the recordings.")
@click.option("--attribution", default="", help="Who is to be named for the recordings.")
def import_dcase(
    folder: Path,
    out: Path,
    seed: int,
    directions_only: bool,
    classes: Path | None,
    name: str,
    licence: str,
    attribution: str,
) -> None:
    """Import any data set in the DCASE layout (2020 and later) from FOLDER."""
    from st_audioqa.pipeline.datasets import any_dcase

    dataset = any_dcase(folder, classes, name, licence, attribution)
    _import(folder, out, dataset, seed, directions_only)


def _import(folder: Path, out: Path, dataset: Any, seed: int, directions_only: bool) -> None:
    from st_audioqa.pipeline.recordings import import_recordings

    with tqdm(desc="import", unit=" scenes", dynamic_ncols=True) as bar:
        imported = import_recordings(
            folder,
            out,
            dataset,
            seed=seed,
            directions_only=directions_only,
            progress=bar.update,
        )
    for reason in imported.refused:
        click.echo(f"LEFT OUT {reason}")
    manifest = imported.manifest
    scenes = sum(entry.rows for entry in manifest.scenes)
    questions = sum(entry.rows for entry in manifest.qa)
    for kind, counts in manifest.leakage.items():
        if counts["shared"]:
            click.echo(f"{counts['shared']} {kind} serve several splits; `verify` names them.")
    click.echo(
        f"{scenes} scenes and {questions} questions of {manifest.events['recordings']} recordings "
        f"lie in {out}; {len(imported.refused)} recordings were left out."
    )


def _refuse_silent(corpus: Any, who: str) -> None:
    """Tells that a corpus of questions only has nothing to hear."""
    if not corpus.manifest.has_audio:
        raise UserError(
            f"Audio is wanted for {who}, and {corpus.folder} was made with --questions-only: "
            "generate it again in another folder without that option."
        )


@cli.group(name="eval")
def evaluate() -> None:
    """Ask a model the questions of a corpus, and score what it said."""


_split = click.option("--split", default="test", show_default=True, help="Split to use.")
_table = click.option(
    "--table",
    type=click.Choice(["qa", "robustness", "extended", "extended_robustness"]),
    default="qa",
    show_default=True,
    help="Table of questions; robustness asks in wordings that are kept from training.",
)


_answers = click.option(
    "--answers",
    type=_FILE,
    help="Private answers of a split whose answers are held back (answers-SPLIT.parquet).",
)


@evaluate.command(name="run")
@click.argument("model")
@click.argument("folder", type=_PLACE)
@_split
@_table
@click.option(
    "--out", type=_FILE, required=True, help="Predictions file; resumed if it exists."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True)
@click.option(
    "--model-arg", "arguments", multiple=True, metavar="KEY=VALUE", help="For the model."
)
@click.option(
    "--prompt", default="bare", show_default=True, help="Wording: bare, options or reasoning."
)
@click.option(
    "--audio-control",
    help="Give it w-only or shuffled-channels instead of the sound field.",
)
def eval_run(
    model: str,
    folder: Place,
    split: str,
    table: str,
    out: Path,
    seed: int,
    batch_size: int,
    arguments: tuple[str, ...],
    prompt: str,
    audio_control: str | None,
) -> None:
    """Ask MODEL (a name, or module:Class) all questions of a split of the corpus in FOLDER."""
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.decoding import describe_audio
    from st_audioqa.pipeline.asking import Asked, ask_model

    asked = Asked(
        model,
        split,
        table,
        dict(_key_value(argument) for argument in arguments),
        prompt,
        audio_control or "",
        seed,
        batch_size,
    )
    report = ask_model(Corpus(folder), asked, out)
    kept = f", {report.skipped} were answered already" if report.skipped else ""
    click.echo(f"The model was given {describe_audio(report.audio)}.")
    click.echo(f"{report.asked} questions asked, {report.failed} failed{kept}: {out}")
    if report.failed:
        click.echo(f"The first failure: {report.first_error}")
        click.echo("Failed questions count as wrong; the same command asks them again.")
    if report.failed and report.failed == report.asked:
        raise UserError(
            f"The model {model!r} failed at every question: mend it, and ask again."
        )


@evaluate.command(name="controls")
@click.argument("folder", type=_CORPUS)
@_split
@_table
@click.option("--out", type=_FOLDER, required=True, help="Folder of predictions; resumed.")
@click.option("--model", help="Also this model, as it is, with W only, and shuffled.")
@click.option(
    "--model-arg", "arguments", multiple=True, metavar="KEY=VALUE", help="For the model."
)
@click.option("--resamples", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--markdown", "markdown_path", type=_FILE, help="Write the tables here.")
def eval_controls(
    folder: Path,
    split: str,
    table: str,
    out: Path,
    model: str | None,
    arguments: tuple[str, ...],
    resamples: int,
    markdown_path: Path | None,
) -> None:
    """Ask and score all controls of the corpus in FOLDER: what bounds every column."""
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.evaluation import format_tables
    from st_audioqa.pipeline.asking import CONTROLS, Asked, run_controls

    controls = [replace(each, split=split, table=table) for each in CONTROLS]
    given = dict(_key_value(argument) for argument in arguments)
    if model is not None:
        controls += [
            Asked(model, split, table, given, audio_control=control)
            for control in ("", "w-only", "shuffled-channels")
        ]
    results, left_out = run_controls(Corpus(folder), controls, out, resamples)
    tables = {name: result.tables for name, result in results.items()}
    if markdown_path is not None:
        _write(markdown_path, format_tables(tables, style="markdown", intervals=True))
    click.echo(format_tables(tables))
    for name, why in left_out.items():
        click.echo(f"{name} is left out: {why}")
    click.echo(f"Predictions lie in {out}.")


@evaluate.command(name="score")
@click.argument("predictions", type=_FILE)
@click.argument("folder", type=_PLACE)
@_split
@_table
@_answers
@click.option("--json", "json_path", type=_FILE, help="Write the result here.")
@click.option("--rows", "rows_path", type=_FILE, help="Write what became of every answer here.")
@click.option("--markdown", "markdown_path", type=_FILE, help="Write the tables here.")
@click.option("--resamples", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--quiet", is_flag=True, help="Print no tables.")
@click.option(
    "--embedding", is_flag=True, help="Also score event lists by a local text embedding."
)
def eval_score(
    predictions: Path,
    folder: Place,
    split: str,
    table: str,
    answers: Path | None,
    json_path: Path | None,
    rows_path: Path | None,
    markdown_path: Path | None,
    resamples: int,
    quiet: bool,
    embedding: bool,
) -> None:
    """Score PREDICTIONS (predictions.jsonl) against a split of the corpus in FOLDER."""
    from st_audioqa.corpus.manifest import MANIFEST
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.decoding import describe_audio
    from st_audioqa.evaluation import (
        audioset_vocabulary,
        format_readings,
        format_tables,
        score,
    )
    from st_audioqa.files import file_sha256

    corpus = Corpus(folder)
    manifest_sha256 = file_sha256(folder / MANIFEST)
    found = _answers_to(predictions, split, manifest_sha256)
    name = found.header.model if found.header else predictions.stem
    audio = found.header.audio if found.header else None
    asked = _asked(corpus, split, table, answers)
    result = score(
        asked, found.predictions, vocabulary=audioset_vocabulary(), resamples=resamples
    )
    secondary = _embedded(asked, result.rows) if embedding else {}
    tables = {name: result.tables}
    if json_path is not None:
        content = {**result.to_dict(), "model": name, "manifest_sha256": manifest_sha256}
        content["audio"] = audio
        content["table"] = table
        content["run"] = None if found.header is None else asdict(found.header)
        content |= _details(corpus, split, asked, result)
        if secondary:
            content["secondary"] = secondary
        _write(json_path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    if rows_path is not None:
        _write(rows_path, "".join(result.rows_jsonl()))
    if markdown_path is not None:
        _write(markdown_path, format_tables(tables, style="markdown", intervals=True))
    if not quiet:
        click.echo(format_tables(tables, intervals=True))
        click.echo(format_readings(result.tables))
    for kind, value in secondary.get("mAP", {}).items():
        click.echo(f"Type {kind} mAP by {secondary['scorer']} (secondary): {value:.1f}")
    statuses = ", ".join(
        f"{count} {status}" for status, count in result.statuses.items() if count
    )
    click.echo(
        f"{name}: {result.counts['questions']} questions of the table {table} ({statuses})."
    )
    click.echo(f"{name} was given {describe_audio(audio)}.")


def _asked(corpus: Corpus, split: str, table: str, answers: Path | None) -> list[Question]:
    """The questions of a split with their answers, wherever those are."""
    questions = corpus.questions(split, table)
    if answers is not None:
        from st_audioqa.corpus.holding import read_answers

        return read_answers(answers, questions, table)
    if split in corpus.manifest.held:
        raise UserError(
            f"The answers of {split} are held back in {corpus.folder}: give them with --answers, "
            "or your predictions to those who have them."
        )
    return questions


def _answers_to(predictions: Path, split: str, manifest_sha256: str) -> PredictionFile:
    """The predictions, where they are about this split of this corpus."""
    from st_audioqa.evaluation import read_predictions

    found = read_predictions(predictions)
    if found.header:
        for what, wanted, got in (
            ("split", split, found.header.split),
            ("corpus", manifest_sha256, found.header.manifest_sha256),
        ):
            if got not in ("", wanted):
                raise UserError(
                    f"{predictions} answers another {what} ({got[:16]}) than asked for "
                    f"({wanted[:16]}): give the {what} it was made with."
                )
    return found


def _details(
    corpus: Corpus, split: str, asked: Sequence[Question], result: Result
) -> dict[str, Any]:
    """Breakdowns of a result by the conditions of the scenes, where these are at hand."""
    from st_audioqa.evaluation.breakdown import details_of
    from st_audioqa.evaluation.conditions import Conditions
    from st_audioqa.pipeline.reverberation import t60_of_scenes

    try:
        scenes = {scene.scene_id: scene for scene in corpus.scenes(split)}
    except UserError:  # tracks can be held back; configuration and anchor need none
        scenes = {}
    t60_s = t60_of_scenes(corpus.manifest.recipe, scenes.values())
    return details_of(result, asked, Conditions(scenes, t60_s))


def _embedded(asked: Sequence[Question], rows: Sequence[Row]) -> dict[str, Any]:
    from st_audioqa.evaluation.embedding import MiniLmEmbedder, embedding_scores

    return embedding_scores(asked, rows, MiniLmEmbedder())


@evaluate.command(name="compare")
@click.argument("first", type=_FILE)
@click.argument("second", type=_FILE)
@click.argument("folder", type=_PLACE)
@_split
@_table
@_answers
@click.option("--resamples", type=click.IntRange(2), default=1000, show_default=True)
@click.option("--seed", type=_SEED, default=0, show_default=True, help="Of the resamples.")
@click.option("--json", "json_path", type=_FILE, help="Write the differences here.")
@click.option("--markdown", "markdown_path", type=_FILE, help="Write the table here.")
def eval_compare(
    first: Path,
    second: Path,
    folder: Place,
    split: str,
    table: str,
    answers: Path | None,
    resamples: int,
    seed: int,
    json_path: Path | None,
    markdown_path: Path | None,
) -> None:
    """Compare two predictions files on one split of the corpus in FOLDER, in pairs.

    The same resamples of scenes serve both, so the interval is that of the difference.
    """
    from st_audioqa.corpus.manifest import MANIFEST
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.evaluation import audioset_vocabulary, compare, format_comparison, score
    from st_audioqa.files import file_sha256

    corpus = Corpus(folder)
    manifest_sha256 = file_sha256(folder / MANIFEST)
    asked = _asked(corpus, split, table, answers)
    results = {}
    for path in (first, second):
        found = _answers_to(path, split, manifest_sha256)
        name = found.header.model if found.header else path.stem
        results[name if name not in results else f"{name} ({path})"] = score(
            asked,
            found.predictions,
            vocabulary=audioset_vocabulary(),
            resamples=resamples,
            seed=seed,
        )
    (one, a), (other, b) = results.items()
    differences = compare(a, b)
    tables = {name: result.tables for name, result in results.items()}
    if json_path is not None:
        content = {
            "type": "comparison",
            "models": [one, other],
            "scorer_version": a.scorer_version,
            "questions_sha256": a.questions_sha256,
            "bootstrap": a.bootstrap,
            "differences": {" / ".join(path): cell for path, cell in differences.items()},
        }
        _write(json_path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    if markdown_path is not None:
        text = format_comparison(one, other, tables, differences, style="markdown")
        _write(markdown_path, text)
    click.echo(format_comparison(one, other, tables, differences))


@evaluate.command(name="encoder")
@click.argument("who")
@click.argument("folder", type=_PLACE)
@_split
@click.option("--out", type=_FILE, required=True, help="The tracks.jsonl to be written.")
@click.option(
    "--crop-s",
    type=click.FloatRange(0, min_open=True),
    help="Seconds about each bin that an encoder of whole clips hears.",
)
@click.option("--name", help="Name of the row in tables.")
@click.option("--device", help="A torch device; the CPU if left out.")
def eval_encoder(
    who: str,
    folder: Place,
    split: str,
    out: Path,
    crop_s: float | None,
    name: str | None,
    device: str | None,
) -> None:
    """Let an encoder hear the corpus in FOLDER and write its tracks.

    WHO is the folder of an encoder, `intensity` or `intensity-plain`.
    """
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.pipeline.hearing import listener, write_tracks

    hearing = listener(who, crop_s=crop_s, name=name, device=device)
    corpus = Corpus(folder)
    total = sum(entry.rows for entry in corpus.manifest.scenes if entry.split == split)
    with _progress(total, "scenes") as bar:
        count = write_tracks(hearing, corpus, split, out, bar.update)
    click.echo(f"{hearing.name} heard {count} scenes: {out}; score it with `eval tracks`.")


@evaluate.command(name="tracks")
@click.argument("predictions", type=_FILE)
@click.argument("folder", type=_PLACE)
@_split
@click.option("--json", "json_path", type=_FILE, help="Write the result here.")
@click.option("--resamples", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def eval_tracks(
    predictions: Path,
    folder: Place,
    split: str,
    json_path: Path | None,
    resamples: int,
    seed: int,
) -> None:
    """Score trajectories (PREDICTIONS, a tracks.jsonl) against the corpus in FOLDER."""
    from st_audioqa.corpus.manifest import MANIFEST
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.evaluation.track_file import read_tracks
    from st_audioqa.evaluation.track_scores import score_tracks, tracks_text
    from st_audioqa.files import file_sha256

    corpus = Corpus(folder)
    found = read_tracks(predictions)
    manifest_sha256 = file_sha256(folder / MANIFEST)
    for what, wanted, got in (
        ("split", split, found.split),
        ("corpus", manifest_sha256, found.manifest_sha256),
    ):
        if got not in ("", wanted):
            raise UserError(
                f"{predictions} is about another {what} ({got[:16]}) than asked for "
                f"({wanted[:16]}): give the {what} it was made with."
            )
    name = found.model or predictions.stem
    scores = score_tracks(
        list(corpus.scenes(split)), found.scenes, resamples=resamples, seed=seed
    )
    if json_path is not None:
        content = {
            **scores,
            "model": name,
            "input": found.input,
            "split": split,
            "manifest_sha256": manifest_sha256,
        }
        _write(json_path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    click.echo(tracks_text(name, scores))


evaluate.add_command(report)
cli.add_command(submit)
cli.add_command(leaderboard)


cli.add_command(bench)
cli.add_command(publish)


@evaluate.command(name="table3")
@click.argument("results", nargs=-1, required=True, type=_FILE)
@click.option("--markdown", "markdown_path", type=_FILE, help="Also write as Markdown.")
@click.option("--intervals/--no-intervals", default=False, help="Show 95 % intervals.")
def eval_table3(results: tuple[Path, ...], markdown_path: Path | None, intervals: bool) -> None:
    """Put the RESULTS of `eval tracks` for several models into the paper's Table 3."""
    from st_audioqa.evaluation.table3 import format_table3

    found: dict[str, Any] = {}
    about: dict[tuple[str, str], Path] = {}
    for path in results:
        try:
            result = json.loads(path.read_text("utf-8"))
            name, key = str(result["model"]), (result["manifest_sha256"], result["split"])
            format_table3({name: result})
            about.setdefault(key, path)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{path} is no result of tracks: wanted what `st-audioqa eval tracks --json` "
                "writes."
            ) from error
        found[name if name not in found else f"{name} ({path})"] = result
    if len(about) > 1:
        first, other = list(about.values())[:2]
        raise UserError(
            f"{first} and {other} are about different scenes: results in one table must come "
            "from the same split of the same corpus."
        )
    if markdown_path is not None:
        _write(markdown_path, format_table3(found, style="markdown"))
    click.echo(format_table3(found, intervals=intervals))


@cli.group()
def train() -> None:
    """Train the reference models."""


@train.command(name="encoder")
@click.argument("recipe")
@click.option("--stage", type=click.IntRange(1), required=True, help="Stage of the recipe.")
@click.option("--data", type=_CORPUS, required=True, help="Corpus with audio.")
@click.option("--out", type=_FOLDER, required=True, help="Gets a folder for each stage.")
@click.option("--cache", type=_FOLDER, help="Feature cache; beside the corpus if left out.")
@click.option("--init", "start", type=_FOLDER, help="Encoder to start from instead.")
@click.option("--validation", help="Split to validate on; val, else test, if left out.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after these.")
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16"]),
    default="fp32",
    show_default=True,
    help="bf16 is faster on GPUs and on CPUs with AVX-512 BF16.",
)
@click.option("--passes", type=click.IntRange(1), help="Clip passes instead of the recipe's.")
@click.option("--seed", type=_SEED, help="Take this seed instead of the recipe's.")
@click.option("--device", help="A torch device; a GPU where there is one if left out.")
@_workers
def train_encoder_command(
    recipe: str,
    stage: int,
    data: Path,
    out: Path,
    cache: Path | None,
    start: Path | None,
    validation: str | None,
    minutes: float | None,
    checkpoint_minutes: float,
    precision: Any,
    passes: int | None,
    seed: int | None,
    device: str | None,
    workers: int,
) -> None:
    """Train one stage of the encoder in RECIPE; goes on where it was stopped.

    Several GPUs: torchrun --nproc-per-node N -m st_audioqa.cli train encoder ...
    """
    try:
        from st_audioqa.models.training import load_training_recipe, train_encoder
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise MissingPackageError(error.name, "models", "Training") from error

    run = train_encoder(
        load_training_recipe(recipe).changed(stage, passes=passes, seed=seed),
        stage,
        data,
        out,
        cache=cache,
        start=start,
        validation=validation,
        minutes=minutes,
        checkpoint_minutes=checkpoint_minutes,
        precision=precision,
        workers=workers,
        device=device,
    )
    if run.finished:
        click.echo(f"Stage {stage} is finished after {run.steps} steps: {run.folder}")
    else:
        click.echo(
            f"Stopped after {run.steps} of {run.total_steps} steps; the same command goes on."
        )


@train.command(name="lm")
@click.argument("recipe")
@click.option("--stage", type=click.IntRange(1), required=True, help="Stage of the recipe.")
@click.option("--data", type=_CORPUS, required=True, help="Corpus with audio.")
@click.option("--encoder", type=_FOLDER, required=True, help="Folder of a trained encoder.")
@click.option("--out", type=_FOLDER, required=True, help="Gets a folder for each stage.")
@click.option("--interface", help="paper (41 tokens), tracks, or one of yours.")
@click.option("--base", help="Language model: small, paper, test, a folder, a name on the Hub.")
@click.option("--cache", type=_FOLDER, help="Audio tokens; beside the corpus if left out.")
@click.option("--init", "start", type=_FOLDER, help="ST-AudioLM to start from instead.")
@click.option("--validation", help="Split to validate on; validation, else test.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after these.")
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16"]),
    default="fp32",
    show_default=True,
    help="bf16 is faster on GPUs and on CPUs with AVX-512 BF16.",
)
@click.option(
    "--passes", type=click.IntRange(1), help="Question passes instead of the recipe's."
)
@click.option("--seed", type=_SEED, help="Take this seed instead of the recipe's.")
@click.option("--device", help="A torch device; a GPU where there is one if left out.")
@_workers
def train_lm_command(
    recipe: str,
    stage: int,
    data: Path,
    encoder: Path,
    out: Path,
    interface: str | None,
    base: str | None,
    passes: int | None,
    seed: int | None,
    **options: Any,
) -> None:
    """Train one stage of the ST-AudioLM in RECIPE; goes on where it was stopped."""
    with _needs_models("Training"):
        from st_audioqa.models.lm.recipe import load_lm_recipe
        from st_audioqa.models.lm.training import train_lm

    chosen = load_lm_recipe(recipe).changed(
        stage, base=base, interface=interface, passes=passes, seed=seed
    )
    run = train_lm(chosen, stage, data, encoder, out, **options)
    if run.finished:
        click.echo(f"Stage {stage} is finished after {run.steps} steps: {run.folder}")
    else:
        click.echo(
            f"Stopped after {run.steps} of {run.total_steps} steps; the same command goes on."
        )


@contextmanager
def _needs_models(purpose: str) -> Iterator[None]:
    """Names the extra where one of its packages is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors", "transformers", "peft"):
            raise
        raise MissingPackageError(error.name, "models", purpose) from error


@cli.group(name="models")
def models_() -> None:
    """Fetch what the reference models start from."""


@models_.command(name="fetch")
@click.argument("name", type=click.Choice(["smollm2"]))
@click.option("--out", type=_FOLDER, help="Folder for it; where it is looked for if left out.")
@click.option("--gguf", type=_FILE, help="Convert this file instead of downloading one.")
def models_fetch(name: str, out: Path | None, gguf: Path | None) -> None:
    """Fetch and convert the language model NAME (the base `small`)."""
    with _needs_models("Fetching"):
        from st_audioqa.models.lm.fetch import fetch_smollm2

    click.echo(f"{name} is ready: {fetch_smollm2(out, gguf)}")


@cli.command()
@click.argument("audio", type=_FILE)
@click.argument("question")
@click.option("--weights", type=_FOLDER, required=True, help="Folder of an ST-AudioLM.")
@click.option("--option", "options", multiple=True, help="An answer to choose from; repeat it.")
@click.option("--base", help="Another language model than the one the folder names.")
@click.option(
    "--order",
    type=click.Choice(["ambix", "fuma"]),
    default="ambix",
    show_default=True,
    help="Of the channels: W, Y, Z, X in SN3D, or W, X, Y, Z.",
)
def ask(
    audio: Path,
    question: str,
    weights: Path,
    options: tuple[str, ...],
    base: str | None,
    order: Any,
) -> None:
    """Ask an ST-AudioLM a QUESTION about the recording AUDIO (four channels, at most 10 s)."""
    with _needs_models("ST-AudioLM"):
        from st_audioqa.models import STAudioLM

    model = STAudioLM.from_pretrained(weights, base=base)
    click.echo(model.answer(audio, question, options, order=order))


@train.command(name="convert")
@click.argument("kind")
@click.argument("checkpoint", type=_FILE)
@click.option("--labels", "labels_path", type=_FILE, help="Display names, one a line.")
@click.option("--data", type=_CORPUS, help="Corpus whose labels are the classes.")
@click.option("--out", type=_FOLDER, required=True, help="Folder of the encoder.")
def train_convert(
    kind: str, checkpoint: Path, labels_path: Path | None, data: Path | None, out: Path
) -> None:
    """Bring public weights (CHECKPOINT) into our encoder KIND, to start from with --init.

    KIND is spatial-ast or pseldnets-maccdoa. Give either --labels, in the order of the
    checkpoint's classes, or --data; the layers of other classes begin anew.
    """
    from st_audioqa.corpus.reader import Corpus

    if (labels_path is None) == (data is None):
        raise UserError("The classes are wanted once: give either --labels or --data.")
    try:
        from st_audioqa.models.originals import convert, read_state
        from st_audioqa.models.training.clips import label_vocabulary
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise MissingPackageError(error.name, "models", "Conversion") from error

    if data is not None:
        labels = list(label_vocabulary(Corpus(data)))
    else:
        assert labels_path is not None
        try:
            labels = [x for x in labels_path.read_text("utf-8").splitlines() if x.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The labels {labels_path} cannot be read: {error}.") from error
    converted = convert(kind, read_state(checkpoint), labels)
    converted.encoder.save_pretrained(out)
    click.echo(
        f"{out} holds the encoder; new are {', '.join(converted.new) or 'no weights'}; "
        f"{len(converted.left)} of the file have no place in it."
    )


def _key_value(argument: str) -> tuple[str, str]:
    key, equals, value = argument.partition("=")
    if not (key and equals):
        raise UserError(f"--model-arg takes KEY=VALUE, got {argument!r}.")
    return key, value


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


_OS_REMEDIES = dict.fromkeys(
    (errno.ENOSPC, errno.EDQUOT),
    ": make room there and run the same command again, what is finished stays",
)


class _Terminated(KeyboardInterrupt):
    """The system asks the process to end, as clusters do before they kill it."""


def _terminate(*_: object) -> None:
    raise _Terminated


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; a mistake of the user is one sentence and exit code 2."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(args=arguments, prog_name="st-audioqa", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt) as end:
        click.echo(
            "Interrupted; what is finished stays: the same command goes on from there.",
            err=True,
        )
        # click passes on another error that this one caused.
        sys.exit(143 if isinstance(end.__cause__ or end, _Terminated) else 130)
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        remedy = _OS_REMEDIES.get(error.errno or 0, "")
        click.echo(f"Error: {error.strerror or error}{where}{remedy}.", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
