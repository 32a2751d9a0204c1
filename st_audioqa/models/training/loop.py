"""The training loop: steps, learning rate, metrics, checkpoints."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from st_audioqa.errors import UserError
from st_audioqa.models.encoders import SpatialEncoder
from st_audioqa.models.training.batches import BatchPlan
from st_audioqa.models.training.checkpoint import load_checkpoint, save_checkpoint
from st_audioqa.models.training.clips import Clips
from st_audioqa.models.training.recipe import StageRecipe
from st_audioqa.models.training.validation import validate
from st_audioqa.seeding import derived_seed

__all__ = ["Limits", "Progress", "learning_rate", "train"]

_LOG_EVERY = 20


@dataclass(frozen=True)
class Limits:
    """When to stop, and how often to keep what there is, in minutes of wall time."""

    minutes: float | None
    checkpoint_minutes: float


@dataclass(frozen=True)
class Progress:
    """Where a training stands."""

    step: int
    finished: bool
    metrics: dict[str, float]


def train(
    encoder: SpatialEncoder,
    plan: BatchPlan,
    held_out: Clips,
    folder: Path,
    *,
    about: str,
    limits: Limits,
    bf16: bool = False,
    rank: int = 0,
    world: int = 1,
    quiet: bool = False,
) -> Progress:
    """Makes the steps of a stage that are not made yet.

    See `st_audioqa.models.training.run.train_encoder` for what the arguments mean.

    Raises
    ------
    UserError
        The loss is no number any more, or the checkpoint is of another training.
    """
    stage = plan.stage
    device = next(encoder.parameters()).device
    optimiser = _optimiser(encoder, stage)
    step = load_checkpoint(folder, encoder, optimiser, about)
    log = _Log(folder, step, active=rank == 0)
    model: nn.Module = encoder
    if world > 1:
        model = nn.parallel.DistributedDataParallel(encoder, find_unused_parameters=True)
    began = kept = time.monotonic()
    metrics: dict[str, float] = {}
    encoder.train()
    with tqdm(total=stage.steps, initial=step, unit=" steps", disable=quiet or rank > 0) as bar:
        while step < stage.steps:
            torch.manual_seed(derived_seed(plan.seed, "step", step, rank) % 2**63)
            rate = learning_rate(stage, step)
            for group in optimiser.param_groups:
                group["lr"] = rate
            features, targets = plan.batch(step, rank, world)
            features, targets = features.to(device), targets.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                outputs = model(
                    features,
                    targets.queries if stage.weights.get("query") else None,
                    dynamic=stage.dynamic,
                    drop=stage.drop,
                )
            outputs = {name: value.float() for name, value in outputs.items()}
            terms = encoder.loss(outputs, targets, stage.weights)
            loss = torch.stack(list(terms.values())).sum()
            if not torch.isfinite(loss):
                raise UserError(
                    f"The loss is {loss.item()} at step {step}: lower the learning rate (stage "
                    "settings `lr`, `clip_norm`) or look at the data."
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(encoder.parameters(), stage.clip_norm)
            optimiser.step()
            step += 1
            bar.update(1)
            log.add({**terms, "loss": loss})
            if step % _LOG_EVERY == 0 or step == stage.steps:
                means = log.write(step, {"lr": rate, "clips": step * stage.batch})
                bar.set_postfix(loss=f"{means.get('loss', math.nan):.3f}")
            if step % stage.epoch_steps == 0 or step == stage.steps:
                if rank == 0:
                    metrics = validate(
                        encoder,
                        held_out,
                        dynamic=stage.dynamic,
                        queries=bool(stage.weights.get("query")),
                    )
                    log.metrics(step, metrics)
                    bar.write(_line(step, metrics))
                if world > 1:
                    torch.distributed.barrier()
            now = time.monotonic()
            over = limits.minutes is not None and now - began >= 60 * limits.minutes
            if world > 1:
                over = _agreed(over)
            due = now - kept >= 60 * limits.checkpoint_minutes
            if rank == 0 and (over or due or step == stage.steps):
                log.flush()
                save_checkpoint(folder, step, encoder, optimiser, about)
                kept = now
            if over:
                break
    return Progress(step, step >= stage.steps, metrics)


def learning_rate(stage: StageRecipe, step: int) -> float:
    """A linear rise, then half a cosine down to `min_lr`."""
    rise = stage.warmup * stage.steps
    if step < rise:
        return stage.lr * (step + 1) / max(rise, 1.0)
    done = (step - rise) / max(stage.steps - rise, 1.0)
    return stage.min_lr + (stage.lr - stage.min_lr) * 0.5 * (1.0 + math.cos(math.pi * done))


def _optimiser(encoder: nn.Module, stage: StageRecipe) -> torch.optim.Optimizer:
    """AdamW; weights that are vectors do not decay."""
    matrices = [p for p in encoder.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in encoder.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": stage.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=stage.lr, betas=(0.9, 0.98))


def _agreed(over: bool) -> bool:
    """Whether the first process wants to stop: all must stop at the same step."""
    flag = torch.tensor([int(over)])
    if torch.cuda.is_available():
        flag = flag.cuda()
    torch.distributed.broadcast(flag, 0)
    return bool(flag.item())


def _line(step: int, metrics: dict[str, float]) -> str:
    return f"step {step}: " + ", ".join(f"{k} {v:.3f}" for k, v in metrics.items())


class _Log:
    """`metrics.jsonl`, and TensorBoard where it is installed."""

    def __init__(self, folder: Path, step: int, *, active: bool) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0
        self._path = folder / "metrics.jsonl"
        self._board: Any = None
        self._active = active
        if not active:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if self._path.is_file():  # lines after the checkpoint are written again
            kept = [
                line
                for line in self._path.read_text("utf-8").splitlines()
                if _step_of(line) is not None and (_step_of(line) or 0) <= step
            ]
            self._path.write_text("".join(f"{line}\n" for line in kept), "utf-8")
        self._board = _tensorboard(folder, step)

    def add(self, terms: dict[str, torch.Tensor]) -> None:
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, torch.zeros(())) + value.detach().cpu()
        self._count += 1

    def write(self, step: int, more: dict[str, float]) -> dict[str, float]:
        means = {name: float(value) / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        self._line({"step": step, "time": round(time.time(), 1), **more, "train": means})
        self._show(step, {f"train/{name}": value for name, value in {**means, **more}.items()})
        return means

    def metrics(self, step: int, metrics: dict[str, float]) -> None:
        self._line({"step": step, "time": round(time.time(), 1), "validation": metrics})
        self._show(step, metrics)

    def flush(self) -> None:
        if self._board is not None:
            self._board.flush()

    def _line(self, values: dict[str, Any]) -> None:
        if self._active:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(values) + "\n")

    def _show(self, step: int, values: dict[str, float]) -> None:
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)


def _step_of(line: str) -> int | None:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    writer: Callable[..., Any] = SummaryWriter
    return writer(str(folder), purge_step=step + 1)
