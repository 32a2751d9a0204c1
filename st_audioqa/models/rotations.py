"""Turns and mirrors of the sound field that are exact on features.

A turn by a quarter, a mirror front to back, left to right or above to below only exchanges the
channels X and Y and changes signs. Levels of X and Y are exchanged with them, intensity vectors
and directions alike; no spectrum has to be computed again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from st_audioqa.models.encoders._protocol import Targets

__all__ = ["ROTATIONS", "Rotation", "rotate_features", "rotate_targets"]


@dataclass(frozen=True)
class Rotation:
    """New x = sign_x times x, or times y where they are exchanged; y and z alike."""

    exchange: bool
    sign_x: int
    sign_y: int
    sign_z: int

    @property
    def matrix(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """[shape=(3, 3)] acting on (x, y, z)."""
        horizontal = [[0, 1], [1, 0]] if self.exchange else [[1, 0], [0, 1]]
        matrix = np.zeros((3, 3), dtype=np.float32)
        matrix[:2, :2] = np.array(horizontal) * [[self.sign_x], [self.sign_y]]
        matrix[2, 2] = self.sign_z
        return matrix


ROTATIONS = tuple(
    Rotation(exchange, x, y, z)
    for z in (1, -1)
    for exchange in (False, True)
    for x in (1, -1)
    for y in (1, -1)
)
"""All sixteen; the first eight keep above and below, and the very first changes nothing."""


def rotate_features(features: Tensor, chosen: Tensor) -> Tensor:
    """Features of the rotated sound fields.

    Parameters
    ----------
    features : Tensor [shape=(batch, 7 or 10, frames, bands)]
        As `FOAFrontend` gives them.
    chosen : Tensor [shape=(batch,)]
        Index into `ROTATIONS` for every clip.
    """
    source, sign = _channel_maps(features.shape[1])
    rows = torch.arange(len(features), device=features.device)[:, None]
    picked = features[rows, source.to(features.device)[chosen]]
    return picked * sign.to(features.device)[chosen][:, :, None, None]


def rotate_targets(targets: Targets, chosen: Tensor) -> Targets:
    """Targets of the rotated sound fields."""
    matrices = torch.as_tensor(np.stack([each.matrix for each in ROTATIONS]))
    turned = torch.einsum("bij,bstj->bsti", matrices[chosen], targets.direction)
    return replace(targets, direction=turned)


def _channel_maps(n_channels: int) -> tuple[Tensor, Tensor]:
    """Which channel each new one is taken from, and its sign [shape=(16, n_channels)]."""
    source, sign = [], []
    for each in ROTATIONS:
        log_mel = [0, 3, 2, 1] if each.exchange else [0, 1, 2, 3]  # W, Y, Z, X
        axes = [1, 0, 2] if each.exchange else [0, 1, 2]  # x, y, z
        vectors = range(4, n_channels, 3)
        source.append(log_mel + [first + axis for first in vectors for axis in axes])
        sign.append([1] * 4 + [each.sign_x, each.sign_y, each.sign_z] * len(vectors))
    return torch.tensor(source), torch.tensor(sign, dtype=torch.float32)
