"""Reads the source tracks of whole shards as arrays, without building scene by scene."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from st_audioqa.conventions import N_BINS
from st_audioqa.corpus.shards import bounded, parquet_file, rows_at_once
from st_audioqa.scene_table import SceneTable
from st_audioqa.storage import Place

__all__ = ["scene_tables"]

_TRACKS = ("azimuth_deg", "elevation_deg", "distance_m")
_SOURCE = ("labels", "moving", "activity", "position", *_TRACKS)
_COLUMNS = [
    "scene_id",
    "split",
    "configuration",
    *(f"sources.list.element.{name}" for name in _SOURCE),
]


def scene_tables(path: Place, batch_size: int = 2048) -> Iterator[SceneTable]:
    """The scenes of one shard, some thousand at a time.

    Scenes whose tracks cannot be used are left out and named in `SceneTable.refused`.

    Raises
    ------
    UserError
        The file cannot be read.
    """
    with parquet_file(path) as file:
        for batch in file.iter_batches(min(batch_size, rows_at_once(file)), columns=_COLUMNS):
            yield _table(bounded(batch, path))


def _table(batch: pa.RecordBatch) -> SceneTable:
    scene_id = batch.column("scene_id").to_pylist()
    configuration = batch.column("configuration").to_pylist()
    lists = batch.column("sources")
    sources = lists.flatten()
    scene = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    first = np.searchsorted(scene, scene)
    number = np.arange(len(scene)) - first

    tracks: dict[str, NDArray[Any]] = {}
    faults: dict[int, str] = {}

    def fault(rows: NDArray[np.bool_], what: str) -> None:
        for row in np.flatnonzero(rows):
            faults.setdefault(int(scene[row]), what.format(source=number[row]))

    for name in (*_TRACKS, "activity", "position"):
        column = sources.field(name)
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        right = lengths == N_BINS
        fault(~right, f"{name} of source {{source}} does not have {N_BINS} bins")
        values = column.filter(pa.array(right)).flatten()
        if name == "position":
            name, values = "height_m", pc.list_element(values, 1)
        kind = bool if name == "activity" else np.float64
        track = np.zeros((len(scene), N_BINS), dtype=kind)
        track[right] = values.to_numpy(zero_copy_only=False).reshape(-1, N_BINS)
        if kind is not bool:
            finite = np.asarray(np.isfinite(track).all(axis=1))
            fault(~finite, f"{name} of source {{source}} is not finite")
        tracks[name] = track
    labels = [tuple(each or ()) for each in sources.field("labels").to_pylist()]
    fault(np.array([not each for each in labels], dtype=bool), "source {source} has no label")
    counts = np.bincount(scene, minlength=len(scene_id))
    for i, name in enumerate(configuration):
        if counts[i] != len(name):
            faults[i] = f"{name} wants {len(name)} sources, it has {counts[i]}"

    good = np.array([i not in faults for i in range(len(scene_id))], dtype=bool)
    keep = good[scene]
    place = (np.cumsum(good) - 1)[scene[keep]], number[keep]
    width = int(counts[good].max(initial=2))

    def spread(values: NDArray[Any]) -> NDArray[Any]:
        shape = (int(good.sum()), width, *values.shape[1:])
        found = np.zeros(shape, dtype=values.dtype)
        found[place] = values[keep]
        return found

    bounds = np.concatenate([[0], np.cumsum(counts)])
    kept = np.flatnonzero(good).tolist()
    splits = set(batch.column("split").to_pylist())
    if len(splits) > 1:
        raise ValueError(f"scenes of one split are wanted, got {sorted(splits)}")
    moving = sources.field("moving").to_numpy(zero_copy_only=False).astype(bool)
    return SceneTable(
        split=splits.pop() if splits else "",
        scene_id=tuple(scene_id[i] for i in kept),
        configuration=tuple(configuration[i] for i in kept),
        labels=tuple(tuple(labels[bounds[i] : bounds[i + 1]]) for i in kept),
        moving=spread(moving),
        **{name: spread(track) for name, track in tracks.items()},
        refused={scene_id[i]: faults[i] for i in sorted(faults)},
    )
