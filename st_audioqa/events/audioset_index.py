"""From AudioSet's segment tables and a tree of clips to one table of clips.

Segments are those of `balanced_train_segments.csv`, `unbalanced_train_segments.csv` and
`eval_segments.csv`, in the folder or one folder below. Clips lie anywhere below the folder:

- as files `<video>.<suffix>`, with or without a leading "Y" and `_<start>` or `_<start>_<stop>`
  in seconds or milliseconds before the suffix, in any sub-folders;
- in `.tar` files (WebDataset), under such names, or with the video (and `start`, in seconds) in a
  `.json` member of the same key, named as the columns below;
- in `.parquet` files with a column `audio` (bytes, or a struct with a field `bytes`) and the video
  in a column `video_id`, `ytid`, `youtube_id`, `id` or `__key__`.

Everything is done on whole columns; two million rows take seconds (docs/events.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from filelock import FileLock

from st_audioqa.errors import UserError
from st_audioqa.events.catalogue import SCHEMA, SPLITS, share_of
from st_audioqa.events.labels import all_labels
from st_audioqa.events.storage import SUFFIXES, audio_files, files_below
from st_audioqa.files import file_sha256, whole

__all__ = ["INDEX", "LICENCE", "VALIDATION_SHARE", "index_folder", "open_index"]

INDEX = "st_audioqa_index.parquet"
LICENCE = "unknown (YouTube)"
VALIDATION_SHARE = 0.02
"""Share of the training videos that is set aside for validation."""
_FORMAT = "3"
_TABLES = {
    "eval_segments.csv": "test",
    "balanced_train_segments.csv": "train",
    "unbalanced_train_segments.csv": "train",
}
_ROW = (
    r"^\s*(?P<video>[A-Za-z0-9_-]{11})\s*,\s*(?P<start>\d+(?:\.\d*)?)\s*,"
    r'\s*(?P<stop>\d+(?:\.\d*)?)\s*,\s*"?(?P<mids>/[^"]*?)"?\s*$'
)
_CLIP = (
    r"(?:^|/)Y?(?P<video>[A-Za-z0-9_-]{11})"
    r"(?:[_-](?P<at>\d+(?:\.\d+)?)(?:[_-]\d+(?:\.\d+)?)?)?(?:\.[A-Za-z][A-Za-z0-9]*)+$"
)
_VIDEO_COLUMNS = ("video_id", "ytid", "youtube_id", "id", "__key__")
_ARCHIVES = (".tar", ".parquet")
_PACKED = (".7z", ".bz2", ".gz", ".tgz", ".xz", ".zip", ".zst")
"""What is not read in place: counted, so that nobody waits for what is in it."""
_MOST_JSON_BYTES = 2**20
_LARGE_GROUP_BYTES = 2**29
_AT_ONCE = 100_000
_FOUND = pa.schema(
    [
        ("file", pa.string()),
        ("member", pa.string()),
        ("video", pa.string()),
        ("at", pa.float64()),
    ]
)


def open_index(root: Path, path: Path | None = None) -> pa.Table:
    """The index of a folder, made if there is none or what it was made from has changed.

    Changes are seen in the tables, in all archives that were there when it was made, and among
    the files and sub-folders of the folder itself; where clips came or went elsewhere, delete the
    index.

    Parameters
    ----------
    root : Path
    path : Path, optional
        Where the index is kept; `root / INDEX` if left out.

    Returns
    -------
    pyarrow.Table
        All segments, with the schema of `index_folder`.

    Raises
    ------
    UserError
        As `index_folder`; also if the index cannot be written.
    """
    path = path or root / INDEX
    made_from = _made_from(root, path)
    table = _kept(path, made_from, root)
    if table is not None:
        return table
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            table = _kept(path, made_from, root)  # another process may have made it meanwhile
            if table is None:
                table = index_folder(root, path)
                metadata = {**table.schema.metadata, b"made_from": made_from}
                table = table.replace_schema_metadata(metadata)
                with whole(path) as partial:
                    pq.write_table(table, partial, compression="zstd")
    except OSError as error:
        raise UserError(
            f"The index {path} cannot be written ({error.strerror}): name another place in the "
            "option index."
        ) from error
    return table


def _kept(path: Path, made_from: bytes, root: Path) -> pa.Table | None:
    """The index at a path, where it is whole and was made from the same."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        archives = json.loads(metadata.get(b"archives", b"{}"))
        # Places within an archive are those of other clips once it is written anew.
        if metadata.get(b"made_from") == made_from and all(
            _state(root / name) == state for name, state in archives.items()
        ):
            return pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        pass  # none, cut short, or no index at all; or an archive is gone
    return None


def _state(path: Path) -> list[int]:
    """What changes when a file is written."""
    status = path.stat()
    return [status.st_mtime_ns, status.st_size]


def index_folder(root: Path, path: Path | None = None) -> pa.Table:
    """All segments of a folder's tables, and where the clip of each lies.

    Parameters
    ----------
    root : Path
    path : Path, optional
        Where the index is kept, so that it is not taken for an archive; `root / INDEX` if left
        out.

    Returns
    -------
    pyarrow.Table
        `catalogue.SCHEMA`; `file` is null where the clip is missing. `start_s` and `stop_s` are
        null where the file's name says that it is the segment; elsewhere its length tells. The
        metadata entry "report" counts what was found, missing or broken, "archives" has the time
        and size of each archive (both JSON).

    Raises
    ------
    UserError
        If there is no table, or the labels beside it are not AudioSet's.
    """
    report: Counter[str] = Counter()
    segments = _segments(root, report)
    itself = {(root / INDEX).resolve(), (path or root / INDEX).resolve()}
    names = [
        name for name in files_below(root, _ARCHIVES) if (root / name).resolve() not in itself
    ]
    archives = {name: _state(root / name) for name in names}
    packed = sum(1 for _ in files_below(root, _PACKED))
    report["compressed archives passed over (unpack them)"] = packed
    found = _join(root, segments, pa.concat_tables(_found(root, archives, report)), report)
    report["segments"] = segments.num_rows
    report["clips found"] = len(found["row"])
    report["clips missing"] = report["segments"] - report["clips found"]
    table = _with_files(segments, found)
    counts = json.dumps({what: n for what, n in sorted(report.items()) if n})
    metadata = {b"report": counts.encode(), b"archives": json.dumps(archives).encode()}
    return table.replace_schema_metadata(metadata)


def _tables(root: Path) -> list[Path]:
    places = [root, *sorted(each for each in root.iterdir() if each.is_dir())]
    found = [
        next((place / name for place in places if (place / name).is_file()), None)
        for name in _TABLES
    ]
    tables = [each for each in found if each]
    if not tables:
        raise UserError(
            f"The folder {root} holds none of AudioSet's tables {', '.join(_TABLES)}: put them "
            "there (research.google.com/audioset/download.html)."
        )
    return tables


def _made_from(root: Path, index: Path) -> bytes:
    """What an index depends on, as far as it can be seen without walking the tree of clips."""
    itself = {index.resolve(), *index.resolve().parents}
    digests = {}
    for table in _tables(root):
        _check_labels(table.parent)
        digests[table.name] = file_sha256(table)
    changed = {}
    clips = []
    for entry in os.scandir(root):
        if entry.is_dir() or entry.name.endswith(_ARCHIVES):
            if Path(entry.path).resolve() not in itself:
                changed[entry.name] = entry.stat().st_mtime_ns
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            clips.append(entry.name)
    digest = hashlib.sha256(os.fsencode("/".join(sorted(clips))))
    return json.dumps([_FORMAT, digests, changed, digest.hexdigest()], sort_keys=True).encode()


def _check_labels(folder: Path) -> None:
    """Refuses tables of other labels than the 527 this package knows."""
    names = {each.mid: each.name for each in all_labels()}
    path = folder / "class_labels_indices.csv"
    if path.is_file():
        try:
            table = pa_csv.read_csv(path).to_pydict()
        except pa.ArrowInvalid as error:
            raise UserError(
                f"The labels {path} cannot be read ({error}): copy it again, or remove it."
            ) from error
        theirs = dict(zip(table.get("mid", ()), table.get("display_name", ()), strict=True))
        if theirs != names:
            raise UserError(
                f"The labels of {path} are not AudioSet's 527 ({len(theirs)} mids): copy it "
                "again, or remove it."
            )
    path = folder / "ontology.json"
    if path.is_file():
        try:
            nodes = {node["id"]: node["name"] for node in json.loads(path.read_text("utf-8"))}
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"The ontology {path} cannot be read ({error}): copy it again, or remove it."
            ) from error
        missing = names.keys() - nodes.keys()
        if missing:
            raise UserError(
                f"The ontology {path} lacks {len(missing)} of AudioSet's 527 labels, such as "
                f"{names[min(missing)]!r}: copy it again, or remove it."
            )


def _segments(root: Path, report: Counter[str]) -> pa.Table:
    """Rows of all tables: whole ones, each clip and each video in one split only."""
    pieces = [piece for path in _tables(root) for piece in _rows(path, report)]
    table = pa.concat_tables(pieces)
    del pieces
    ids = table["clip_id"].combine_chunks()
    # Tables come in the order in which splits keep what several of them name.
    first = _first_of(ids)
    report["rows listed twice"] = len(ids) - len(first)
    table = table.take(pa.array(first)).combine_chunks()
    table = _set_validation_aside(table)
    video = table["recording"].combine_chunks().dictionary_encode()
    code = np.asarray(video.indices)
    rank = np.asarray(pc.index_in(table["split"].combine_chunks(), pa.array(SPLITS)))
    best = np.full(len(video.dictionary), len(SPLITS), dtype=rank.dtype)
    np.minimum.at(best, code, rank)
    apart = rank == best[code]
    report["rows of a video of another split"] = int((~apart).sum())
    return table.filter(pa.array(apart)).combine_chunks()


def _first_of(values: pa.Array) -> np.ndarray:  # type: ignore[type-arg]
    """Where each value occurs first, in order."""
    codes = np.asarray(values.dictionary_encode().indices)
    return np.sort(np.unique(codes, return_index=True)[1])


def _rows(path: Path, report: Counter[str]) -> Iterator[pa.Table]:
    """Tables of the rows of one file, a few megabytes at a time."""
    if not path.stat().st_size:
        raise UserError(f"The table {path} is empty: copy it again.")
    lines = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(column_names=["line"], block_size=2**24),
        # One line is one value: a quote that is not closed must not swallow the next lines.
        parse_options=pa_csv.ParseOptions(delimiter="\x01", quote_char=False),
        convert_options=pa_csv.ConvertOptions(
            column_types={"line": pa.string()}, check_utf8=False, strings_can_be_null=False
        ),
    )
    names = pa.array([each.name for each in all_labels()])
    mids = pa.array([each.mid for each in all_labels()])
    for batch in lines:
        line = batch.column("line")
        comment = pc.or_(pc.starts_with(line, "#"), pc.starts_with(line, "YTID,"))
        line = line.filter(pc.invert(comment))
        parsed = pc.extract_regex(line, _ROW)
        whole = pc.is_valid(parsed)
        report["broken rows"] += len(line) - int(pc.sum(whole).as_py() or 0)
        parsed = parsed.filter(whole)
        start = pc.struct_field(parsed, "start").cast(pa.float64())
        stop = pc.struct_field(parsed, "stop").cast(pa.float64())
        long = pc.greater(stop, start)
        report["broken rows"] += len(parsed) - int(pc.sum(long).as_py() or 0)
        parsed, start, stop = parsed.filter(long), start.filter(long), stop.filter(long)
        split_mids = pc.split_pattern(pc.struct_field(parsed, "mids"), ",")
        code = pc.index_in(pc.utf8_trim_whitespace(pc.list_flatten(split_mids)), mids)
        row = pc.list_parent_indices(split_mids)
        known = pc.is_valid(code)
        report["unknown labels"] += len(code) - int(pc.sum(known).as_py() or 0)
        code, row = code.filter(known), np.asarray(row.filter(known))
        counts = np.bincount(row, minlength=len(parsed)).astype(np.int32)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        labels = pa.ListArray.from_arrays(pa.array(offsets), names.take(code))
        video = pc.struct_field(parsed, "video")
        milliseconds = pc.round(pc.multiply(start, 1000.0)).cast(pa.int64()).cast(pa.string())
        table = pa.table(
            {
                "clip_id": pc.binary_join_element_wise(video, milliseconds, "_"),
                "labels": labels,
                "split": pa.array([_TABLES[path.name]]).take(
                    pa.array(np.zeros(len(video), int))
                ),
                "recording": video,
                "start_s": start,
                "stop_s": stop,
            }
        )
        named = pa.array(counts > 0)
        report["rows without a label"] += table.num_rows - int(counts.astype(bool).sum())
        yield table.filter(named)


def _set_validation_aside(table: pa.Table) -> pa.Table:
    videos = table["recording"].combine_chunks()
    aside = np.fromiter(
        (share_of(video.as_py()) < VALIDATION_SHARE for video in videos), bool, len(videos)
    )
    train = pc.equal(table["split"], "train").combine_chunks()
    split = pc.if_else(pc.and_(train, pa.array(aside)), "validation", table["split"])
    return table.set_column(table.column_names.index("split"), "split", split)


def _found(root: Path, archives: Collection[str], report: Counter[str]) -> list[pa.Table]:
    """Everything below the folder that is named as a clip of a video."""
    pieces = [_FOUND.empty_table()]
    files = audio_files(root)
    while names := list(islice(files, _AT_ONCE)):
        place = pa.array([""] * len(names))
        pieces.append(_named(pa.array(names), pa.array(names), place, report))
    for file in archives:
        kind = _packed if file.endswith(_ARCHIVES[0]) else _mirrored
        pieces += kind(root, file, report)
    return pieces


def _packed(root: Path, file: str, report: Counter[str]) -> Iterator[pa.Table]:
    """The clips of a tar."""
    members: list[str] = []
    places: list[str] = []
    videos: dict[str, str] = {}
    try:
        with tarfile.open(root / file, "r:") as archive:
            for member in archive:
                suffix = os.path.splitext(member.name)[1].lower()
                if member.isfile() and suffix in SUFFIXES:
                    if member.size:
                        members.append(member.name)
                        places.append(f"tar:{member.offset_data}:{member.size}")
                    else:
                        report["files of zero length"] += 1
                elif member.isfile() and suffix == ".json" and member.size < _MOST_JSON_BYTES:
                    content = archive.extractfile(member)
                    videos[_key(member.name)] = _told(content.read() if content else b"")
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
    except (tarfile.TarError, OSError):
        report["archives not read to their end"] += 1
    names = [f"{video}.json" if (video := videos.get(_key(name))) else name for name in members]
    yield _named(
        pa.array(names, pa.string()),
        pa.array([file] * len(members), pa.string()),
        pa.array(places, pa.string()),
        report,
    )


def _key(name: str) -> str:
    """What the members of one sample of a WebDataset have in common."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _told(content: bytes) -> str:
    """The clip that a JSON file is about, as files of clips are named; "" if it does not say."""
    try:
        about = json.loads(content)
    except ValueError:
        return ""
    if not isinstance(about, dict):
        return ""
    video = next(
        (about[name] for name in _VIDEO_COLUMNS if isinstance(about.get(name), str)), ""
    )
    start = next(
        (about[n] for n in ("start", "start_time", "start_seconds") if n in about), None
    )
    timed = video and isinstance(start, int | float) and start >= 0
    return f"{video}_{start:.3f}" if timed else video


def _mirrored(root: Path, file: str, report: Counter[str]) -> Iterator[pa.Table]:
    try:
        parquet = pq.ParquetFile(root / file)
    except (OSError, pa.ArrowInvalid):
        report["archives not read to their end"] += 1
        return
    columns = parquet.schema_arrow.names
    video = next((name for name in _VIDEO_COLUMNS if name in columns), None)
    if "audio" not in columns:
        return  # something else
    if video is None:
        report["Parquet files whose columns name no video"] += 1
        return
    column = next(
        i
        for i in range(len(parquet.schema))
        if parquet.schema.column(i).path.startswith("audio")
    )
    for group in range(parquet.num_row_groups):
        size = parquet.metadata.row_group(group).column(column).total_uncompressed_size
        report["Parquet row groups above 512 MB (slow: write smaller ones)"] += int(
            size > _LARGE_GROUP_BYTES
        )
        keys = parquet.read_row_group(group, [video])[video].combine_chunks().cast(pa.string())
        members = pa.array([f"parquet:{group}:{row}" for row in range(len(keys))])
        named = pc.binary_join_element_wise(keys, "row", ".")
        yield _named(named, pa.array([file] * len(keys)), members, report)


def _named(
    names: pa.Array, files: pa.Array, members: pa.Array, report: Counter[str]
) -> pa.Table:
    """Those of the names that are a clip's, taken apart."""
    parsed = pc.extract_regex(names, _CLIP)
    fits = pc.is_valid(parsed)
    report["files not named after a video"] += len(names) - int(pc.sum(fits).as_py() or 0)
    at = pc.struct_field(parsed, "at")
    at = pc.if_else(pc.equal(at, ""), None, at).cast(pa.float64())
    video = pc.struct_field(parsed, "video")
    columns = [files, members, video, at]
    return pa.table([column.filter(fits) for column in columns], schema=_FOUND)


def _join(
    root: Path, segments: pa.Table, found: pa.Table, report: Counter[str]
) -> dict[str, pa.Array]:
    """For every segment that has a clip: its row, the file, the member, whether it is cut."""
    rows = pa.table(
        {
            "video": segments["recording"],
            "start_s": segments["start_s"],
            "row": pa.array(np.arange(segments.num_rows)),
        }
    )
    number = pa.array(np.arange(found.num_rows))
    pairs = found.select(["video", "at"]).append_column("number", number)
    pairs = pairs.join(rows, "video", join_type="inner").select(
        ["number", "at", "start_s", "row"]
    )
    in_a_table = len(pc.unique(pairs["number"]))
    report["clips in no table"] = found.num_rows - in_a_table
    at = pairs["at"].to_numpy()
    start = pairs["start_s"].to_numpy()
    seconds = np.abs(at - start) < 1.0
    milliseconds = np.abs(at - 1000.0 * start) < 1.0
    pairs = pairs.filter(pa.array(np.isnan(at) | seconds | milliseconds))
    pairs = pairs.sort_by([("row", "ascending"), ("number", "ascending")])
    report["clips of another segment"] = in_a_table - len(pc.unique(pairs["number"]))
    row = pairs["row"].to_numpy()
    copies = np.flatnonzero(np.isin(row, row[1:][row[1:] == row[:-1]]))
    if len(copies):  # only there may a good file stand beside an empty one
        empty = np.zeros(len(row), dtype=bool)
        at_copies = found.take(pairs["number"].take(pa.array(copies)))
        empty[copies] = [
            not member and not os.path.getsize(root / file)
            for file, member in zip(
                at_copies["file"].to_pylist(), at_copies["member"].to_pylist(), strict=True
            )
        ]
        report["files of zero length"] += int(empty.sum())
        pairs, row = pairs.filter(pa.array(~empty)), row[~empty]
    first = np.diff(row, prepend=-1) != 0
    report["further copies of a clip"] = int((~first).sum())
    pairs = pairs.filter(pa.array(first))
    taken = found.take(pairs["number"])
    return {
        "row": pairs["row"].combine_chunks(),
        "file": taken["file"].combine_chunks(),
        "member": taken["member"].combine_chunks(),
        "cut": pc.is_valid(taken["at"]).combine_chunks(),
    }


def _with_files(segments: pa.Table, found: dict[str, pa.Array]) -> pa.Table:
    n = segments.num_rows
    place = np.full(n, -1)
    place[np.asarray(found["row"])] = np.arange(len(found["row"]))
    take = pa.array(place, mask=place < 0)
    cut = pc.fill_null(found["cut"].take(take), False)
    columns = {
        **{name: segments[name] for name in segments.column_names},
        "file": found["file"].take(take),
        "member": found["member"].take(take),
        "start_s": pc.if_else(cut, None, segments["start_s"]),
        "stop_s": pc.if_else(cut, None, segments["stop_s"]),
        "licence": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(n, dtype=np.int32)), pa.array([LICENCE])
        ),
        "attribution": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(n, dtype=np.int32)), pa.array([""])
        ),
    }
    return pa.table([columns[name] for name in SCHEMA.names], names=SCHEMA.names).cast(SCHEMA)
