"""A corpus on disk: tables, shards, audio, manifest and data card."""

from st_audioqa.corpus.audio import load_audio
from st_audioqa.corpus.reader import Corpus

__all__ = ["Corpus", "load_audio"]
