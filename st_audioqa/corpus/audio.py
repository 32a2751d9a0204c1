"""Scene audio as FLAC, and the one way to read it with all four channels."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from st_audioqa.conventions import CHANNELS, DURATION_S, SAMPLE_RATE
from st_audioqa.errors import UserError

__all__ = ["decode_flac", "encode_flac", "load_audio"]

_MAX_FRAMES = 60 * int(DURATION_S) * SAMPLE_RATE
"""Ten minutes: longer audio in a corpus is not ours and is not decoded."""


_FULL_SCALE = {16: 32767.0, 24: 8388607.0}
"""Value of a sample at full scale, by bits."""


def encode_flac(audio: NDArray[np.floating], bits: Literal[16, 24] = 16) -> bytes:
    """FOA audio [shape=(4, n)] as FLAC; the same samples give the same bytes.

    Parameters
    ----------
    audio : ndarray
        Full scale is 1.
    bits : {16, 24}
        Per sample. 24 bits take nearly twice the space and keep quiet scenes clean.

    Raises
    ------
    ValueError
        A sample is not finite or lies beyond full scale.
    """
    if not np.isfinite(audio).all() or np.abs(audio).max(initial=0.0) > 1.0:
        raise ValueError("audio to be stored must be finite and within full scale")
    samples = np.round(audio.T * _FULL_SCALE[bits])
    # A file of 24 bits is made of the upper bits of whole numbers of 32.
    whole = samples.astype(np.int16) if bits == 16 else samples.astype(np.int32) << 8
    buffer = io.BytesIO()
    soundfile.write(buffer, whole, SAMPLE_RATE, format="FLAC", subtype=f"PCM_{bits}")
    return buffer.getvalue()


def decode_flac(data: bytes) -> NDArray[np.float32]:
    """FLAC bytes as float32 [shape=(4, n)], full scale 1.

    Raises
    ------
    UserError
        Not audio, not four channels, not 32 kHz, or longer than ten minutes.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            shape = (file.channels, file.samplerate)
            if shape != (len(CHANNELS), SAMPLE_RATE) or file.frames > _MAX_FRAMES:
                raise UserError(
                    f"Scene audio must have 4 channels at {SAMPLE_RATE} Hz and last at most "
                    f"10 minutes, got {file.channels} channels at {file.samplerate} Hz and "
                    f"{file.frames} samples: the file is not a scene of this toolkit."
                )
            bits = 24 if file.subtype == "PCM_24" else 16
            kind, spare = ("int16", 0) if bits == 16 else ("int32", 8)
            samples = file.read(dtype=kind, always_2d=True) >> spare
    except soundfile.LibsndfileError as error:
        raise UserError(f"Scene audio cannot be decoded: {error}.") from error
    return np.ascontiguousarray(samples.T).astype(np.float32) / np.float32(_FULL_SCALE[bits])


def load_audio(row: Mapping[str, Any], *, physical: bool = False) -> NDArray[np.float32]:
    """The audio of a `scenes` row with its four channels W, Y, Z, X.

    Parameters
    ----------
    row : mapping
        A row of the `scenes` table: its `audio` may be the stored struct (`bytes`) or what
        `datasets` makes of it.
    physical : bool
        Take the stored `gain_db` back out, so that levels of different scenes compare.

    Returns
    -------
    ndarray [shape=(4, n), dtype=float32]

    Notes
    -----
    `datasets` averages the channels when `row["audio"]["array"]` is read; this does not.

    Raises
    ------
    UserError
        The row holds no audio, or audio that is not a scene's.
    """
    stored = row.get("audio") if isinstance(row, Mapping) else None
    if stored is None:
        raise UserError(
            "This row holds no audio: wanted a row of the `scenes` table of a rendered corpus."
        )
    if hasattr(stored, "get_all_samples"):
        audio = np.asarray(stored.get_all_samples().data, dtype=np.float32)
    elif isinstance(stored, Mapping) and stored.get("bytes") is not None:
        audio = decode_flac(stored["bytes"])
    else:
        raise UserError(
            "The audio of this row holds no bytes: read the table with "
            "cast_column('audio', Audio(decode=False)), or with pyarrow."
        )
    if physical:
        audio = audio * np.float32(10.0 ** (-float(row["gain_db"]) / 20.0))
    return audio
