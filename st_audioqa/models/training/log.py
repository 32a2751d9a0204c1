"""What a training says while it runs: `metrics.jsonl`, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

__all__ = ["MetricsLog"]


class MetricsLog:
    """Means of losses between two lines, and metrics of validations.

    Parameters
    ----------
    folder : Path
    step : int
        Steps made so far: lines after them, of a training that was killed, are removed.
    active : bool
        Whether this process writes at all.
    """

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
        """Takes the terms of one step."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, torch.zeros(())) + value.detach().cpu()
        self._count += 1

    def write(self, step: int, more: dict[str, float]) -> dict[str, float]:
        """Writes the means of the terms since the last line, and gives them."""
        means = {name: float(value) / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        self._line({"step": step, "time": round(time.time(), 1), **more, "train": means})
        self._show(step, {f"train/{name}": value for name, value in {**means, **more}.items()})
        return means

    def metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Writes the metrics of a validation."""
        self._line({"step": step, "time": round(time.time(), 1), "validation": metrics})
        self._show(step, metrics)

    def flush(self) -> None:
        """Has all of it on disk."""
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
