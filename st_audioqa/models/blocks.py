"""Parts of Transformers: pre-norm blocks, stochastic depth, positions on a grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Block", "sincos_grid"]


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
