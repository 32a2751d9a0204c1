"""How far a corpus is, read from its marks alone: the same whatever makes it, and from anywhere."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from st_audioqa.corpus.manifest import MANIFEST, Manifest
from st_audioqa.pipeline.work import Work

__all__ = ["Status", "status", "status_text"]


@dataclass(frozen=True)
class Status:
    """Progress of a corpus."""

    finished: bool
    """Whether it has its questions and its manifest."""
    shards: int
    shards_done: int
    scenes: int
    scenes_done: int
    rejected: dict[str, int]
    """Draws of finished shards that did not pass a check, by reason."""
    scenes_per_s: float | None
    """Of all workers together; None where no mark tells."""
    hours_left: float | None
    """Of rendering, at that speed."""
    bytes_done: int
    bytes_expected: int | None
    bytes_free: int

    @property
    def fits(self) -> bool:
        """Whether the disk has room for the rest, as far as one can tell."""
        return (self.bytes_expected or 0) - self.bytes_done <= self.bytes_free

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "fits": self.fits}


def status(folder: Path) -> Status:
    """The progress of the corpus in a folder. Shards are not read, only their marks.

    Raises
    ------
    UserError
        There is no corpus, finished or begun.
    """
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    if (folder / MANIFEST).is_file():
        manifest = Manifest.load(folder)
        scenes = sum(entry.rows for entry in manifest.scenes)
        files = (*manifest.scenes, *manifest.question_files)
        size = sum(entry.bytes for entry in files)
        shards = len(manifest.scenes)
        return Status(
            finished=True,
            shards=shards,
            shards_done=shards,
            scenes=scenes,
            scenes_done=scenes,
            rejected=manifest.rejections,
            scenes_per_s=None,
            hours_left=0.0,
            bytes_done=size,
            bytes_expected=size,
            bytes_free=free,
        )
    work = Work.resume(folder)
    marks = work.marks()
    rejected: Counter[str] = Counter()
    for mark in marks:
        rejected.update(mark["rejections"])
    done = sum(mark["entry"]["rows"] for mark in marks)
    size = sum(mark["entry"]["bytes"] for mark in marks)
    total = work.plan.n_scenes
    speed = _speed(marks)
    return Status(
        finished=False,
        shards=len(work.plan.shards),
        shards_done=len(marks),
        scenes=total,
        scenes_done=done,
        rejected=dict(sorted(rejected.items())),
        scenes_per_s=speed,
        hours_left=(total - done) / speed / 3600 if speed else None,
        bytes_done=size,
        bytes_expected=round(size / done * total) if done else None,
        bytes_free=free,
    )


def _speed(marks: list[dict[str, Any]]) -> float | None:
    """Scenes per second while there was work.

    A shard ends after the one before it by less time than it took where several are made at
    once, and by more where the run was interrupted: then only its own time counts. Its own time
    is measured by a clock that nobody sets, so that a wrong date does little harm.
    """
    timed = sorted(
        (mark["finished_at"], mark["seconds"], mark["entry"]["rows"])
        for mark in marks
        if "seconds" in mark
    )
    elapsed, before = 0.0, float("-inf")
    for at, seconds, _ in timed:
        elapsed += min(at - before, seconds)
        before = at
    return sum(rows for *_, rows in timed) / elapsed if elapsed > 0 else None


def status_text(found: Status) -> str:
    """Some lines for people."""
    size = f"{found.bytes_done / 1e9:.2f} GB"
    if found.finished:
        return f"Finished: {found.scenes} scenes in {found.shards} shards, {size}."
    share = 100 * found.scenes_done / found.scenes
    lines = [
        f"{found.scenes_done} of {found.scenes} scenes ({share:.1f} %), {found.shards_done} of "
        f"{found.shards} shards are made."
    ]
    if found.scenes_per_s:
        lines.append(
            f"{found.scenes_per_s:.2f} scenes/s; {found.hours_left:.1f} hours left at that speed."
        )
    draws = found.scenes_done + sum(found.rejected.values())
    for reason, count in sorted(found.rejected.items(), key=lambda each: -each[1]):
        lines.append(f"rejected: {count} of {draws} draws, {reason}")
    expected = found.bytes_expected
    whole = "" if expected is None else f" of about {expected / 1e9:.2f} GB"
    lines.append(f"disk: {size}{whole} written, {found.bytes_free / 1e9:.1f} GB free.")
    if not found.fits:
        lines.append("The rest will not fit: make room, or move the folder.")
    return "\n".join(lines)


def status_json(found: Status) -> str:
    """For programs."""
    return json.dumps(found.to_dict(), indent=2, sort_keys=True)
