"""Metrics of Table 3 on the clips of a split, as shares, degrees and metres."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from st_audioqa.conventions import N_BINS
from st_audioqa.evaluation.localisation import (
    clip_errors,
    direction_errors_deg,
    distance_accuracy,
    distance_errors,
    doa_errors,
    ratio,
    resampled_map,
    trajectory_accuracy,
)
from st_audioqa.models.encoders import Outputs, SpatialEncoder, Targets
from st_audioqa.models.training.clips import Clips

__all__ = ["semantic_logits", "validate"]

Floats = NDArray[np.floating]


def validate(
    encoder: SpatialEncoder, clips: Clips, *, dynamic: bool, queries: bool, batch: int = 32
) -> dict[str, float]:
    """Metrics of every configuration group that a split has, by the functions of the evaluation.

    mAP over classes with an example; `static/...` on clips of one static source from the clip
    heads; `dynamic/...` on clips of one moving source from the trajectory; `two/...` on clips of
    two sources, each asked for by its class. What an encoder does not say has no metric.
    """
    parts = [
        _gathered(clips.configuration[rows], outputs, targets)
        for rows, outputs, targets in _passes(encoder, clips, dynamic, queries, batch)
    ]
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    found: dict[str, float] = {}
    for group, names in (("static", ["S"]), ("dynamic", ["D"]), ("two", ["SS", "SD", "DD"])):
        chosen = np.isin(values["configuration"], names)
        if not chosen.any():
            continue
        here = {name: value[chosen] for name, value in values.items()}
        precision, _ = resampled_map(here["labels"] > 0, here["semantic"])
        found[f"{group}/mAP"] = float(precision[0])
        if group == "static" and "doa" in here:
            sounds = here["active"][:, 0] > 0
            error = direction_errors_deg(here["truth"][:, 0, 0], here["doa"])
            right = distance_accuracy(here["metres"][:, 0, 0], here["distance_m"], sounds)
            found["static/doa_mae_deg"] = _mean(clip_errors(error, sounds))
            found["static/distance_acc"] = _mean(right)
        if dynamic and group != "two":
            truth, metres, active = (here[name][:, 0] for name in _TRUTH)
            found |= _track(group, truth, metres, active, _said(here, ""))
        if queries:
            truth, metres, active = (
                here[f"query_{name}"].reshape(-1, *here[name].shape[2:]) for name in _TRUTH
            )
            found |= _track(f"{group}/query", truth, metres, active, _said(here, "query_"))
    return found


def semantic_logits(encoder: SpatialEncoder, clips: Clips, batch: int = 64) -> Floats:
    """Semantic outputs of all clips, unchanged by augmentation [shape=(n, classes)]."""
    found = [
        outputs["semantic"].float().numpy()
        for _, outputs, _ in _passes(encoder, clips, False, False, batch)
    ]
    return np.concatenate(found)


@torch.no_grad()
def _passes(
    encoder: SpatialEncoder, clips: Clips, dynamic: bool, queries: bool, batch: int
) -> Iterator[tuple[NDArray[np.int64], Outputs, Targets]]:
    device = next(encoder.parameters()).device
    was_training = encoder.training
    nn.Module.eval(encoder)
    try:
        for first in range(0, len(clips), batch):
            rows = np.arange(first, min(first + batch, len(clips)))
            targets = clips.targets(rows)
            asked = targets.queries.to(device) if queries else None
            outputs = encoder(clips.raw(rows).to(device), asked, dynamic=dynamic)
            yield rows, {name: value.float().cpu() for name, value in outputs.items()}, targets
    finally:
        encoder.train(was_training)


_TRUTH = ("truth", "metres", "active")


def _gathered(
    configuration: NDArray[np.str_], outputs: Outputs, targets: Targets
) -> dict[str, Floats]:
    """Truth and outputs of some clips under one roof."""
    row, index = torch.arange(len(configuration))[:, None], targets.answers.clamp_min(0)
    known = (targets.answers >= 0)[..., None]
    metres = targets.log_distance.exp()
    values = {
        "labels": targets.labels,
        "truth": targets.direction,
        "metres": metres,
        "active": targets.activity,
        "query_truth": targets.direction[row, index],
        "query_metres": metres[row, index],
        "query_active": targets.activity[row, index] * known,
    }
    said = {name: value for name, value in outputs.items() if name in _SAID}
    return {"configuration": configuration} | {  # type: ignore[dict-item]
        name: value.numpy() for name, value in (values | said).items()
    }


_SAID = frozenset(
    f"{prefix}{name}"
    for prefix, names in (
        ("", ("semantic", "doa", "distance_m", "direction", "log_distance")),
        ("query_", ("direction", "log_distance")),
    )
    for name in names
)


def _said(values: dict[str, Floats], prefix: str) -> tuple[Floats, Floats]:
    direction = values[f"{prefix}direction"].reshape(-1, N_BINS, 3)
    return direction, np.exp(values[f"{prefix}log_distance"].reshape(-1, N_BINS))


def _track(
    group: str, truth: Floats, metres: Floats, active: Floats, both: tuple[Floats, Floats]
) -> dict[str, float]:
    said, said_m = both
    error, sounds = direction_errors_deg(truth, said), active > 0
    return {
        f"{group}/track_doa_mae_deg": _mean(doa_errors(error, sounds)),
        f"{group}/track_acc20": _mean(trajectory_accuracy(error, sounds)),
        f"{group}/track_distance_mae_m": _mean(distance_errors(metres, said_m, sounds)),
    }


def _mean(sums: Floats) -> float:
    return float(ratio(sums.sum(axis=0)))
