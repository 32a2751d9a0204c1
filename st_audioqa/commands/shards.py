"""Commands that look at a corpus in the making, and make it shard by shard on a cluster."""

from __future__ import annotations

import os
from pathlib import Path

import click

from st_audioqa.commands.options import CORPUS, progress, rir_cache_option
from st_audioqa.errors import UserError

__all__ = ["array", "generate_shard", "status"]


@click.command()
@click.argument("folder", type=CORPUS)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(folder: Path, as_json: bool) -> None:
    """Say how far the corpus in FOLDER is, whoever makes it: speed, rejections, time, disk."""
    from st_audioqa.pipeline.status import status as find
    from st_audioqa.pipeline.status import status_json, status_text

    found = find(folder)
    click.echo(status_json(found) if as_json else status_text(found))


@click.command(name="generate-shard")
@click.argument("folder", type=CORPUS)
@click.argument("index", type=click.IntRange(0), required=False)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Make this many shards, beginning with shard INDEX * COUNT.",
)
@rir_cache_option
def generate_shard(folder: Path, index: int | None, count: int, rir_cache: Path | None) -> None:
    """Make shard INDEX of the corpus planned in FOLDER; others may be made at the same time.

    INDEX is that of the array task where it is left out (Slurm, Kubernetes). What is there
    already is kept.
    """
    from st_audioqa.pipeline.shard import run_shard
    from st_audioqa.pipeline.work import Work

    index = _own_index() if index is None else index
    work = Work.resume(folder)
    shards = work.plan.shards
    if index * count >= len(shards):
        tasks = -(-len(shards) // count)
        raise UserError(
            f"{folder} is planned in {len(shards)} shards, {tasks} tasks of {count}: INDEX is "
            f"0 to {tasks - 1}, got {index}."
        )
    mine = shards[index * count : (index + 1) * count]
    with progress(sum(len(shard.scenes) for shard in mine), "scenes") as bar:
        for shard in mine:
            run_shard(work.job(shard, rir_cache, of_run=False), lambda: bar.update(1))
    click.echo(f"{', '.join(shard.name for shard in mine)}: made.")


def _own_index() -> int:
    from st_audioqa.execution.array import INDEX_VARIABLES

    for name in INDEX_VARIABLES:
        if os.environ.get(name, "").isdecimal():
            return int(os.environ[name])
    raise UserError(
        f"INDEX is wanted: the number of a shard, or {' or '.join(INDEX_VARIABLES)} in the "
        "environment, as array jobs have it."
    )


@click.command()
@click.argument("folder", type=CORPUS)
@click.option(
    "--for", "system", type=click.Choice(["slurm", "kubernetes"]), required=True, help="System."
)
@click.option("--per-task", type=click.IntRange(1), default=1, show_default=True)
@click.option("--at-once", type=click.IntRange(1), default=100, show_default=True)
@click.option("--memory-gb", type=click.FloatRange(0.5), default=8.0, show_default=True)
@click.option(
    "--hours", type=click.FloatRange(0, min_open=True), default=4.0, show_default=True
)
@click.option("--name", default="st-audioqa", show_default=True, help="Of the job.")
@click.option("--setup", default="", help="Slurm: a line to be run first.")
@click.option("--image", default="st-audioqa:latest", show_default=True, help="Kubernetes.")
@click.option("--claim", default="corpus", show_default=True, help="Kubernetes: volume claim.")
def array(
    folder: Path,
    system: str,
    per_task: int,
    at_once: int,
    memory_gb: float,
    hours: float,
    name: str,
    setup: str,
    image: str,
    claim: str,
) -> None:
    """Print the job script that makes the corpus planned in FOLDER as an array of tasks."""
    from st_audioqa.execution.array import ArrayJob, kubernetes_manifest, slurm_script
    from st_audioqa.pipeline.work import Work

    n_shards = len(Work.resume(folder).plan.shards)
    place = os.path.abspath(folder)
    job = ArrayJob(place, n_shards, per_task, at_once, memory_gb, hours, name)
    if system == "slurm":
        click.echo(slurm_script(job, setup), nl=False)
    else:
        click.echo(kubernetes_manifest(job, image, claim), nl=False)
