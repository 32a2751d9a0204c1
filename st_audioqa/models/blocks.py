"""Parts of Transformers: pre-norm blocks, stochastic depth, positions on a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Block", "DropPath", "initialise", "kept_patches", "sincos_grid", "stem_and_patch"]


class DropPath(nn.Module):
    """Leaves a residual branch out for whole samples (stochastic depth, Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """`x`, or zero for the share `rate` of the samples while training."""
        if self.rate == 0.0 or not self.training:
            return x
        kept = torch.rand(x.shape[0], *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * kept / (1.0 - self.rate)


class Block(nn.Module):
    """Self-attention and a two-layer perceptron, each after a LayerNorm (pre-norm ViT)."""

    def __init__(self, dim: int, heads: int, drop_path: float = 0.0, ratio: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.fc1 = nn.Linear(dim, ratio * dim)
        self.fc2 = nn.Linear(ratio * dim, dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """[shape=(batch, tokens, dim)] -> the same shape."""
        x = x + self.drop_path(self._attention(self.norm1(x)))
        hidden = functional.gelu(self.fc1(self.norm2(x)))
        return x + self.drop_path(self.fc2(hidden))

    def _attention(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, tokens, dim / heads)
        if q.device.type == "cpu" and q.dtype == torch.bfloat16:
            # torch's own takes three times longer in bfloat16 on CPU, most of it going back
            share = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
            mixed = share.to(v.dtype) @ v
        else:
            mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).flatten(2))


def sincos_grid(n_time: int, n_frequency: int, dim: int) -> Tensor:
    """Fixed sine and cosine positions of a grid [shape=(n_time, n_frequency, dim)].

    Half of the dimensions tell the time, half the frequency, as in masked autoencoders.
    """

    def axis(n: int, size: int) -> Tensor:
        rate = torch.exp(-math.log(10_000.0) * torch.arange(size // 2) / (size // 2))
        angle = torch.arange(n)[:, None] * rate
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    time = axis(n_time, dim // 2)[:, None].expand(-1, n_frequency, -1)
    frequency = axis(n_frequency, dim // 2)[None].expand(n_time, -1, -1)
    return torch.cat([time, frequency], dim=-1)


def stem_and_patch(
    channels: int, stem: Sequence[tuple[int, int, int]], patch: tuple[int, int], dim: int
) -> tuple[nn.Sequential, nn.Conv2d]:
    """Convolutions before the patches, and the one that makes patches of what they leave.

    Parameters
    ----------
    channels : int
    stem : sequence of (int, int, int)
        Channels, stride in time, stride in frequency of each convolution.
    patch : (int, int)
        Size of a patch in frames and bands of the features.
    dim : int
        Of a token.
    """
    layers: list[nn.Module] = []
    for width, time, frequency in stem:
        layers += [
            nn.Conv2d(channels, width, 3, (time, frequency), 1, bias=False),
            nn.BatchNorm2d(width),
            nn.GELU(),
        ]
        channels, patch = width, (patch[0] // time, patch[1] // frequency)
    return nn.Sequential(*layers), nn.Conv2d(channels, dim, patch, patch)


def kept_patches(grid: tuple[int, int], drop: tuple[float, float]) -> Tensor:
    """Indices of the patches left after shares of whole times and frequencies were dropped."""
    n_time, n_frequency = grid
    time = torch.randperm(n_time)[: n_time - int(drop[0] * n_time)].sort().values
    band = torch.randperm(n_frequency)[: n_frequency - int(drop[1] * n_frequency)]
    return (time[:, None] * n_frequency + band.sort().values).flatten()


def initialise(module: nn.Module) -> None:
    """First weights: narrow normal, biases zero (to be given to `nn.Module.apply`)."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=0.02)
