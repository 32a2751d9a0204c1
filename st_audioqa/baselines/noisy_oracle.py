"""True tracks with an error of localisation: what such an error alone would score.

``--model-arg direction_deg=20 --model-arg distance_m=0.3`` gives the mean errors. Names, movement
and activity are true. Errors are normal, drawn anew for every second and source, and followed
smoothly in between: directions on the tangent plane, so that the great-circle error is as stated
everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from st_audioqa.conventions import N_BINS, directions, unit_vectors
from st_audioqa.evaluation.arguments import ModelArguments, read_arguments
from st_audioqa.evaluation.model import ModelSpec, Request, Response, RunContext
from st_audioqa.events.labels import noun
from st_audioqa.scene import Scene, SourceTrack
from st_audioqa.seeding import generator
from st_audioqa.templates.answering import HeardSource, answer_from_tracks
from st_audioqa.templates.understanding import understand

__all__ = ["Model", "NoiseArguments", "heard"]

Floats = NDArray[np.floating]

_KNOTS = 11
"""One a second."""


class NoiseArguments(ModelArguments):
    """What can be said with ``--model-arg``."""

    direction_deg: Annotated[float, Field(ge=0, le=90)] = 20.0
    """Mean great-circle error."""
    distance_m: Annotated[float, Field(ge=0, le=5)] = 0.3
    """Mean absolute error."""


class Model:
    """Answers by the tracks of the metadata, each with an error of its own."""

    def __init__(self, context: RunContext) -> None:
        noise = read_arguments("noisy-oracle", NoiseArguments, context.arguments)
        self._noise, self._context = noise, context
        self._last: tuple[str, list[HeardSource]] = ("", [])
        self.spec = ModelSpec(
            f"noisy-oracle {noise.direction_deg:g} deg {noise.distance_m:g} m",
            revision="1",
            audio="none",
            settings={"seed": context.seed},
        )

    def answer(self, batch: Sequence[Request]) -> list[Response]:
        """What the rules make of the noisy tracks."""
        return [self._answer(request) for request in batch]

    def _answer(self, request: Request) -> str | None:
        scene_id = request.prompt.scene_id
        if self._last[0] != scene_id:
            self._last = scene_id, self._hear(self._context.scene(scene_id))
        query = understand(request.prompt.bare)
        return None if query is None else answer_from_tracks(query, self._last[1])

    def _hear(self, scene: Scene) -> list[HeardSource]:
        rng = generator(self._context.seed, "noisy-oracle", scene.scene_id)
        noise = self._noise
        return [
            heard(source, rng, noise.direction_deg, noise.distance_m)
            for source in scene.sources
        ]


def heard(
    source: SourceTrack, rng: np.random.Generator, direction_deg: float, distance_m: float
) -> HeardSource:
    """A source with errors of those means.

    The length of a normal error on a plane has the mean sqrt(pi / 2) of its deviation per axis,
    the size of one on a line sqrt(2 / pi).
    """
    unit = unit_vectors(source.azimuth_deg, source.elevation_deg)
    helper = np.where(np.abs(unit[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    across = np.cross(helper, unit)
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    up = np.cross(unit, across)
    deviation = np.radians(direction_deg) / np.sqrt(np.pi / 2.0)
    a, b = (deviation * _smooth(rng) for _ in range(2))
    angle = np.hypot(a, b)[:, None]
    tangent = (a[:, None] * across + b[:, None] * up) / np.maximum(angle, 1e-12)
    azimuth, elevation, _ = directions(unit * np.cos(angle) + tangent * np.sin(angle))
    metres = source.distance_m + distance_m / np.sqrt(2.0 / np.pi) * _smooth(rng)
    return HeardSource(
        noun(source.event.labels[0]).text,
        float(source.moving),
        azimuth,
        elevation,
        np.maximum(metres, 0.0),
    )


def _smooth(rng: np.random.Generator) -> Floats:
    """Normal with deviation 1 in every bin, drawn every second [shape=(40,)]."""
    drawn = rng.standard_normal(_KNOTS)
    at = (np.arange(N_BINS) + 0.5) / N_BINS * (_KNOTS - 1)
    before = np.floor(at).astype(int)
    share = at - before
    mixed = (1.0 - share) * drawn[before] + share * drawn[before + 1]
    return np.asarray(mixed / np.hypot(1.0 - share, share))
