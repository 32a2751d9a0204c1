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

__all__ = ["bounded", "parquet_file", "read_rows", "reading", "rows_at_once", "write_shard"]

_MAX_BYTES = 2**30
"""Of a column in a row group, or of rows read at once: 128 scenes without any compression take a
third of it."""
_MAX_ROWS = 1_000_000


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
        for batch in file.iter_batches(batch_size=min(rows_at_once(file), 64), columns=names):
            bounded(batch, path)
            yield from batch.to_pylist()


@contextmanager
def parquet_file(path: Place) -> Iterator[pq.ParquetFile]:
    """A shard to be read, wherever it lies.

    Raises
    ------
    UserError
        The file is missing, cut, not Parquet, or no shard of ours by its size.
    """
    with reading(path):
        if isinstance(path, Path):
            with pq.ParquetFile(path) as file:
                _refuse_large(file, path)
                yield file
        else:  # far away: neighbouring pieces come with one request
            with path.open() as stored, pq.ParquetFile(stored, pre_buffer=True) as file:
                _refuse_large(file, path)
                yield file


def _refuse_large(file: pq.ParquetFile, path: Place) -> None:
    largest = _largest_column(file)
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    if largest > _MAX_BYTES or any(group.num_rows > _MAX_ROWS for group in groups):
        raise UserError(
            f"The shard {path} says that it unfolds to {largest / 1e9:.1f} GB a column or more "
            f"than {_MAX_ROWS} rows a group: it is no shard of this toolkit."
        )


def _largest_column(file: pq.ParquetFile) -> int:
    """Bytes that a column of a row group says it unfolds to, at most."""
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    sizes = [
        group.column(i).total_uncompressed_size
        for group in groups
        for i in range(group.num_columns)
    ]
    return max([1, *sizes])


def rows_at_once(file: pq.ParquetFile) -> int:
    """How many rows can be read together.

    A small file can unfold to any size, as one value may stand for a million rows. What a file
    says of itself is looked at first; `bounded` looks at what came of it.
    """
    return int(max(_MAX_BYTES // _largest_column(file), 1))


def bounded(batch: pa.RecordBatch, path: Place) -> pa.RecordBatch:
    """A batch of rows, where it takes no more memory than one of ours can.

    Raises
    ------
    UserError
        It takes more.
    """
    if batch.nbytes > _MAX_BYTES:
        raise UserError(
            f"{batch.num_rows} rows of the shard {path} take {batch.nbytes / 1e9:.1f} GB: it is "
            "no shard of this toolkit."
        )
    return batch


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
