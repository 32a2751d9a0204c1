"""Back-ends: whatever a worker suffers costs one attempt of one task."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_tasks import act

from st_audioqa.errors import UserError
from st_audioqa.execution import Dask, Inline, Processes, results

NAMES = "abcdef"


def tasks(folder, **kinds):
    return [(kinds.get(name, "work"), str(folder), name) for name in NAMES]


def children():
    """Processes that this one started and that live."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        int(pid) for pid in listed if "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    }


def test_each_backend_gives_every_result_once_and_ticks(tmp_path):
    for backend in (Inline(), Processes(1), Processes(3)):
        folder = tmp_path / repr(backend)
        folder.mkdir()
        ticks = []
        found = list(results(backend, act, tasks(folder), lambda ticks=ticks: ticks.append(1)))
        assert sorted(found) == list("ABCDEF")
        assert len(ticks) == len(NAMES)


@pytest.mark.parametrize("kind", ["kill", "hang", "memory", "bug"])
def test_a_worker_that_is_lost_costs_one_attempt_of_one_task(kind, tmp_path, caplog):
    before = children()
    backend = Processes(2, attempts=2, silence_s=3.0 if kind == "hang" else 60.0)
    outcomes = list(backend.run(act, tasks(tmp_path, c=kind), lambda: None))
    attempts = {NAMES[each.index]: each.attempts for each in outcomes}
    assert attempts == {**dict.fromkeys(NAMES, 1), "c": 2}
    assert [each.result for each in sorted(outcomes, key=lambda o: o.index)] == list("ABCDEF")
    told = {"kill": "SIGKILL", "hang": "for 3 s", "memory": "MemoryError", "bug": "of ours"}
    assert told[kind] in caplog.text
    assert children() == before


def test_a_task_that_fails_at_every_attempt_is_told_and_the_others_are_kept(tmp_path):
    backend = Processes(2, attempts=2)
    found = results(backend, act, tasks(tmp_path, b="kill!", e="mistake!"), lambda: None,
                    name=lambda task: f"shard {task[2]}", items="shards")  # fmt: skip
    kept = []
    with pytest.raises(UserError, match=r"2 of 6 shards failed") as raised:
        kept.extend(found)
    assert sorted(kept) == list("ACDF")
    assert "shard b, after 2 attempts: its process was lost (SIGKILL" in str(raised.value)
    assert "shard e, after 1 attempt: e is wrong." in str(raised.value)


@pytest.mark.parametrize("backend", [Inline(), Processes(2)])
def test_a_run_without_hope_is_given_up_early(backend, tmp_path):
    with pytest.raises(UserError, match="3 of 6"):
        list(results(backend, act, tasks(tmp_path, **dict.fromkeys(NAMES, "mistake!")), print))
    assert len(list(tmp_path.glob("*.done"))) == 0


@pytest.mark.parametrize("backend", [Inline(), Processes(2)])
def test_a_full_disk_ends_the_run_at_once(backend, tmp_path):
    with pytest.raises(OSError, match="No space left"):
        list(results(backend, act, tasks(tmp_path, b="disk"), lambda: None))


def test_one_mistake_alone_is_told_as_it_is(tmp_path):
    with pytest.raises(UserError, match=r"^b is wrong\.$"):
        list(results(Processes(1), act, [("mistake!", str(tmp_path), "b")], lambda: None))


def test_workers_that_are_left_early_are_ended(tmp_path):
    before = children()
    outcomes = Processes(2).run(act, tasks(tmp_path, c="hang", d="hang"), lambda: None)
    next(outcomes)
    assert len(children() - before) == 2
    outcomes.close()
    assert children() == before


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from fake_tasks import act\n"
        "from st_audioqa.execution import Processes\n"
        f"tasks = [('hang!', {str(tmp_path)!r}, name) for name in 'ab']\n"
        "list(Processes(2).run(act, tasks, lambda: print('tick', flush=True)))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout.readline() == parent.stdout.readline() == b"tick\n"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while True:
        try:
            os.killpg(parent.pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline, "a worker works on without its parent"
        time.sleep(0.05)


def test_dask_survives_what_kills_hangs_or_breaks_a_task(tmp_path):
    pytest.importorskip("distributed")
    backend = Dask("local", workers=2, attempts=2, silence_s=20.0)
    given = tasks(tmp_path, b="kill", d="bug!", e="mistake!")
    outcomes = {NAMES[each.index]: each for each in backend.run(act, given, lambda: None)}
    assert [outcomes[name].result for name in "abcf"] == list("ABCF")
    assert "of ours" in str(outcomes["d"].error)
    assert str(outcomes["e"].error) == "e is wrong."
    assert isinstance(outcomes["e"].error, UserError)


def test_a_scheduler_that_is_not_there_is_told():
    pytest.importorskip("distributed")
    with pytest.raises(UserError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        list(Dask("tcp://127.0.0.1:9", connect_s=0.5).run(act, [], lambda: None))
