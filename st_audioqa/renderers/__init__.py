"""Renderers: from a scene's geometry and dry waveforms to first-order ambisonic audio.

`ENGINES` names the engines of impulse responses; `listener_rirs` asks one for a source's
trajectory, `prepare` makes the result ready for any number of waveforms (`Convolver.render`;
`render` does both once), `mix` sums the sources, and the `check_*` functions reject what could
not be heard or would jump. `binaural_rirs` asks the RLR engine for two ears instead of
ambisonics.
"""

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
    "RIREngine",
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
