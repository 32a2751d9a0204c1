"""Renderers: from a scene's geometry and dry waveforms to first-order ambisonic audio.

`ENGINES` names the engines of impulse responses. The pipeline asks them through a `RIRBank`, which
remembers, for a listener at yaw 0: `prepare` makes responses ready for any number of waveforms
(`Convolver.render`; `render` does both once), and what is heard is turned afterwards. `mix` sums
the sources, and the `check_*` functions reject what could not be heard or would jump.
`listener_rirs` asks an engine once and turns the responses, for who wants to look at them;
`binaural_rirs` asks the RLR engine for two ears instead of ambisonics.
"""

from st_audioqa.renderers.bank import Responses, RIRBank
from st_audioqa.renderers.binaural import binaural_rirs
from st_audioqa.renderers.checks import check_levels, check_rirs
from st_audioqa.renderers.crossfade import (
    MODES,
    Convolver,
    Mode,
    bin_centres,
    bin_weights,
    prepare,
    render,
)
from st_audioqa.renderers.engine import ENGINES, EngineError, RIREngine
from st_audioqa.renderers.mix import mix
from st_audioqa.renderers.rir import listener_rirs, rir_hash

__all__ = [
    "ENGINES",
    "MODES",
    "Convolver",
    "EngineError",
    "Mode",
    "RIRBank",
    "RIREngine",
    "Responses",
    "bin_centres",
    "bin_weights",
    "binaural_rirs",
    "check_levels",
    "check_rirs",
    "listener_rirs",
    "mix",
    "prepare",
    "render",
    "rir_hash",
]
