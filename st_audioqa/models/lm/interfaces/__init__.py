"""What of an encoder a language model is given: one file per interface, found by name."""

from st_audioqa.models.lm.interfaces._protocol import (
    CLIP,
    INTERFACES,
    AudioInterface,
    Connector,
    Piece,
    two_layers,
)

__all__ = ["CLIP", "INTERFACES", "AudioInterface", "Connector", "Piece", "two_layers"]
