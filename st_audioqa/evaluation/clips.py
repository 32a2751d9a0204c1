"""Audio of several channels for models that take clips of one channel.

Many servers and processors make one channel of whatever they are given, by averaging, without a
word: left and right would be lost. So each channel is handed over as a clip of its own, and the
model is told in words which is which; one clip with all channels is a choice that the user makes.
"""

from __future__ import annotations

import base64
import io
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from st_audioqa.decoding import LAYOUTS, AudioLayout

__all__ = ["ClipPolicy", "clips", "introduction", "wav_base64"]

ClipPolicy = Literal["one-per-channel", "one"]

_HEARD = {
    "W": "an omnidirectional microphone",
    "Y": "a figure-of-eight microphone whose positive side points to the left",
    "Z": "a figure-of-eight microphone whose positive side points up",
    "X": "a figure-of-eight microphone whose positive side points to the front",
}
_EARS = {"left": "the left ear", "right": "the right ear"}
_SIDES = {
    "left": "a cardioid microphone that points to the left",
    "right": "a cardioid microphone that points to the right",
}


def clips(audio: NDArray[np.floating], policy: ClipPolicy) -> list[NDArray[np.floating]]:
    """Audio [shape=(n_channels, n)] as the clips that are handed over, each of that shape.

    Where any channel exceeds full scale, which 16 bits cannot hold, all are lowered by one
    factor, so that the differences between channels stay.
    """
    audio = audio / max(1.0, float(np.max(np.abs(audio), initial=0.0)))
    return [audio] if policy == "one" else [audio[i : i + 1] for i in range(len(audio))]


def introduction(layout: AudioLayout, policy: ClipPolicy) -> str:
    """What a model is told of its clips before the question; empty where there is one of mono.

    Examples
    --------
    >>> introduction("binaural", "one-per-channel")
    'The clips were recorded at the same time and place: clip 1 by the left ear, clip 2 by the \
right ear.'
    """
    names = LAYOUTS[layout]
    if len(names) == 1:
        return ""
    words = {"foa": _HEARD, "binaural": _EARS, "stereo": _SIDES, "mono": {}}[layout]
    what = "clip" if policy == "one-per-channel" else "channel"
    told = ", ".join(f"{what} {i} by {words[name]}" for i, name in enumerate(names, 1))
    if policy == "one":
        return f"The clip has {len(names)} channels, recorded at the same place: {told}."
    return f"The clips were recorded at the same time and place: {told}."


def wav_base64(audio: NDArray[np.floating], sample_rate: int) -> str:
    """A 16-bit WAV of audio [shape=(n_channels, n)] as base64; values lie within -1 and 1."""
    stream = io.BytesIO()
    soundfile.write(stream, audio.T, sample_rate, format="WAV", subtype="PCM_16")
    return base64.b64encode(stream.getvalue()).decode("ascii")
