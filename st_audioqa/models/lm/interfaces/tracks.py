"""Tracks by name: beside the paper's tokens, the trajectory of each source that is spoken of.

Ours. The paper's 40 temporal tokens tell of one trajectory and no name; in a mixture nothing says
whose it is. Here the encoder is asked for the classes that a question names and, up to two, for
those that it hears most clearly. Each track is headed by the spoken name in the language model's
own embeddings, so that name and track are found by the words of the question; and every bin
carries what the encoder's heads make of it (activity, direction, log-distance).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from st_audioqa.conventions import N_BINS
from st_audioqa.errors import UserError
from st_audioqa.events.labels import noun, related
from st_audioqa.models.encoders import Outputs, SpatialEncoder
from st_audioqa.models.lm.interfaces._protocol import (
    CLIP,
    AudioInterface,
    Connector,
    Piece,
    two_layers,
)

__all__ = ["Interface", "named_classes"]

_MOST = 2
_STATE = 5
"""Activity, direction (3), log-distance."""


class Interface(AudioInterface):
    """The paper's tokens, and 40 / `stride` tokens for each of up to two classes.

    Parameters
    ----------
    labels : tuple of str
    stride : int
        Bins that become one token.
    threshold : float
        Least probability of a class that the question does not name.
    """

    kind: ClassVar[str] = "tracks"

    def __init__(
        self, labels: tuple[str, ...], stride: int = 1, threshold: float = 0.3, **settings: Any
    ) -> None:
        super().__init__(labels, **settings)
        if stride < 1 or N_BINS % stride:
            raise UserError(f"stride wants a divisor of {N_BINS}, got {stride}.")
        self.settings = {"stride": stride, "threshold": threshold}
        self.stride, self.threshold = stride, threshold

    def wanted(self, question: str, probability: NDArray[np.floating]) -> tuple[int, ...]:
        """The clip; then classes that are named, then those heard, ordered by their index."""
        chosen = list(self._named(question))[:_MOST]
        for i in np.argsort(-probability, kind="stable")[: 4 * _MOST]:
            if len(chosen) == _MOST or (chosen and probability[i] < self.threshold):
                break
            if not any(related(self.labels[i], self.labels[c]) for c in chosen):
                chosen.append(int(i))
        return (CLIP, *sorted(chosen))

    def read(
        self, encoder: SpatialEncoder, features: Tensor, pieces: Sequence[int]
    ) -> list[Tensor]:
        """See `AudioInterface.read`; the width is that of the encoder and five more."""
        classes = [piece for piece in pieces if piece != CLIP]
        asked = torch.tensor([classes], device=features.device) if classes else None
        outputs = encoder(features, asked)
        semantic = self._of(outputs, "semantic_token")[0]
        semantic = torch.cat([semantic, semantic.new_zeros(_STATE)])[None]
        found = {CLIP: torch.cat([semantic, self._track(outputs, "", "temporal_tokens", (0,))])}
        for i, c in enumerate(classes):
            found[c] = self._track(outputs, "query_", "query_tokens", (0, i))
        return [found[piece] for piece in pieces]

    def connector(self, width: int, hidden: int) -> Connector:
        """See `AudioInterface.connector`."""
        return _Tracks(width, hidden, self.stride)

    @cached_property
    def _named(self) -> Callable[[str], tuple[int, ...]]:
        return named_classes(self.labels)

    def _track(
        self, outputs: Outputs, prefix: str, tokens: str, place: tuple[int, ...]
    ) -> Tensor:
        """[shape=(40, width)]"""
        return torch.cat(
            [
                self._of(outputs, tokens)[place],
                torch.sigmoid(self._of(outputs, prefix + "activity")[place])[:, None],
                self._of(outputs, prefix + "direction")[place],
                self._of(outputs, prefix + "log_distance")[place][:, None],
            ],
            dim=-1,
        )


class _Tracks(Connector):
    """One perceptron for the semantic token, one for all bins, of whatever track."""

    def __init__(self, width: int, hidden: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.semantic = two_layers(width, hidden)
        self.bins = two_layers(width * stride, hidden)
        self.any_source = nn.Parameter(torch.zeros(1, hidden))

    def forward(self, pieces: Sequence[Piece], spoken: Callable[[int], Tensor]) -> Tensor:
        """See `Connector.forward`."""
        made: list[Tensor] = []
        for piece in pieces:
            bins = piece.tokens
            if piece.name == CLIP:
                made += [self.semantic(bins[:1]), self.any_source]
                bins = bins[1:]
            else:
                made.append(spoken(piece.name))
            made.append(self.bins(bins.unflatten(0, (-1, self.stride)).flatten(1)))
        return torch.cat(made)


def named_classes(labels: Sequence[str]) -> Callable[[str], tuple[int, ...]]:
    """A function from a text to the classes that it names, in the order of their names.

    The longest names are read first, so that "bass drum" is no drum.

    Examples
    --------
    >>> named_classes(["Drum", "Bass drum", "Rain"])("Is the rain left of the bass drum?")
    (2, 1)
    """
    by_name: dict[str, int] = {}
    for i, label in enumerate(labels):
        by_name.setdefault(noun(label).text.lower(), i)
    names = sorted(by_name, key=lambda name: (-len(name), name))
    pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE)

    def read(text: str) -> tuple[int, ...]:
        found = (by_name[match.lower()] for match in pattern.findall(text))
        return tuple(dict.fromkeys(found))

    return read
