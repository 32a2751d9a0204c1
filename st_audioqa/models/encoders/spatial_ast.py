"""Spatial-AST: what sounds and where, for a whole clip heard by two ears (Zheng et al. 2024).

Four channels (levels of two ears, cosine and sine of their phase difference) -> convolution ->
patches -> Transformer with three global tokens (distance, direction, class) -> classes,
azimuth and elevation in steps of a degree, distance in steps of 0.5 m. It has no trajectories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from st_audioqa.conventions import DISTANCE_BIN_M
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.models.binaural_frontend import BinauralFrontend
from st_audioqa.models.blocks import (
    Block,
    initialise,
    kept_patches,
    sincos_grid,
    stem_and_patch,
)
from st_audioqa.models.config import read_config
from st_audioqa.models.encoders._protocol import Outputs, SpatialEncoder, Targets
from st_audioqa.models.features import FeatureSpec
from st_audioqa.models.losses import semantic_losses, static_targets

__all__ = ["PRESETS", "Encoder", "SpatialASTConfig"]


@dataclass(frozen=True)
class SpatialASTConfig:
    """Everything that decides the shapes and the classes of a Spatial-AST."""

    preset: str = "small"
    labels: tuple[str, ...] = ()
    features: FeatureSpec = field(default_factory=FeatureSpec)
    frames: int = 400
    stem: tuple[tuple[int, int, int], ...] = ((32, 2, 2), (64, 1, 2))
    patch: tuple[int, int] = (10, 16)
    dim: int = 192
    depth: int = 6
    heads: int = 3
    drop_path: float = 0.1
    distance_bins: int = 10
    nearest_step: bool = False
    """Whether distance class k means the multiple k of 0.5 m that is nearest, as in the original;
    else it is the bin from 0.5 k to 0.5 (k + 1) m, by which distances are scored."""
    spread_deg: float = 5.0
    """Standard deviation of the targets of azimuth and elevation about the true degree; the
    original has one class only (0), which wants far more clips."""

    @property
    def grid(self) -> tuple[int, int]:
        """Patches in time and frequency."""
        return self.frames // self.patch[0], self.features.n_mels // self.patch[1]

    def check(self) -> None:
        """Checks that the sizes fit together.

        Raises
        ------
        UserError
            They do not.
        """
        rests = (
            self.frames % self.patch[0],
            self.features.n_mels % self.patch[1],
            self.dim % self.heads,
            self.dim % 4,
        )
        if any(rests) or self.spread_deg < 0:
            raise UserError(
                "Spatial-AST wants frames and bands divisible by its patch, dim by heads and by "
                f"4, and a spread of at least 0 degrees, got {self}."
            )


PRESETS: Mapping[str, SpatialASTConfig] = {
    "paper": SpatialASTConfig(
        preset="paper",
        features=FeatureSpec(hop=320, n_mels=128),
        frames=1024,
        stem=((1, 1, 1),),
        patch=(16, 16),
        dim=768,
        depth=12,
        heads=12,
        distance_bins=21,
        nearest_step=True,
        spread_deg=0.0,
    ),
    "small": SpatialASTConfig(),
    "test": SpatialASTConfig(
        preset="test",
        features=FeatureSpec(n_mels=16),
        stem=((8, 2, 2),),
        patch=(10, 8),
        dim=16,
        depth=1,
        heads=2,
    ),
}
"""`paper` has the sizes and classes of the original; `small` is trained on CPU."""


class Encoder(SpatialEncoder):
    """Spatial-AST.

    Parameters
    ----------
    config : SpatialASTConfig
        With its labels.
    """

    kind: ClassVar[str] = "spatial-ast"

    def __init__(self, config: SpatialASTConfig) -> None:
        super().__init__()
        config.check()
        self.config = config
        self.labels = config.labels
        self.frontend = BinauralFrontend(config.features)
        self.level = nn.BatchNorm2d(2, affine=False)
        self.stem, self.patch = stem_and_patch(4, config.stem, config.patch, config.dim)
        self.globals = nn.Parameter(torch.randn(3, config.dim) * 0.02)
        positions = sincos_grid(*config.grid, config.dim).flatten(0, 1)
        self.register_buffer("positions", positions)
        rates = [config.drop_path * i / max(config.depth - 1, 1) for i in range(config.depth)]
        self.blocks = nn.ModuleList(Block(config.dim, config.heads, rate) for rate in rates)
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim, eps=1e-6) for _ in range(3))
        self.distance = nn.Linear(config.dim, config.distance_bins)
        self.azimuth = nn.Linear(config.dim, 360)
        self.elevation = nn.Linear(config.dim, 180)
        self.semantic = nn.Linear(config.dim, len(config.labels))
        self.apply(initialise)

    positions: Tensor

    def forward(
        self,
        features: Tensor,
        queries: Tensor | None = None,
        *,
        dynamic: bool = True,
        drop: tuple[float, float] = (0.0, 0.0),
    ) -> Outputs:
        """See `SpatialEncoder.forward`; gives nothing per bin, whatever is asked for."""
        x = torch.cat([self.level(features[:, :2]), features[:, 2:]], dim=1)
        if x.shape[2] != self.config.frames:
            size = (self.config.frames, x.shape[3])
            x = functional.interpolate(x, size, mode="bicubic", align_corners=True)
        x = self.patch(self.stem(x))
        tokens = x.flatten(2).transpose(1, 2) + self.positions
        if any(drop) and self.training:
            tokens = tokens[:, kept_patches(self.config.grid, drop).to(tokens.device)]
        tokens = torch.cat([self.globals.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        distance, doa, semantic = (norm(tokens[:, i]) for i, norm in enumerate(self.norms))
        outputs = {
            "semantic": self.semantic(semantic),
            "distance": self.distance(distance),
            "azimuth": self.azimuth(doa),
            "elevation": self.elevation(doa),
            "semantic_token": semantic,
        }
        return outputs | self._decoded(outputs)

    def _decoded(self, outputs: Outputs) -> Outputs:
        """The likeliest direction and distance of the clip."""
        azimuth = torch.deg2rad(outputs["azimuth"].argmax(dim=-1).float())
        elevation = torch.deg2rad(outputs["elevation"].argmax(dim=-1).float() - 90.0)
        level = torch.cos(elevation)
        parts = (level * torch.cos(azimuth), level * torch.sin(azimuth), torch.sin(elevation))
        steps = outputs["distance"].argmax(dim=-1) + (0.0 if self.config.nearest_step else 0.5)
        return {"doa": torch.stack(parts, dim=-1), "distance_m": steps * DISTANCE_BIN_M}

    def loss(self, outputs: Outputs, targets: Targets, weights: Mapping[str, float]) -> Outputs:
        """Semantic terms as everywhere; static: cross-entropies of azimuth, elevation and, half
        as heavy, distance, on clips with one static source."""
        terms = semantic_losses(outputs["semantic"], targets, weights)
        if weights.get("static"):
            chosen, direction, _ = static_targets(targets)
            azimuth = torch.rad2deg(torch.atan2(direction[:, 1], direction[:, 0]))
            elevation = torch.rad2deg(torch.asin(direction[:, 2].clamp(-1.0, 1.0)))
            steps = targets.log_distance[:, 0, 0].exp() / DISTANCE_BIN_M
            steps = steps.round() if self.config.nearest_step else steps.floor()
            each = (
                self._entropy(outputs["azimuth"], azimuth, turn=360.0)
                + self._entropy(outputs["elevation"], elevation + 90.0, turn=None)
                + 0.5
                * functional.cross_entropy(
                    outputs["distance"],
                    steps.long().clamp_max(self.config.distance_bins - 1),
                    reduction="none",
                )
            )
            static = (each * chosen).sum() / chosen.sum().clamp_min(1)
            terms["static"] = weights["static"] * static
        return terms

    def _entropy(self, logits: Tensor, degrees: Tensor, *, turn: float | None) -> Tensor:
        """Cross-entropy against a class per degree, or a bell about it [shape=(batch,)]."""
        n = logits.shape[1]
        spread = self.config.spread_deg
        if spread == 0.0:
            nearest = degrees.round().long()
            index = nearest % n if turn is not None else nearest.clamp(0, n - 1)
            return functional.cross_entropy(logits, index, reduction="none")
        off = torch.arange(n, device=logits.device) - degrees[:, None]
        if turn is not None:
            off = (off + turn / 2) % turn - turn / 2
        truth = torch.softmax(-0.5 * (off / spread) ** 2, dim=1)
        return -(truth * functional.log_softmax(logits, dim=1)).sum(dim=1)

    def config_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return asdict(self.config)

    @classmethod
    def preset_config(cls, name: str) -> dict[str, Any]:
        """The configuration of a preset (`PRESETS`)."""
        if name not in PRESETS:
            raise unknown_name("Spatial-AST preset", name, PRESETS)
        return asdict(PRESETS[name])

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Encoder:
        """A new encoder of that configuration.

        Raises
        ------
        UserError
            It is no configuration of a Spatial-AST.
        """
        return cls(read_config(SpatialASTConfig, config))
