"""Renders a drawn scene: one RIR per bin and source, crossfaded, checked, summed."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.foa import rotate_yaw
from st_audioqa.pipeline.draw import Drawn, draw_scene
from st_audioqa.pipeline.tools import Tools
from st_audioqa.renderers.checks import check_levels, check_rirs
from st_audioqa.renderers.engine import EngineError
from st_audioqa.renderers.mix import mix
from st_audioqa.scene import Scene, SceneSpec

__all__ = ["Produced", "produce", "render_stems"]

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Produced:
    """A finished scene and how many draws of it were rejected, by reason."""

    scene: Scene
    audio: Floats | None
    """[shape=(4, n_samples)] None where only questions were wanted."""
    rejections: Counter[str]


def produce(spec: SceneSpec, tools: Tools, *, with_audio: bool = True) -> Produced:
    """Draws a planned scene until one passes every check.

    Raises
    ------
    UserError
        `checks.max_attempts` draws were rejected; the reasons are counted in the message.
    """
    rejections: Counter[str] = Counter()
    last: dict[str, str] = {}
    limit = tools.recipe.checks.max_attempts
    for attempt in range(limit):
        try:
            drawn = draw_scene(spec, attempt, tools)
            if not with_audio:
                return Produced(drawn.scene, None, rejections)
            scene, audio = _render(drawn, tools)
        except RejectedDraw as rejected:
            rejections[rejected.reason] += 1
            last[rejected.reason] = rejected.detail
        except EngineError as error:
            rejections["engine_error"] += 1
            last["engine_error"] = str(error)
        else:
            return Produced(scene, audio, rejections)
    reasons = "; ".join(
        f"{reason} {count}" + (f", last: {last[reason]}" if last[reason] else "")
        for reason, count in rejections.most_common()
    )
    raise UserError(
        f"Scene {spec.scene_id} was drawn {limit} times and never passed ({reasons}): mend what "
        "the reasons name, loosen the recipe's placement or checks, or raise checks.max_attempts."
    )


def render_stems(drawn: Drawn, tools: Tools) -> tuple[Floats, str]:
    """Each source rendered alone, and the hash of all RIRs.

    Returns
    -------
    stems : ndarray [shape=(n_sources, 4, n_samples)]
    rir_hash : str

    Raises
    ------
    RejectedDraw
        An impulse response is silent or steps abruptly between bins.
    """
    scene, checks = drawn.scene, tools.recipe.checks
    stems, digests = [], []
    for source, waveform in zip(scene.sources, drawn.waveforms, strict=True):
        positions = source.position if source.moving else source.position[:1]
        responses = tools.bank.responses(drawn.room, scene.listener.position, positions)
        check_rirs(responses.early_energy_db, checks.max_rir_step_db)
        heard = responses.convolver.render(waveform)
        stems.append(rotate_yaw(heard, scene.listener.yaw_deg))
        digests.append(responses.digest)
    return np.stack(stems), hashlib.sha256("".join(digests).encode()).hexdigest()


def _render(drawn: Drawn, tools: Tools) -> tuple[Scene, Floats]:
    checks, nominal_db = tools.recipe.checks, tools.recipe.renderer.gain_db
    stems, digest = render_stems(drawn, tools)
    activity = np.stack([source.activity for source in drawn.scene.sources])
    heard = stems * np.float32(10.0 ** (nominal_db / 20.0))
    check_levels(heard, activity, checks.min_level_dbfs, checks.max_level_difference_db)
    audio, gain_db = mix(stems, nominal_db)
    info = replace(drawn.scene.render, rir_hash=digest)
    return replace(drawn.scene, gain_db=gain_db, render=info), audio
