"""The module habitat_sim: is it here, can it be imported, was it built with audio."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from typing import Any

from st_audioqa.errors import UserError

__all__ = ["has_audio", "load_habitat_sim", "version"]


def load_habitat_sim(purpose: str) -> Any:
    """The module habitat_sim.

    Parameters
    ----------
    purpose : str
        What needs it, to begin a sentence with.

    Raises
    ------
    UserError
        It is not installed or cannot be imported.
    """
    if "habitat_sim" not in sys.modules and importlib.util.find_spec("habitat_sim") is None:
        raise UserError(
            f"{purpose} needs habitat-sim, which is not installed here and comes from source "
            "only: see docs/habitat.md."
        )
    for variable in ("HABITAT_SIM_LOG", "MAGNUM_LOG"):
        os.environ.setdefault(variable, "quiet")
    with contextlib.suppress(ImportError):
        # Imported after habitat_sim it crashes the process (habitat-sim issues 1747 and 1813).
        importlib.import_module("quaternion")
    try:
        return importlib.import_module("habitat_sim")
    except (ImportError, OSError) as error:
        raise UserError(
            f"{purpose} cannot import habitat_sim ({error}): mend its installation as "
            "docs/habitat.md says."
        ) from error


def has_audio(habitat_sim: Any) -> bool:
    """Whether it was built with audio: elsewhere an audio sensor would end the process."""
    layouts = getattr(habitat_sim.sensor, "RLRAudioPropagationChannelLayoutType", None)
    return bool(getattr(habitat_sim.bindings, "audio_enabled", False)) and layouts is not None


def version(habitat_sim: Any) -> str:
    """Version that the module reports; builds with different interfaces report the same one."""
    return str(getattr(habitat_sim, "__version__", "of unknown version"))
