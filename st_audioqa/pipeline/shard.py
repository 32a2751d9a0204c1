"""Makes one shard of a corpus: a function of its job alone, wherever it runs.

The file is written to a temporary name, synced and renamed; the mark that vouches for it is
written last. A shard that is cut leaves no mark and is made again, to the same bytes.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from st_audioqa.corpus.audio import encode_flac
from st_audioqa.corpus.manifest import ShardEntry, library_versions
from st_audioqa.corpus.schema import SCENES_SCHEMA, scene_to_row
from st_audioqa.corpus.shards import write_shard
from st_audioqa.errors import UserError
from st_audioqa.files import file_sha256, remove_partials, write_text
from st_audioqa.pipeline.plan import Shard
from st_audioqa.pipeline.render import produce
from st_audioqa.pipeline.tools import Tools, open_tools
from st_audioqa.recipes import Recipe

__all__ = ["LET_GO_S", "ShardJob", "opened_tools", "run_shard", "write_scenes"]

LET_GO_S = 5.0
"""How long a lock is waited for: processes that end with their parent need a moment."""


@dataclass(frozen=True)
class ShardJob:
    """One shard to be made; small enough to be sent to another process."""

    folder: Path
    """Of the corpus; where several machines work, all must see it under this name."""
    recipe: Recipe
    shard: Shard
    path: str
    """Below `folder`."""
    with_audio: bool
    rir_cache: Path | None
    mark: Path
    key: str
    """Digest of plan and versions: a mark with another one is not ours."""
    versions: Mapping[str, str]
    alone: Path | None = None
    """Lock that a run of the whole corpus holds, where this job is no part of such a run."""

    def valid_mark(self) -> dict[str, Any] | None:
        """The mark, where it is of this plan and its file is as it was."""
        mark = self.mark_of_size()
        if mark is not None and file_sha256(self.folder / self.path) == mark["entry"]["sha256"]:
            return mark
        return None

    def mark_of_size(self) -> dict[str, Any] | None:
        """The mark, where it is of this plan and its file is as long as it was."""
        try:
            mark: dict[str, Any] = json.loads(self.mark.read_text("utf-8"))
            size = (self.folder / self.path).stat().st_size
            valid = mark["key"] == self.key and mark["entry"]["bytes"] == size
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return mark if valid else None


def run_shard(job: ShardJob, tick: Callable[[], object]) -> int:
    """Draws, renders, writes and marks one shard, unless it is there already.

    Returns
    -------
    int
        Its scenes.

    Raises
    ------
    UserError
        Its scenes cannot be made, another process is at it, or the packages here are of other
        versions than those that the corpus was begun with.
    """
    if dict(job.versions) != library_versions():
        raise UserError(
            f"{job.folder} was begun by other versions of st_audioqa or its packages than "
            "there are on this machine: install the same ones on all machines."
        )
    with _locked(job):
        if job.valid_mark() is not None:
            return len(job.shard.scenes)
        path = job.folder / job.path
        remove_partials(path.parent, path.name)
        start = time.monotonic()  # which no change of the clock moves
        tools = opened_tools(job.recipe, job.rir_cache)
        rejections = write_scenes(path, job.shard, tools, tick, with_audio=job.with_audio)
        entry = ShardEntry(
            path=job.path,
            split=job.shard.split,
            rows=len(job.shard.scenes),
            bytes=path.stat().st_size,
            sha256=file_sha256(path),
        )
        mark = {
            "key": job.key,
            "entry": entry.model_dump(),
            "rejections": dict(rejections),
            "seconds": round(time.monotonic() - start, 3),
            "finished_at": round(time.time(), 3),
        }
        write_text(job.mark, json.dumps(mark, sort_keys=True))
    return len(job.shard.scenes)


def write_scenes(
    path: Path,
    shard: Shard,
    tools: Tools,
    tick: Callable[[], object],
    *,
    with_audio: bool,
) -> Counter[str]:
    """Writes the scenes of a shard as a file; returns the rejections by reason."""
    rows = []
    rejections: Counter[str] = Counter()
    bits = tools.recipe.corpus.flac_bits
    for spec in shard.scenes:
        produced = produce(spec, tools, with_audio=with_audio)
        audio = None if produced.audio is None else encode_flac(produced.audio, bits)
        rows.append(scene_to_row(produced.scene, audio))
        rejections += produced.rejections
        tick()
    write_shard(path, rows, SCENES_SCHEMA, tools.recipe.corpus.row_group_size)
    return rejections


_opened: dict[tuple[str, Path | None], Tools] = {}


def opened_tools(recipe: Recipe, rir_cache: Path | None = None) -> Tools:
    """The tools of a recipe, opened once per process."""
    key = (recipe.model_dump_json(), rir_cache)
    if key not in _opened:
        _opened.clear()
        _opened[key] = open_tools(recipe, rir_cache)
    return _opened[key]


@contextmanager
def _locked(job: ShardJob) -> Iterator[None]:
    """Keeps two processes from making one shard at the same time."""
    try:
        with FileLock(job.mark.with_suffix(".lock"), timeout=LET_GO_S):
            if job.alone is not None:
                # After the shard's own lock, as a run asks the other way round: one of the two
                # always sees the other.
                with FileLock(job.alone, timeout=LET_GO_S):
                    pass
            yield
    except Timeout as error:
        raise UserError(
            f"Another process is making {job.shard.name} of {job.folder}: wait for it, or end "
            "it, before running the same command again."
        ) from error
