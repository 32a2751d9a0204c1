"""Submission archives: packed the same way every time, and opened without trusting them.

An archive is a zip file with exactly two members. Nothing is unpacked under a name that the
archive chooses, sizes are counted while bytes come out and not believed from the headers, and
the first thing that is out of order ends the reading.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, BinaryIO

from st_audioqa.errors import UserError
from st_audioqa.files import whole

__all__ = ["MANIFEST_MEMBER", "PREDICTIONS_MEMBER", "Limits", "pack", "unpack"]

MANIFEST_MEMBER = "submission.json"
PREDICTIONS_MEMBER = "predictions.jsonl"
MEMBERS = (MANIFEST_MEMBER, PREDICTIONS_MEMBER)

_TIME = (1980, 1, 1, 0, 0, 0)
_PIECE = 1 << 20
_END = struct.Struct("<4s4H2LH")
"""End record of a zip file: signature, disks, members, size and place of the directory, comment."""
_LOCATOR = b"PK\x06\x07" + bytes(16)
_DIRECTORY_BYTES = 2**16
_ENCRYPTED = 0x1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class Limits:
    """What an archive may hold at most."""

    archive_bytes = 512 * 2**20
    manifest_bytes = 2**20
    predictions_bytes = 2**30
    ratio = 200
    """Of unpacked to packed bytes, for a member beyond `free_bytes`."""
    free_bytes = 4 * 2**20


def pack(path: Path, manifest: bytes, predictions: Path) -> None:
    """Write an archive; the same content gives the same bytes."""
    with whole(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member(MANIFEST_MEMBER), manifest)
        member = _member(PREDICTIONS_MEMBER)
        with (
            predictions.open("rb") as source,
            archive.open(member, "w", force_zip64=True) as target,
        ):
            while piece := source.read(_PIECE):
                target.write(piece)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def unpack(path: Path, predictions: Path, max_lines: int) -> tuple[bytes, str]:
    """Read an archive: its manifest, and its predictions into a file of ours.

    Parameters
    ----------
    path : Path
    predictions : Path
        Where the predictions are written.
    max_lines : int
        How many lines they may have.

    Returns
    -------
    tuple of bytes and str
        The bytes of `submission.json`, and the SHA-256 of the predictions.

    Raises
    ------
    UserError
        It is no zip file, or anything in it is not as it should be.
    """
    if path.is_symlink() or not path.is_file():
        raise UserError("A submission must be a regular file, but it is a link or a folder.")
    if path.suffix != ".zip":
        raise UserError("A submission must be a .zip file: pack it with `st-audioqa submit`.")
    size = path.stat().st_size
    if size > Limits.archive_bytes:
        raise UserError(
            f"An archive may have {Limits.archive_bytes // 2**20} MB, but it has "
            f"{size // 2**20} MB: shorten the responses."
        )
    _check_directory(path, size)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked(archive.infolist())
            with archive.open(members[MANIFEST_MEMBER]) as source:
                manifest = source.read(Limits.manifest_bytes + 1)
            if len(manifest) > Limits.manifest_bytes:
                raise _too_big(MANIFEST_MEMBER, Limits.manifest_bytes)
            with (
                archive.open(members[PREDICTIONS_MEMBER]) as stream,
                predictions.open("wb") as target,
            ):
                packed = members[PREDICTIONS_MEMBER].compress_size
                return manifest, _copied(stream, target, packed, max_lines)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OverflowError,
    ) as error:
        raise UserError(
            f"A submission must be a whole zip file, but it is broken ({str(error)[:100]}): pack "
            "it again with `st-audioqa submit`."
        ) from error


def _check_directory(path: Path, size: int) -> None:
    """Looks at the end record, before all members that it promises are read into memory."""
    with path.open("rb") as file:
        file.seek(max(0, size - len(_LOCATOR) - _END.size))
        tail = file.read()
    end = tail[-_END.size :]
    if len(end) < _END.size or not end.startswith(b"PK\x05\x06"):
        raise UserError(
            "A submission must be a whole zip file without a comment, but it is not: pack it "
            "again with `st-audioqa submit`."
        )
    members, directory_bytes = _END.unpack(end)[4:6]
    zip64 = tail[: -_END.size].startswith(_LOCATOR[:4])
    if zip64 or members != len(MEMBERS) or directory_bytes > _DIRECTORY_BYTES:
        raise UserError(
            f"An archive must hold {' and '.join(MEMBERS)} and nothing else, but it has "
            f"{members} members: pack it with `st-audioqa submit`."
        )


def _checked(infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The two members, where there is nothing else and nothing odd about them."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.orig_filename
        shown = repr(name[:80])
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0] or "\0" in name:
            raise UserError(
                f"Members of an archive must have plain names, but {shown} points elsewhere."
            )
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) and not info.is_dir():
            raise UserError(f"Members of an archive must be files, but {shown} is a link.")
        if name in found:
            raise UserError(f"Members must have different names, but {shown} comes twice.")
        if name not in MEMBERS:
            raise UserError(
                f"An archive must hold {' and '.join(MEMBERS)} and nothing else, but it has "
                f"{shown}: pack it with `st-audioqa submit`."
            )
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            raise UserError(
                f"Members must be stored or deflated and not encrypted, but {shown} is not: pack "
                "it with `st-audioqa submit`."
            )
        found[name] = info
    missing = [name for name in MEMBERS if name not in found]
    if missing:
        raise UserError(
            f"An archive must hold {' and '.join(MEMBERS)}, but {missing[0]} is missing: pack it "
            "with `st-audioqa submit`."
        )
    return found


def _copied(source: IO[bytes], target: BinaryIO, packed: int, max_lines: int) -> str:
    digest, size, lines = hashlib.sha256(), 0, 0
    while piece := source.read(_PIECE):
        size += len(piece)
        lines += piece.count(b"\n")
        if size > Limits.predictions_bytes:
            raise _too_big(PREDICTIONS_MEMBER, Limits.predictions_bytes)
        if size > Limits.free_bytes and size > Limits.ratio * max(packed, 1):
            raise UserError(
                f"{PREDICTIONS_MEMBER} unpacks to more than {Limits.ratio} times its size, as a "
                "zip bomb does: pack real answers."
            )
        if lines > max_lines:
            raise UserError(
                f"{PREDICTIONS_MEMBER} may have {max_lines} lines, a header and one for each "
                "question, but it has more: pack it with `st-audioqa submit`."
            )
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()


def _too_big(name: str, limit: int) -> UserError:
    return UserError(
        f"{name} may have {limit // 2**20} MB, but it has more: shorten what it holds."
    )
