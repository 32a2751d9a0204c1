"""Audio files of any kind as clips of a scene's length, mono at `SAMPLE_RATE`.

Files are read in pieces: a recording of two hours costs no more memory than one of ten
seconds. Silence before the first and after the last sound is left out; a stretch of
`BLOCK_S` is silent if the RMS about its mean is below `SILENCE_DBFS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from st_audioqa.conventions import DURATION_S, SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.errors import UserError

__all__ = ["Extent", "find_sound", "read_clip"]

BLOCK_S = 0.1
SILENCE_DBFS = -60.0
EDGE_S = 0.005


@dataclass(frozen=True)
class Extent:
    """Where the sound of a file is, silence at both ends left out, in frames of the file."""

    sample_rate: int
    start: int
    stop: int

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last sound."""
        return (self.stop - self.start) / self.sample_rate


def _bad_file(path: Path, what: str, remedy: str) -> UserError:
    return UserError(f"The audio file {path} {what}: {remedy}.")


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a file; whatever the decoder finds wrong with it is a `UserError`."""
    if not path.is_file():
        raise _bad_file(path, "does not exist", "check the path")
    if path.stat().st_size == 0:
        raise _bad_file(path, "has zero length", "remove it or copy it again")
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames == 0:
                raise _bad_file(path, "holds no samples", "remove it or copy it again")
            yield file
    except soundfile.LibsndfileError as error:
        raise _bad_file(
            path,
            f"cannot be decoded ({error.error_string.rstrip('.')})",
            "remove it if it is damaged, or convert it to WAV or FLAC",
        ) from error


def _read_mono(
    file: soundfile.SoundFile, path: Path, start: int, n: int
) -> NDArray[np.float64]:
    file.seek(start)
    frames = file.read(n, dtype="float64", always_2d=True)
    if not np.isfinite(frames).all():
        raise _bad_file(
            path, "holds samples that are no numbers", "remove it or export it again"
        )
    return np.asarray(frames.mean(axis=1))


def _is_silent(block: NDArray[np.float64]) -> bool:
    return len(block) == 0 or bool(20 * np.log10(block.std() + 1e-12) < SILENCE_DBFS)


def _sounding_block(
    file: soundfile.SoundFile, path: Path, starts: Iterable[int], n: int
) -> int | None:
    """The first of these blocks that is not silent."""
    for start in starts:
        if not _is_silent(_read_mono(file, path, start, n)):
            return start
    return None


def find_sound(path: Path | str) -> Extent:
    """Where a file's sound begins and ends, to `BLOCK_S`.

    Raises
    ------
    UserError
        If the file is missing, cannot be decoded, is empty or silent throughout, or holds
        NaN or infinite samples before the first or after the last sound.
    """
    path = Path(path)
    with _opened(path) as file:
        n = max(1, int(BLOCK_S * file.samplerate))
        starts = range(0, file.frames, n)
        first = _sounding_block(file, path, starts, n)
        if first is None:
            raise _bad_file(
                path, f"is silent throughout (below {SILENCE_DBFS:.0f} dBFS)", "remove it"
            )
        last = _sounding_block(file, path, reversed(starts), n)
        stop = file.frames if last is None else min(last + n, file.frames)
        return Extent(file.samplerate, first, stop)


def read_clip(
    path: Path | str, offset_s: float = 0.0, extent: Extent | None = None
) -> NDArray[np.float32]:
    """Ten seconds of a file.

    All channels are averaged, the mean is taken off and the edges of the sound are faded over
    5 ms; the level stays as it is.

    Parameters
    ----------
    path : Path or str
        Anything libsndfile reads: WAV, FLAC, Ogg Vorbis, Opus, MP3 and more, at any sample
        rate and with any number of channels.
    offset_s : float
        Where the excerpt begins, counted from the first sound. If it is negative, that much
        silence comes first. What lies beyond the last sound is silent too.
    extent : Extent, optional
        From `find_sound`, if it is known already.

    Returns
    -------
    ndarray [shape=(SCENE_SAMPLES,)]

    Raises
    ------
    UserError
        If the file is missing, cannot be decoded, is empty or silent throughout or within the
        excerpt, or holds NaN or infinite samples there.
    """
    path = Path(path)
    extent = extent or find_sound(path)
    rate = extent.sample_rate
    start = extent.start + max(0, round(offset_s * rate))
    stop = min(extent.stop, extent.start + round((offset_s + DURATION_S) * rate))
    with _opened(path) as file:
        source = _read_mono(file, path, start, stop - start) if start < stop else np.zeros(0)
    blocks = np.array_split(source, max(1, round(len(source) / rate / BLOCK_S)))
    if all(map(_is_silent, blocks)):
        raise _bad_file(
            path,
            f"is silent from {offset_s:.2f} s to {offset_s + DURATION_S:.2f} s after its first "
            "sound",
            "choose another offset",
        )
    sound = soxr.resample(source - source.mean(), rate, SAMPLE_RATE)
    lead = round(max(0.0, -offset_s) * SAMPLE_RATE)
    sound = sound[: SCENE_SAMPLES - lead]
    n_edge = min(round(EDGE_S * SAMPLE_RATE), len(sound) // 2)
    fade = np.arange(n_edge) / max(1, n_edge)
    sound[:n_edge] *= fade
    sound[len(sound) - n_edge :] *= fade[::-1]
    clip = np.zeros(SCENE_SAMPLES, dtype=np.float32)
    clip[lead : lead + len(sound)] = sound
    return clip
