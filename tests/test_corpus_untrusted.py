"""Corpora from elsewhere: what is too large is told before it fills the memory."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from st_audioqa import Corpus, UserError
from st_audioqa.corpus import shards
from st_audioqa.corpus.audio import decode_flac, encode_flac
from st_audioqa.corpus.manifest import Manifest
from st_audioqa.corpus.shards import read_rows
from st_audioqa.corpus.tables import scene_tables


def test_one_value_that_stands_for_a_million_rows_is_refused(tmp_path):
    """Two megabytes on disk, a terabyte as rows."""
    path = tmp_path / "bomb.parquet"
    once = pa.array(["x" * 2_000_000])
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(600_000, np.int32)), once)
    limits = {"dictionary_pagesize_limit": 2**24, "row_group_size": 2**21}
    pq.write_table(pa.table({"scene_id": column}), path, **limits)
    assert path.stat().st_size < 3e6
    rows = read_rows(path)
    assert len(next(rows)["scene_id"]) == 2_000_000  # few at once, however many there are
    rows.close()


@pytest.mark.parametrize("limit", ["_MAX_BYTES", "_MAX_ROWS"])
def test_a_shard_that_says_that_it_is_too_large_is_not_read(limit, corpus_dir, monkeypatch):
    path = next((corpus_dir / "scenes").glob("test-*"))
    monkeypatch.setattr(shards, limit, 4)
    for read in (read_rows, scene_tables):
        with pytest.raises(UserError, match="no shard of this toolkit"):
            next(read(path))
    with pytest.raises(UserError, match="no shard of this toolkit"):
        Corpus(corpus_dir).audio("test-000000")


def test_rows_that_unfold_to_more_than_they_said_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "lie.parquet"
    once = pa.array(["x" * 5_000])
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(64, np.int32)), once)
    pq.write_table(pa.table({"scene_id": column}), path)
    monkeypatch.setattr(shards, "_MAX_BYTES", 2 * 5_000 * 16)
    assert len(list(read_rows(path))) == 64  # as few at once as fit
    batch = pa.record_batch({"scene_id": ["x" * 200_000]})
    with pytest.raises(UserError, match=r"take 0\.0 GB"):
        shards.bounded(batch, path)


def test_a_flac_that_says_it_lasts_for_hours_is_not_decoded():
    stored = bytearray(encode_flac(np.full((4, 4096), 0.1, np.float32)))
    # STREAMINFO: 36 bits of total samples end at byte 26 (RFC 9639, section 8.2).
    for total in (2**36 - 1, 32_000 * 3600):
        header = int.from_bytes(stored[21:26], "big") & ~(2**36 - 1) | total
        stored[21:26] = header.to_bytes(5, "big")
        with pytest.raises(UserError, match="at most 10 minutes"):
            decode_flac(bytes(stored))


@pytest.mark.parametrize("content", [b"[" * 200_000, b"{}" + b" " * 200])
def test_a_manifest_that_is_too_deep_or_too_long_is_refused(
    content, corpus_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "st_audioqa.corpus.manifest._MAX_BYTES", 200 if b"{" in content else 1e6
    )
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(UserError, match="is not a manifest"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "scenes/../../x.parquet", "scenes/x/test-00000-of-00001.parquet"]
)
def test_no_name_in_a_manifest_leads_out_of_the_corpus(name, corpus_dir, tmp_path):
    copy = shutil.copytree(corpus_dir, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["scenes"][0]["path"] = name
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="not a manifest"):
        Manifest.load(copy)
