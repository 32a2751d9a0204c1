"""Terms of the training loss.

The paper gives neither forms nor weights; ours (docs/decisions.md): binary cross-entropy for
classes and activity, cross-entropy for static distance, and for directions and log-distances
the absolute error, whose least mean is what the paper's metrics (mean absolute errors) ask for.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from st_audioqa.conventions import DISTANCE_BIN_M
from st_audioqa.models.encoders._protocol import Outputs, Targets

__all__ = ["TERMS", "chord", "encoder_losses", "semantic_losses", "static_targets"]

TERMS = ("semantic", "distil", "static", "trajectory", "smooth", "query", "accdoa")
"""Names that a recipe may give weights to; an encoder has those that its outputs allow."""


def encoder_losses(outputs: Outputs, targets: Targets, weights: Mapping[str, float]) -> Outputs:
    """Every weighted term that applies to a batch; a term without a clip is zero.

    semantic: classes. distil: semantic outputs of a teacher. static: direction and distance class
    of clips with one static source. trajectory: activity, direction and log-distance of clips
    with one source. smooth: change of the predicted direction against that of the true one.
    query: the same as trajectory for every class that was asked for; a class that is absent is
    never active.
    """
    terms: Outputs = {}
    if weights.get("static"):
        terms["static"] = _static(outputs, targets)
    alone = targets.present.sum(dim=1) == 1
    if weights.get("trajectory"):
        truth = (targets.activity[:, 0], targets.direction[:, 0], targets.log_distance[:, 0])
        named = ("activity", "direction", "log_distance")
        said = tuple(outputs[name] for name in named)
        terms["trajectory"] = _trajectory(said, truth, alone)
        if weights.get("smooth"):
            terms["smooth"] = _smooth(said[1], truth[1], truth[0] * alone[:, None])
    if weights.get("query"):
        index = targets.answers.clamp_min(0)
        found = targets.answers >= 0
        activity = _picked(targets.activity, index) * found[..., None]
        truth = (
            activity,
            _picked(targets.direction, index),
            _picked(targets.log_distance, index),
        )
        named = ("query_activity", "query_direction", "query_log_distance")
        said = tuple(outputs[name] for name in named)
        terms["query"] = _trajectory(said, truth, torch.ones_like(found))
    weighted = {name: term * weights[name] for name, term in terms.items()}
    return semantic_losses(outputs["semantic"], targets, weights) | weighted


def semantic_losses(logits: Tensor, targets: Targets, weights: Mapping[str, float]) -> Outputs:
    """The weighted terms semantic and distil; sums over classes, divided by ten."""
    terms: Outputs = {}
    for name in ("semantic", "distil"):
        if name == "semantic":
            truth = targets.labels
        elif targets.teacher is not None:
            truth = torch.sigmoid(targets.teacher)
        else:
            continue
        if weights.get(name):
            loss = functional.binary_cross_entropy_with_logits(logits, truth)
            terms[name] = weights[name] * loss * truth.shape[1] / 10.0
    return terms


def chord(a: Tensor, b: Tensor) -> Tensor:
    """Distance of unit vectors, close to their angle in radians [shape=(..., 3)]."""
    return ((a - b).square().sum(dim=-1) + 1e-6).sqrt()


def static_targets(targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
    """Which clips have one static source, and its direction and distance class."""
    chosen = (targets.present.sum(dim=1) == 1) & ~targets.moving[:, 0]
    metres = targets.log_distance[:, 0, 0].exp()
    return chosen, targets.direction[:, 0, 0], (metres / DISTANCE_BIN_M).long()


def _static(outputs: Outputs, targets: Targets) -> Tensor:
    chosen, direction, distance = static_targets(targets)
    count = chosen.sum().clamp_min(1)
    angle = (chord(outputs["doa"], direction) * chosen).sum() / count
    classes = outputs["distance"].shape[1]
    entropy = functional.cross_entropy(
        outputs["distance"], distance.clamp_max(classes - 1), reduction="none"
    )
    return angle + 0.3 * (entropy * chosen).sum() / count


def _trajectory(said: tuple[Tensor, ...], truth: tuple[Tensor, ...], chosen: Tensor) -> Tensor:
    (said_active, said_direction, said_distance), (active, direction, distance) = said, truth
    clips = chosen[..., None].float()  # over bins
    entropy = functional.binary_cross_entropy_with_logits(
        said_active, active.float(), reduction="none"
    )
    activity = (entropy * clips).sum() / (clips.sum() * entropy.shape[-1]).clamp_min(1)
    weight = active * clips
    count = weight.sum().clamp_min(1)
    angle = (chord(said_direction, direction) * weight).sum() / count
    metres = ((said_distance - distance).abs() * weight).sum() / count
    return angle + 0.5 * metres + 0.2 * activity


def _smooth(said: Tensor, truth: Tensor, active: Tensor) -> Tensor:
    both = active[:, 1:] * active[:, :-1]
    change = (said.diff(dim=1) - truth.diff(dim=1)).square().sum(dim=-1)
    return ((change + 1e-6).sqrt() * both).sum() / both.sum().clamp_min(1)


def _picked(values: Tensor, index: Tensor) -> Tensor:
    """values[b, index[b, q]] for all b and q."""
    return values[torch.arange(len(values), device=values.device)[:, None], index]
