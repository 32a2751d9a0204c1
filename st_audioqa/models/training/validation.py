"""Metrics of Table 3 on the clips of a split, as shares, degrees and metres."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from st_audioqa.conventions import DISTANCE_BIN_M, MAX_DISTANCE_M
from st_audioqa.models.encoders import Outputs, SpatialEncoder, Targets
from st_audioqa.models.training.clips import Clips

__all__ = ["average_precision", "semantic_logits", "validate"]

Floats = NDArray[np.floating]


def validate(
    encoder: SpatialEncoder, clips: Clips, *, dynamic: bool, queries: bool, batch: int = 32
) -> dict[str, float]:
    """Metrics of every configuration group that a split has.

    mAP over classes with an example; `static/...` on clips of one static source from the clip
    heads; `dynamic/...` on clips of one moving source from the trajectory; `two/...` on clips of
    two sources, each asked for by its class.
    """
    parts: list[dict[str, Floats]] = []
    for rows, outputs, targets in _passes(encoder, clips, dynamic, queries, batch):
        parts.append(_gathered(clips.configuration[rows], outputs, targets))
    values = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    configuration = values["configuration"]
    found: dict[str, float] = {}
    for group, names in (("static", ["S"]), ("dynamic", ["D"]), ("two", ["SS", "SD", "DD"])):
        chosen = np.isin(configuration, names)
        if not chosen.any():
            continue
        found[f"{group}/mAP"] = average_precision(
            values["semantic"][chosen], values["labels"][chosen]
        )
        if group == "static":
            found["static/doa_mae_deg"] = float(values["doa"][chosen].mean())
            found["static/distance_acc"] = float(values["distance"][chosen].mean())
        if dynamic and group != "two":
            found |= _track(group, *(values[n][chosen] for n in ("angle", "metres", "active")))
        if queries:
            angle, metres, active = (
                values[n][chosen].reshape(-1, 40)
                for n in ("query_angle", "query_metres", "query_active")
            )
            found |= _track(f"{group}/query", angle, metres, active)
    return found


def average_precision(scores: Floats, truth: Floats) -> float:
    """Mean over classes of the area under precision and recall (ties in favour of no one)."""
    found = []
    for c in np.flatnonzero(truth.any(axis=0)):
        order = np.argsort(-scores[:, c], kind="stable")
        hits = truth[order, c] > 0
        # scores that are equal are taken together
        last = np.append(np.diff(scores[order, c]) != 0, True)
        count = np.arange(1, len(hits) + 1)
        precision = (np.cumsum(hits) / count)[last]
        recall = (np.cumsum(hits) / hits.sum())[last]
        found.append(float((np.diff(recall, prepend=0.0) * precision).sum()))
    return float(np.mean(found)) if found else float("nan")


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


def _gathered(
    configuration: NDArray[np.str_], outputs: Outputs, targets: Targets
) -> dict[str, Floats]:
    metres = targets.log_distance[:, 0, 0].exp()
    most = int(MAX_DISTANCE_M / DISTANCE_BIN_M) - 1
    truth_bin = (metres / DISTANCE_BIN_M).long().clamp_max(most)
    values: dict[str, Floats] = {
        "configuration": configuration,  # type: ignore[dict-item]
        "semantic": outputs["semantic"].numpy(),
        "labels": targets.labels.numpy(),
        "doa": _angle(outputs["doa"], targets.direction[:, 0, 0]),
        "distance": (outputs["distance"].argmax(dim=1) == truth_bin).numpy(),
    }
    if "direction" in outputs:
        values |= {
            "angle": _angle(outputs["direction"], targets.direction[:, 0]),
            "metres": _metres(outputs["log_distance"], targets.log_distance[:, 0]),
            "active": targets.activity[:, 0].numpy(),
        }
    if "query_direction" in outputs:
        row = torch.arange(len(metres))[:, None]
        index = targets.answers.clamp_min(0)
        asked = (targets.answers >= 0)[..., None]
        values |= {
            "query_angle": _angle(outputs["query_direction"], targets.direction[row, index]),
            "query_metres": _metres(
                outputs["query_log_distance"], targets.log_distance[row, index]
            ),
            "query_active": (targets.activity[row, index] * asked).numpy(),
        }
    return values


def _angle(a: torch.Tensor, b: torch.Tensor) -> Floats:
    cross = torch.linalg.cross(a, b).norm(dim=-1)
    return torch.rad2deg(torch.atan2(cross, (a * b).sum(dim=-1))).numpy()


def _metres(a: torch.Tensor, b: torch.Tensor) -> Floats:
    return (a.exp() - b.exp()).abs().numpy()


def _track(group: str, angle: Floats, metres: Floats, active: Floats) -> dict[str, float]:
    sounding: NDArray[np.bool_] = np.asarray(active > 0)
    any_bin = sounding.any(axis=1)
    within = np.asarray(((angle <= 20.0) | ~sounding).all(axis=1))
    return {
        f"{group}/track_doa_mae_deg": float(angle[sounding].mean()),
        f"{group}/track_acc20": float(within[any_bin].mean()),
        f"{group}/track_distance_mae_m": float(metres[sounding].mean()),
    }
