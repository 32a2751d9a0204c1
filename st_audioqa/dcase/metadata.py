"""Annotation files of the DCASE challenges: one CSV for each recording.

Conventions
-----------
A row is one source in one frame of 100 ms, without a header: frame, class index, source number,
azimuth, elevation, and from DCASE2023 on the distance in centimetres. Azimuth and elevation are
degrees: 0 is front, azimuth grows counter-clockwise (+90 is left), elevation upward. They are
ours (docs/conventions.md), so nothing is turned.

A file with one row that cannot be read is refused as a whole: what else is wrong in it, nobody
knows. DCASE2019 annotated events, not frames; its files are not read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import wrap_deg
from st_audioqa.errors import UserError
from st_audioqa.files import write_text

__all__ = ["Annotation", "read_annotation", "write_annotation"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

_MAX_FRAMES = 10 * 3600 * 10
"""Ten hours: a later frame is a mistake."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """The rows of one file, sorted by frame."""

    frame: Ints
    """[shape=(n,)]"""
    label: Ints
    """[shape=(n,)] class index"""
    source: Ints
    """[shape=(n,)]"""
    azimuth_deg: Floats
    """[shape=(n,)] in (-180, 180]"""
    elevation_deg: Floats
    """[shape=(n,)]"""
    distance_m: Floats | None
    """[shape=(n,)]; None where the file tells none."""

    def __len__(self) -> int:
        return len(self.frame)


def read_annotation(path: Path, classes: Collection[int]) -> Annotation:
    """Read one annotation file; an empty one has no rows.

    Raises
    ------
    UserError
        A row is not as wanted; file and line are named.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The annotation {path} cannot be read ({error}).") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows.append(_row(line, f"Line {number} of {path}", classes))
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise UserError(f"{path} must have a distance in every row or in none, got both.")
    table = np.array(rows, dtype=float).reshape(len(rows), widths.pop() if widths else 5)
    table = table[np.argsort(table[:, 0], kind="stable")]
    frame, label, source = table[:, :3].T.astype(np.int64)
    azimuth = wrap_deg(table[:, 3])
    distance = table[:, 5] / 100.0 if table.shape[1] == 6 else None
    return Annotation(frame, label, source, azimuth, table[:, 4], distance)


def _row(line: str, where: str, classes: Collection[int]) -> list[float]:
    cells = [cell.strip() for cell in line.split(",")]
    wanted = "frame, class, source, azimuth, elevation and, if known, distance in cm"
    if len(cells) not in (5, 6):
        raise UserError(f"{where} must have {wanted}, got {len(cells)} columns.")
    try:
        values = [float(cell) for cell in cells]
    except ValueError as error:
        raise UserError(f"{where} must have {wanted} as numbers, got {line[:80]!r}.") from error
    frame, label, source, azimuth, elevation = values[:5]
    for name, value in (("frame", frame), ("class", label), ("source", source)):
        if not (np.isfinite(value) and value >= 0 and value == int(value)):
            raise UserError(
                f"{where} must have a {name} that is a whole number from 0, got {value}."
            )
    if frame >= _MAX_FRAMES:
        raise UserError(f"{where} must have a frame below {_MAX_FRAMES}, got {frame:.0f}.")
    if int(label) not in classes:
        raise UserError(
            f"{where} has the class {label:.0f}, which the class table does not know: give the "
            "table of this data set with --classes."
        )
    if not (-360 <= azimuth <= 360 and -90 <= elevation <= 90):
        raise UserError(
            f"{where} must have an azimuth within 360 and an elevation within 90 degrees, got "
            f"{azimuth} and {elevation}."
        )
    if len(values) == 6 and not (np.isfinite(values[5]) and values[5] > 0):
        raise UserError(
            f"{where} must have a distance above 0 cm, got {values[5]}: leave the column out of "
            "the whole file where distances are not known."
        )
    return values


def write_annotation(path: Path, rows: Iterable[tuple[int, ...]]) -> None:
    """Writes rows of whole numbers as one annotation file."""
    write_text(path, "".join(",".join(map(str, row)) + "\n" for row in sorted(rows)))
