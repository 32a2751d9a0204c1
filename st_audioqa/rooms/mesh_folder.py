"""Mesh files of a folder, and which split each of them is for."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from st_audioqa.errors import UserError
from st_audioqa.files import file_sha256
from st_audioqa.rooms.mesh_file import SUFFIXES

__all__ = ["deal", "mesh_files"]


def mesh_files(path: Path) -> dict[str, str]:
    """Mesh files below a path and the SHA-256 of their content, sorted by name.

    Raises
    ------
    UserError
        There are none, they lie in two layouts, or one cannot be read.
    """
    if path.is_file():
        found = [path]
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(
                f"The mesh {path} is none of {', '.join(SUFFIXES)}: convert it to .glb."
            )
    elif path.is_dir():
        found = [each for each in sorted(path.iterdir()) if each.suffix.lower() in SUFFIXES]
        below = [each for each in sorted(path.glob("*/*")) if each.suffix.lower() in SUFFIXES]
        if found and below:
            raise UserError(
                f"The folder {path} holds meshes as well as folders of meshes: put them all "
                "into folders named after the splits, or none."
            )
        found = found or below
        if not found:
            raise UserError(
                f"The folder {path} holds no meshes ({', '.join(SUFFIXES)}): set "
                "rooms.options.path to a mesh or a folder of meshes."
            )
    else:
        raise UserError(
            f"There is no mesh or folder of meshes at {path}: set rooms.options.path."
        )
    top = path if path.is_dir() else path.parent
    try:
        return {each.relative_to(top).as_posix(): _hash_once(each) for each in found}
    except OSError as error:
        raise UserError(f"A mesh in {path} cannot be read: {error}.") from error


def _hash_once(path: Path) -> str:
    status = path.stat()
    return _hash(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _hash(path: Path, size: int, changed_ns: int) -> str:
    return file_sha256(path)


def deal(
    files: Mapping[str, str], shares: Mapping[str, float], path: str, *, share_all: bool
) -> dict[str, list[str]]:
    """Files of each split; no content is in two of them, unless all are shared.

    Parameters
    ----------
    files : mapping
        Name below `path` and hash of the content. Names in folders belong to the split that the
        folder is named after; others are dealt in the order of their hashes.
    shares : mapping
        Share of the files for each split.
    path : str
        For messages.
    share_all : bool
        Every split gets every file.

    Raises
    ------
    UserError
        There are too few files, or two splits would have the same content.
    """
    by_folder: dict[str, list[str]] = {}
    for name in files:
        if "/" in name:
            by_folder.setdefault(name.partition("/")[0], []).append(name)
    if share_all:
        return {split: list(files) for split in by_folder or shares}
    if by_folder:
        _refuse_doubles(files, by_folder, path)
        return by_folder
    splits = sorted(shares)
    name_of = {files[name]: name for name in sorted(files, reverse=True)}
    order = [name_of[sha256] for sha256 in sorted(name_of)]
    if len(order) < len(splits):
        raise UserError(
            f"{path} holds {len(order)} different mesh(es) for the splits {', '.join(splits)}, "
            "and no building may serve two: add meshes, set rooms.options.shares to the splits "
            "the recipe has, such as {test = 1.0}, or set rooms.options.share_buildings = true."
        )
    share = np.array([shares[split] for split in splits])
    ends = np.rint(np.cumsum(share / share.sum()) * len(order)).astype(np.int64)
    counts = np.diff(ends, prepend=0)
    while (counts == 0).any():
        counts[counts.argmin()] += 1
        counts[counts.argmax()] -= 1
    ends = np.cumsum(counts)
    return {
        split: order[int(end - count) : int(end)]
        for split, count, end in zip(splits, counts, ends, strict=True)
    }


def _refuse_doubles(
    files: Mapping[str, str], by_folder: Mapping[str, list[str]], path: str
) -> None:
    owner: dict[str, str] = {}
    for split, names in by_folder.items():
        for name in names:
            other = owner.setdefault(files[name], split)
            if other != split:
                raise UserError(
                    f"The mesh {name} in {path} has the same content as one of {other}, and no "
                    "building may serve two splits: take one of them out."
                )
