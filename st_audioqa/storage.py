"""Where a corpus lies: a folder, or a place below an address such as `s3://bucket/corpus`.

`s3`, `gs`, `abfs` and `hdfs` are served by pyarrow itself, `hf://datasets/ORG/NAME` and every other
scheme by fsspec. Credentials come from the usual environment of each service (`AWS_...`,
`GOOGLE_APPLICATION_CREDENTIALS`, `HF_TOKEN`); `AWS_ENDPOINT_URL` names another S3 server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias
from urllib.parse import urlsplit

from st_audioqa.errors import MissingPackageError, UserError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["Place", "StoredPath", "located"]

_OF_PYARROW = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file")


@dataclass(frozen=True)
class StoredPath:
    """A file or folder on a filesystem of pyarrow, with the few methods of `Path` we need."""

    filesystem: FileSystem
    path: str
    """As the filesystem names it."""
    uri: str
    """As the user named it; without its query, which may hold keys."""

    def __truediv__(self, name: str) -> StoredPath:
        """A path below this one.

        Raises
        ------
        UserError
            `name` leads elsewhere.
        """
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UserError(f"A file below {self} is wanted, and {name!r} leads elsewhere.")
        return StoredPath(self.filesystem, f"{self.path}/{name}", f"{self.uri}/{name}")

    def __str__(self) -> str:
        return self.uri

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.rpartition("/")[2]

    def is_file(self) -> bool:
        """Whether there is such a file."""
        from pyarrow.fs import FileType

        with _reached(self):
            return bool(self.filesystem.get_file_info(self.path).type == FileType.File)

    def files(self) -> dict[str, int]:
        """Bytes of every file below, by its path from here."""
        from pyarrow.fs import FileSelector, FileType

        with _reached(self):
            found = self.filesystem.get_file_info(
                FileSelector(self.path, recursive=True, allow_not_found=True)
            )
        below = f"{self.path}/"
        return {
            info.path.removeprefix(below): info.size
            for info in sorted(found, key=lambda info: info.path)
            if info.type == FileType.File
        }

    def open(self, mode: str = "rb") -> BinaryIO:
        """The file, to be read at any place ("rb"), or written whole ("wb").

        What is written has its name when it is closed, and not before, where the service keeps
        to that (S3, GCS).
        """
        stored: Any = self.filesystem
        if mode == "wb":
            return stored.open_output_stream(self.path)
        return stored.open_input_file(self.path)

    def read_text(self, encoding: str = "utf-8") -> str:
        """The content of a text file."""
        with _reached(self), self.open() as file:
            return file.read().decode(encoding)


Place: TypeAlias = Path | StoredPath


def located(place: str | Place) -> Place:
    """A folder, or the place of an address.

    Parameters
    ----------
    place : str, Path or StoredPath
        A path, or `SCHEME://...`; `s3://BUCKET/FOLDER?endpoint_override=HOST&scheme=http` names a
        server of its own, as `AWS_ENDPOINT_URL` does for all.

    Raises
    ------
    UserError
        The scheme is not known, or the address cannot be taken.
    MissingPackageError
        The scheme is served by fsspec, which is not installed.
    """
    if not isinstance(place, str):
        return place
    scheme, between, rest = place.partition("://")
    if not between:
        return Path(place)
    uri = place.partition("?")[0].rstrip("/")
    if scheme == "file":
        return Path(urlsplit(uri).path)
    with _reached(uri):
        if scheme in _OF_PYARROW:
            filesystem, path = _of_pyarrow(scheme, place, rest)
        else:
            filesystem, path = _of_fsspec(uri)
    return StoredPath(filesystem, path.rstrip("/"), uri)


def _of_pyarrow(scheme: str, uri: str, rest: str) -> tuple[FileSystem, str]:
    from pyarrow.fs import FileSystem, S3FileSystem

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if scheme == "s3" and endpoint and "?" not in rest:
        return S3FileSystem(endpoint_override=endpoint), rest
    filesystem, path = FileSystem.from_uri(uri)
    return filesystem, path


def _of_fsspec(uri: str) -> tuple[FileSystem, str]:
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingPackageError("huggingface-hub", "hub", f"Reading {uri}") from error
    try:
        filesystem, path = url_to_fs(uri)
    except ImportError as error:
        raise UserError(
            f"{uri} needs a package that is not installed here: {error}."
        ) from error
    return PyFileSystem(FSSpecHandler(filesystem)), path


@contextmanager
def _reached(place: object) -> Iterator[None]:
    """Tells in one sentence that a place cannot be reached."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(
            f"{place} cannot be reached ({error}): check the address, the credentials in the "
            "environment and the network."
        ) from error
