"""Parquet shards: written whole or not at all, the same rows always to the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from st_audioqa.errors import UserError
from st_audioqa.files import whole
from st_audioqa.storage import Place

__all__ = ["parquet_file", "read_rows", "reading", "write_shard"]


def write_shard(
    path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, row_group_size: int
) -> None:
    """Writes rows as one Parquet file: to a temporary name, synced, then renamed.

    Columns are compressed with zstd but for the audio, which is compressed already. The page
    index lets a reader find rows without reading the whole file.
    """
    leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
    compression = {leaf: "NONE" if leaf == "audio.bytes" else "ZSTD" for leaf in leaves}
    table = pa.Table.from_pylist(list(rows), schema=schema)
    with whole(path) as partial, partial.open("wb") as file:
        sink = _Sink(file)
        pq.write_table(
            table,
            sink,
            row_group_size=row_group_size,
            compression=compression,
            write_page_index=True,
            use_content_defined_chunking=True,
        )
        if sink.error is not None:
            raise sink.error


def read_rows(path: Place, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of a shard, row group by row group.

    Raises
    ------
    UserError
        The file is missing, cut, or not Parquet.
    """
    with parquet_file(path) as file:
        names = None if columns is None else list(columns)
        for batch in file.iter_batches(batch_size=64, columns=names):
            yield from batch.to_pylist()


@contextmanager
def parquet_file(path: Place) -> Iterator[pq.ParquetFile]:
    """A shard to be read, wherever it lies.

    Raises
    ------
    UserError
        The file is missing, cut, or not Parquet.
    """
    with reading(path):
        if isinstance(path, Path):
            with pq.ParquetFile(path) as file:
                yield file
        else:  # far away: neighbouring pieces come with one request
            with path.open() as stored, pq.ParquetFile(stored, pre_buffer=True) as file:
                yield file


@contextmanager
def reading(path: Place) -> Iterator[None]:
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


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    """Parquet paths of the leaf columns below a column."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    elif pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path


class _Sink:
    """Takes what the Parquet writer gives and keeps the first error for afterwards.

    The writer ends the process where a write fails while it cuts pages by their content.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Nothing: the file is flushed when it is whole."""

    def close(self) -> None:
        self.closed = True
