"""Whole shards as arrays: the same as scene by scene, and unusable scenes are named."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from st_audioqa import Corpus
from st_audioqa.corpus.tables import scene_tables
from st_audioqa.scene_table import SceneTable


def assert_same(a, b):
    for field in fields(SceneTable):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=field.name)
        else:
            assert one == other, field.name


@pytest.fixture
def shard(corpus_dir):
    return corpus_dir / "scenes" / "test-00000-of-00001.parquet"


def test_a_shard_read_as_arrays_is_the_same_as_scene_by_scene(corpus_dir, shard):
    (table,) = scene_tables(shard)
    assert len(table) == 5
    assert_same(table, SceneTable.of(Corpus(corpus_dir).scenes("test")))


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_any_batches_hold_the_same_scenes(batch_size, shard):
    (whole,) = scene_tables(shard)
    parts = list(scene_tables(shard, batch_size))
    assert len(parts) == -(-5 // batch_size)
    np.testing.assert_array_equal(
        np.concatenate([part.azimuth_deg for part in parts]), whole.azimuth_deg
    )
    assert sum((part.labels for part in parts), ()) == whole.labels


def broken(source, what):
    if what == "39 bins":
        return {**source, "azimuth_deg": source["azimuth_deg"][:39]}
    if what == "no track":
        return {**source, "distance_m": None}
    if what == "not finite":
        return {**source, "elevation_deg": [float("nan"), *source["elevation_deg"][1:]]}
    if what == "no activity":
        return {**source, "activity": []}
    return {**source, "labels": []}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("39 bins", "azimuth_deg of source 0 does not have 40 bins"),
        ("no track", "distance_m of source 0 does not have 40 bins"),
        ("not finite", "elevation_deg of source 0 is not finite"),
        ("no activity", "activity of source 0 does not have 40 bins"),
        ("no label", "source 0 has no label"),
        ("a source missing", "wants"),
    ],
)
def test_an_unusable_scene_is_named_and_the_others_are_kept(what, message, shard, tmp_path):
    (whole,) = scene_tables(shard)
    table = pq.read_table(shard)
    rows = table.column("sources").to_pylist()
    rows[2] = (
        rows[2][1:] if what == "a source missing" else [broken(rows[2][0], what), *rows[2][1:]]
    )
    column = pa.array(rows, type=table.schema.field("sources").type)
    index = table.schema.get_field_index("sources")
    pq.write_table(table.set_column(index, "sources", column), tmp_path / "x.parquet")
    (found,) = scene_tables(tmp_path / "x.parquet")
    assert list(found.refused) == [whole.scene_id[2]]
    assert message in found.refused[whole.scene_id[2]]
    assert found.scene_id == whole.scene_id[:2] + whole.scene_id[3:]
    np.testing.assert_array_equal(found.distance_m, np.delete(whole.distance_m, 2, axis=0))


def test_scenes_in_memory_are_refused_the_same_way(corpus_dir):
    scenes = list(Corpus(corpus_dir).scenes("test"))
    source = scenes[0].sources[0]
    for change, message in (
        ({"azimuth_deg": source.azimuth_deg[:39]}, "39 bins"),
        ({"distance_m": np.full(40, np.nan)}, "not finite"),
        ({"event": replace(source.event, labels=())}, "no label"),
    ):
        bad = replace(scenes[0], sources=(replace(source, **change), *scenes[0].sources[1:]))
        table = SceneTable.of([bad, *scenes[1:]])
        assert message in table.refused[bad.scene_id]
        assert len(table) == len(scenes) - 1


def test_scenes_of_two_splits_are_no_table(corpus_dir):
    corpus = Corpus(corpus_dir)
    with pytest.raises(ValueError, match="one split"):
        SceneTable.of([next(iter(corpus.scenes(split))) for split in ("train", "test")])
