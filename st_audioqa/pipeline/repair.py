"""Makes damaged files of a corpus anew: `verify --repair`.

The recipe in the manifest says what each file holds. A file is put in place only where it comes
out with the very bytes of its entry; all others are left alone.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from st_audioqa.corpus.manifest import Manifest, ShardEntry
from st_audioqa.errors import UserError
from st_audioqa.execution import run_tasks
from st_audioqa.files import file_sha256
from st_audioqa.pipeline.generate import ask_questions
from st_audioqa.pipeline.places import with_places
from st_audioqa.pipeline.plan import Shard, make_plan
from st_audioqa.pipeline.shard import opened_tools, write_scenes
from st_audioqa.pipeline.tools import open_tools
from st_audioqa.pipeline.verify_files import is_whole
from st_audioqa.recipes import Recipe
from st_audioqa.scene import RECORDED

__all__ = ["Repaired", "repair"]

_OTHER_BYTES = (
    "it comes out with other bytes than the manifest says; the versions of the packages must be "
    "those of the manifest"
)


@dataclass
class Repaired:
    """What was done about damaged files."""

    repaired: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    """Why, by path"""


@dataclass(frozen=True)
class _Task:
    folder: Path
    recipe: Recipe
    shard: Shard
    entry: ShardEntry
    with_audio: bool


def repair(
    folder: Path,
    *,
    rooms: Path | None = None,
    events: Sequence[str] = (),
    workers: int = 1,
) -> Repaired:
    """Makes exactly those files anew that do not have the bytes of the manifest.

    Parameters
    ----------
    folder : Path
    rooms : Path, optional
        Where the meshes of the rooms lie here; a manifest does not say it.
    events : sequence of str
        Where the recordings lie (`pipeline.places.with_places`).
    workers : int

    Raises
    ------
    UserError
        The folder holds no finished corpus, another process repairs it, or the recipe cannot be
        carried out here.
    """
    manifest = Manifest.load(folder)
    for name in {Path(entry.path).parts[0] for entry in manifest.scenes}:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise UserError(
                f"{folder / name} leads out of the corpus: nothing is written there."
            )
    try:
        with FileLock(folder / ".repair.lock", blocking=False) as lock:
            for left in folder.glob(".repair-*"):  # by a repair that was killed
                shutil.rmtree(left, ignore_errors=True)
            found = _repair(folder, manifest, rooms, events, workers)
            Path(lock.lock_file).unlink(missing_ok=True)
            return found
    except Timeout as error:
        raise UserError(
            f"Another process is repairing {folder}: wait for it, or end it."
        ) from error


def _repair(
    folder: Path, manifest: Manifest, rooms: Path | None, events: Sequence[str], workers: int
) -> Repaired:
    found = Repaired()
    manifest.refuse_held("Repairing")
    for entry in manifest.bench:
        if not is_whole(folder, entry):
            found.left[entry.path] = "make it again with `st-audioqa bench`"
    entries = [*manifest.scenes, *manifest.question_files]
    tasks = [(folder, entry) for entry in entries]
    bad = {path for path in run_tasks(_damaged, tasks, workers, lambda: None) if path}
    scenes = [entry for entry in manifest.scenes if entry.path in bad]
    if scenes and manifest.recipe.rooms.provider == RECORDED:
        why = "it was imported, not generated: import the recordings again"
        found.left |= {entry.path: why for entry in scenes}
    elif scenes:
        recipe = open_tools(with_places(manifest.recipe, events, rooms)).recipe
        shards = {f"scenes/{each.name}.parquet": each for each in make_plan(recipe).shards}
        jobs = [
            _Task(folder, recipe, shards[entry.path], entry, manifest.has_audio)
            for entry in scenes
            if entry.path in shards
        ]
        found.left |= {
            entry.path: "the recipe makes no such file"
            for entry in scenes
            if entry.path not in shards
        }
        for path, same in run_tasks(_remake, jobs, workers, lambda: None):
            _note(found, path, same)
    if questions := [entry for entry in manifest.question_files if entry.path in bad]:
        _ask_again(folder, manifest, questions, found)
    found.repaired.sort()
    return found


def _damaged(task: tuple[Path, ShardEntry], tick: Callable[[], object]) -> str | None:
    folder, entry = task
    return None if is_whole(folder, entry) else entry.path


def _remake(task: _Task, tick: Callable[[], object]) -> tuple[str, bool]:
    """Makes a file of scenes in a folder beside, and moves it where it is the same."""
    with tempfile.TemporaryDirectory(prefix=".repair-", dir=task.folder) as beside:
        path = Path(beside, "shard.parquet")
        tools = opened_tools(task.recipe)
        write_scenes(path, task.shard, tools, tick, with_audio=task.with_audio)
        return task.entry.path, _moved(path, task.folder, task.entry)


def _ask_again(
    folder: Path, manifest: Manifest, bad: list[ShardEntry], found: Repaired
) -> None:
    """Makes the questions of the corpus in a folder beside, and moves those that are wanted."""
    if any(entry.path in found.left for entry in manifest.scenes):
        found.left |= {entry.path: "scenes that it asks about are damaged" for entry in bad}
        return
    with tempfile.TemporaryDirectory(prefix=".repair-", dir=folder) as beside:
        (Path(beside) / "scenes").symlink_to((folder / "scenes").resolve())
        ask_questions(Path(beside), manifest.recipe, manifest.scenes)
        for entry in bad:
            path = Path(beside, entry.path)
            _note(found, entry.path, path.is_file() and _moved(path, folder, entry))


def _moved(path: Path, folder: Path, entry: ShardEntry) -> bool:
    if file_sha256(path) != entry.sha256:
        return False
    target = folder / entry.path
    target.parent.mkdir(exist_ok=True)
    path.replace(target)
    return True


def _note(found: Repaired, path: str, same: bool) -> None:
    if same:
        found.repaired.append(path)
    else:
        found.left[path] = _OTHER_BYTES
