"""Corpora that lie elsewhere: on a real S3 server, behind fsspec, or nowhere."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from s3 import s3_server

from st_audioqa import Corpus, UserError
from st_audioqa.cli import cli
from st_audioqa.corpus.tables import scene_tables
from st_audioqa.files import file_sha256
from st_audioqa.storage import StoredPath, located


@pytest.fixture(scope="module")
def bucket(corpus_dir):
    """The small corpus on a S3 server, below `tiny`; gives its address."""
    with s3_server("corpora") as address:
        there = located(f"{address}/tiny")
        for path in sorted(corpus_dir.rglob("*")):
            if path.is_file():
                with (there / path.relative_to(corpus_dir).as_posix()).open("wb") as file:
                    file.write(path.read_bytes())
        yield f"{address}/tiny"


def test_a_corpus_in_a_bucket_reads_as_on_disk(bucket, corpus_dir):
    here, there = Corpus(corpus_dir), Corpus(bucket)
    assert isinstance(there.folder, StoredPath)
    assert there.manifest == here.manifest
    assert there.questions("test") == here.questions("test")
    ids = [scene.scene_id for scene in there.scenes("train")]
    assert ids == [scene.scene_id for scene in here.scenes("train")]
    for scene_id in ("test-000003", "train-000007"):
        np.testing.assert_array_equal(there.audio(scene_id), here.audio(scene_id))
    path = there.manifest.scenes[0].path
    assert [each.scene_id for each in scene_tables(there.folder / path)] == [
        each.scene_id for each in scene_tables(corpus_dir / path)
    ]
    assert file_sha256(there.folder / path) == file_sha256(corpus_dir / path)
    with pytest.raises(UserError, match="no scene 'test-9' in s3://corpora/tiny"):
        there.audio("test-9")


def test_a_model_is_asked_and_scored_on_a_bucket(bucket, tmp_path):
    predictions, result = tmp_path / "oracle.jsonl", tmp_path / "result.json"
    run = CliRunner().invoke(
        cli,
        ["eval", "run", "oracle", bucket, "--out", str(predictions)],
        catch_exceptions=False,
    )
    assert run.exit_code == 0, run.output
    scored = CliRunner().invoke(
        cli,
        ["eval", "score", str(predictions), bucket, "--json", str(result), "--resamples", "0"],
        catch_exceptions=False,
    )
    assert scored.exit_code == 0, scored.output
    averages = json.loads(result.read_text())["averages"]
    assert {cell["value"] for cell in averages.values() if cell["value"] is not None} == {100.0}


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("s3://corpora/none", "no finished corpus"),
        ("s3://no-such-bucket/tiny", "no finished corpus|cannot be reached"),
        ("gopher://corpora/tiny", "cannot be reached.*gopher"),
    ],
)
def test_a_place_without_a_corpus_is_told_in_one_sentence(bucket, address, told):
    with pytest.raises(UserError, match=told):
        Corpus(address)


def test_a_file_that_is_gone_is_told_by_its_address(bucket):
    corpus = Corpus(bucket)
    broken = corpus.manifest.scenes[0].model_copy(
        update={"path": "scenes/no-00000-of-00001.parquet"}
    )
    with pytest.raises(UserError, match="s3://corpora/tiny/scenes/no-00000"):
        corpus._rows_of(broken)


def test_any_filesystem_of_fsspec_serves(corpus_dir):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.put(f"{corpus_dir}/", "/tiny/", recursive=True)
    there = Corpus("memory://tiny")
    assert there.audio("test-000000").shape == (4, 320_000)
    memory.rm("/tiny", recursive=True)


def test_places_on_disk_stay_paths_and_far_ones_travel_between_processes(bucket, tmp_path):
    assert located(str(tmp_path)) == tmp_path == located(f"file://{tmp_path}")
    assert located(tmp_path) is tmp_path
    assert located("C:/corpora") == Path("C:/corpora")
    there = located(bucket)
    again = pickle.loads(pickle.dumps(there))
    assert (again / "manifest.json").is_file()
    assert there.files()["manifest.json"] > 1000


@pytest.mark.parametrize("name", ["../other/manifest.json", "/etc/passwd", "a/../../b"])
def test_nothing_outside_a_place_is_named(bucket, name):
    with pytest.raises(UserError, match="leads elsewhere"):
        located(bucket) / name


def test_what_needs_a_disk_says_so(bucket):
    with pytest.raises(UserError, match="copy the corpus"):
        Corpus(bucket).local_folder  # noqa: B018
