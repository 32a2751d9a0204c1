"""Class tables: which label a class index of a DCASE folder stands for.

A table is a CSV with the columns `index` and `label` (further ones are not read). A label is an
AudioSet display name, or a name of the collection's own, which then stands beside them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from st_audioqa.errors import UserError
from st_audioqa.events.own_labels import Reader
from st_audioqa.files import write_text

__all__ = ["CLASSES", "read_classes", "starss23_classes", "write_classes"]

CLASSES = "classes.csv"
"""Name of the table beside the folders of a DCASE data set that we write."""


def starss23_classes() -> dict[int, str]:
    """The 13 classes of STARSS22 and STARSS23 (DCASE2022 to 2024) as labels.

    All but one are AudioSet's: "Door, open or close" is its "Door", and "Domestic sounds" is no
    label of its 527 and stays a label of its own.
    """
    table = files("st_audioqa.dcase").joinpath("starss23_classes.csv")
    return _read(table.read_text("utf-8"), "starss23_classes.csv")


def read_classes(path: Path) -> dict[int, str]:
    """A class table from a file.

    Raises
    ------
    UserError
        The file is missing or is no class table.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"A class table (CSV with the columns index and label) is wanted at {path}, but it "
            f"cannot be read ({error}): name one with --classes."
        ) from error
    return _read(text, str(path))


def write_classes(path: Path, classes: Mapping[int, str]) -> None:
    """Writes a class table."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["index", "label"])
    lines.writerows(sorted(classes.items()))
    write_text(path, text.getvalue())


def _read(text: str, where: str) -> dict[int, str]:
    reader = Reader(own_labels="keep")
    found: dict[int, str] = {}
    rows = csv.DictReader(io.StringIO(text))
    if not {"index", "label"} <= set(rows.fieldnames or ()):
        raise UserError(
            f"{where} must be a CSV whose first line names the columns index and label, got "
            f"{', '.join(rows.fieldnames or ()) or 'nothing'}."
        )
    for row in rows:
        word = (row["label"] or "").strip()
        label = reader.read(word) if word else None
        if not (row["index"] or "").strip().isdigit() or label is None:
            raise UserError(
                f"Line {rows.line_num} of {where} must have a class index from 0 and a label, "
                f"got {row['index']!r} and {word!r}."
            )
        if int(row["index"]) in found:
            raise UserError(f"{where} has the class index {row['index']} twice: keep one.")
        found[int(row["index"])] = label
    if not found:
        raise UserError(f"{where} has no classes: give one line for each.")
    return found
