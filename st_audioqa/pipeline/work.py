"""The work folder of a corpus in the making: its plan, and a mark for every finished shard.

`.work/plan.json` says what is being made; `.work/<shard>.json` is written after a shard. A mark
counts only for this plan and these versions of the packages, and while the shard's file still has
the bytes it was marked with. One run at a time holds `.work/lock`, and whoever makes a shard holds
`.work/<shard>.lock`; the kernel frees both however a process ends. The folder goes when the corpus
is finished.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from st_audioqa.corpus.manifest import (
    MANIFEST,
    QUESTION_TABLES,
    Manifest,
    ShardEntry,
    library_versions,
)
from st_audioqa.errors import UserError
from st_audioqa.files import remove_partials, write_text
from st_audioqa.pipeline.plan import Plan, Shard, make_plan
from st_audioqa.pipeline.shard import LET_GO_S, ShardJob
from st_audioqa.recipes import Recipe

__all__ = ["Work"]

_FOLDER = ".work"


class Work:
    """A corpus in the making.

    Parameters
    ----------
    folder : Path
        Where the corpus is to lie.
    plan : Plan
    with_audio : bool
        Whether scenes are rendered.
    """

    def __init__(self, folder: Path, plan: Plan, *, with_audio: bool) -> None:
        self.folder = folder
        self.plan = plan
        self.with_audio = with_audio
        # Rooms have no digest of all files: the place stands for them, as long as the work goes on.
        rooms = plan.recipe.rooms.options
        self._versions = library_versions()
        made_by = json.dumps([plan.hash, rooms, with_audio, self._versions], sort_keys=True)
        self._key = hashlib.sha256(made_by.encode()).hexdigest()
        self._lock = FileLock(folder / _FOLDER / "lock", blocking=False)

    @classmethod
    def begin(cls, folder: Path, plan: Plan, *, with_audio: bool) -> Work:
        """Starts or goes on with the corpus of a plan.

        Raises
        ------
        UserError
            The folder cannot be written, holds something else, or holds another plan's work.
        """
        work = cls(folder, plan, with_audio=with_audio)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            present = [entry.name for entry in folder.iterdir()]
            begun = (folder / _FOLDER / "plan.json").is_file()
            if (folder / MANIFEST).is_file():
                work._refuse_other(Manifest.load(folder))
                work.close()
            elif begun:
                work._refuse_other(cls.resume(folder))
            elif set(present) - {_FOLDER}:
                raise UserError(
                    f"The output folder {folder} is not empty and holds no corpus of ours "
                    f"(found {min(set(present) - {_FOLDER})}): choose a new or empty folder."
                )
            else:
                work._save_plan()
        except OSError as error:
            raise UserError(
                f"The output folder {folder} cannot be written ({error.strerror}): choose "
                "another, or change its permissions."
            ) from error
        return work

    @classmethod
    def resume(cls, folder: Path) -> Work:
        """The work begun in a folder.

        Raises
        ------
        UserError
            There is none, or it was begun by another version.
        """
        path = folder / _FOLDER / "plan.json"
        if not path.is_file():
            raise UserError(
                f"{folder} holds no corpus in the making: start one with "
                f"`st-audioqa plan RECIPE --out {folder}`."
            )
        try:
            stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
            plan = make_plan(Recipe.model_validate(stored["recipe"]))
            work = cls(folder, plan, with_audio=bool(stored["with_audio"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} cannot be read ({str(error).splitlines()[0]}): delete {folder} and "
                "start anew."
            ) from error
        if stored.get("plan_hash") != plan.hash or stored.get("versions") != library_versions():
            raise UserError(
                f"{folder} was begun by other versions of st_audioqa or its packages (see "
                f"{path}): finish it with those, or delete the folder and start anew."
            )
        return work

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from working on the same corpus meanwhile.

        Raises
        ------
        UserError
            Another process does already.
        """
        try:
            with self._lock:
                # A worker of a run that was killed lets go of its shard a moment later.
                for path in (self.folder / _FOLDER).glob("*-*.lock"):
                    with FileLock(path, timeout=LET_GO_S):
                        pass
                for part in ("scenes", *QUESTION_TABLES, _FOLDER, "."):
                    remove_partials(self.folder / part)
                yield
        except Timeout as error:
            raise UserError(
                f"Another process is working on {self.folder}: wait for it, or end it, before "
                "running the same command again."
            ) from error

    @property
    def finished(self) -> bool:
        """Whether the corpus has its manifest."""
        return (self.folder / MANIFEST).is_file()

    def scenes_path(self, shard: Shard) -> str:
        """Path of a shard's file below the corpus folder."""
        return f"scenes/{shard.name}.parquet"

    def todo(self) -> list[Shard]:
        """Shards that are not finished."""
        return [shard for shard in self.plan.shards if self._mark(shard) is None]

    def marks(self) -> list[dict[str, Any]]:
        """Marks of this plan. Files are looked at for their size alone, so this is quick."""
        found = []
        for shard in self.plan.shards:
            mark = self.job(shard).mark_of_size()
            if mark is not None:
                found.append(mark)
        return found

    def job(
        self, shard: Shard, rir_cache: Path | None = None, *, of_run: bool = True
    ) -> ShardJob:
        """All that is needed to make a shard.

        Parameters
        ----------
        shard : Shard
        rir_cache : Path, optional
        of_run : bool
            Whether it is part of a run that has the corpus to itself (`alone`).
        """
        return ShardJob(
            folder=self.folder,
            recipe=self.plan.recipe,
            shard=shard,
            path=self.scenes_path(shard),
            with_audio=self.with_audio,
            rir_cache=rir_cache,
            mark=self._mark_path(shard),
            key=self._key,
            versions=self._versions,
            alone=None if of_run else self.folder / _FOLDER / "lock",
        )

    def finished_shards(self) -> tuple[list[ShardEntry], Counter[str]]:
        """Entries of all shards, and the rejections of all together.

        Raises
        ------
        UserError
            Some are not finished.
        """
        entries, rejections = [], Counter[str]()
        missing = []
        for shard in self.plan.shards:
            mark = self._mark(shard)
            if mark is None:
                missing.append(shard.name)
            else:
                entries.append(ShardEntry.model_validate(mark["entry"]))
                rejections.update(mark["rejections"])
        if missing:
            raise UserError(
                f"{len(missing)} of {len(self.plan.shards)} shards of {self.folder} are not "
                f"rendered yet (first: {missing[0]}): run `st-audioqa render {self.folder}`."
            )
        return entries, rejections

    def close(self) -> None:
        """Removes the work folder of a finished corpus."""
        shutil.rmtree(self.folder / _FOLDER, ignore_errors=True)

    def _refuse_other(self, other: Manifest | Work) -> None:
        if isinstance(other, Manifest):
            same = other.recipe_hash == self.plan.recipe.hash
            same = same and other.has_audio == self.with_audio
        else:
            same = other._key == self._key
        if not same:
            raise UserError(
                f"{self.folder} holds a corpus of another recipe, seed or kind: choose another "
                "folder, or delete it to start anew."
            )

    def _save_plan(self) -> None:
        stored = {
            "recipe": self.plan.recipe.model_dump(mode="json"),
            "plan_hash": self.plan.hash,
            "versions": library_versions(),
            "with_audio": self.with_audio,
        }
        path = self.folder / _FOLDER / "plan.json"
        write_text(path, json.dumps(stored, indent=2, sort_keys=True) + "\n")

    def _mark_path(self, shard: Shard) -> Path:
        return self.folder / _FOLDER / f"{shard.name}.json"

    def _mark(self, shard: Shard) -> dict[str, Any] | None:
        """The mark of a shard, where it is valid."""
        return self.job(shard).valid_mark()
