"""Files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from st_audioqa.files import file_sha256, remove_partials, whole, write_text


def test_a_file_and_its_folder_come_into_being_at_once(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with whole(path) as partial:
        partial.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "before")

    def interrupted():
        with whole(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_never_share_a_name_and_the_last_one_counts(tmp_path):
    path = tmp_path / "file.txt"
    with whole(path, sync=False) as first:
        with whole(path, sync=False) as second:
            assert first != second
            second.write_text("second")
        first.write_text("first")
    assert path.read_text() == "first"


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "whole")
    with whole(tmp_path / "other.txt") as partial:
        left = partial.with_name(partial.name.replace("other", "another"))
        partial.write_text("whole")
    left.write_text("half")
    remove_partials(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file.txt", "other.txt"]


def test_the_hash_is_that_of_all_bytes(tmp_path):
    data = bytes(range(256)) * 9000
    (tmp_path / "file").write_bytes(data)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_half_written_files_that_somebody_may_be_writing_are_spared(tmp_path):
    for name, age_s in (("old", 7200), ("new", 0)):
        path = tmp_path / f".{name}.npz.1.partial"
        path.touch()
        os.utime(path, (time.time() - age_s,) * 2)
    remove_partials(tmp_path, older_than_s=3600.0)
    assert [path.name for path in tmp_path.iterdir()] == [".new.npz.1.partial"]
    remove_partials(tmp_path, "other")
    assert len(list(tmp_path.iterdir())) == 1
    remove_partials(tmp_path, "new")
    assert not list(tmp_path.iterdir())
