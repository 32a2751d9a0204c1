"""What of a corpus is published, and its way to a storage service."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from st_audioqa.corpus.attribution import ATTRIBUTION
from st_audioqa.corpus.card import FIGURES
from st_audioqa.corpus.croissant import CROISSANT
from st_audioqa.corpus.manifest import MANIFEST, Manifest
from st_audioqa.errors import UserError
from st_audioqa.files import file_sha256
from st_audioqa.storage import StoredPath

__all__ = ["check_whole", "copy_to", "published_files"]

_BESIDE = ("README.md", CROISSANT, ATTRIBUTION, "validity.json")
_MOST_IN_FOLDER = 10_000
"""What the Hub advises, as does every listing of a bucket."""


def published_files(folder: Path, manifest: Manifest) -> dict[str, int]:
    """Bytes of every file that is to be published, by its path; the manifest comes last.

    Nothing else in the folder is ever sent.

    Raises
    ------
    UserError
        A file of the manifest is missing or has another size, or there are too many.
    """
    found: dict[str, int] = {}
    for entry in manifest.files:
        path = folder / entry.path
        if not path.is_file() or path.stat().st_size != entry.bytes:
            raise UserError(
                f"{path} is missing or has another size than the manifest says: run "
                "`st-audioqa verify` on the corpus."
            )
        found[entry.path] = entry.bytes
    pictures = sorted((folder / FIGURES).glob("*.png"))
    beside = [folder / name for name in _BESIDE]
    for path in (*pictures, *beside, folder / MANIFEST):
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path.stat().st_size
    for part, count in Counter(name.rpartition("/")[0] for name in found).items():
        if count > _MOST_IN_FOLDER:
            raise UserError(
                f"{part} has {count} files, at most {_MOST_IN_FOLDER} are wanted: make the "
                "corpus with a larger corpus.scenes_per_shard."
            )
    return found


def check_whole(folder: Path, manifest: Manifest, progress: Callable[[int], object]) -> None:
    """Hashes every Parquet file, so that nothing damaged is published.

    Raises
    ------
    UserError
        A file has other bytes than the manifest says.
    """
    for entry in manifest.files:
        if file_sha256(folder / entry.path) != entry.sha256:
            raise UserError(
                f"{folder / entry.path} has other bytes than the manifest says: run "
                "`st-audioqa verify` on the corpus."
            )
        progress(entry.bytes)


def copy_to(
    folder: Path,
    files: dict[str, int],
    place: StoredPath,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """Copies files to a storage service, the manifest last, and returns how many were sent.

    A file that is there with the same bytes is not sent again, so a cut copy goes on; it is read
    there to know.

    Raises
    ------
    UserError
        The place holds another corpus or other files, or cannot be written.
    """
    there = place.files()
    strangers = sorted(set(there) - set(files))
    if strangers:
        raise UserError(
            f"{place} holds files that are not of this corpus (first: {strangers[0]}): choose "
            "another place, or empty it."
        )
    if MANIFEST in there and file_sha256(place / MANIFEST) != file_sha256(folder / MANIFEST):
        raise UserError(f"{place} holds another corpus: choose another place, or empty it.")
    sent = 0
    for name, size in sorted(files.items(), key=lambda item: (item[0] == MANIFEST, item[0])):
        target = place / name
        same = there.get(name) == size and file_sha256(target) == file_sha256(folder / name)
        if not same:
            try:
                with (folder / name).open("rb") as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
            except OSError as error:
                raise UserError(
                    f"{target} cannot be written ({error}): check credentials and space, and "
                    "run the same command again; what is there is not sent again."
                ) from error
            sent += 1
        progress(size)
    return sent
