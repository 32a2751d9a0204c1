"""A corpus made at scale: the same from every back-end, told how far it is, mended when damaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import make_corpus, small_recipe
from test_cli import assert_one_sentence, run
from test_pipeline import digests

from st_audioqa import UserError
from st_audioqa.corpus.manifest import Manifest
from st_audioqa.execution import Dask, Processes
from st_audioqa.execution.array import ArrayJob, kubernetes_manifest, slurm_script
from st_audioqa.pipeline.generate import finish, plan_corpus, render_scenes
from st_audioqa.pipeline.repair import repair
from st_audioqa.pipeline.shard import run_shard
from st_audioqa.pipeline.status import status
from st_audioqa.pipeline.verify import verify
from st_audioqa.pipeline.work import Work

MINI = {
    "splits": {"train": {"S": 2, "SD": 2}, "test": {"D": 1, "SS": 1}},
    "corpus": {"scenes_per_shard": 2},
    "renderer": {"engine": "image-source", "preset": "fast", "rir_duration_s": 0.1},
}


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """A corpus of six scenes in three shards; not to be written to."""
    return make_corpus(tmp_path_factory.mktemp("mini") / "corpus", small_recipe(**MINI))


@pytest.fixture
def copy(mini, tmp_path):
    return shutil.copytree(mini, tmp_path / "copy")


def planned(folder, with_audio=False):
    return plan_corpus(small_recipe(**MINI), folder, with_audio=with_audio)


@pytest.mark.parametrize("backend", [Processes(2), Dask("local", workers=2)], ids=["2", "dask"])
def test_every_backend_makes_the_same_bytes(backend, mini, tmp_path):
    if isinstance(backend, Dask):
        pytest.importorskip("distributed")
    ticks = []
    work = planned(tmp_path / "c", with_audio=True)
    render_scenes(work, 2, lambda: ticks.append(1), backend=backend)
    finish(work)
    assert digests(work.folder) == digests(mini)
    assert len(ticks) == 6


def test_the_slurm_script_makes_the_same_bytes(mini, tmp_path):
    """By bash, in the place of Slurm, with the tasks in another order and one of them twice."""
    folder = tmp_path / "a corpus"
    planned(folder, with_audio=True)
    script = tmp_path / "job.sh"
    done = command("array", folder, "--for", "slurm", "--per-task", 2, "--setup", "true")
    script.write_text(done.stdout)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "#SBATCH --array=0-1%100\n" in done.stdout
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "st-audioqa"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m st_audioqa.cli "$@"\n')
    program.chmod(0o755)
    for index in ("1", "0", "1"):
        path = f"{program.parent}:{os.environ['PATH']}"
        env = {**environment(), "SLURM_ARRAY_TASK_ID": index, "PATH": path}
        done = subprocess.run(["bash", script], env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    finish(Work.resume(folder))
    assert digests(folder) == digests(mini)


def test_the_kubernetes_manifest_is_an_indexed_job():
    yaml = pytest.importorskip("yaml")
    job = ArrayJob('/data/my "corpus": x', shards=10, per_task=3, at_once=2, name="mine")
    found = yaml.safe_load(kubernetes_manifest(job, "registry/image:1", "claim"))
    assert (found["apiVersion"], found["kind"]) == ("batch/v1", "Job")
    spec = found["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == (
        "Indexed",
        4,
        2,
    )
    assert spec["backoffLimitPerIndex"] == 3
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    container = pod["containers"][0]
    assert container["command"] == job.command
    assert container["volumeMounts"] == [{"name": "corpus", "mountPath": job.folder}]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "claim"}


@pytest.mark.parametrize("changes", [{"name": "a b"}, {"name": "x; rm"}, {"folder": "a\nb"}])
def test_a_job_that_no_script_can_hold_is_refused(changes):
    with pytest.raises(UserError):
        ArrayJob(**{"folder": "f", "shards": 1, **changes})


def test_a_folder_cannot_break_out_of_the_script(tmp_path):
    folder = tmp_path / "x'; touch stranger; '"
    text = slurm_script(ArrayJob(str(folder), 1)).replace("exec st-audioqa", "echo")
    subprocess.run(["bash", "-c", text], cwd=tmp_path, check=True, capture_output=True)
    assert not (tmp_path / "stranger").exists()


def test_one_shard_by_its_index_and_what_is_no_index(capsys, tmp_path, monkeypatch):
    folder = planned(tmp_path / "c").folder
    assert run(capsys, "generate-shard", folder, "1")[0] == 0
    assert [path.name for path in (folder / "scenes").iterdir()] == [
        "train-00000-of-00002.parquet"
    ]
    for arguments in (("3",), ()):
        code, _, err = run(capsys, "generate-shard", folder, *arguments)
        assert_one_sentence(code, err)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    assert run(capsys, "generate-shard", folder)[0] == 0
    assert len(list((folder / "scenes").iterdir())) == 2


def test_a_run_and_a_single_shard_refuse_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr("st_audioqa.pipeline.shard.LET_GO_S", 0.1)
    monkeypatch.setattr("st_audioqa.pipeline.work.LET_GO_S", 0.1)
    work = planned(tmp_path / "c")
    job = work.job(work.plan.shards[0], of_run=False)
    with work.alone(), pytest.raises(UserError, match="Another process"):
        run_shard(job, lambda: None)
    refused = []

    def another_run():
        with (
            pytest.raises(UserError, match="Another process"),
            Work.resume(work.folder).alone(),
        ):
            pass
        refused.append(1)

    assert run_shard(job, another_run) == 2
    assert len(refused) == 2
    render_scenes(work, 1, lambda: None)


def test_a_machine_with_other_versions_makes_no_shard(tmp_path, monkeypatch):
    work = planned(tmp_path / "c")
    job = work.job(work.plan.shards[0])
    monkeypatch.setattr("st_audioqa.pipeline.shard.library_versions", lambda: {"numpy": "0.1"})
    with pytest.raises(UserError, match="other versions"):
        run_shard(job, lambda: None)
    assert not (work.folder / "scenes").exists()


def marked(work, seconds, finished_at):
    """Makes all shards, and has their marks tell these times."""
    for shard, took, at in zip(work.plan.shards, seconds, finished_at, strict=False):
        job = work.job(shard)
        run_shard(job, lambda: None)
        mark = json.loads(job.mark.read_text())
        job.mark.write_text(json.dumps({**mark, "seconds": took, "finished_at": at}))


@pytest.mark.parametrize(
    ("seconds", "finished_at", "wanted"),
    [
        ((10, 10), (1000, 1010), 4 / 20),  # one after the other
        ((10, 10), (1000, 1000), 4 / 10),  # at once
        ((10, 10), (1000, 90_000), 4 / 20),  # interrupted over night, or the clock was set
        ((10, 10), (1000, -90_000), 4 / 20),  # set back
    ],
)
def test_status_tells_speed_and_time_left_from_marks(seconds, finished_at, wanted, tmp_path):
    work = planned(tmp_path / "c")
    before = status(work.folder)
    assert (before.scenes_done, before.scenes_per_s, before.hours_left) == (0, None, None)
    marked(work, seconds, finished_at)
    found = status(work.folder)
    assert (found.shards_done, found.shards, found.scenes_done, found.scenes) == (2, 3, 4, 6)
    assert found.scenes_per_s == pytest.approx(wanted)
    assert found.hours_left == pytest.approx(2 / wanted / 3600)
    written = sum(path.stat().st_size for path in (work.folder / "scenes").iterdir())
    assert (found.bytes_done, found.bytes_expected) == (written, round(written * 6 / 4))


def test_status_as_text_and_json_and_of_a_finished_corpus(capsys, mini, tmp_path):
    code, out, _ = run(capsys, "status", mini, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["finished"], found["scenes_done"], found["hours_left"]) == (True, 6, 0.0)
    work = planned(tmp_path / "c")
    marked(work, (10,), (0,))
    code, out, _ = run(capsys, "status", work.folder)
    assert "2 of 6 scenes (33.3 %), 1 of 3 shards" in out
    assert "0.20 scenes/s" in out
    code, _, err = run(capsys, "status", tmp_path)
    assert_one_sentence(code, err)


def test_a_mark_of_another_plan_does_not_count(tmp_path):
    work = planned(tmp_path / "c")
    marked(work, (1, 1, 1), (1, 2, 3))
    assert work.todo() == []
    job = work.job(work.plan.shards[1])
    mark = json.loads(job.mark.read_text())
    job.mark.write_text(json.dumps({**mark, "key": "0" * 64}))
    assert work.todo() == [work.plan.shards[1]]
    assert status(work.folder).shards_done == 2


def test_a_recipe_that_was_changed_on_the_way_is_refused_and_told_how_to_start_anew(tmp_path):
    planned(tmp_path / "c")
    with pytest.raises(UserError, match=r"another recipe.*delete it to start anew"):
        plan_corpus(small_recipe(**{**MINI, "seed": 6}), tmp_path / "c", with_audio=False)


def test_the_number_of_workers_changes_no_finding(copy):
    damage(copy / "qa" / "test-00000-of-00001.parquet")
    damage(copy / "scenes" / "train-00001-of-00002.parquet")
    one, two = verify(copy), verify(copy, workers=2)
    assert one.__dict__ == two.__dict__
    assert len(one.faults) >= 2


def damage(path):
    """Flips one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_exactly_the_damaged_files_are_made_again_to_the_same_bytes(mini, copy, monkeypatch):
    bad = ["qa/test-00000-of-00001.parquet", "scenes/train-00001-of-00002.parquet"]
    before = {path: (copy / path).stat().st_ino for path in digests(copy)}
    damage(copy / bad[0])
    (copy / bad[1]).unlink()
    (copy / ".repair-killed").mkdir()
    found = repair(copy)
    assert (found.repaired, found.left) == (bad, {})
    assert digests(copy) == digests(mini)
    assert [p for p, inode in before.items() if (copy / p).stat().st_ino != inode] == bad
    assert {path.name for path in copy.iterdir()} == {path.name for path in mini.iterdir()}
    assert verify(copy).faults == []


def test_verify_repairs_on_request(capsys, copy):
    damage(copy / "scenes" / "test-00000-of-00001.parquet")
    code, out, _ = run(capsys, "verify", copy, "--workers", 1)
    assert code == 1
    assert "FAULT scenes/test-00000-of-00001.parquet: SHA-256" in out
    code, out, _ = run(capsys, "verify", copy, "--repair", "--workers", 1)
    assert code == 0
    assert "REPAIRED scenes/test-00000-of-00001.parquet" in out
    assert "Nothing to repair" in run(capsys, "verify", copy, "--repair", "--workers", 1)[1]


def test_a_file_that_comes_out_with_other_bytes_is_left_as_it_was(copy):
    manifest = Manifest.load(copy)
    entries = [entry.model_copy(update={"sha256": "0" * 64}) for entry in manifest.scenes[:1]]
    changed = manifest.model_copy(update={"scenes": [*entries, *manifest.scenes[1:]]})
    changed.save(copy)
    before = digests(copy)
    found = repair(copy)
    assert list(found.left) == [manifest.scenes[0].path]
    assert digests(copy) == before


def test_a_repair_writes_nothing_outside_the_corpus(copy, tmp_path):
    outside = tmp_path / "outside"
    (copy / "scenes").rename(outside)
    (copy / "scenes").symlink_to(outside)
    damage(outside / "test-00000-of-00001.parquet")
    before = digests(outside)
    with pytest.raises(UserError, match="leads out of the corpus"):
        repair(copy)
    assert digests(outside) == before


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "st_audioqa.cli", *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )


def test_doctor_estimates_a_recipe_here(capsys, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(
        'name = "r"\n[splits.test]\nS = 2\n[renderer]\nengine = "image-source"\npreset = "fast"\n'
        'rir_duration_s = 0.1\n[rooms]\noptions = {shapes = ["shoebox"], furniture = [0, 0]}\n'
    )
    code, out, _ = run(capsys, "doctor", path, "--out", tmp_path)
    assert code == 0
    for subject in ("memory ", "hours ", "size ", "licence ", "memory of workers "):
        assert f"ok   {subject}" in out
    assert "2 scenes at" in out
    path.write_text(path.read_text().replace("S = 2", "S = 900000000"[:13]))
    code, out, _ = run(capsys, "doctor", "nothing")
    assert code == 2


def test_sigterm_ends_a_run_quietly_and_it_goes_on(mini, tmp_path):
    folder = tmp_path / "c"
    planned(folder, with_audio=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "st_audioqa.cli", "render", folder, "--workers", "2"],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list((folder / ".work").glob("t*.lock")) and process.poll() is None:
        pass
    process.terminate()
    said = process.communicate()[1]
    assert process.returncode == 143
    assert "Interrupted; what is finished stays" in said
    assert "resource_tracker" not in said
    assert "Traceback" not in said
    render_scenes(Work.resume(folder), 1, lambda: None)
    finish(Work.resume(folder))
    assert digests(folder) == digests(mini)
