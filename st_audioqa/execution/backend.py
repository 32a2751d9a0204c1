"""What all back-ends have in common: the outcome of a task, and what failures do to a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from st_audioqa.errors import UserError

__all__ = ["Backend", "Function", "Outcome", "Tick", "results", "run_tasks"]

Tick = Callable[[], object]
Function = Callable[[Any, Tick], Any]
"""`function(task, tick)`: importable by name, depends on its task alone, calls `tick()` after
every item that it finishes. It may be called again for a task that was cut."""

_HOPELESS = 3
"""Tasks that fail while none succeeds, after which a run is given up."""


@dataclass(frozen=True)
class Outcome:
    """What became of one task."""

    index: int
    """Of the task."""
    result: Any = None
    error: Exception | None = None
    """Why it failed for good. A `UserError` was not tried again, as it would come again."""
    attempts: int = 1


class Backend(Protocol):
    """Runs independent tasks."""

    def run(self, function: Function, tasks: Sequence[Any], on_tick: Tick) -> Iterator[Outcome]:
        """Outcomes of all tasks, in the order they are finished.

        Raises
        ------
        OSError
            A task could not write: no other can be expected to.
        """


def results(
    backend: Backend,
    function: Function,
    tasks: Sequence[Any],
    on_tick: Tick,
    *,
    name: Callable[[Any], str] = str,
    items: str = "tasks",
) -> Iterator[Any]:
    """Results of all tasks that succeed; what failed is told when all others are done.

    Parameters
    ----------
    name : callable
        What a task is called in messages.
    items : str
        What tasks are called together.

    Raises
    ------
    UserError
        Some tasks failed; what was finished stays finished.
    """
    failed: list[tuple[str, Outcome]] = []
    done = 0
    outcomes = backend.run(function, tasks, on_tick)
    for outcome in outcomes:
        if outcome.error is None:
            done += 1
            yield outcome.result
        else:
            failed.append((name(tasks[outcome.index]), outcome))
            if not done and len(failed) >= _HOPELESS:
                break
    if not failed:
        return
    if len(tasks) == 1 and isinstance(failed[0][1].error, UserError):
        raise failed[0][1].error
    told = "; ".join(
        f"{called}, after {each.attempts} attempt{'s' * (each.attempts > 1)}: {each.error}"
        for called, each in failed[:3]
    )
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    raise UserError(
        f"{len(failed)} of {len(tasks)} {items} failed, the others that were begun are kept "
        f"({told}{more}): mend what is named there and run the same command again."
    ) from failed[0][1].error


def run_tasks(
    function: Function, tasks: Sequence[Any], workers: int, on_tick: Tick
) -> Iterator[Any]:
    """Results of all tasks on this machine; see `results`.

    Parameters
    ----------
    workers : int
        1 runs in this process.
    """
    from st_audioqa.execution.inline import Inline
    from st_audioqa.execution.processes import Processes

    alone = workers <= 1 or len(tasks) <= 1
    return results(Inline() if alone else Processes(workers), function, tasks, on_tick)
