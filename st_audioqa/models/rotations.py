"""Turns and mirrors of the sound field that are exact on features of FOA.

A turn by a quarter, a mirror front to back, left to right or above to below only exchanges the
channels X and Y and changes signs. Levels of X and Y are exchanged with them, intensity vectors
and directions alike; no spectrum has to be computed again. What a front end makes of each is its
`channel_map`; ears know only the mirror from left to right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from st_audioqa.models.encoders._protocol import Targets

__all__ = ["ROTATIONS", "Rotation", "rotate_targets"]


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


def rotate_targets(targets: Targets, chosen: Tensor) -> Targets:
    """Targets of the rotated sound fields."""
    matrices = torch.as_tensor(np.stack([each.matrix for each in ROTATIONS]))
    turned = torch.einsum("bij,bstj->bsti", matrices[chosen], targets.direction)
    return replace(targets, direction=turned)
