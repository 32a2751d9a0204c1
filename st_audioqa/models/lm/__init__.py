"""ST-AudioLM: a language model that listens through the ST-Audio Encoder (section 4.2)."""

from st_audioqa.models.lm.base import BASES, Base, load_base
from st_audioqa.models.lm.st_audiolm import Inquiry, STAudioLM

__all__ = ["BASES", "Base", "Inquiry", "STAudioLM", "load_base"]
