"""What every audio-token interface is.

An interface has a frozen half, which reads tokens from an encoder (computed once per scene and
kept), and a trained half, the connector, which brings them into the space of a language model.
Tokens come in pieces: one of the clip, and some of one class each, so that questions about the
same sources share what was computed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from st_audioqa.errors import UserError
from st_audioqa.models.encoders import Outputs, SpatialEncoder
from st_audioqa.registry import Registry

__all__ = ["CLIP", "INTERFACES", "AudioInterface", "Connector", "Piece", "two_layers"]

INTERFACES = Registry(
    "audio-token interface",
    "st_audioqa.models.lm.interfaces",
    "Interface",
    "st_audioqa.interfaces",
)

CLIP = -1
"""The piece that tells of the whole clip; others are indices of classes."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some tokens of a scene."""

    name: int
    """`CLIP`, or the class that they tell of."""
    tokens: Tensor
    """[shape=(n, width)]"""


class Connector(nn.Module, ABC):
    """From the pieces of a prefix to embeddings: what is trained of an interface."""

    @abstractmethod
    def forward(self, pieces: Sequence[Piece], spoken: Callable[[int], Tensor]) -> Tensor:
        """Embeddings [shape=(n, hidden)].

        Parameters
        ----------
        pieces : sequence of Piece
        spoken : callable
            Class -> embeddings of its spoken name [shape=(k, hidden)], the language model's own.
        """


class AudioInterface(ABC):
    """What a language model is given of a scene.

    Parameters
    ----------
    labels : tuple of str
        Classes of the encoder.
    **settings
        Of the interface; kept in the configuration of the adapters.
    """

    kind: ClassVar[str]

    def __init__(self, labels: tuple[str, ...], **settings: Any) -> None:
        self.labels, self.settings = labels, settings
        if settings:
            raise UserError(
                f"The interface {self.kind!r} has no setting {sorted(settings)[0]!r}: leave it out."
            )

    def wanted(self, question: str, probability: NDArray[np.floating]) -> tuple[int, ...]:
        """Pieces of the prefix of a question, in order.

        Parameters
        ----------
        question : str
        probability : ndarray [shape=(classes,)]
            What the encoder says of the classes.
        """
        return (CLIP,)

    @abstractmethod
    def read(
        self, encoder: SpatialEncoder, features: Tensor, pieces: Sequence[int]
    ) -> list[Tensor]:
        """Tokens of some pieces [shape=(n, width)] of one clip; see `Encoder.forward`.

        Raises
        ------
        UserError
            The encoder does not give what is wanted.
        """

    @abstractmethod
    def connector(self, width: int, hidden: int) -> Connector:
        """A new connector; its weights are drawn from torch's generator."""

    def _of(self, outputs: Outputs, name: str) -> Tensor:
        """One output of an encoder."""
        if name not in outputs:
            raise UserError(
                f"The interface {self.kind!r} wants {name!r} of the encoder, which gives "
                f"{', '.join(sorted(outputs))}: take another interface, or an encoder of a later "
                "stage."
            )
        return outputs[name].float()

    def describe(self) -> Mapping[str, Any]:
        """Kind and settings, as JSON values."""
        return {"kind": self.kind, "settings": self.settings}


def two_layers(width: int, hidden: int) -> nn.Sequential:
    """A perceptron of two layers, as between an encoder and a language model (section 4.2)."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden))
