"""Spatio-temporal audio question answering: scenes, questions, scoring and models.

>>> import st_audioqa
>>> corpus = st_audioqa.Corpus("out/demo")            # doctest: +SKIP
>>> audio = corpus.audio("test-000000")               # doctest: +SKIP
>>> audio.shape                                       # doctest: +SKIP
(4, 320000)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from st_audioqa.errors import UserError
from st_audioqa.scene import Event, Listener, Question, Scene, SourceTrack

if TYPE_CHECKING:
    from st_audioqa.corpus import Corpus, load_audio

__version__ = "0.1.0"

__all__ = [
    "Corpus",
    "Event",
    "Listener",
    "Question",
    "Scene",
    "SourceTrack",
    "UserError",
    "__version__",
    "load_audio",
]

_LATER = ("Corpus", "load_audio")
"""Imported when they are first asked for: they bring pyarrow and soundfile."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("st_audioqa.corpus"), name)
