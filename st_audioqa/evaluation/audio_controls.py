"""What a model is given instead of the sound field: how much its answers depend on direction.

A model that scores the same with a control as without it does not listen to where sounds are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import unknown_name
from st_audioqa.evaluation.model import AudioLanguageModel, Request, Response

__all__ = ["AUDIO_CONTROLS", "Controlled", "audio_control"]

Audio = NDArray[np.floating]


def w_only(audio: Audio) -> Audio:
    """W alone: the same sound from everywhere and nowhere [shape=(4, n)]."""
    silenced = np.zeros_like(audio)
    silenced[0] = audio[0]
    return silenced


def shuffled_channels(audio: Audio) -> Audio:
    """Y, Z and X handed on by one place [shape=(4, n)].

    Every direction is another one, turned by 120 degrees about the diagonal of the axes, and all
    that is heard in W, and how diffuse it is, stays the same.
    """
    return audio[[0, 3, 1, 2]]


AUDIO_CONTROLS: Mapping[str, Callable[[Audio], Audio]] = {
    "w-only": w_only,
    "shuffled-channels": shuffled_channels,
}
"""Control -> stored FOA audio to what is decoded for the model."""


def audio_control(name: str) -> Callable[[Audio], Audio]:
    """The control of that name.

    Raises
    ------
    UserError
        Where there is none.
    """
    if name not in AUDIO_CONTROLS:
        raise unknown_name("audio control", name, AUDIO_CONTROLS)
    return AUDIO_CONTROLS[name]


class Controlled:
    """A model that is given a control, and says so in its name and settings.

    What it hears is changed by whoever loads the audio (`audio_control`).
    """

    def __init__(self, model: AudioLanguageModel, control: str) -> None:
        audio_control(control)
        self._model = model
        self.spec = replace(
            model.spec,
            name=f"{model.spec.name} ({control})",
            settings={**model.spec.settings, "audio_control": control},
        )

    def answer(self, batch: Sequence[Request]) -> Sequence[Response]:
        """The answers of the model."""
        return self._model.answer(batch)
