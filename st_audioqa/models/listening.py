"""What any encoder says of clips, in one form: labels, and tracks of 40 bins.

Encoders differ in what they know. One that has learned trajectories gives those. One that has
learned only where whole clips come from gives a direction and a distance that are held for all
bins, or, with `crop_s`, one for every bin: it is given the features of that many seconds about the
bin's centre, repeated until they fill a clip, because a clip's length is what it has learned
from. At the ends the crop is moved inwards. Its classes are then means over the crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from st_audioqa.conventions import DURATION_S, N_BINS, directions
from st_audioqa.errors import UserError
from st_audioqa.events.labels import related
from st_audioqa.models.encoders import Outputs, SpatialEncoder

__all__ = ["Heard", "Track", "crops", "listen"]

Floats = NDArray[np.floating]

_ACTIVE_LOGIT = 20.0
"""Of bins in which an encoder without activity is taken to hear its source."""
_LEAST_M = 0.01


@dataclass(frozen=True, eq=False)
class Track:
    """Where one source is in each of the 40 bins."""

    label: str
    """Its class; empty where the encoder does not tell sources apart."""
    probability: float
    """Of its class."""
    activity: Floats
    """[shape=(40,)] probability that it sounds"""
    azimuth_deg: Floats
    """[shape=(40,)]"""
    elevation_deg: Floats
    """[shape=(40,)]"""
    distance_m: Floats
    """[shape=(40,)]"""


@dataclass(frozen=True, eq=False)
class Heard:
    """What an encoder says of one clip."""

    labels: tuple[tuple[str, float], ...]
    """Classes with their probabilities, the likeliest first."""
    tracks: tuple[Track, ...]
    """Of the likeliest class, and of a second one that is likely and no relative of it."""
    trajectory: Track | None
    """Of whatever sounds, if it is one source."""
    asked: tuple[Track, ...]
    """Of the classes asked for, in their order."""


@torch.no_grad()
def listen(
    encoder: SpatialEncoder,
    audio: Tensor,
    asked: Sequence[Sequence[str]] = (),
    *,
    threshold: float = 0.3,
    crop_s: float | None = None,
) -> list[Heard]:
    """What an encoder says of clips.

    Parameters
    ----------
    audio : Tensor [shape=(batch, 4, 320000)]
        W, Y, Z, X in SN3D at 32 kHz.
    asked : sequence of sequence of str
        For each clip the classes whose tracks are wanted. An encoder that cannot be asked, or
        has no such class, answers with the one trajectory it has.
    threshold : float
        Least probability of the class of a second track.
    crop_s : float, optional
        See above; for encoders without trajectories.

    Raises
    ------
    UserError
        `crop_s` is not possible.
    """
    device = next(encoder.parameters()).device
    was_training = encoder.training
    encoder.eval()
    try:
        features = encoder.frontend.to(device)(audio.to(device))
        outputs = _heard(encoder, features, crop_s)
        probability = torch.sigmoid(outputs["semantic"]).cpu().numpy()
        ranked = [np.argsort(-each, kind="stable") for each in probability]
        labels = [
            tuple((encoder.labels[i], float(each[i])) for i in order)
            for each, order in zip(probability, ranked, strict=True)
        ]
        likely = [_likeliest(each, threshold) for each in labels]
        wanted = [list(each) for each in asked] or [[] for _ in labels]
        named = _named(encoder, features, likely, wanted)
    finally:
        encoder.train(was_training)
    found = []
    for i, ranking in enumerate(labels):
        known = dict(ranking)
        lone = _track(outputs, "", (i,), *ranking[0]) if "direction" in outputs else None
        names, tracks = [*likely[i], *wanted[i]], []
        for column, name in enumerate(names):
            p = known.get(name, 0.0)
            if name in known and "query_direction" in named:
                tracks.append(_track(named, "query_", (i, column), name, p))
            elif lone is not None:
                tracks.append(replace(lone, label=name, probability=p))
        own, told = tracks[: len(likely[i])], tracks[len(likely[i]) :]
        if lone is None or len(likely[i]) == 1 or "query_direction" not in named:
            own = [] if lone is None else [lone]
        found.append(Heard(ranking, tuple(own), lone, tuple(told)))
    return found


def crops(features: Tensor, n_frames: int) -> Tensor:
    """Pieces about the centres of the 40 bins, repeated to the length of the clip.

    Parameters
    ----------
    features : Tensor [shape=(channels, frames, bands)]
    n_frames : int
        Length of a piece.

    Returns
    -------
    Tensor [shape=(40, channels, frames, bands)]
    """
    total = features.shape[1]
    centre = (torch.arange(N_BINS) + 0.5) * total / N_BINS
    first = (centre - n_frames / 2).round().long().clamp(0, total - n_frames)
    index = first[:, None] + torch.arange(total) % n_frames
    return features[:, index.to(features.device)].transpose(0, 1)


def _heard(encoder: SpatialEncoder, features: Tensor, crop_s: float | None) -> Outputs:
    """Outputs with `direction`, `log_distance` and `activity` where anything is known of them."""
    if encoder.trained_stage >= 3:
        if crop_s is not None:
            raise UserError(
                "Crops are for encoders that know whole clips only (stage 2), and this one "
                "knows trajectories: leave the crop out."
            )
        return encoder(features)  # type: ignore[no-any-return]
    if crop_s is None:
        outputs = dict(encoder(features, dynamic=False))
        if encoder.trained_stage < 2 or "doa" not in outputs:
            return outputs
        metres = outputs["distance_m"].clamp_min(_LEAST_M)
        outputs["direction"] = outputs["doa"][:, None].expand(-1, N_BINS, -1)
        outputs["log_distance"] = metres.log()[:, None].expand(-1, N_BINS)
    else:
        n_frames = round(crop_s / DURATION_S * features.shape[2])
        if not 1 <= n_frames <= features.shape[2] or encoder.trained_stage < 2:
            raise UserError(
                f"A crop of up to {DURATION_S:g} s for an encoder of stage 2 is wanted, got "
                f"{crop_s} s for stage {encoder.trained_stage}."
            )
        each = [encoder(crops(clip, n_frames), dynamic=False) for clip in features]
        chance = torch.stack([torch.sigmoid(one["semantic"]).mean(dim=0) for one in each])
        outputs = {
            "semantic": torch.logit(chance, eps=1e-6),
            "direction": torch.stack([one["doa"] for one in each]),
            "log_distance": torch.stack(
                [one["distance_m"].clamp_min(_LEAST_M).log() for one in each]
            ),
        }
    outputs["activity"] = torch.full_like(outputs["log_distance"], _ACTIVE_LOGIT)
    return outputs


def _named(
    encoder: SpatialEncoder,
    features: Tensor,
    likely: Sequence[Sequence[str]],
    wanted: Sequence[Sequence[str]],
) -> Outputs:
    """Outputs for the likely classes and those asked for, side by side; else nothing."""
    if encoder.trained_stage < encoder.named_stage:
        return {}
    index = {name: i for i, name in enumerate(encoder.labels)}
    rows = [[index.get(n, 0) for n in (*a, *b)] for a, b in zip(likely, wanted, strict=True)]
    width = max(map(len, rows))
    padded = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    asked: Outputs = encoder(features, padded.to(features.device), dynamic=True)
    return asked


def _likeliest(labels: Sequence[tuple[str, float]], threshold: float) -> list[str]:
    first = labels[0][0]
    others = [name for name, p in labels[1:] if p >= threshold and not related(name, first)]
    return [first, *others[:1]]


def _track(
    outputs: Outputs, prefix: str, place: tuple[int, ...], label: str, probability: float
) -> Track:
    def values(name: str) -> Floats:
        return outputs[prefix + name][place].float().cpu().numpy()

    azimuth, elevation, _ = directions(values("direction"))
    return Track(
        label,
        probability,
        1.0 / (1.0 + np.exp(-values("activity"))),
        azimuth,
        elevation,
        np.exp(values("log_distance")),
    )
