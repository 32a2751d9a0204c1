"""`st-audioqa verify`."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from st_audioqa.commands.options import (
    CORPUS,
    FILE,
    events_option,
    progress,
    rooms_option,
    workers_option,
)

__all__ = ["verify"]


@click.command()
@click.argument("folder", type=CORPUS)
@click.option("--json", "json_path", type=FILE, help="Also write a report.")
@rooms_option
@events_option
@workers_option
@click.option(
    "--repair", is_flag=True, help="First make anew the files that are damaged or missing."
)
def verify(
    folder: Path,
    json_path: Path | None,
    rooms: Path | None,
    events: Sequence[str],
    workers: int,
    repair: bool,
) -> None:
    """Check files, tables, labels, answers and audio of the corpus in FOLDER.

    With --repair, files that do not have the bytes of the manifest are made again from the
    recipe, and put in place where they come out with those bytes.
    """
    from st_audioqa.corpus.manifest import Manifest
    from st_audioqa.pipeline.verify import MIN_SCENES
    from st_audioqa.pipeline.verify import verify as run_verify

    total = sum(entry.rows for entry in Manifest.load(folder).scenes)
    if repair:
        _repair(folder, rooms, events, workers)
    with progress(total, "verify") as bar:
        report = run_verify(folder, lambda: bar.update(1), rooms, workers)
    if json_path is not None:
        median = report.median_doa_error_deg if report.doa_error_deg else None
        lead_s = report.lead_s if report.leads else None
        data = {**report.__dict__, "median_doa_error_deg": median, "lead_s": lead_s}
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", "utf-8")
    click.echo(
        f"{report.n_files} files, {report.n_scenes} scenes, {report.n_questions} questions checked."
    )
    click.echo(
        f"Labels recomputed from positions: largest difference {report.max_label_error:.1e}."
    )
    if report.doa_error_deg:
        click.echo(
            f"Direction of arrival measured from the audio of {len(report.doa_error_deg)} "
            f"single-source scenes: median error {report.median_doa_error_deg:.1f} deg."
        )
    if report.azimuth_residual_deg:
        turned = statistics.median(report.azimuth_residual_deg)
        click.echo(f"Its azimuth is turned by {turned:+.1f} deg (median).")
    if len(report.leads) >= MIN_SCENES:
        click.echo(f"Moving sources are heard {report.lead_s:+.2f} s ahead of their labels.")
    for fault in report.faults:
        click.echo(f"FAULT {fault}")
    if report.faults:
        click.echo(f"{len(report.faults)} faults.")
        sys.exit(1)
    click.echo("No faults.")


def _repair(folder: Path, rooms: Path | None, events: Sequence[str], workers: int) -> None:
    from st_audioqa.pipeline.repair import repair

    found = repair(folder, rooms=rooms, events=events, workers=workers)
    for path in found.repaired:
        click.echo(f"REPAIRED {path}")
    for path, why in found.left.items():
        click.echo(f"NOT REPAIRED {path}: {why}")
    if not found.repaired and not found.left:
        click.echo("Nothing to repair: every file has the bytes of the manifest.")
