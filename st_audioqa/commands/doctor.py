"""`st-audioqa doctor`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from st_audioqa.commands.options import FOLDER, events_option, rooms_option

__all__ = ["doctor"]


@click.command()
@click.argument("recipe", required=False)
@click.option(
    "--out", "folder", type=FOLDER, default=".", help="Where corpora are to be written."
)
@rooms_option
@events_option
@click.option("--questions-only", is_flag=True, help="Estimate RECIPE without audio.")
def doctor(
    recipe: str | None,
    folder: Path,
    rooms: Path | None,
    events: Sequence[str],
    questions_only: bool,
) -> None:
    """Say what is installed, what works here, and what installs the rest.

    With RECIPE also how long it takes here and whether there is room for it. "--" marks what is
    optional and missing; exit code 1 means that nothing can work, or that RECIPE cannot.
    """
    from st_audioqa.doctor import examine

    findings = list(examine(folder))
    if recipe is not None:
        from st_audioqa.pipeline.estimate import estimate
        from st_audioqa.pipeline.places import with_places
        from st_audioqa.recipes import load_recipe

        placed = with_places(load_recipe(recipe), events, rooms)
        findings += estimate(placed, folder, with_audio=not questions_only)
    for finding in findings:
        mark = {"ok": "ok", "missing": "--", "fail": "FAIL"}[finding.state]
        click.echo(f"{mark:<4} {finding.subject:<20} {finding.text}")
    if any(finding.state == "fail" for finding in findings):
        sys.exit(1)
