"""Options and arguments that several commands have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from st_audioqa.errors import UserError

__all__ = [
    "CORPUS",
    "FILE",
    "FOLDER",
    "SEED",
    "backend_of",
    "cluster_options",
    "events_option",
    "progress",
    "rir_cache_option",
    "rooms_option",
    "workers_option",
]

FOLDER = click.Path(file_okay=False, path_type=Path)
CORPUS = click.Path(path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
SEED = click.IntRange(0, 2**63 - 1)

workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Processes; any number gives the same bytes.",
)
rir_cache_option = click.option(
    "--rir-cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps impulse responses from run to run; changes no byte.",
)
rooms_option = click.option(
    "--rooms",
    type=CORPUS,
    help="Where the meshes or buildings lie, instead of the recipe's rooms.options.path.",
)
events_option = click.option(
    "--events",
    multiple=True,
    metavar="FOLDER",
    help="Where the recordings lie, instead of the recipe's events.path; PART=FOLDER "
    "for a part of a mix.",
)


@contextmanager
def progress(total: int, what: str) -> Iterator[tqdm[Any]]:
    """A progress bar on standard error."""
    with tqdm(total=total, desc=what, unit=" scenes", dynamic_ncols=True) as bar:
        yield bar


def cluster_options(function: Any) -> Any:
    """Where shards are made, and how often a shard is tried."""
    for option in (
        click.option(
            "--timeout",
            "timeout_min",
            type=click.FloatRange(0, min_open=True),
            default=30.0,
            show_default=True,
            help="Minutes without a finished scene after which a worker is taken to hang.",
        ),
        click.option(
            "--attempts",
            type=click.IntRange(1),
            default=3,
            show_default=True,
            help="Of a shard whose worker is killed, hangs or runs out of memory.",
        ),
        click.option(
            "--cluster",
            metavar="ADDRESS",
            help="Dask scheduler that gives out the shards (tcp://host:8786), or local for "
            "one here. All its machines must see the output folder.",
        ),
    ):
        function = option(function)
    return function


def backend_of(workers: int, cluster: str | None, attempts: int, timeout_min: float) -> Any:
    """The back-end that these options ask for."""
    from st_audioqa.execution import Dask, Inline, Processes

    silence_s = 60.0 * timeout_min
    if cluster is not None:
        if cluster != "local" and "://" not in cluster:
            raise UserError(
                f"--cluster takes a scheduler's address (tcp://host:8786) or local, got "
                f"{cluster!r}."
            )
        return Dask(cluster, workers, attempts, silence_s)
    return Inline() if workers == 1 else Processes(workers, attempts, silence_s)
