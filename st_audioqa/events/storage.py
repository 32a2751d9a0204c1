"""Where the bytes of a clip are: a file, a part of a tar, or a row of a Parquet file.

Nothing is unpacked: a member of a tar is read in place, a row of a Parquet file with its data
page, which is often its whole row group and takes twice its size in memory meanwhile.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq
import soundfile

from st_audioqa.errors import UserError

__all__ = ["SUFFIXES", "BadAudio", "Stored", "audio_files", "files_below", "opened"]

_READ = (
    ".aif",
    ".aiff",
    ".au",
    ".caf",
    ".flac",
    ".mp3",
    ".oga",
    ".ogg",
    ".opus",
    ".w64",
    ".wav",
)
_CONVERTED = (".aac", ".m4a", ".mka", ".mp4", ".webm")
SUFFIXES = frozenset({*_READ, *_CONVERTED})
"""Of audio files; the second kind needs ffmpeg."""

_FFMPEG_TIMEOUT_S = 900
_ROWS_AT_ONCE = 8
_BUFFER_BYTES = 2**20


class BadAudio(UserError):
    """Audio that cannot be used; `reason` is what a rejected draw is counted under."""

    def __init__(self, reason: str, where: object, what: str, remedy: str) -> None:
        super().__init__(f"The audio file {where} {what}: {remedy}.")
        self.reason = reason
        self._arguments = (reason, where, what, remedy)

    def __reduce__(self) -> tuple[type[BadAudio], tuple[str, object, str, str]]:
        return type(self), self._arguments


@dataclass(frozen=True)
class Stored:
    """The place of one clip's bytes.

    Parameters
    ----------
    path : Path
        The file, or the tar or Parquet file that holds it.
    member : str
        "" for the file as it is; "tar:OFFSET:SIZE" for these bytes of it;
        "parquet:GROUP:ROW" for the column `audio` (bytes, or a struct with a field `bytes`) of
        a row of a row group.
    """

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path} ({self.member})" if self.member else str(self.path)

    def content(self) -> BinaryIO:
        """The clip as a binary file that can be read in pieces.

        Raises
        ------
        BadAudio
            "missing_event" where there is no such file, "unreadable_event" where there is no
            such member.
        """
        if not self.path.is_file():
            raise BadAudio("missing_event", self, "does not exist", "check the path")
        kind, _, place = self.member.partition(":")
        if not kind:
            return self.path.open("rb")
        first, second = map(int, place.split(":"))
        if kind == "tar":
            return io.BufferedReader(_Part(self.path, first, second))
        return io.BytesIO(self._row(first, second))

    def _row(self, group: int, row: int) -> bytes:
        try:
            # A buffer keeps pyarrow from reading the whole row group first.
            file = pq.ParquetFile(self.path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
            batches = file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=["audio"])
            for number, batch in enumerate(batches):
                if number == row // _ROWS_AT_ONCE:
                    value = batch.column("audio")[row % _ROWS_AT_ONCE].as_py()
                    content = value["bytes"] if isinstance(value, dict) else value
                    if content:
                        return bytes(content)
                    break
        except (OSError, ValueError, KeyError, IndexError) as error:
            what = f"cannot be read ({error})"
            raise BadAudio("unreadable_event", self, what, "index the folder again") from error
        raise BadAudio("unreadable_event", self, "holds no bytes", "copy the file again")


class _Part(io.RawIOBase):
    """A stretch of a file, as a file of its own."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb")
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        self._file.seek(self._start + self._at)
        content = self._file.read(max(0, min(len(view), self._size - self._at)))
        view[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


def audio_files(root: Path) -> Iterator[str]:
    """Paths below a folder of all audio files in it; see `files_below`."""
    return files_below(root, SUFFIXES)


def files_below(root: Path, suffixes: Collection[str]) -> Iterator[str]:
    """Paths below a folder of all files with one of the suffixes; hidden ones are left out.

    Sorted folder by folder; symbolic links are followed.

    Raises
    ------
    UserError
        If a name is not UTF-8.
    """
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in suffixes and not name.startswith("."):
                path = name if below == "." else f"{below}/{name}"
                if not path.isascii() and path != path.encode(errors="replace").decode():
                    raise UserError(
                        f"The name of {os.fsencode(path)!r} in {root} is not UTF-8: rename it."
                    )
                yield path


@contextmanager
def opened(stored: Stored) -> Iterator[soundfile.SoundFile]:
    """A clip opened for decoding; ffmpeg helps where libsndfile cannot read it (M4A, WebM).

    Raises
    ------
    BadAudio
        Whatever is wrong with it; also if decoding fails while it is open.
    """
    with stored.content() as content:
        if not content.read(1):
            raise BadAudio(
                "unreadable_event", stored, "has zero length", "remove it or copy it again"
            )
        content.seek(0)
        try:
            try:
                sound = soundfile.SoundFile(content if stored.member else stored.path)
            except soundfile.LibsndfileError as error:
                with _converted(stored, content, error) as path:
                    with soundfile.SoundFile(path) as sound:
                        yield _filled(stored, sound)
                    return
            with sound:
                yield _filled(stored, sound)
        except soundfile.LibsndfileError as error:
            raise _undecodable(stored, error.error_string) from error


def _filled(stored: Stored, sound: soundfile.SoundFile) -> soundfile.SoundFile:
    if sound.frames == 0:
        raise BadAudio(
            "unreadable_event", stored, "holds no samples", "remove it or copy it again"
        )
    return sound


def _undecodable(stored: Stored, why: str, hint: str = "") -> BadAudio:
    return BadAudio(
        "unreadable_event",
        stored,
        f"cannot be decoded ({why.strip().rstrip('.')})",
        f"remove it if it is damaged, or convert it to WAV or FLAC{hint}",
    )


@contextmanager
def _converted(
    stored: Stored, content: BinaryIO, error: soundfile.LibsndfileError
) -> Iterator[Path]:
    """A WAV made by the user's ffmpeg on disk, so that long files cost no memory."""
    program = shutil.which("ffmpeg")
    if program is None:
        hint = ", or install ffmpeg, which reads more formats"
        raise _undecodable(stored, error.error_string, hint) from error
    with tempfile.TemporaryDirectory() as folder:
        source, target = stored.path, Path(folder, "sound.w64")
        if stored.member:
            source = Path(folder, "source")
            content.seek(0)
            with source.open("wb") as copy:
                shutil.copyfileobj(content, copy)
        command = [program, "-v", "error", "-nostdin", "-i", f"file:{source}", "-map", "0:a:0"]
        command += ["-c:a", "pcm_f32le", "-f", "w64", "-y", str(target)]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_FFMPEG_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise _undecodable(stored, "ffmpeg took too long") from late
        if done.returncode or not target.is_file():
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise _undecodable(stored, f"ffmpeg: {lines[-1] if lines else 'no audio'}")
        yield target
