"""The paper's Table 3 from the scores of several models (`track_scores.score_tracks`).

Like there, static and moving sources stand apart, and a model without anything in a table is
left out of it. Ours is the third table, of sources in mixtures whose classes were told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from st_audioqa.evaluation.blocks import Block, Style

__all__ = ["TABLES", "format_table3"]

_DEGREES, _METRES, _PERCENT = " (deg)", " (m)", " (%)"
_UNITS = {"DoA MAE": _DEGREES, "Dist. MAE": _METRES}

TABLES: Mapping[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "static": (
        "Table 3 (a): single static sources",
        (
            ("Semantic", "mAP"),
            ("Spatial loc.", "DoA MAE"),
            ("Spatial loc.", "Dist. Acc"),
            ("Spatial loc.", "Dist. Acc +-1 bin"),
        ),
    ),
    "dynamic": (
        "Table 3 (b): single moving sources",
        (
            ("Semantic", "mAP"),
            ("Spatial loc.", "DoA MAE"),
            ("Spatial loc.", "Dist. MAE"),
            ("Tracking", "Traj. Acc@20"),
        ),
    ),
    "two": (
        "Beyond the paper: sources of mixtures, each asked for by its class",
        (
            ("Spatial loc.", "DoA MAE"),
            ("Spatial loc.", "Dist. MAE"),
            ("Tracking", "Traj. Acc@20"),
        ),
    ),
}
"""Key in the scores -> title, columns with their groups."""


def format_table3(
    results: Mapping[str, Mapping[str, Any]],
    *,
    style: Style = "plain",
    intervals: bool = True,
) -> str:
    """Table 3 with one row per model.

    Parameters
    ----------
    results : mapping of str to mapping
        Name of a model -> its scores; the key "input" says what it was given.
    style : {"plain", "markdown"}
    intervals : bool
        Whether the 95 % interval, from whole scenes drawn again, stands behind each value.

    Returns
    -------
    str
        One block per table, ended by a newline; "-" where nothing was scored.
    """
    blocks = []
    for key, (title, columns) in TABLES.items():
        header: list[tuple[str, ...]] = [("Model",), ("Input",)]
        header += [(group, name + _UNITS.get(name, _PERCENT)) for group, name in columns]
        rows = []
        for model, scores in results.items():
            cells = [scores[key].get(name, {}) for _, name in columns]
            if any(cell.get("value") is not None for cell in cells):
                shown = [_shown(cell, intervals) for cell in cells]
                rows.append([model, str(scores.get("input") or "-"), *shown])
        if rows:
            blocks.append(Block(title, header, rows).text(style))
    return "\n".join(blocks)


def _shown(cell: Mapping[str, Any], intervals: bool) -> str:
    if cell.get("value") is None:
        return "-"
    value, low, high = (cell.get(key) for key in ("value", "low", "high"))
    if not intervals or low is None or high is None:
        return f"{value:.2f}"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
