"""The page with chosen scenes as plain files, for any web server."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

from st_audioqa.errors import UserError
from st_audioqa.files import whole
from st_audioqa.viewer.listing import Entry
from st_audioqa.viewer.site import Site

__all__ = ["choose", "export"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


def choose(entries: Sequence[Entry], count: int) -> list[str]:
    """Ids of so many scenes, as even over splits and configurations as there are scenes.

    The first ones of each, in the order of the corpus.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in entries:
        groups[entry.split, entry.configuration].append(entry.scene_id)
    rounds = (each for round_ in zip_longest(*groups.values()) for each in round_ if each)
    taken = {scene_id for scene_id, _ in zip(rounds, range(count), strict=False)}
    return [entry.scene_id for entry in entries if entry.scene_id in taken]


def export(
    site: Site, folder: Path, progress: Callable[[Sequence[str]], Iterable[str]] = iter
) -> int:
    """Write the page and all that it shows into a folder.

    Parameters
    ----------
    site : Site
    folder : Path
        Must be empty or not there.
    progress : callable
        Wraps the list of scene ids to be gone through, as tqdm does.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    UserError
        The folder is not empty, or a scene's id is not the name of a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"An export must go to a new or empty folder, and {folder} is none: choose another one."
        )
    ids = [entry.scene_id for entry in site.entries]
    for scene_id in ids:
        if not _NAME.fullmatch(scene_id):
            raise UserError(f"A scene's id is the name of its file, and {scene_id!r} is none.")
    size = 0
    for scene_id in progress(ids):
        size += sum(_write(site, folder, name) for name in site.scene_files(scene_id))
    return size + sum(
        _write(site, folder, name) for name in [*site.index_files, *site.page_files]
    )


def _write(site: Site, folder: Path, name: str) -> int:
    found = site.get(name)
    if found is None:
        raise UserError(f"The page lacks its file {name}: install st_audioqa again.")
    with whole(folder / name, sync=False) as partial:
        partial.write_bytes(found[1])
    return len(found[1])
