"""`st-audioqa eval report`: results of several models in one report."""

from __future__ import annotations

import json
from pathlib import Path

import click

from st_audioqa.files import write_text

__all__ = ["report"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(name="report")
@click.argument("results", nargs=-1, required=True, type=_FILE)
@click.option("--markdown", "markdown_path", type=_FILE, help="Also write as Markdown.")
@click.option("--latex", "latex_path", type=_FILE, help="Also write as LaTeX (booktabs).")
@click.option("--json", "json_path", type=_FILE, help="Also write as JSON.")
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also draw pictures into this folder.",
)
@click.option("--intervals/--no-intervals", default=False, help="Show 95 % intervals.")
@click.option("--by-family", is_flag=True, help="Show every condition for each family as well.")
def report(
    results: tuple[Path, ...],
    markdown_path: Path | None,
    latex_path: Path | None,
    json_path: Path | None,
    plots: Path | None,
    intervals: bool,
    by_family: bool,
) -> None:
    """Put the RESULTS of several models (result.json) into one report.

    They must be about the same questions; files hold 95 % intervals in any case.
    """
    from st_audioqa.evaluation.report import load_results, report_json, report_text

    found = load_results(results)
    if markdown_path is not None:
        write_text(markdown_path, report_text(found, "markdown", by_family=by_family))
    if latex_path is not None:
        write_text(latex_path, report_text(found, "latex", by_family=by_family))
    if json_path is not None:
        text = json.dumps(report_json(found), indent=1, sort_keys=True, ensure_ascii=False)
        write_text(json_path, f"{text}\n")
    click.echo(report_text(found, intervals=intervals, by_family=by_family))
    if plots is not None:
        from st_audioqa.evaluation.pictures import draw

        for path in draw(found, plots):
            click.echo(f"Drawn: {path}")
