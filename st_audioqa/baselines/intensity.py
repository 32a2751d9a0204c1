"""A listener without training: the direction that the intensity vector points to, and rules.

``--model-arg weighting=plain`` is the estimator that the paper compares with (energy-weighted
active intensity, per bin); ``direct`` (the default) weights time-frequency points by coherence and
onset (`st_audioqa.foa.bin_directions`). Either hears one direction at a time: it knows no names,
so of two sources it says the same, no distances, and no events. It bounds what localisation of
single sources is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from st_audioqa.conventions import N_BINS, angular_distance_deg, directions
from st_audioqa.evaluation.arguments import ModelArguments, read_arguments
from st_audioqa.evaluation.model import ModelSpec, Request, Response, RunContext
from st_audioqa.foa import bin_directions, intensity_vectors
from st_audioqa.templates.answering import HeardSource, answer_from_tracks
from st_audioqa.templates.understanding import understand

__all__ = ["IntensityArguments", "Model", "track"]

Floats = NDArray[np.floating]
Weighting = Literal["direct", "plain"]

_DISTANCE_M = 2.5
"""Said of every source: the middle of what occurs."""
_MOVES_DEG = 20.0
"""A direction that turns by more between the first and the last second is said to move."""
_SMOOTH_BINS = 5


class IntensityArguments(ModelArguments):
    """What can be said with ``--model-arg``."""

    weighting: Weighting = "direct"


class Model:
    """Measures a track of directions and answers by rules."""

    def __init__(self, context: RunContext) -> None:
        self._weighting = read_arguments(
            "intensity", IntensityArguments, context.arguments
        ).weighting
        self.spec = ModelSpec(f"intensity-{self._weighting}", revision="1", audio="foa")
        self._last: tuple[str, HeardSource | None] = ("", None)

    def answer(self, batch: Sequence[Request]) -> list[Response]:
        """What the rules make of the measured track; None to what is in a recording."""
        return [self._answer(request) for request in batch]

    def _answer(self, request: Request) -> str | None:
        query = understand(request.prompt.bare)
        if query is None or query.rule == "detection":
            return None
        scene_id = request.prompt.scene_id
        if self._last[0] != scene_id:
            assert request.audio is not None
            self._last = scene_id, self._hear(request.audio)
        source = self._last[1]
        return answer_from_tracks(query, [] if source is None else [source])

    def _hear(self, audio: Floats) -> HeardSource | None:
        found = track(audio, self._weighting)
        if found is None:
            return None
        azimuth, elevation, _ = directions(found)
        turned = float(angular_distance_deg(found[:4].mean(axis=0), found[-4:].mean(axis=0)))
        movement = turned / (turned + _MOVES_DEG)
        return HeardSource("", movement, azimuth, elevation, np.full(N_BINS, _DISTANCE_M))


def track(audio: Floats, weighting: Weighting) -> Floats | None:
    """Unit vectors towards the loudest sound [shape=(4, n)] -> [shape=(40, 3)]; None in silence.

    Bins are averaged over five, by their weight; silent ones take the nearest direction.
    """
    if weighting == "direct":
        unit, weight = bin_directions(audio)
        evidence = unit * weight[:, None]
    else:
        per_bin = audio.shape[-1] // N_BINS
        intensity, _ = intensity_vectors(audio.astype(np.float64), hop=per_bin // 25)
        frames = intensity.sum(axis=-1).T
        which = np.minimum(np.arange(len(frames)) // 25, N_BINS - 1)
        evidence = np.zeros((N_BINS, 3))
        np.add.at(evidence, which, frames)
    smooth = ndimage.uniform_filter1d(evidence, _SMOOTH_BINS, axis=0, mode="constant")
    length = np.linalg.norm(smooth, axis=-1)
    known = np.flatnonzero(length > 1e-9 * max(float(length.max()), 1e-30))
    if not len(known) or length.max() <= 0.0:
        return None
    nearest = known[np.abs(np.arange(N_BINS)[:, None] - known).argmin(axis=1)]
    return np.asarray(smooth[nearest] / length[nearest, None])
