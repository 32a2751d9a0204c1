"""Spatio-temporal audio question answering: scenes, questions, scoring and models.

>>> import st_audioqa
>>> corpus = st_audioqa.Corpus("out/demo")            # doctest: +SKIP
>>> audio = corpus.audio("test-000000")               # doctest: +SKIP
>>> audio.shape                                       # doctest: +SKIP
(4, 320000)
"""

from st_audioqa.corpus import Corpus, load_audio
from st_audioqa.errors import UserError
from st_audioqa.scene import Event, Listener, Question, Scene, SourceTrack

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
