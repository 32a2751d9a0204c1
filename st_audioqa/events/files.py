"""Audio of any kind as clips of a scene's length, mono at `SAMPLE_RATE`.

Files are read in pieces: a recording of two hours costs no more memory than one of a minute.
Silence before the first and after the last sound is left out; a stretch of `BLOCK_S` is silent
if the RMS about its mean is below `SILENCE_DBFS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from st_audioqa.conventions import DURATION_S, SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.events.storage import BadAudio, Stored, opened

__all__ = ["BLOCK_S", "Extent", "find_sound", "read_clip"]

BLOCK_S = 0.1
SILENCE_DBFS = -60.0
EDGE_S = 0.005
MAX_CLIPPED_SHARE = 0.001
"""Largest share of samples in flat tops: runs of three and more samples that are alike, lie within
2 % of the excerpt's own maximum (or minimum), and are entered and left by a step that a smooth top
does not have. So a low tone at full scale is none, and what was clipped and made quieter is one."""
_FLAT = 2e-4
"""Of the maximum: by how much samples that are alike may differ."""
_STEP = 4.0
"""Least step into and out of a flat top, in such differences. Around a parabola's top, three
samples within one difference are followed by a step of less than three."""
MIN_MONO_SHARE = 0.01
"""Least power of the mean of all channels, in powers of the channels; a sixth for six that have
nothing in common."""
_PIECE_BLOCKS = 100
_TOLERANCE_S = 0.5
_KEPT_SAMPLES = 4_000_000

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Extent:
    """Where the sound of a file is, silence at both ends left out, in frames of the file."""

    sample_rate: int
    start: int
    stop: int
    sounding: NDArray[np.bool_]
    """Of each `BLOCK_S` from `start` to `stop`, whether it is not silent."""
    frames: Floats | None = None
    """[shape=(stop - start, n_channels)] The samples, where there are few."""

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last sound."""
        return (self.stop - self.start) / self.sample_rate


def find_sound(
    source: Stored | Path | str,
    start_s: float | None = None,
    stop_s: float | None = None,
    *,
    may_be_cut: bool = False,
) -> Extent:
    """Where a file's sound begins and ends, to `BLOCK_S`.

    Parameters
    ----------
    source : Stored, Path or str
        Anything libsndfile reads: WAV, FLAC, Ogg Vorbis, Opus, MP3 and more, at any sample
        rate and with any number of channels; what ffmpeg reads where it is installed.
    start_s, stop_s : float
        Bounds within which the sound is looked for; the whole file if left out.
    may_be_cut : bool
        Whether the file may hold just what lies between the bounds.

    Raises
    ------
    BadAudio
        "missing_event"; "unreadable_event" if it cannot be decoded, is empty or holds NaN or
        infinite samples; "silent_event" if it is silent throughout, "antiphase_event" if its
        channels cancel each other (`MIN_MONO_SHARE`); "misfit_event" if it ends
        before the bounds do, and is not as long as what lies between them where that may be.
    """
    stored = _stored(source)
    with opened(stored) as file:
        rate = file.samplerate
        first, end = _bounds(file, stored, start_s, stop_s, may_be_cut)
        n = max(1, int(BLOCK_S * rate))
        keep = (end - first) * file.channels <= _KEPT_SAMPLES
        kept: list[Floats] = []
        found: list[NDArray[np.bool_]] = []
        power = np.zeros(2)
        for frames in _pieces(file, stored, first, end, n * _PIECE_BLOCKS):
            mono = frames.mean(axis=1)
            found.append(_sounding(mono, n))
            power += len(frames) * np.array([mono.var(), frames.var(axis=0).mean()])
            if keep:
                kept.append(frames)
    if power[0] < MIN_MONO_SHARE * power[1] and power[1] > 0:
        what = "has channels that cancel each other when they are averaged"
        raise BadAudio("antiphase_event", stored, what, "keep one channel, or turn one's sign")
    sounding = np.concatenate(found) if found else np.zeros(0, dtype=bool)
    if not sounding.any():
        what = f"is silent throughout (below {SILENCE_DBFS:.0f} dBFS)"
        raise BadAudio("silent_event", stored, what, "remove it")
    at = np.flatnonzero(sounding)
    low, high = at[0] * n, min((at[-1] + 1) * n, end - first)
    return Extent(
        sample_rate=rate,
        start=int(first + low),
        stop=int(first + high),
        sounding=sounding[at[0] : at[-1] + 1],
        frames=np.concatenate(kept)[low:high] if keep else None,
    )


def read_clip(
    source: Stored | Path | str, offset_s: float = 0.0, extent: Extent | None = None
) -> NDArray[np.float32]:
    """Ten seconds of a file.

    All channels are averaged, the mean is taken off and the edges of the sound are faded over
    5 ms; the level stays as it is.

    Parameters
    ----------
    source : Stored, Path or str
        See `find_sound`.
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
    BadAudio
        As `find_sound`; also "silent_event" if the excerpt is silent, "clipped_event" if more
        than `MAX_CLIPPED_SHARE` of its samples are clipped.
    """
    stored = _stored(source)
    extent = extent or find_sound(stored)
    rate = extent.sample_rate
    start = extent.start + max(0, round(offset_s * rate))
    stop = min(extent.stop, extent.start + round((offset_s + DURATION_S) * rate))
    where = f"from {offset_s:.2f} s to {offset_s + DURATION_S:.2f} s after its first sound"
    frames = _excerpt(stored, extent, start, stop)
    mono = frames.mean(axis=1)
    if not _sounding(mono, max(1, int(BLOCK_S * rate))).any():
        raise BadAudio("silent_event", stored, f"is silent {where}", "choose another offset")
    clipped = _clipped_share(frames)
    if clipped > MAX_CLIPPED_SHARE:
        what = f"is clipped in {100 * clipped:.1f} % of its samples {where}"
        raise BadAudio("clipped_event", stored, what, "remove it")
    sound = soxr.resample(mono - mono.mean(), rate, SAMPLE_RATE)
    lead = round(max(0.0, -offset_s) * SAMPLE_RATE)
    sound = sound[: SCENE_SAMPLES - lead]
    n_edge = min(round(EDGE_S * SAMPLE_RATE), len(sound) // 2)
    fade = np.arange(n_edge) / max(1, n_edge)
    sound[:n_edge] *= fade
    sound[len(sound) - n_edge :] *= fade[::-1]
    clip = np.zeros(SCENE_SAMPLES, dtype=np.float32)
    clip[lead : lead + len(sound)] = sound
    return clip


def _bounds(
    file: soundfile.SoundFile,
    stored: Stored,
    start_s: float | None,
    stop_s: float | None,
    may_be_cut: bool,
) -> tuple[int, int]:
    """First frame of a clip, and the one after its last."""
    duration_s = file.frames / file.samplerate
    wanted_s = (duration_s if stop_s is None else stop_s) - (start_s or 0.0)
    if may_be_cut and duration_s <= wanted_s + _TOLERANCE_S:
        return 0, file.frames
    if (stop_s is not None and duration_s < stop_s - _TOLERANCE_S) or wanted_s <= 0:
        raise BadAudio(
            "misfit_event",
            stored,
            f"lasts {duration_s:.1f} s, but its clip lies at {start_s or 0:.1f} s to "
            f"{duration_s if stop_s is None else stop_s:.1f} s",
            "correct its times, or cut or copy it again",
        )
    first = round((start_s or 0.0) * file.samplerate)
    end = file.frames if stop_s is None else min(round(stop_s * file.samplerate), file.frames)
    return first, end


def _stored(source: Stored | Path | str) -> Stored:
    return source if isinstance(source, Stored) else Stored(Path(source))


def _excerpt(stored: Stored, extent: Extent, start: int, stop: int) -> Floats:
    if extent.frames is not None:
        return extent.frames[start - extent.start : max(start, stop) - extent.start]
    with opened(stored) as file:
        pieces = list(_pieces(file, stored, start, stop, stop - start))
        return pieces[0] if pieces else np.zeros((0, file.channels))


def _pieces(
    file: soundfile.SoundFile, stored: Stored, start: int, stop: int, n: int
) -> Iterator[Floats]:
    file.seek(start)
    while start < stop:
        frames = file.read(min(n, stop - start), dtype="float64", always_2d=True)
        if not len(frames):
            break  # some decoders promise more frames than there are
        if not np.isfinite(frames).all():
            what, remedy = "holds samples that are no numbers", "remove it or export it again"
            raise BadAudio("unreadable_event", stored, what, remedy)
        start += len(frames)
        yield frames


def _sounding(mono: Floats, n: int) -> NDArray[np.bool_]:
    """Of each block of n samples, the last one maybe shorter, whether it is not silent."""
    whole = len(mono) // n * n
    spread = [mono[:whole].reshape(-1, n).std(axis=1)]
    if len(mono) > whole:
        spread.append(mono[whole:].std(keepdims=True))
    return np.asarray(np.concatenate(spread) > 10 ** (SILENCE_DBFS / 20))


def _clipped_share(frames: Floats) -> float:
    """Share of samples in flat tops (`MAX_CLIPPED_SHARE`), of the channel that has most of them."""
    return max(_flat_tops(channel) / len(channel) for channel in frames.T)


def _flat_tops(channel: Floats) -> int:
    steps = np.abs(np.diff(channel))
    if not steps.any():
        return 0
    unit = steps[steps > 0].min()
    total = 0
    for side in (channel, -channel):
        top = side.max()
        # Of coarse samples (8 bits), neighbours differ by a unit or not at all.
        alike = max(_FLAT * top, 1.01 * unit if unit < 0.02 * top else 0.0)
        near = side > 0.98 * top
        flat = (steps < alike) & near[1:] & near[:-1]
        edges = np.diff(np.concatenate([[0], flat.astype(np.int8), [0]]))
        first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        around = np.concatenate([[np.inf], steps, [np.inf]])
        step = np.minimum(around[first], around[last + 1])
        n = last - first + 1
        total += int(n[(n >= 3) & (step > _STEP * alike)].sum())
    return total
