"""`st-audioqa bench` and `st-audioqa publish`: a corpus made ready and sent out."""

from __future__ import annotations

from pathlib import Path

import click
from tqdm import tqdm

from st_audioqa.errors import UserError

__all__ = ["bench", "publish"]

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--questions",
    "most",
    type=click.IntRange(1),
    default=128,
    show_default=True,
    help="At most so many, each about a scene of its own.",
)
def bench(folder: Path, most: int) -> None:
    """Write a small table of test questions with their audio into the corpus in FOLDER."""
    from st_audioqa.pipeline.publish import add_bench

    manifest = add_bench(folder, most)
    rows = sum(entry.rows for entry in manifest.bench)
    size = sum(entry.bytes for entry in manifest.bench)
    click.echo(
        f"{rows} test questions with their audio ({_mb(size)}) lie in {folder / 'bench'}."
    )


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option("--repo", metavar="ORG/NAME", help="Dataset repository on the Hugging Face Hub.")
@click.option("--to", "address", metavar="ADDRESS", help="Or a bucket: s3://..., gs://...")
@click.option("--tag", help="Tag of this revision on the Hub, such as v1.0.")
@click.option("--private", is_flag=True, help="Make the repository private.")
@click.option("--gated", is_flag=True, help="Let the Hub ask for agreement before access.")
@click.option(
    "--hold-answers",
    is_flag=True,
    help="Publish the test split without answers, tracks, seeds and clips.",
)
@click.option("--out", type=_FOLDER, help="With --hold-answers: gets `public` and `private`.")
@click.option(
    "--answers-repo", metavar="ORG/NAME", help="Private repository for what is held back."
)
@click.option("--dry-run", is_flag=True, help="Send nothing; list what would be sent.")
def publish(
    folder: Path,
    repo: str | None,
    address: str | None,
    tag: str | None,
    private: bool,
    gated: bool,
    hold_answers: bool,
    out: Path | None,
    answers_repo: str | None,
    dry_run: bool,
) -> None:
    """Publish the corpus in FOLDER on the Hugging Face Hub or in a bucket; resumes where cut."""
    from st_audioqa.corpus.manifest import Manifest
    from st_audioqa.corpus.publishing import check_whole, published_files
    from st_audioqa.pipeline import publish as steps

    _refuse(repo, address, tag, hold_answers, out, answers_repo, dry_run)
    public, held_in = folder, None
    if hold_answers and out is not None:
        steps.hold_answers(folder, out, ["test"], gated=gated)
        public, held_in = out / "public", out / "private"
        click.echo(f"Without the answers of test: {public}; they lie in {held_in}. Keep them.")
    elif not dry_run and not steps.refresh(folder, gated=gated):
        click.echo("The card has no pictures: pip install 'st_audioqa[plots]'.")
    manifest = Manifest.load(public)
    files = published_files(public, manifest)
    for name, size in files.items() if dry_run else ():
        click.echo(f"{size:>13}  {name}")
    total = sum(files.values())
    click.echo(f"{len(files)} files, {_mb(total)}.")
    if dry_run:
        card = "" if hold_answers else "; the card and its pictures are renewed first"
        click.echo(f"Nothing was sent to {repo or address or 'anywhere'}{card}.")
        return
    if repo is None and address is None:
        return
    with tqdm(total=total, desc="check", unit="B", unit_scale=True, dynamic_ncols=True) as bar:
        check_whole(public, manifest, bar.update)
    if address is not None:
        _copy(public, files, address)
    if repo is not None:
        from st_audioqa.corpus.hub import upload

        message = f"{manifest.recipe.name} {manifest.recipe_hash[:12]}"
        commit = upload(
            public, files, repo, message=message, private=private, gated=gated, tag=tag
        )
        click.echo(f"Published: {repo} at {commit}.")
        if answers_repo is not None and held_in is not None:
            answers = [path.name for path in sorted(held_in.glob("*.parquet"))]
            upload(held_in, answers, answers_repo, message=f"{message} answers", private=True)
            click.echo(f"What is held back lies in {answers_repo}, which must stay private.")


def _refuse(
    repo: str | None,
    address: str | None,
    tag: str | None,
    hold_answers: bool,
    out: Path | None,
    answers_repo: str | None,
    dry_run: bool,
) -> None:
    """Options that do not go together."""
    if not (repo or address or hold_answers or dry_run):
        raise UserError("Publishing needs --repo ORG/NAME or --to ADDRESS.")
    if hold_answers != (out is not None):
        raise UserError(
            "--hold-answers needs --out FOLDER for what it makes, and --out needs it."
        )
    if answers_repo is not None and not (hold_answers and repo):
        raise UserError("--answers-repo needs --hold-answers and --repo.")
    if answers_repo is not None and answers_repo == repo:
        raise UserError("Answers that are held back need another repository than --repo.")
    if tag is not None and repo is None:
        raise UserError("--tag is of a revision on the Hub: give --repo as well.")


def _copy(folder: Path, files: dict[str, int], address: str) -> None:
    from st_audioqa.corpus.publishing import copy_to
    from st_audioqa.storage import StoredPath, located

    place = located(address)
    if not isinstance(place, StoredPath) or address.startswith("hf://"):
        raise UserError(
            f"--to is the address of a bucket, such as s3://bucket/corpus, got {address}: for "
            "the Hub, give --repo ORG/NAME."
        )
    total = sum(files.values())
    with tqdm(total=total, desc="copy", unit="B", unit_scale=True, dynamic_ncols=True) as bar:
        sent = copy_to(folder, files, place, bar.update)
    click.echo(f"{sent} files sent to {place}, {len(files) - sent} were there.")


def _mb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
