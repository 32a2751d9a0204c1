"""Results as pictures: families with intervals, confusion of sectors, error against distance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from st_audioqa.errors import MissingPackageError
from st_audioqa.evaluation.conditions import FACTORS
from st_audioqa.evaluation.report import FAMILY, StoredResult

__all__ = ["draw"]

_COLOURS = ("#3b6ea5", "#d98e04", "#4b8b3b", "#8d4fa8", "#b3261e", "#5f6b73", "#00838f")
_BAR = 0.8
"""Width of all bars of one family together."""
_TITLE_CHARS = 40


def draw(results: Sequence[StoredResult], folder: Path) -> list[Path]:
    """Draws PNG files into a folder; returns their paths.

    `families.png`, `errors_by_distance.png`, and one `confusion_<model>.png` per model; what a
    result has no numbers for is left out.

    Raises
    ------
    MissingPackageError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("matplotlib", "plots", "Plotting") from error
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {}
    if any(result.breakdowns for result in results):
        figures["families.png"] = _families(Figure, results)
    if any(result.content.get("distance_errors") for result in results):
        figures["errors_by_distance.png"] = _errors(Figure, results)
    for i, result in enumerate(results):
        confusion = result.content.get("confusion")
        if confusion and np.any(confusion["counts"]):
            name = re.sub(r"[^A-Za-z0-9._-]+", "_", result.name)[:60].strip("._") or "model"
            name = f"confusion_{name}.png"
            if name in figures:
                name = name.replace(".png", f"_{i}.png")
            figures[name] = _confusion(Figure, result, confusion)
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120)
    return [folder / name for name in figures]


def _families(figure_of: Any, results: Sequence[StoredResult]) -> Any:
    by_model = [
        {
            (cell["type"], cell["family"]): cell
            for cell in result.breakdowns
            if cell["factor"] == FAMILY
        }
        for result in results
    ]
    families = list(dict.fromkeys(key for cells in by_model for key in cells))
    height = 1.2 + len(families) * (0.16 + 0.15 * len(results))
    figure = figure_of(figsize=(8, height), layout="constrained")
    axis = figure.subplots()
    width = _BAR / len(results)
    for m, (result, cells) in enumerate(zip(results, by_model, strict=True)):
        known = [(y, cells[key]) for y, key in enumerate(families) if key in cells]
        places = [y - _BAR / 2 + (m + 0.5) * width for y, _ in known]
        values = [cell["value"] for _, cell in known]
        axis.barh(places, values, width, color=_colour(m), label=_short(result.name))
        for place, (_, cell) in zip(places, known, strict=True):
            if cell["low"] is not None:
                axis.plot([cell["low"], cell["high"]], [place] * 2, color="black", lw=1)
    for y, key in enumerate(families):
        chance = next(cells[key]["chance"] for cells in by_model if key in cells)
        axis.plot([chance] * 2, [y - _BAR / 2, y + _BAR / 2], color="black", ls=":", lw=1.2)
    labels = [f"{kind} {family.replace('_', ' ')}" for kind, family in families]
    axis.set_yticks(range(len(families)), labels, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_xlabel("accuracy, percent (95 % interval; dotted: chance; event lists left out)")
    _finish(axis)
    figure.legend(loc="outside upper left", fontsize=8, frameon=False, ncols=3)
    return figure


def _errors(figure_of: Any, results: Sequence[StoredResult]) -> Any:
    figure = figure_of(figsize=(10, 4), layout="constrained")
    known = {c["level"] for r in results for c in r.content.get("distance_errors") or []}
    levels = [level for level in FACTORS["distance"].levels if level in known]
    panels = (
        ("sector", "error of the azimuth sector, degrees"),
        ("distance", "error of the distance, metres"),
    )
    for axis, (kind, label) in zip(figure.subplots(1, 2), panels, strict=True):
        for m, result in enumerate(results):
            cells: Sequence[Mapping[str, Any]] = [
                cell
                for cell in result.content.get("distance_errors") or []
                if cell["kind"] == kind and cell["value"] is not None
            ]
            shift = (m - (len(results) - 1) / 2) * 0.08
            x = [levels.index(cell["level"]) + shift for cell in cells]
            axis.plot(
                x, [c["value"] for c in cells], "o-", color=_colour(m), ms=4, label=result.name
            )
            for place, cell in zip(x, cells, strict=True):
                if cell["low"] is not None:
                    axis.plot([place] * 2, [cell["low"], cell["high"]], color=_colour(m), lw=1)
        axis.set_xticks(range(len(levels)), levels, fontsize=8)
        axis.set_xlabel("distance of the source")
        axis.set_ylabel(f"mean {label}")
        axis.set_ylim(bottom=0)
        _finish(axis)
    handles, names = axis.get_legend_handles_labels()
    figure.legend(
        handles,
        map(_short, names),
        loc="outside upper left",
        fontsize=8,
        frameon=False,
        ncols=3,
    )
    figure.suptitle("Of the answers that could be read; 95 % intervals", fontsize=9, x=0.8)
    return figure


def _confusion(figure_of: Any, result: StoredResult, confusion: Mapping[str, Any]) -> Any:
    counts = np.asarray(confusion["counts"], dtype=float)
    total = counts.sum(axis=1, keepdims=True)
    shares = 100.0 * np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    figure = figure_of(figsize=(7, 5.6), layout="constrained")
    axis = figure.subplots()
    picture = axis.imshow(shares, vmin=0, vmax=100, cmap="Blues", aspect="auto")
    for (y, x), share in np.ndenumerate(shares):
        if counts[y, x]:
            colour = "white" if share > 55 else "black"
            axis.text(x, y, f"{share:.0f}", ha="center", va="center", fontsize=8, color=colour)
    truth = [
        f"{name} ({int(n)})" for name, n in zip(confusion["truth"], total[:, 0], strict=True)
    ]
    axis.set_yticks(range(len(truth)), truth, fontsize=8)
    axis.set_xticks(range(len(confusion["read"])), confusion["read"], fontsize=8, rotation=35)
    axis.axvline(len(confusion["truth"]) - 0.5, color="black", lw=0.8)
    axis.set_ylabel("true sector (questions)")
    axis.set_xlabel("answer")
    axis.set_title(f"{_short(result.name)}: percent of each true sector", fontsize=10)
    figure.colorbar(picture, ax=axis, label="percent")
    return figure


def _colour(m: int) -> str:
    return _COLOURS[m % len(_COLOURS)]


def _short(name: str) -> str:
    kept = name if len(name) <= _TITLE_CHARS else f"{name[: _TITLE_CHARS - 1]}…"
    return kept.replace("$", r"\$")


def _finish(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="both", color="#dddddd", lw=0.6)
    axis.set_axisbelow(True)
