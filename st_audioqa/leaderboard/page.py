"""The leaderboard as one HTML file that needs nothing else: no server, no script from elsewhere.

All text of submissions is escaped, and the page's own policy forbids to load or send anything.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from st_audioqa.evaluation.columns import TYPE_TITLES
from st_audioqa.evaluation.summary import TYPES
from st_audioqa.leaderboard.board import CELLS, Board

__all__ = ["page"]

_NOT_SCORED = "–"


def page(about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], board: Board) -> str:
    """The text of `index.html`.

    Parameters
    ----------
    about : mapping
        What the leaderboard is about, as in `results.json`.
    rows : sequence of mapping
        Rows of `results_table`.
    board : Board
    """
    style, script = _asset("page.css"), _asset("page.js")
    title = f"Leaderboard: {about['dataset'] or 'spatio-temporal audio question answering'}"
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    sections = [_summary(rows)]
    for kind in TYPES:
        columns = {
            name: path
            for name, path in CELLS.items()
            if path[1] == kind and not name.endswith("avg")
        }
        if any(row[name] is not None for row in rows for name in columns):
            sections.append(_details(kind, columns, rows, board))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_text(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            f"<h1>{_text(title)}</h1>",
            _introduction(about),
            *sections,
            _refused(board),
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _introduction(about: Mapping[str, Any]) -> str:
    resamples = about["bootstrap"].get("resamples", 0)
    revision = f", revision {about['dataset_revision']}" if about["dataset_revision"] else ""
    intervals = (
        f"Small figures are 95 % intervals ({resamples} resamples of scenes). "
        if resamples
        else ""
    )
    return (
        f"<p>{about['questions']} questions of the table <b>{_text(about['table'])}</b>, split "
        f"<b>{_text(about['split'])}</b>{_text(revision)}; scorer "
        f"{_text(about['scorer_version'])}. All values are percent. Missing and unreadable "
        "answers count as wrong; “read” says how "
        f"many could be read. {intervals}Overall is the mean of the averages of the three types. "
        "Press a heading to sort. What a submission says of its model is its makers’ word.</p>"
        '<p>For programs: <a href="results.json">results.json</a>, '
        '<a href="results.csv">results.csv</a>, '
        '<a href="results.parquet">results.parquet</a>, '
        '<a href="refused.json">refused.json</a>.</p>'
    )


def _summary(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "<p><b>There is no submission yet that could be scored.</b></p>"
    heads = [
        ("#", True),
        ("Model", False),
        ("Overall", True),
        *((f"Type {kind}", True) for kind in TYPES),
        ("Read", True),
        ("Training", False),
        ("Audio", False),
        ("Prompt", False),
        ("Revision", False),
        ("By", False),
    ]
    lines = []
    for row in rows:
        values = [_number(row, "overall")]
        values += [_number(row, f"avg_{kind.lower()}") for kind in TYPES]
        values.append(_number(row, "parse_rate"))
        texts = [
            f'<td title="{_text(row["training_data"])}">{_text(row["training"])}</td>',
            f'<td title="{_text(row["channels"])}">{_text(row["layout"])}</td>',
            f'<td title="{_text(row["prompt_sha256"])}">{_text(row["prompt"] or _NOT_SCORED)}</td>',
            f"<td>{_text(row['revision'][:24])}</td>",
            f"<td>{_text(row['submitted_by'])}</td>",
        ]
        rank = f'<td class="n" data-v="{row["rank"]}">{row["rank"]}</td>'
        lines.append(f"<tr>{rank}{_model(row)}{''.join(values)}{''.join(texts)}</tr>")
    return _table("Results", [[_head(name, number) for name, number in heads]], lines)


def _details(
    kind: str,
    columns: Mapping[str, tuple[str, ...]],
    rows: Sequence[Mapping[str, Any]],
    board: Board,
) -> str:
    chance = "".join(
        f'<td class="n">{_value(_cell(board.entries[0].tables, path).get("chance"))}</td>'
        for path in columns.values()
    )
    first = f'<tr class="chance"><th scope="row">Random chance</th>{chance}</tr>'
    lines = [
        f"<tr>{_model(row)}{''.join(_number(row, name) for name in columns)}</tr>"
        for row in rows
    ]
    groups, spans = "<td></td>", [path[2] if len(path) > 3 else "" for path in columns.values()]
    while spans:
        width = next((i for i, name in enumerate(spans) if name != spans[0]), len(spans))
        groups += f'<th colspan="{width}" class="g">{_text(spans[0])}</th>'
        spans = spans[width:]
    names = [_head("Model", False), *(_head(path[-1], True) for path in columns.values())]
    number = "5" if kind == "C" else "4"
    title = f"Table {number}, type {kind}: {TYPE_TITLES[kind]}"
    head = [names] if kind == "C" else [[groups], names]
    return _table(title, head, lines, first)


def _table(
    title: str, head: Sequence[Sequence[str]], lines: Sequence[str], fixed: str = ""
) -> str:
    heads = "".join(f"<tr>{''.join(cells)}</tr>" for cells in head)
    body = "\n".join(lines)
    return (
        f'<h2>{_text(title)}</h2><div class="wide"><table><thead>{heads}{fixed}</thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _head(name: str, number: bool) -> str:
    kind = ' class="n"' if number else ""
    return f'<th scope="col"{kind}><button type="button">{_text(name)}</button></th>'


def _model(row: Mapping[str, Any]) -> str:
    name = _text(row["model"])
    if row["url"]:
        name = f'<a href="{_text(row["url"])}" rel="nofollow noopener noreferrer">{name}</a>'
    return f'<th scope="row" title="{_text(row["file"])}">{name}</th>'


def _value(value: float | None) -> str:
    return _NOT_SCORED if value is None else f"{value:.1f}"


def _number(row: Mapping[str, Any], name: str) -> str:
    value, low, high = row[name], row.get(f"{name}_low"), row.get(f"{name}_high")
    key = "" if value is None else f"{value:.6f}"
    interval = ""
    if value is not None and low is not None and high is not None:
        interval = f"<small>{low:.1f}–{high:.1f}</small>"
    return f'<td class="n" data-v="{key}">{_value(value)}{interval}</td>'


def _cell(tables: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    found: Any = tables
    for key in path:
        found = found[key]
    return dict(found)


def _refused(board: Board) -> str:
    if not board.refused:
        return ""
    lines = "".join(
        f"<li><b>{_text(refusal.file)}</b>: {_text(refusal.reason)}</li>"
        for refusal in board.refused
    )
    return f"<h2>Refused</h2><ul>{lines}</ul>"
