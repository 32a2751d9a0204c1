"""The paper's 41 tokens: one semantic token and the 40 of the trajectory (section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from st_audioqa.models.encoders import SpatialEncoder
from st_audioqa.models.lm.interfaces._protocol import (
    AudioInterface,
    Connector,
    Piece,
    two_layers,
)

__all__ = ["Interface"]


class Interface(AudioInterface):
    """One semantic token and 40 temporal ones, through one perceptron."""

    kind: ClassVar[str] = "paper"

    def read(
        self, encoder: SpatialEncoder, features: Tensor, pieces: Sequence[int]
    ) -> list[Tensor]:
        """See `AudioInterface.read`."""
        outputs = encoder(features)
        semantic = self._of(outputs, "semantic_token")
        both = torch.cat([semantic[:, None], self._of(outputs, "temporal_tokens")], dim=1)
        return [both[0] for _ in pieces]

    def connector(self, width: int, hidden: int) -> Connector:
        """See `AudioInterface.connector`."""
        return _Perceptron(width, hidden)


class _Perceptron(Connector):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = two_layers(width, hidden)

    def forward(self, pieces: Sequence[Piece], spoken: Callable[[int], Tensor]) -> Tensor:
        """See `Connector.forward`."""
        return self.layers(torch.cat([piece.tokens for piece in pieces]))
