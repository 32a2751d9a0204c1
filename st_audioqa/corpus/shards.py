"""Parquet shards: written whole or not at all, the same rows always to the same bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from st_audioqa.errors import UserError

__all__ = [
    "file_sha256",
    "read_rows",
    "reading",
    "remove_partials",
    "write_shard",
    "write_text",
]


def write_shard(
    path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, row_group_size: int
) -> None:
    """Writes rows as one Parquet file: to a temporary name, synced, then renamed.

    Columns are compressed with zstd but for the audio, which is compressed already. The page
    index lets a reader find rows without reading the whole file.
    """
    leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
    compression = {leaf: "NONE" if leaf == "audio.bytes" else "ZSTD" for leaf in leaves}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    pq.write_table(
        pa.Table.from_pylist(list(rows), schema=schema),
        partial,
        row_group_size=row_group_size,
        compression=compression,
        write_page_index=True,
        use_content_defined_chunking=True,
    )
    _sync_and_rename(partial, path)


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    partial.write_text(text, encoding="utf-8")
    _sync_and_rename(partial, path)


def read_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of a shard, row group by row group.

    Raises
    ------
    UserError
        The file is missing, cut, or not Parquet.
    """
    with reading(path), pq.ParquetFile(path) as file:
        names = None if columns is None else list(columns)
        for batch in file.iter_batches(batch_size=64, columns=names):
            yield from batch.to_pylist()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tells in one sentence that a shard cannot be read.

    Raises
    ------
    UserError
        The file is missing, cut, or not Parquet.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise UserError(
            f"The shard {path} cannot be read ({error}): run `st-audioqa verify` on the corpus."
        ) from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    """Parquet paths of the leaf columns below a column."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    elif pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path


def remove_partials(folder: Path) -> None:
    """Removes what a killed process left half-written in a folder."""
    for path in folder.glob(".*.partial"):
        path.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    """A name of this process's own: two never write to one file."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def _sync_and_rename(partial: Path, path: Path) -> None:
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
