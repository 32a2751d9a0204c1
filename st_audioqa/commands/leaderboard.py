"""`st-audioqa submit` and `st-audioqa leaderboard`: pack predictions, and score many packs."""

from __future__ import annotations

import json
from pathlib import Path

import click
from tqdm import tqdm

__all__ = ["leaderboard", "submit"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_split = click.option("--split", default="test", show_default=True, help="Split to use.")
_table = click.option(
    "--table",
    type=click.Choice(["qa", "robustness", "extended", "extended_robustness"]),
    default="qa",
    show_default=True,
    help="Table of questions.",
)


@click.command()
@click.argument("predictions", type=_FILE)
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--out", type=_FILE, required=True, help="The archive, FILE.zip.")
@_split
@_table
@click.option(
    "--zero-shot/--trained",
    required=True,
    default=None,
    help="Whether the model never saw a scene or question of this generator.",
)
@click.option("--training-data", default="", help="What it was trained on, in words.")
@click.option("--dataset-revision", default="", help="Tag or commit of the published corpus.")
@click.option("--model", help="Name of the model, instead of the predictions' own.")
@click.option("--revision", help="Of the model, instead of the predictions' own.")
@click.option("--url", help="Where the model is described.")
@click.option(
    "--audio",
    "layout",
    type=click.Choice(["foa", "binaural", "stereo", "mono", "none", "other"]),
    help="What the model was given, where the predictions do not say it.",
)
@click.option("--prompt-sha256", help="Hash of your own prompt.")
@click.option("--submitted-by", default="", help="Shown on the leaderboard.")
@click.option("--allow-missing", is_flag=True, help="Unanswered questions count as wrong.")
def submit(
    predictions: Path,
    corpus: Path,
    out: Path,
    split: str,
    table: str,
    zero_shot: bool,
    training_data: str,
    dataset_revision: str,
    model: str | None,
    revision: str | None,
    url: str | None,
    layout: str | None,
    prompt_sha256: str | None,
    submitted_by: str,
    allow_missing: bool,
) -> None:
    """Check PREDICTIONS against the CORPUS they answer, and pack them for a leaderboard.

    No answers are needed. The archive holds the predictions and a manifest that says how they
    came about (docs/leaderboard.md).
    """
    from st_audioqa.corpus.manifest import MANIFEST
    from st_audioqa.corpus.reader import Corpus
    from st_audioqa.errors import UserError
    from st_audioqa.files import file_sha256
    from st_audioqa.leaderboard.packing import Claims, PublishedDataset
    from st_audioqa.leaderboard.packing import submit as pack_up

    if out.suffix != ".zip":
        raise UserError(f"A submission is a .zip file, got {out}: name it so.")
    if not zero_shot and not training_data:
        raise UserError(
            "A trained model must say what it was trained on, and this one does not: add "
            "--training-data TEXT."
        )
    found = Corpus(corpus)
    dataset = PublishedDataset(
        name=found.manifest.recipe.name,
        revision=dataset_revision,
        split=split,
        table=table,
        manifest_sha256=file_sha256(corpus / MANIFEST),
        questions=tuple(found.questions(split, table)),
    )
    claims = Claims(
        zero_shot=zero_shot,
        training_data=training_data,
        model=model,
        revision=revision,
        url=url,
        layout=layout,
        prompt_sha256=prompt_sha256,
        submitted_by=submitted_by,
    )
    made = pack_up(predictions, dataset, claims, out, allow_missing=allow_missing)
    click.echo(
        f"{made.model.name}: {made.predictions.rows} answers to {made.dataset.questions} "
        f"questions of the table {table}: {out}"
    )
    if made.prompt is None:
        click.echo("The prompt is not recorded; --prompt-sha256 adds its hash.")


@click.group()
def leaderboard() -> None:
    """Score a folder of submissions, and make a table and a page of them."""


@leaderboard.command(name="schema")
def schema() -> None:
    """Print the JSON Schema of submission.json."""
    from st_audioqa.leaderboard.submission import json_schema

    click.echo(json.dumps(json_schema(), indent=1, sort_keys=True))


@leaderboard.command(name="build")
@click.argument("folder", type=_FOLDER)
@click.option("--out", "site", type=_FOLDER, required=True, help="Folder for tables and page.")
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    help="Corpus with answers; beside --answers, the published one without.",
)
@click.option("--answers", type=_FILE, help="Private answers-SPLIT.parquet.")
@_split
@_table
@click.option("--dataset-revision", help="Refuse submissions that name another one.")
@click.option("--resamples", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--dataset-id", help="OWNER/NAME on the Hub; also writes eval_results/*.yaml.")
@click.option("--url", help="Of the leaderboard, for eval_results.")
@click.option("--date", help="For eval_results, such as 2026-11-23.")
def build(
    folder: Path,
    site: Path,
    corpus: Path | None,
    answers: Path | None,
    split: str,
    table: str,
    dataset_revision: str | None,
    resamples: int,
    seed: int,
    dataset_id: str | None,
    url: str | None,
    date: str | None,
) -> None:
    """Score every submission in FOLDER; bad ones are refused with their reason.

    Nothing of a submission is run or unpacked under a name of its own. Only values of whole
    columns are written, never what became of a single answer.
    """
    from st_audioqa.evaluation import audioset_vocabulary
    from st_audioqa.leaderboard import board
    from st_audioqa.leaderboard.eval_results import Published
    from st_audioqa.leaderboard.questions import load_questions
    from st_audioqa.leaderboard.site import write_site

    published = Published(dataset_id, url, date) if dataset_id else None
    asked = load_questions(corpus=corpus, answers=answers, split=split, table=table)
    with tqdm(desc="submissions", unit=" submissions", dynamic_ncols=True) as bar:
        found = board.build(
            folder,
            asked,
            vocabulary=audioset_vocabulary(),
            dataset_revision=dataset_revision,
            resamples=resamples,
            seed=seed,
            progress=bar.update,
        )
    write_site(found, site, published)
    for rank, entry in enumerate(found.entries, start=1):
        overall = "not scored" if entry.overall is None else f"{entry.overall:.1f}"
        click.echo(f"{rank:>3}  {overall:>10}  {entry.submission.model.name}  ({entry.file})")
    for refusal in found.refused:
        click.echo(f"refused: {refusal.file}: {refusal.reason}")
    click.echo(
        f"{len(found.entries)} scored, {len(found.refused)} refused: {site / 'index.html'}"
    )
