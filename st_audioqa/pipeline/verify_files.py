"""Whether a file of a corpus is the one that its manifest names."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from st_audioqa.corpus.manifest import ShardEntry
from st_audioqa.corpus.shards import parquet_file
from st_audioqa.errors import UserError
from st_audioqa.files import file_sha256

__all__ = ["check_file", "is_whole"]


def is_whole(folder: Path, entry: ShardEntry) -> bool:
    """Whether the file is there and has the bytes of its entry."""
    path = folder / entry.path
    try:
        return path.stat().st_size == entry.bytes and file_sha256(path) == entry.sha256
    except OSError:
        return False


def check_file(folder: Path, entry: ShardEntry, schema: pa.Schema) -> tuple[bool, list[str]]:
    """Whether a file can be read as what it should be, and all that is wrong with it."""
    path, faults = folder / entry.path, []
    if not path.is_file():
        return False, [f"{entry.path}: the file is missing"]
    if not is_whole(folder, entry):
        faults.append(f"{entry.path}: SHA-256 differs from the manifest's")
    try:
        with parquet_file(path) as file:
            rows, found = file.metadata.num_rows, file.schema_arrow
    except UserError as error:
        return False, [*faults, f"{entry.path}: not readable as Parquet ({error})"]
    if rows != entry.rows:
        faults.append(f"{entry.path}: {rows} rows, the manifest says {entry.rows}")
    if not found.equals(schema):
        faults.append(f"{entry.path}: columns are not those of this version")
        return False, faults
    return True, faults
