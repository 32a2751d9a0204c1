"""The validity report in two pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from st_audioqa.errors import MissingPackageError
from st_audioqa.validity.blind import MARGIN

__all__ = ["draw"]

_COLOURS = {"fair": "#3b6ea5", "open": "#d98e04", "won": "#b3261e"}


def draw(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draws `blind.png` and `margins.png`; returns their paths.

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
    paths = [folder / "blind.png", folder / "margins.png"]

    rows = [row for row in report["blind"]["parts"] if row["attackers"]]
    figure = Figure(figsize=(8, 1 + 0.22 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for y, row in enumerate(rows):
        cell = row["attackers"][row["strongest"]]
        above = {key: cell[key] - row["chance"] for key in ("value", "low", "high")}
        colour = _COLOURS[row["state"]]
        axis.plot([above["low"], above["high"]], [y, y], color=colour, lw=1.5)
        axis.plot(above["value"], y, "o", color=colour, ms=4)
    axis.axvline(0.0, color="black", lw=0.8)
    axis.axvline(MARGIN, color="black", lw=0.8, ls=":")
    axis.set_yticks(range(len(rows)), [_name(row) for row in rows], fontsize=7)
    axis.invert_yaxis()
    axis.set_xlabel("strongest blind attacker, points above chance (95 % interval)")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(paths[0], dpi=120)

    units = {unit: [r for r in report["margins"] if r["unit"] == unit] for unit in ("deg", "m")}
    height = 1 + 0.16 * max(map(len, units.values()))
    figure = Figure(figsize=(12, height), layout="constrained")
    for axis, (unit, some) in zip(figure.subplots(1, 2), units.items(), strict=True):
        for y, row in enumerate(some):
            p = row["percentiles"]
            axis.plot([p["5"], p["95"]], [y, y], color=_COLOURS["fair"], lw=1)
            axis.plot([p["25"], p["75"]], [y, y], color=_COLOURS["fair"], lw=4)
            axis.plot(p["50"], y, "|", color="black", ms=8)
        axis.set_yticks(range(len(some)), [_name(row) for row in some], fontsize=7)
        axis.invert_yaxis()
        axis.set_xlim(left=0.0)
        axis.set_xlabel(f"margin ({unit}); percentiles 5, 25, 50, 75, 95")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(paths[1], dpi=120)
    return paths


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['type']} {row['family'].replace('_', ' ')}: {row['attribute']}"
