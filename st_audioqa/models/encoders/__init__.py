"""The encoders that can be trained and scored: one file each, found by name."""

from st_audioqa.models.encoders._protocol import ENCODERS, Outputs, SpatialEncoder, Targets

__all__ = ["ENCODERS", "Outputs", "SpatialEncoder", "Targets"]
