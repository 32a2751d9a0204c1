"""Files that are there whole or not at all, and what their bytes are known by."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from st_audioqa.storage import Place

__all__ = ["file_sha256", "remove_partials", "whole", "write_text"]


@contextmanager
def whole(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """A temporary name beside `path`, which becomes `path` when the block ends well.

    The name is of this call alone: two processes, on whatever machines, never write to one file.
    Where the block fails, nothing is left.

    Parameters
    ----------
    path : Path
        Its folder is made where it is not there.
    sync : bool
        Whether the bytes are on the disk before the name is; needed where what is written later
        vouches for them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        if sync:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text file (UTF-8) whole or not at all."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def remove_partials(folder: Path, name: str = "", older_than_s: float = 0.0) -> None:
    """Removes what killed processes left half-written in a folder.

    Parameters
    ----------
    folder : Path
    name : str
        Of one file; all where empty.
    older_than_s : float
        For a folder that others may be writing to: spares what is younger.
    """
    for path in folder.glob(f".{name}*.partial"):
        with contextlib.suppress(FileNotFoundError):
            if not older_than_s or time.time() - path.stat().st_mtime > older_than_s:
                path.unlink()


def file_sha256(path: Place) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
