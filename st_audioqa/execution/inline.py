"""Runs tasks one after the other in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from st_audioqa.errors import UserError
from st_audioqa.execution.backend import Function, Outcome, Tick

__all__ = ["Inline"]


@dataclass(frozen=True)
class Inline:
    """In this process; a mistake of ours shows with its traceback."""

    def run(self, function: Function, tasks: Sequence[Any], on_tick: Tick) -> Iterator[Outcome]:
        """See `Backend.run`."""
        for index, task in enumerate(tasks):
            try:
                yield Outcome(index, function(task, on_tick))
            except UserError as error:
                yield Outcome(index, error=error)
