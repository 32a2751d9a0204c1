"""What every encoder is, whoever trains or scores it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from st_audioqa.errors import UserError
from st_audioqa.models.frontend import Frontend
from st_audioqa.registry import Registry

if TYPE_CHECKING:
    from typing_extensions import Self

    from st_audioqa.models.estimate import SceneEstimate

__all__ = ["ENCODERS", "Outputs", "SpatialEncoder", "Targets"]

ENCODERS = Registry("encoder", "st_audioqa.models.encoders", "Encoder", "st_audioqa.encoders")

Outputs = dict[str, Tensor]
"""What an encoder says, by name; one that does not know something leaves it out.

semantic [batch, classes] logits; doa [batch, 3] unit vector and distance_m [batch] of the whole
clip, beside them whatever its own loss asks for; activity [batch, 40] logits, direction
[batch, 40, 3] unit vectors and log_distance [batch, 40] of a lone source; query_activity,
query_direction and query_log_distance [batch, queries, 40, ...] of the source of each class asked
for."""


@dataclass(frozen=True)
class Targets:
    """What is true of a batch of clips with at most two sources each."""

    labels: Tensor
    """[batch, classes] 0 or 1"""
    present: Tensor
    """[batch, sources] bool"""
    source_class: Tensor
    """[batch, sources] index of the class that names a source"""
    activity: Tensor
    """[batch, sources, 40] 0 or 1"""
    direction: Tensor
    """[batch, sources, 40, 3] unit vectors: x front, y left, z up"""
    log_distance: Tensor
    """[batch, sources, 40] natural logarithm of metres"""
    moving: Tensor
    """[batch, sources] bool"""
    queries: Tensor
    """[batch, queries] classes asked for"""
    answers: Tensor
    """[batch, queries] index of the source of that class, -1 where there is none"""
    teacher: Tensor | None = None
    """[batch, classes] semantic logits to be kept"""

    def to(self, device: torch.device) -> Targets:
        """The same on another device."""
        moved: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            moved[each.name] = None if value is None else value.to(device)
        return Targets(**moved)


class SpatialEncoder(nn.Module, ABC):
    """A model of FOA clips that the training loop and the evaluation can work with."""

    kind: ClassVar[str]
    """Its name in the registry."""
    frontend: Frontend
    """From waveforms to features; not trained, not stored."""
    labels: tuple[str, ...]
    """Display names of the classes."""
    trained_stage: int = 0
    """The last stage that its weights went through: 3 and more know trajectories."""
    named_stage: ClassVar[int] = 4
    """From which stage on it knows the trajectory of the class that is asked for."""

    @abstractmethod
    def forward(
        self,
        features: Tensor,
        queries: Tensor | None = None,
        *,
        dynamic: bool = True,
        drop: tuple[float, float] = (0.0, 0.0),
    ) -> Outputs:
        """What the encoder says of features [shape=(batch, channels, frames, bands)].

        Parameters
        ----------
        queries : Tensor [shape=(batch, queries)], optional
            Classes whose trajectories are asked for.
        dynamic : bool
            Whether trajectories are wanted at all.
        drop : (float, float)
            Shares of patches in time and frequency to leave out, where the encoder can.
        """

    @abstractmethod
    def loss(self, outputs: Outputs, targets: Targets, weights: Mapping[str, float]) -> Outputs:
        """Terms of the training loss that `weights` name, each already weighted."""

    @abstractmethod
    def config_dict(self) -> dict[str, Any]:
        """What `from_config` makes the same encoder from (JSON values)."""

    @classmethod
    @abstractmethod
    def preset_config(cls, name: str) -> dict[str, Any]:
        """The configuration of a preset, without labels (JSON values)."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new encoder, its weights drawn from torch's generator."""

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """The encoder of a folder, ready to predict; see `st_audioqa.models.storage`.

        Raises
        ------
        UserError
            The folder does not hold a whole encoder of this kind.
        """
        from st_audioqa.models.storage import load_encoder

        encoder = load_encoder(folder)
        if not isinstance(encoder, cls):
            raise UserError(
                f"{folder} holds the encoder {encoder.kind!r}: load it with "
                "st_audioqa.models.load_encoder."
            )
        return encoder

    def save_pretrained(self, folder: str | Path, *, half: bool = False) -> None:
        """Writes `config.json` and `model.safetensors`, with `half` in 16 bits."""
        from st_audioqa.models.storage import save_encoder

        save_encoder(self, Path(folder), half=half)

    def predict(
        self,
        audio: ArrayLike,
        sample_rate: int,
        *,
        order: Literal["ambix", "fuma"] = "ambix",
        **options: Any,
    ) -> SceneEstimate:
        """Labels and tracks of a recording; see `st_audioqa.models.estimate.estimate_scene`."""
        from st_audioqa.models.estimate import estimate_scene

        return estimate_scene(self, audio, sample_rate, order=order, **options)
