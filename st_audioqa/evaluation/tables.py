"""Results as the paper's tables, in plain text, Markdown or LaTeX.

The functions take the `tables` of a `Result`, or of its JSON text, so that results can be shown
without scoring again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from st_audioqa.evaluation.blocks import Block, Style
from st_audioqa.evaluation.columns import AVERAGE, COLUMNS, TYPE_TITLES

__all__ = [
    "UNSCORED",
    "Style",
    "format_comparison",
    "format_readings",
    "format_tables",
    "shown",
]

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
    style : {"plain", "markdown", "latex"}
        LaTeX puts both types of Table 4 side by side, as the paper does.
    intervals : bool
        Whether the 95 % interval stands behind each value.
    chance : bool
        Whether the first row says what uniform guessing is expected to reach.

    Returns
    -------
    str
        One block per table and type, ended by a newline; percent, "-" where nothing was scored.
    """
    paths: dict[tuple[str, ...], list[Path]] = {}
    for path in [*(column.path for column in COLUMNS), AVERAGE]:
        paths.setdefault(path[:1] if style == "latex" else path[:2], []).append(path)
    blocks = []
    for key, columns in paths.items():
        title = f"Table {key[0].removeprefix('table_')}"
        if len(key) > 1:
            title = f"{title}, type {key[1]}: {TYPE_TITLES[key[1]]}"
            header = [("Model",), *(path[2:] for path in columns)]
        else:
            title = f"{title} of the paper"
            header = [("Model",), *(_with_type(path) for path in columns)]
        rows = [
            [name, *(shown(_cell(tables, path), intervals=intervals) for path in columns)]
            for name, tables in results.items()
        ]
        if chance and results:
            first = next(iter(results.values()))
            rows.insert(0, [CHANCE, *(shown(_cell(first, path), "chance") for path in columns)])
        blocks.append(Block(title, header, rows).text(style))
    return "\n".join(blocks)


def _with_type(path: Path) -> Path:
    """Type, group and name of a column; three levels, so that the types stand in one line."""
    rest = path[2:] if len(path) == 4 else ("", *path[2:])
    return (f"{path[1]}: {TYPE_TITLES[path[1]]}", *rest)


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
            values = (shown(cell, key) for key in keys)
            rows.append([_named(column.path), str(cell["n"]), *values])
    return Block("How the answers were read (percent)", header, rows).text(style)


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
        values = [shown(_cell(tables[name], path)) for name in (first, second)]
        interval = f"[{low:+.1f}, {high:+.1f}]" if known else UNSCORED
        rows.append([_named(path), *values, f"{cell['difference']:+.1f}", interval, apart])
    title = f"{second} minus {first} (points; * where the interval leaves out zero)"
    return Block(title, header, rows).text(style)


def _named(path: Path) -> str:
    return " ".join(path[1:])


def _cell(tables: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    found: Any = tables
    for key in path:
        found = found.get(key, {})
    return dict(found)


def shown(cell: Mapping[str, Any], key: str = "value", *, intervals: bool = False) -> str:
    """A value of a cell, with its interval if wanted; "-" where there is none."""
    value = cell.get(key)
    if value is None:
        return UNSCORED
    low, high = cell.get("low"), cell.get("high")
    if intervals and low is not None and high is not None:
        return f"{value:.1f} [{low:.1f}, {high:.1f}]"
    return f"{value:.1f}"
