"""The training loop: steps, learning rate, metrics, checkpoints."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from st_audioqa.errors import UserError
from st_audioqa.models.encoders import SpatialEncoder
from st_audioqa.models.training.batches import BatchPlan
from st_audioqa.models.training.checkpoint import load_checkpoint, save_checkpoint
from st_audioqa.models.training.clips import Clips
from st_audioqa.models.training.log import MetricsLog
from st_audioqa.models.training.recipe import StageRecipe
from st_audioqa.models.training.validation import validate
from st_audioqa.seeding import derived_seed

__all__ = ["Limits", "Progress", "Task", "learning_rate", "make_steps", "train"]

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


class Schedule(Protocol):
    """The settings that decide a learning rate."""

    @property
    def lr(self) -> float: ...
    @property
    def min_lr(self) -> float: ...
    @property
    def warmup(self) -> float: ...
    @property
    def steps(self) -> int: ...


class Task(Protocol):
    """What is trained: its steps, each a function of the weights and the step's number."""

    steps: int
    epoch_steps: int
    """Steps between two validations."""
    clip_norm: float
    kept: nn.Module
    """Holds the weights that are learned, and all that belongs into a checkpoint."""

    def optimiser(self) -> torch.optim.Optimizer:
        """A new one; every group of it has its highest learning rate."""

    def share(self, step: int) -> float:
        """Of the highest learning rate, at a step."""

    def terms(self, step: int) -> dict[str, Tensor]:
        """Terms of the loss, to be summed."""

    def counted(self, step: int) -> dict[str, float]:
        """What has been seen after so many steps, for the log."""

    def validate(self) -> dict[str, float]:
        """Metrics on what is held out."""


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
    """Makes the steps of an encoder's stage that are not made yet.

    See `st_audioqa.models.training.run.train_encoder` for what the arguments mean.

    Raises
    ------
    UserError
        The loss is no number any more, or the checkpoint is of another training.
    """
    encoder.train()
    task = _EncoderTask(encoder, plan, held_out, bf16, rank, world)
    return make_steps(
        task,
        folder,
        seed=plan.seed,
        about=about,
        limits=limits,
        rank=rank,
        world=world,
        quiet=quiet,
    )


class _EncoderTask:
    """A stage of an encoder."""

    def __init__(
        self,
        encoder: SpatialEncoder,
        plan: BatchPlan,
        held_out: Clips,
        bf16: bool,
        rank: int,
        world: int,
    ) -> None:
        self.kept: nn.Module = encoder
        self._plan, self._held_out, self._bf16 = plan, held_out, bf16
        self._encoder, self._rank, self._world = encoder, rank, world
        stage = self._stage = plan.stage
        self.steps, self.epoch_steps = stage.steps, stage.epoch_steps
        self.clip_norm = stage.clip_norm
        self._model: nn.Module = encoder
        if world > 1:
            self._model = nn.parallel.DistributedDataParallel(
                encoder, find_unused_parameters=True
            )

    def optimiser(self) -> torch.optim.Optimizer:
        return _optimiser(self._encoder, self._stage)

    def share(self, step: int) -> float:
        return learning_rate(self._stage, step) / self._stage.lr

    def terms(self, step: int) -> dict[str, Tensor]:
        stage = self._stage
        device = next(self._encoder.parameters()).device
        features, targets = self._plan.batch(step, self._rank, self._world)
        features, targets = features.to(device), targets.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            outputs = self._model(
                features,
                targets.queries if stage.weights.get("query") else None,
                dynamic=stage.dynamic,
                drop=stage.drop,
            )
        outputs = {name: value.float() for name, value in outputs.items()}
        return self._encoder.loss(outputs, targets, stage.weights)

    def counted(self, step: int) -> dict[str, float]:
        return {"clips": step * self._stage.batch}

    def validate(self) -> dict[str, float]:
        return validate(
            self._encoder,
            self._held_out,
            dynamic=self._stage.dynamic,
            queries=self._stage.queries,
        )


def make_steps(
    task: Task,
    folder: Path,
    *,
    seed: int,
    about: str,
    limits: Limits,
    rank: int = 0,
    world: int = 1,
    quiet: bool = False,
) -> Progress:
    """Makes the steps of a task that are not made yet, and keeps checkpoints of them.

    Parameters
    ----------
    task : Task
    folder : Path
        Gets checkpoint and log.
    seed : int
        What is random in a step depends on it and on the step's number alone.
    about : str
        Describes the training; only the same one goes on from a checkpoint.
    limits : Limits
    rank, world : int
        Of several processes.
    quiet : bool
        Show no progress.

    Raises
    ------
    UserError
        The loss is no number any more, or the checkpoint is of another training.
    """
    optimiser = task.optimiser()
    rates = [float(group["lr"]) for group in optimiser.param_groups]
    weights = [p for group in optimiser.param_groups for p in group["params"]]
    step = load_checkpoint(folder, task.kept, optimiser, about)
    log = MetricsLog(folder, step, active=rank == 0)
    began = kept = time.monotonic()
    metrics: dict[str, float] = {}
    with tqdm(total=task.steps, initial=step, unit=" steps", disable=quiet or rank > 0) as bar:
        while step < task.steps:
            torch.manual_seed(derived_seed(seed, "step", step, rank) % 2**63)
            share = task.share(step)
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * share
            terms = task.terms(step)
            loss = torch.stack(list(terms.values())).sum()
            if not torch.isfinite(loss):
                raise UserError(
                    f"The loss is {loss.item()} at step {step}: lower the learning rate (stage "
                    "settings `lr`, `clip_norm`) or look at the data."
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(weights, task.clip_norm)
            optimiser.step()
            step += 1
            bar.update(1)
            log.add({**terms, "loss": loss})
            if step % _LOG_EVERY == 0 or step == task.steps:
                means = log.write(step, {"lr": rates[0] * share, **task.counted(step)})
                bar.set_postfix(loss=f"{means.get('loss', math.nan):.3f}")
            if step % task.epoch_steps == 0 or step == task.steps:
                if rank == 0:
                    metrics = task.validate()
                    log.metrics(step, metrics)
                    bar.write(_line(step, metrics))
                if world > 1:
                    torch.distributed.barrier()
            now = time.monotonic()
            over = limits.minutes is not None and now - began >= 60 * limits.minutes
            if world > 1:
                over = _agreed(over)
            due = now - kept >= 60 * limits.checkpoint_minutes
            if rank == 0 and (over or due or step == task.steps):
                log.flush()
                save_checkpoint(folder, step, task.kept, optimiser, about)
                kept = now
            if over:
                break
    return Progress(step, step >= task.steps, metrics)


def learning_rate(stage: Schedule, step: int) -> float:
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
