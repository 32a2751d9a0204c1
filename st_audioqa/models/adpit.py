"""Auxiliary duplicating permutation invariant training of Multi-ACCDOA (Shimada et al. 2022).

For every class and bin the model says three vectors, one per track, whose length tells activity
and whose direction is that of a source. A class that does not sound wants three zeros. One source
of a class is wanted on all three tracks; two sources may be spread over the tracks in six ways,
of which the one counts that costs least. So any track can be read, and none is ever taught a zero
beside a source of its own class.

Ours: a fourth value per track is the logarithm of the distance, which counts only where the
class sounds; and errors are summed over classes rather than averaged, since nearly all are silent.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from st_audioqa.models.encoders._protocol import Targets

__all__ = ["TRACKS", "adpit"]

TRACKS = 3
_DISTANCE_WEIGHT = 0.2


def adpit(said: Tensor, targets: Targets) -> Tensor:
    """Mean over clips and bins of the summed errors of all classes.

    Parameters
    ----------
    said : Tensor [shape=(batch, 40, 3, 4, classes)]
        For each track x, y, z and the logarithm of the distance.
    targets : Targets
        At most two sources; one that no class names is not taught.
    """
    silent = said[:, :, :, :3].square().mean(dim=(2, 3))  # (batch, bins, classes)
    known = targets.present & (targets.source_class >= 0)
    sounds = (targets.activity > 0) & known[:, :, None]  # (batch, sources, bins)
    classes = targets.source_class.clamp_min(0)
    costs, spared = [], []
    for s in range(classes.shape[1]):
        named = classes[:, s]
        rows = torch.arange(len(named), device=named.device)
        here = said.permute(0, 4, 1, 2, 3)[rows, named]  # (batch, bins, tracks, 4)
        costs.append(_cost(here, targets.direction[:, s], targets.log_distance[:, s]))
        spared.append(silent.transpose(1, 2)[rows, named])
    cost, instead = torch.stack(costs, dim=1), torch.stack(spared, dim=1)
    alike = known.all(dim=1) & (classes[:, 0] == classes[:, 1])
    both = alike[:, None] & sounds.all(dim=1)  # two sources of one class at once
    lone = sounds & ~both[:, None]
    alone = (lone * (cost.mean(dim=-1) - instead)).sum(dim=1)
    ways = [
        torch.stack([cost[:, s, :, k] for k, s in enumerate(way)]).mean(dim=0)
        for way in itertools.product((0, 1), repeat=TRACKS)
        if len(set(way)) == 2
    ]
    pairs = both * (torch.stack(ways).amin(dim=0) - instead[:, 0])
    return (silent.sum(dim=-1) + alone + pairs).mean()


def _cost(said: Tensor, direction: Tensor, log_distance: Tensor) -> Tensor:
    """What each track costs if it is to tell a source [shape=(batch, bins, tracks)]."""
    vector = (said[..., :3] - direction[:, :, None]).square().mean(dim=-1)
    return vector + _DISTANCE_WEIGHT * (said[..., 3] - log_distance[:, :, None]).abs()
