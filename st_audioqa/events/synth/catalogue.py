"""The sound classes by name, and what all their waveforms have in common."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import SAMPLE_RATE, SCENE_SAMPLES
from st_audioqa.events.labels import label
from st_audioqa.events.synth.shaping import highpass, swell

__all__ = ["SOUNDS", "sound", "synthesise"]

Floats = NDArray[np.float64]
Maker = Callable[[np.random.Generator, int, int], Floats]
"""(rng, n_samples, sample_rate) -> waveform [shape=(n_samples,)] at any level"""

SOUNDS: dict[str, Maker] = {}

LOWEST_HZ = 50.0
EDGE_S = 0.005


def sound(name: str) -> Callable[[Maker], Maker]:
    """Register a function as the maker of the sound class of that AudioSet display name.

    Raises
    ------
    UserError
        If `name` is no AudioSet label.
    ValueError
        If the class has a maker already.
    """
    label(name)

    def register(maker: Maker) -> Maker:
        if name in SOUNDS:
            raise ValueError(f"two makers of {name!r}: {SOUNDS[name]} and {maker}")
        SOUNDS[name] = maker
        return maker

    return register


def synthesise(name: str, rng: np.random.Generator) -> Floats:
    """A new sound of that class, of a scene's length, high-passed and with soft edges.

    Returns
    -------
    ndarray [shape=(SCENE_SAMPLES,)]
    """
    raw = SOUNDS[name](rng, SCENE_SAMPLES, SAMPLE_RATE)
    audible = highpass(raw, SAMPLE_RATE, LOWEST_HZ, order=6)
    edges = swell(SCENE_SAMPLES, SAMPLE_RATE, EDGE_S, EDGE_S)
    faded = audible * edges
    return np.asarray(faded - edges * (faded.mean() / edges.mean()))
