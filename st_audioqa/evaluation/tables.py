"""Results as the paper's tables, in plain text or Markdown.

The functions take the `tables` of a `Result`, or of its JSON text, so that results can be shown
without scoring again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from st_audioqa.evaluation.columns import AVERAGE, COLUMNS, TYPE_TITLES

__all__ = ["Style", "format_comparison", "format_readings", "format_tables"]

Style = Literal["plain", "markdown"]
Path = tuple[str, ...]

UNSCORED = "-"
CHANCE = "Random chance"


def format_tables(
    results: Mapping[str, Mapping[str, Any]],
    *,
    style: Style = "plain",
    intervals: bool = False,
    chance: bool = True,
) -> str:
    """Tables 4 and 5 with one row per model.

    Parameters
    ----------
    results : mapping of str to mapping
        Name of a model -> its `tables`.
    style : {"plain", "markdown"}
    intervals : bool
        Whether the 95 % interval stands behind each value.
    chance : bool
        Whether the first row says what uniform guessing is expected to reach.

    Returns
    -------
    str
        One block per table and type, ended by a newline; percent, "-" where nothing was scored.
    """
    paths: dict[tuple[str, str], list[Path]] = {}
    for path in [*(column.path for column in COLUMNS), AVERAGE]:
        paths.setdefault((path[0], path[1]), []).append(path)
    blocks = []
    for (table, kind), columns in paths.items():
        header = [("Model",), *(path[2:] for path in columns)]
        rows = [
            [name, *(_shown(_cell(tables, path), "value", intervals) for path in columns)]
            for name, tables in results.items()
        ]
        if chance and results:
            first = next(iter(results.values()))
            rows.insert(
                0, [CHANCE, *(_shown(_cell(first, path), "chance", False) for path in columns)]
            )
        title = f"Table {table.removeprefix('table_')}, type {kind}: {TYPE_TITLES[kind]}"
        blocks.append(_written(title, header, rows, style))
    return "\n".join(blocks)


def format_readings(tables: Mapping[str, Any], *, style: Style = "plain") -> str:
    """How the answers of one model were read: a row per column of the tables.

    Lenient is the value of the tables, strict counts only responses that are the answer text
    itself, and "read" is the percentage of questions with a readable answer.
    """
    keys = ("value", "strict", "parse_rate", "chance")
    header = [("Column",), ("n",), ("lenient",), ("strict",), ("read",), ("chance",)]
    rows = []
    for column in COLUMNS:
        cell = _cell(tables, column.path)
        if cell.get("n"):
            shown = (_shown(cell, key, False) for key in keys)
            rows.append([_named(column.path), str(cell["n"]), *shown])
    return _written("How the answers were read (percent)", header, rows, style)


def format_comparison(
    first: str,
    second: str,
    tables: Mapping[str, Mapping[str, Any]],
    differences: Mapping[Path, Mapping[str, Any]],
    *,
    style: Style = "plain",
) -> str:
    """Two models side by side, with the paired interval of their difference.

    Parameters
    ----------
    first, second : str
        Names of the models.
    tables : mapping of str to mapping
        Name -> its `tables`.
    differences : mapping
        What `compare` gives.
    """
    header = [("Column",), (first,), (second,), ("difference",), ("95 % interval",), ("",)]
    rows = []
    for path, cell in differences.items():
        low, high = cell["low"], cell["high"]
        known = low is not None and high is not None
        apart = "*" if known and (low > 0 or high < 0) else ""
        values = [_shown(_cell(tables[name], path), "value", False) for name in (first, second)]
        interval = f"[{low:+.1f}, {high:+.1f}]" if known else UNSCORED
        rows.append([_named(path), *values, f"{cell['difference']:+.1f}", interval, apart])
    title = f"{second} minus {first} (points; * where the interval leaves out zero)"
    return _written(title, header, rows, style)


def _named(path: Path) -> str:
    return " ".join(path[1:])


def _written(
    title: str, header: Sequence[Path], rows: Sequence[Sequence[str]], style: Style
) -> str:
    return (_markdown if style == "markdown" else _plain)(title, header, rows)


def _cell(tables: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    found: Any = tables
    for key in path:
        found = found.get(key, {})
    return dict(found)


def _shown(cell: Mapping[str, Any], key: str, intervals: bool) -> str:
    value = cell.get(key)
    if value is None:
        return UNSCORED
    low, high = cell.get("low"), cell.get("high")
    if intervals and low is not None and high is not None:
        return f"{value:.1f} [{low:.1f}, {high:.1f}]"
    return f"{value:.1f}"


def _plain(title: str, header: Sequence[Path], rows: Sequence[Sequence[str]]) -> str:
    """Groups stand in a line above the names."""
    groups = ["" if len(heading) == 1 else heading[0] for heading in header]
    names = [heading[-1] for heading in header]
    heads = [groups, names] if any(groups) else [names]
    widths = [max(map(len, column)) for column in zip(*heads, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    lines = (_aligned(cells, widths) for cells in (*heads, rule, *rows))
    return "\n".join([title, *lines]) + "\n"


def _aligned(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = [
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _markdown(title: str, header: Sequence[Path], rows: Sequence[Sequence[str]]) -> str:
    names = [" ".join(heading) for heading in header]
    rule = ["---", *["---:"] * (len(names) - 1)]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in (names, rule, *escaped)]
    return "\n".join([f"**{title}**", "", *lines]) + "\n"
