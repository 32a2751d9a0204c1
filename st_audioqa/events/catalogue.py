"""The clips of a library as one Arrow table, so that two million of them fit beside a worker.

`SCHEMA` says what is known of a clip. `recording` is what no two splits may share: a video, a
sound of a sound archive, an uploader. `Catalogue` gives the clips of a split and a label, and a
clip by its id.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from st_audioqa.errors import UserError, unknown_name
from st_audioqa.events.labels import most_specific_first

__all__ = ["SCHEMA", "SPLITS", "Catalogue", "Clip", "keep_apart", "share_of", "split_of"]

SPLITS = ("test", "train", "validation")
"""Where a recording is found in several splits, the first of these keeps it."""


@dataclass(frozen=True)
class Clip:
    """One clip of a library."""

    clip_id: str
    labels: tuple[str, ...]
    """Display names, in any order."""
    split: str
    recording: str
    """What it was cut from; no recording belongs to two splits."""
    file: str
    """Below the library's folder."""
    member: str = ""
    """See `st_audioqa.events.storage.Stored`."""
    start_s: float | None = None
    stop_s: float | None = None
    """Where the clip lies in its file; None for the whole file."""
    licence: str = "unknown"
    attribution: str = ""
    """Who is to be named, and where it was found."""


SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("split", pa.dictionary(pa.int8(), pa.string())),
        ("recording", pa.string()),
        ("file", pa.string()),
        ("member", pa.string()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("licence", pa.dictionary(pa.int32(), pa.string())),
        ("attribution", pa.dictionary(pa.int32(), pa.string())),
    ]
)


def share_of(text: str) -> float:
    """A number in [0, 1) that depends on a text alone."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def split_of(recording: str) -> str:
    """The split of a recording that has no official one: 80 % train, 10 % either other."""
    tenth = int(share_of(recording) * 10)
    return {8: "validation", 9: "test"}.get(tenth, "train")


class Catalogue:
    """The clips of a library that can name a source.

    Clips without a label of the set are left out, and so are the clips of a recording that
    belongs to another split as well: `SPLITS` says which split keeps it.

    Parameters
    ----------
    table : pyarrow.Table
        With `SCHEMA`; clip ids occur once.
    names : collection of str, optional
        Labels that may name a source; all if left out.

    Attributes
    ----------
    report : dict of str to int
        How many clips are used, and how many were left out, by reason.
    """

    def __init__(self, table: pa.Table, names: Collection[str] | None = None) -> None:
        self.report: Counter[str] = Counter()
        apart = _apart(table["split"], table["recording"])
        self.report["shared recording"] = int((~apart).sum())
        labels, code = _name_codes(table["labels"].combine_chunks(), names)
        self.report["outside the label set"] = int((apart & (code < 0)).sum())
        kept = np.flatnonzero(apart & (code >= 0))
        order = kept[np.asarray(pc.sort_indices(table["clip_id"].take(pa.array(kept))))]
        # Column by column, so that no second copy of all of them is ever held.
        columns = [
            table[field.name].take(pa.array(order)).cast(field.type).combine_chunks()
            for field in SCHEMA
        ]
        self._table = pa.table(columns, schema=SCHEMA)
        code = code[order]
        ids = self._table["clip_id"]
        if len(order) > 1 and pc.any(pc.equal(ids[1:], ids[:-1])).as_py():
            twice = pc.filter(ids[1:], pc.equal(ids[1:], ids[:-1]))[0].as_py()
            raise UserError(f"The clip {twice} is listed twice: leave one of them out.")
        self.report["used"] = self._table.num_rows
        self._names = labels
        self._code = code
        self._group(code)

    @classmethod
    def of(cls, clips: Iterable[Clip], names: Collection[str] | None = None) -> Catalogue:
        """The catalogue of these clips."""
        return cls(pa.Table.from_pylist([asdict(clip) for clip in clips], SCHEMA), names)

    def __len__(self) -> int:
        return self._table.num_rows

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change where the clips, their labels or splits do."""
        digest = hashlib.sha256(np.ascontiguousarray(self._code).tobytes())
        for column in ("clip_id", "split", "start_s", "recording"):
            values = self._table[column].cast(pa.string()).fill_null("").combine_chunks()
            if len(values):
                whole = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)
                digest.update(pc.binary_join(whole, "\x1f")[0].as_py().encode())
        digest.update("\x1f".join(self._names).encode())
        return digest.hexdigest()[:16]

    def without(self, rows: NDArray[np.bool_], why: str) -> Catalogue:
        """This catalogue without some of its clips, which `report` counts by why they went."""
        rest = Catalogue(self._table.filter(pa.array(~rows)), self._names)
        rest.report = Counter(
            {**self.report, "used": len(rest), why: self.report[why] + int(rows.sum())}
        )
        return rest

    def labels(self, split: str) -> list[str]:
        """Labels that name a source in that split, sorted.

        Raises
        ------
        UserError
            If there is no such split.
        """
        self._check(split)
        return sorted(name for of, name in self._rows if of == split)

    def rows(self, split: str, name: str) -> NDArray[np.int64]:
        """Numbers of the clips of a split that are named after a label."""
        self._check(split)
        return self._rows[split, name]

    def clip(self, row: int) -> Clip:
        """A clip by its number; its labels with the name first, then the most specific first."""
        fields = self._table.slice(int(row), 1).to_pylist()[0]
        name = self._names[self._code[row]]
        others = most_specific_first(label for label in fields["labels"] if label != name)
        return Clip(**{**fields, "labels": (name, *others)})

    def find(self, clip_id: str) -> Clip | None:
        """A clip by its id."""
        ids, low, high = self._table["clip_id"].chunk(0), 0, self._table.num_rows
        while low < high:
            middle = (low + high) // 2
            if ids[middle].as_py() < clip_id:
                low = middle + 1
            else:
                high = middle
        found = low < self._table.num_rows and ids[low].as_py() == clip_id
        return self.clip(low) if found else None

    def _check(self, split: str) -> None:
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS)

    def _group(self, code: NDArray[np.int64]) -> None:
        strings = self._table["split"].cast(pa.string())
        split = np.asarray(pc.index_in(strings, pa.array(SPLITS))).astype(np.int64)
        key = split * max(1, len(self._names)) + code
        order = np.argsort(key, kind="stable")
        keys, starts = np.unique(key[order], return_index=True)
        self._rows = {
            (SPLITS[each // len(self._names)], self._names[each % len(self._names)]): rows
            for each, rows in zip(
                keys.tolist(), np.split(order, starts[1:]) if len(keys) else [], strict=True
            )
        }


def keep_apart(catalogues: Sequence[Catalogue], origins: Sequence[str]) -> list[Catalogue]:
    """The catalogues without the clips whose recording another one has in another split.

    `SPLITS` says which split keeps a recording.

    Parameters
    ----------
    catalogues : sequence of Catalogue
    origins : sequence of str
        What put before a clip id names the clip's recording as other catalogues may know it, such
        as "freesound:"; "" where clip ids mean nothing elsewhere.
    """
    splits, names, lengths = [], [], []
    for catalogue, origin in zip(catalogues, origins, strict=True):
        table = catalogue._table
        ways = [table["recording"]]
        if origin:
            ways.append(pc.binary_join_element_wise(origin, table["clip_id"], ""))
        for way in ways:
            splits += table["split"].cast(pa.string()).chunks
            names += way.chunks
            lengths.append(len(table))
    apart = _apart(pa.chunked_array(splits, pa.string()), pa.chunked_array(names, pa.string()))
    pieces = iter(np.split(apart, np.cumsum(lengths)[:-1]))
    kept = []
    for catalogue, origin in zip(catalogues, origins, strict=True):
        fine = next(pieces) & (next(pieces) if origin else True)
        kept.append(catalogue.without(~fine, "shared with another library"))
    return kept


def _apart(split: pa.ChunkedArray, recording: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Whether a clip's recording belongs to its split."""
    strings = split.cast(pa.string())
    rank = pc.index_in(strings, pa.array(SPLITS))
    if rank.null_count:
        unknown = strings.filter(pc.is_null(rank))[0].as_py()
        raise unknown_name("split", str(unknown), SPLITS)
    ranks = np.asarray(rank)
    recordings = recording.combine_chunks().dictionary_encode()
    code = np.asarray(recordings.indices)
    first = np.full(len(recordings.dictionary), len(SPLITS), dtype=ranks.dtype)
    np.minimum.at(first, code, ranks)
    return np.asarray(ranks == first[code])


def _name_codes(
    labels: pa.ListArray, names: Collection[str] | None
) -> tuple[list[str], NDArray[np.int64]]:
    """Labels, and which of them names each clip: the most specific one; -1 where none may."""
    flat = pc.list_flatten(labels).dictionary_encode()
    known = flat.dictionary.to_pylist()
    ordered = [name for name in most_specific_first(known) if names is None or name in names]
    place = {name: number for number, name in enumerate(ordered)}
    rank = np.array([place.get(name, len(ordered)) for name in known], dtype=np.int64)
    best = np.full(len(labels), len(ordered), dtype=np.int64)
    parents = np.asarray(pc.list_parent_indices(labels))
    if len(parents):
        ranks = rank[np.asarray(flat.indices)]
        starts = np.flatnonzero(np.diff(parents, prepend=-1))
        best[parents[starts]] = np.minimum.reduceat(ranks, starts)
    best[best == len(ordered)] = -1
    return ordered, best
