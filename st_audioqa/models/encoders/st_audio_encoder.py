"""ST-Audio Encoder: what sounds, and where it is in each of the 40 bins (paper, section 4.1).

Seven or ten feature channels -> convolutional front end -> patches -> Transformer with three
global tokens (semantic, direction, distance) -> grid of patches -> 40 bins -> temporal
self-attention -> activity, direction and log-distance per bin.

Ours are, beyond the paper: class queries, and the learned mask over intensity vectors. A query
is the embedding of a class; it scales and shifts the grid before it becomes a sequence of bins,
so the bins tell of the source of that class (docs/models.md says what this buys). The paper's
one trajectory is the query that names no class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from st_audioqa.conventions import DISTANCE_BIN_M, N_BINS
from st_audioqa.models.blocks import (
    Block,
    initialise,
    kept_patches,
    sincos_grid,
    stem_and_patch,
)
from st_audioqa.models.config import EncoderConfig, config_from_dict, preset
from st_audioqa.models.encoders._protocol import Outputs, SpatialEncoder, Targets
from st_audioqa.models.frontend import FOAFrontend
from st_audioqa.models.losses import encoder_losses

__all__ = ["Encoder"]

_KERNEL = 9
"""Bins over which intensity vectors are averaged."""
_MEAN_DB, _SPREAD_DB = -50.0, 20.0


class Encoder(SpatialEncoder):
    """The ST-Audio Encoder.

    Parameters
    ----------
    config : EncoderConfig
        With its labels.
    """

    kind: ClassVar[str] = "st-audio-encoder"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        config.check()
        self.config = config
        self.labels = config.labels
        self.frontend = FOAFrontend(config.features)
        self.stem, self.patch = stem_and_patch(
            self.frontend.n_channels, config.stem, config.patch, config.dim
        )
        self.globals = nn.Parameter(torch.randn(3, config.dim) * 0.02)
        self.positions = nn.Parameter(sincos_grid(*config.grid, config.dim).flatten(0, 1))
        rates = [config.drop_path * i / max(config.depth - 1, 1) for i in range(config.depth)]
        self.blocks = nn.ModuleList(Block(config.dim, config.heads, rate) for rate in rates)
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim, eps=1e-6) for _ in range(3))
        self.semantic = nn.Linear(config.dim, len(config.labels))
        self.doa = nn.Linear(config.dim, 3)
        self.distance = nn.Linear(config.dim, config.distance_bins)
        self.trajectory = TrajectoryDecoder(config)
        self.apply(initialise)

    def forward(
        self,
        features: Tensor,
        queries: Tensor | None = None,
        *,
        dynamic: bool = True,
        drop: tuple[float, float] = (0.0, 0.0),
    ) -> Outputs:
        """See `SpatialEncoder.forward`; also gives the tokens for a language model.

        They are `semantic_token` [batch, dim], `temporal_tokens` [batch, 40, dim] and, for
        queries, `query_tokens` [batch, queries, 40, dim].
        """
        x = self._normalised(features)
        x = self.patch(self.stem(x))  # (batch, dim, time, frequency)
        tokens = x.flatten(2).transpose(1, 2) + self.positions
        if not dynamic and any(drop) and self.training:
            tokens = tokens[:, kept_patches(self.config.grid, drop).to(tokens.device)]
        tokens = torch.cat([self.globals.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        semantic, doa, distance = (norm(tokens[:, i]) for i, norm in enumerate(self.norms))
        distances = self.distance(distance)
        outputs = {
            "semantic": self.semantic(semantic),
            "doa": functional.normalize(self.doa(doa), dim=-1),
            "distance": distances,
            "distance_m": (distances.argmax(dim=-1) + 0.5) * DISTANCE_BIN_M,
            "semantic_token": semantic,
        }
        if dynamic:
            grid = tokens[:, 3:].unflatten(1, self.config.grid)
            outputs |= self.trajectory(grid, features, queries)
        return outputs

    def loss(self, outputs: Outputs, targets: Targets, weights: Mapping[str, float]) -> Outputs:
        """See `st_audioqa.models.losses`."""
        return encoder_losses(outputs, targets, weights)

    def config_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return self.config.to_dict()

    @classmethod
    def preset_config(cls, name: str) -> dict[str, Any]:
        """The configuration of a preset (`st_audioqa.models.config.PRESETS`)."""
        return preset(name).to_dict()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Encoder:
        """A new encoder of that configuration.

        Raises
        ------
        UserError
            It is no configuration of an encoder.
        """
        return cls(config_from_dict(config))

    def _normalised(self, features: Tensor) -> Tensor:
        """Levels about zero with a spread of about one; as many frames as the grid wants."""
        level = (features[:, :4] - _MEAN_DB) / _SPREAD_DB
        x = torch.cat([level, features[:, 4:]], dim=1)
        if x.shape[2] == self.config.frames:
            return x
        size = (self.config.frames, x.shape[3])
        return functional.interpolate(x, size, mode="bilinear", align_corners=False)


class TrajectoryDecoder(nn.Module):
    """From the grid of patches to activity, direction and log-distance in every bin."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        dim, n_frequency = config.dim, config.grid[1]
        self.config = config
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.queries = nn.Embedding(len(config.labels) + 1, dim)
        self.film = nn.Linear(dim, 2 * dim)
        if config.pooling == "learned":
            self.pool = nn.Linear(n_frequency * dim, dim)
        self.positions = nn.Parameter(sincos_grid(N_BINS, 1, dim).flatten(0, 1))
        if config.masked_intensity:
            self.mask = MaskedIntensity(config)
            self.intensity = nn.Linear(self.mask.n_vectors * 4, dim)
        self.blocks = nn.ModuleList(
            Block(dim, config.heads) for _ in range(config.temporal_depth)
        )
        self.out = nn.LayerNorm(dim, eps=1e-6)
        self.heads = nn.Linear(dim, 5)

    def forward(self, grid: Tensor, features: Tensor, queries: Tensor | None) -> Outputs:
        """See `Encoder.forward`."""
        batch = grid.shape[0]
        any_source = torch.full((batch, 1), len(self.config.labels), device=grid.device)
        asked = any_source if queries is None else torch.cat([any_source, queries], dim=1)
        grid = _to_bins(self.norm(grid))  # (batch, 40, frequency, dim)
        query = self.queries(asked)
        scale, shift = self.film(query)[:, :, None, None].chunk(2, dim=-1)
        grid = grid[:, None] * (1.0 + scale) + shift  # (batch, queries, 40, frequency, dim)
        learned = self.config.pooling == "learned"
        x = self.pool(grid.flatten(3)) if learned else grid.mean(dim=3)
        x = x + self.positions + query[:, :, None]
        physical: Tensor | float = 0.0
        if self.config.masked_intensity:
            vectors, physical = self.mask(grid, features)
            length = (vectors.square().sum(dim=-1, keepdim=True) + 1e-12).sqrt()
            x = x + self.intensity(torch.cat([vectors, length], dim=-1).flatten(-2))
        x = x.flatten(0, 1)
        for block in self.blocks:
            x = block(x)
        x = self.out(x).unflatten(0, (batch, -1))
        activity, log_distance, direction = self.heads(x).split([1, 1, 3], dim=-1)
        found = {
            "activity": activity[..., 0],
            "direction": functional.normalize(direction + physical, dim=-1),
            "log_distance": log_distance[..., 0] + 0.7,
            "tokens": x,
        }
        outputs = {
            "temporal_tokens" if name == "tokens" else name: value[:, 0]
            for name, value in found.items()
        }
        if queries is not None:
            outputs |= {f"query_{name}": value[:, 1:] for name, value in found.items()}
        return outputs


class MaskedIntensity(nn.Module):
    """Intensity vectors of a bin, averaged under a mask that is learned from its patches.

    Physics gives the direction where one source dominates and its direct sound is heard; the
    mask says where that is. Direct sound is sparse, and so it is also averaged over neighbouring
    bins, by a learned kernel that begins as a triangle of nine bins. Every vector is shorter
    than one.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.n_kinds = 2 if config.features.direct else 1
        self.n_frames = config.frames // N_BINS
        self.n_bands = config.features.n_mels // config.grid[1]
        cells = self.n_frames * self.n_bands
        self.gates = nn.Linear(config.dim, self.n_kinds * cells)
        kernel = 1.0 - (torch.arange(_KERNEL) - _KERNEL // 2).abs() / (_KERNEL // 2 + 1)
        self.kernel = nn.Parameter((kernel / kernel.sum()).repeat(self.n_kinds, 1))
        self.trust = nn.Parameter(torch.tensor([0.0, 2.0] if self.n_kinds == 2 else [1.0]))

    @property
    def n_vectors(self) -> int:
        """Vectors that it gives per bin."""
        return 2 * self.n_kinds

    def forward(self, grid: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of every bin, and the direction that they suggest together.

        Returns
        -------
        vectors : Tensor [shape=(batch, queries, 40, n_vectors, 3)]
        suggestion : Tensor [shape=(batch, queries, 40, 3)]
            Long where there is much evidence.
        """
        kinds = self.n_kinds
        gates = torch.sigmoid(self.gates(grid))
        gates = gates.unflatten(-1, (kinds, self.n_frames, self.n_bands))
        # (batch, queries, bins, patches, kinds, frames, bands) -> cells of a bin last
        gates = gates.permute(0, 4, 2, 1, 5, 3, 6).flatten(
            4
        )  # (b, kinds, bins, queries, cells)
        vectors = features[:, 4 : 4 + 3 * kinds].unflatten(1, (kinds, 3))
        if kinds == 2:  # much evidence counts more than its share
            direct = vectors[:, 1:]
            strength = direct.square().sum(dim=2, keepdim=True).sqrt()
            vectors = torch.cat([vectors[:, :1], direct * strength], dim=1)
        vectors = vectors.unflatten(3, (N_BINS, self.n_frames))
        vectors = vectors.permute(0, 1, 3, 4, 5, 2).flatten(3, 4)  # (b, kinds, bins, cells, 3)
        total = gates.sum(dim=-1, keepdim=True).float().clamp_min(1e-6)
        mean = ((gates @ vectors).float() / total).permute(
            0, 3, 1, 4, 2
        )  # (b, q, kinds, 3, 40)
        smooth = functional.conv1d(
            mean.flatten(0, 1).transpose(1, 2).flatten(0, 1),
            self.kernel[:, None].float(),
            padding=_KERNEL // 2,
            groups=kinds,
        )
        smooth = smooth.unflatten(0, (-1, 3)).transpose(1, 2).unflatten(0, mean.shape[:2])
        both = torch.cat([_short(mean), _short(smooth)], dim=2).permute(0, 1, 4, 2, 3)
        suggestion = (both[..., kinds:, :] * self.trust[:, None]).sum(dim=-2)
        return both, suggestion


def _short(vectors: Tensor) -> Tensor:
    """v / (|v| + 0.02) over axis 3, in which x, y and z are."""
    length = (vectors.square().sum(dim=3, keepdim=True) + 1e-12).sqrt()
    return vectors / (length + 0.02)


def _to_bins(grid: Tensor) -> Tensor:
    """Linear interpolation in time to 40 bins [shape=(batch, time, frequency, dim)]."""
    if grid.shape[1] == N_BINS:
        return grid
    flat = grid.permute(0, 2, 3, 1).flatten(1, 2)  # (batch, frequency * dim, time)
    flat = functional.interpolate(flat, N_BINS, mode="linear", align_corners=False)
    return flat.unflatten(1, grid.shape[2:]).permute(0, 3, 1, 2)
