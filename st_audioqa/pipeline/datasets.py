"""The data sets of recordings that can be imported: their classes, licences and makers."""

from __future__ import annotations

import re
from pathlib import Path

from st_audioqa.dcase.classes import CLASSES, read_classes, starss23_classes
from st_audioqa.errors import UserError
from st_audioqa.pipeline.recordings import Dataset

__all__ = ["any_dcase", "starss23"]

_STARSS23 = (
    "STARSS23: Sony-TAu Realistic Spatial Soundscapes 2023, Sony and Tampere University, "
    "doi:10.5281/zenodo.7880637"
)


def starss23(folder: Path) -> Dataset:
    """STARSS23, or STARSS22, whose annotations have no distances.

    The licence is MIT where the copy holds the MIT text that comes with it (a file LICENSE), and
    "see the data set" where it does not.
    """
    return Dataset(
        name="starss23",
        classes=starss23_classes(),
        licence="MIT" if _is_mit(folder) else "see the data set",
        attribution=_STARSS23,
        description="Ten-second windows of STARSS23, real recordings of people and objects in "
        "rooms of two sites, annotated by optical tracking and by hand.",
    )


def any_dcase(
    folder: Path, classes: Path | None, name: str, licence: str, attribution: str
) -> Dataset:
    """A data set of which its user says what it is.

    Raises
    ------
    UserError
        The class table cannot be read, or the name is no name.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise UserError(
            f"The name of a data set is small letters, digits, - and _, got {name!r}."
        )
    return Dataset(
        name=name,
        classes=read_classes(classes if classes is not None else folder / CLASSES),
        licence=licence,
        attribution=attribution,
        description="Ten-second windows of recordings annotated in the DCASE format.",
    )


def _is_mit(folder: Path) -> bool:
    """Whether a licence file of the data set has the words of the MIT licence."""
    for path in sorted(folder.glob("LICENSE*")):
        words = " ".join(path.read_text("utf-8", errors="replace").split())
        if "Permission is hereby granted, free of charge" in words:
            return True
    return False
