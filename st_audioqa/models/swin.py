"""A Transformer of shifted windows over a picture of time and frequency (Liu et al. 2021).

Tokens attend within square windows, which every second block shifts by half; between stages four
neighbours become one token of twice the width. HTS-AT (Chen et al. 2022) and PSELDNets (Hu et
al. 2025) use it with windows of eight tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from st_audioqa.models.blocks import DropPath

__all__ = ["SwinBlock", "SwinTransformer"]


class SwinTransformer(nn.Module):
    """Stages of blocks, with merging between them.

    Parameters
    ----------
    grid : (int, int)
        Tokens in height and width; each stage but the last halves both.
    dim : int
        Width of a token in the first stage; each stage doubles it.
    depths, heads : sequence of int
        Blocks and attention heads of each stage.
    window : int
    drop_path : float
        Of the last block; it rises from zero.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        dim: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        rates = torch.linspace(0.0, drop_path, sum(depths), device="cpu").tolist()
        self.stages = nn.ModuleList()
        self.merges = nn.ModuleList()
        for i, depth in enumerate(depths):
            size, width = (grid[0] >> i, grid[1] >> i), dim << i
            blocks = (
                SwinBlock(width, size, heads[i], window, bool(j % 2), rates.pop(0))
                for j in range(depth)
            )
            self.stages.append(nn.Sequential(*blocks))
            if i + 1 < len(depths):
                self.merges.append(Merge(width))
        self.norm = nn.LayerNorm(dim << (len(depths) - 1))

    def forward(self, x: Tensor) -> Tensor:
        """[shape=(batch, height, width, dim)] -> coarser and wider tokens."""
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i < len(self.merges):
                x = self.merges[i](x)
        normed: Tensor = self.norm(x)
        return normed


class Merge(nn.Module):
    """Four neighbours side by side, then half of that width."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[shape=(batch, height, width, dim)] -> half of each, twice the dim."""
        corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        merged: Tensor = self.reduction(self.norm(torch.cat(corners, dim=-1)))
        return merged


class SwinBlock(nn.Module):
    """Attention within windows and a two-layer perceptron, each after a LayerNorm."""

    places: Tensor
    apart: Tensor

    def __init__(
        self,
        dim: int,
        grid: tuple[int, int],
        heads: int,
        window: int,
        shifted: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.window = min(window, *grid)
        # Where the grid is no higher than a window, there is nothing to shift into.
        self.shift = window // 2 if shifted and min(grid) > window else 0
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.bias = nn.Parameter(torch.zeros((2 * self.window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias, std=0.02)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)
        self.drop_path = DropPath(drop_path)
        self.register_buffer("places", _relative_places(self.window), persistent=False)
        self.register_buffer("apart", self._neighbours_apart(grid), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[shape=(batch, height, width, dim)] -> the same shape."""
        x = x + self.drop_path(self._attention(self.norm1(x)))
        hidden = functional.gelu(self.fc1(self.norm2(x)))
        return x + self.drop_path(self.fc2(hidden))

    def _attention(self, x: Tensor) -> Tensor:
        shifts = (self.shift, self.shift)
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), dims=(1, 2))
        grid = x.shape[1:3]
        windows = _windows(x, self.window)  # (batch, windows, tokens, dim)
        qkv = self.qkv(windows).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)  # each (batch, windows, heads, tokens, ...)
        score = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        score = score + self.bias[self.places].permute(2, 0, 1)
        if self.shift:
            score = score + self.apart[:, None]
        mixed = score.softmax(dim=-1) @ v
        out = self.proj(mixed.transpose(2, 3).flatten(3))
        x = _picture(out, grid, self.window)
        return torch.roll(x, shifts, dims=(1, 2)) if self.shift else x

    def _neighbours_apart(self, grid: tuple[int, int]) -> Tensor:
        """-100 between tokens that only the shift has brought into one window."""
        if not self.shift:
            return torch.zeros(0)
        region = torch.zeros(1, *grid, 1)
        cuts = (slice(0, -self.window), slice(-self.window, -self.shift))
        for i, rows in enumerate((*cuts, slice(-self.shift, None))):
            for j, columns in enumerate((*cuts, slice(-self.shift, None))):
                region[:, rows, columns] = 3 * i + j
        number = _windows(region, self.window)[0, :, :, 0]
        return -100.0 * (number[:, :, None] != number[:, None, :]).float()


def _windows(x: Tensor, size: int) -> Tensor:
    """[shape=(batch, height, width, dim)] -> [shape=(batch, windows, size**2, dim)]."""
    x = x.unflatten(2, (-1, size)).unflatten(1, (-1, size))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _picture(windows: Tensor, grid: torch.Size, size: int) -> Tensor:
    """The way back from `_windows`."""
    x = windows.unflatten(1, (grid[0] // size, -1)).unflatten(3, (size, size))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _relative_places(size: int) -> Tensor:
    """Row of the bias table for every pair of tokens in a window."""
    row, column = torch.arange(size**2) // size, torch.arange(size**2) % size
    down = row[:, None] - row + size - 1
    right = column[:, None] - column + size - 1
    return down * (2 * size - 1) + right
