"""The question engine's own rules on the tracks that an encoder hears: no language model.

``--model-arg encoder=OUT/stage-4``. A question is read back into what it asks, the encoder is
asked for the classes that it names, and the rules answer. So perception is told apart from
reasoning: whatever this gets wrong, the encoder heard wrong. A question in unknown words, or of
more than the rules know, gets no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from st_audioqa.conventions import unit_vectors
from st_audioqa.errors import UserError
from st_audioqa.evaluation.arguments import ModelArguments, read_arguments
from st_audioqa.evaluation.model import ModelSpec, Request, Response, RunContext
from st_audioqa.events.labels import noun
from st_audioqa.files import file_sha256
from st_audioqa.templates.answering import HeardSource, answer_from_tracks
from st_audioqa.templates.understanding import Query, understand

if TYPE_CHECKING:
    from st_audioqa.models.estimate import SceneEstimate, Track

__all__ = ["Model", "ProgramArguments", "movement"]

_SECOND = 4
"""Bins"""


class ProgramArguments(ModelArguments):
    """What can be said with ``--model-arg``."""

    encoder: str
    """Folder of an encoder that knows the tracks of a class (stage 4)."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Least probability of a class that is said to be heard."""
    moving_m: Annotated[float, Field(gt=0)] = 0.5
    """A source that gets so far from where it began is as likely moving as not."""


class Model:
    """Reads the question, listens, and follows the rules."""

    def __init__(self, context: RunContext) -> None:
        from st_audioqa.models import load_encoder

        self._wanted = wanted = read_arguments("program", ProgramArguments, context.arguments)
        self._encoder = load_encoder(wanted.encoder)
        if self._encoder.trained_stage < 4:
            raise UserError(
                "The model 'program' wants an encoder that knows the tracks of a class (stage 4), "
                f"and {wanted.encoder} went through stage {self._encoder.trained_stage}: train it "
                "on, or give another folder."
            )
        self._labels = {noun(label).text.lower(): label for label in self._encoder.labels[::-1]}
        self._heard: dict[tuple[str, tuple[str, ...]], SceneEstimate] = {}
        self.spec = ModelSpec(
            f"program-{self._encoder.kind}",
            revision=file_sha256(Path(wanted.encoder) / "model.safetensors")[:16],
            audio="foa",
            settings={"threshold": wanted.threshold, "moving_m": wanted.moving_m},
        )

    def answer(self, batch: Sequence[Request]) -> list[Response]:
        """What the rules make of the tracks."""
        return [self._answer(request) for request in batch]

    def _answer(self, request: Request) -> str | None:
        query = understand(request.prompt.text)
        if query is None:
            return None
        if query.rule in ("detection", "verification"):
            return self._what(query, request)
        names = [name for name in (query.first, query.second) if name]
        known = {self._labels[n.lower()] for n in names if n.lower() in self._labels}
        estimate = self._estimate(request, tuple(sorted(known)))
        sources = [self._source(track) for track in estimate.tracks]
        return answer_from_tracks(query, sources)

    def _what(self, query: Query, request: Request) -> str | None:
        """What is heard: the likeliest, and all that are likely enough."""
        labels = self._estimate(request, ()).labels
        heard = [name for name, p in labels if p >= self._wanted.threshold] or [labels[0][0]]
        if query.rule == "detection":
            return "; ".join(noun(name).text for name in heard)
        return "yes" if self._labels.get(query.first.lower()) in heard else "no"

    def _estimate(self, request: Request, sources: tuple[str, ...]) -> SceneEstimate:
        """What the encoder hears; of the last scene everything is kept."""
        key = (request.prompt.scene_id, sources)
        if key not in self._heard:
            assert request.audio is not None
            self._heard = {k: v for k, v in self._heard.items() if k[0] == key[0]}
            wanted: dict[str, Any] = {"sources": sources} if sources else {"threshold": 0.0}
            self._heard[key] = self._encoder.predict(
                request.audio, request.sample_rate, **wanted
            )
        return self._heard[key]

    def _source(self, track: Track) -> HeardSource:
        return HeardSource(
            noun(track.label).text,
            movement(track, self._wanted.moving_m),
            track.azimuth_deg,
            track.elevation_deg,
            track.distance_m,
        )


def movement(track: Track, moving_m: float) -> float:
    """How likely a source moves: 1/2 where it gets `moving_m` away from where it began, in metres.

    Places are means over seconds, so that the errors of single bins weigh little.
    """
    xyz = unit_vectors(track.azimuth_deg, track.elevation_deg) * track.distance_m[:, None]
    places = xyz.reshape(-1, _SECOND, 3).mean(axis=1)
    far = float(np.linalg.norm(places - places[0], axis=1).max())
    return far / (far + moving_m)
