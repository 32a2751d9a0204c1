"""Reference models: the ST-Audio Encoder, what it hears, how it is trained.

Whatever needs torch (the extra `models`) is imported where it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from st_audioqa.errors import MissingPackageError
from st_audioqa.models.features import FeatureSpec, foa_features

if TYPE_CHECKING:
    from st_audioqa.models.encoders.st_audio_encoder import Encoder
    from st_audioqa.models.lm.st_audiolm import STAudioLM
    from st_audioqa.models.storage import load_encoder

__all__ = ["Encoder", "FeatureSpec", "STAudioLM", "foa_features", "load_encoder"]

_NEED_TORCH = {
    "Encoder": "st_audioqa.models.encoders.st_audio_encoder",
    "STAudioLM": "st_audioqa.models.lm.st_audiolm",
    "load_encoder": "st_audioqa.models.storage",
}


def __getattr__(name: str) -> Any:
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        return getattr(importlib.import_module(_NEED_TORCH[name]), name)
    except ModuleNotFoundError as error:
        if error.name in ("torch", "safetensors"):
            raise MissingPackageError(error.name, "models", "An encoder") from error
        raise
