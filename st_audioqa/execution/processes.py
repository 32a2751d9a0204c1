"""Runs tasks in several processes of this machine, and watches over them.

A process that is killed, hangs, or runs out of memory costs one attempt of the task it was at; it
is replaced, and the task is tried again after those that wait.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from st_audioqa.execution.backend import Function, Outcome, Tick
from st_audioqa.execution.worker import AttemptFailed, Worker, silent

__all__ = ["ATTEMPTS", "SILENCE_S", "Processes"]

ATTEMPTS = 3
SILENCE_S = 1800.0

_log = logging.getLogger(__name__)


@dataclass
class _Attempt:
    index: int
    number: int
    until: float = 0.0


@dataclass(frozen=True)
class Processes:
    """Supervised processes."""

    workers: int
    attempts: int = ATTEMPTS
    """Of one task, before it counts as failed."""
    silence_s: float = SILENCE_S
    """Seconds without a tick after which a process is taken to hang."""

    def run(self, function: Function, tasks: Sequence[Any], on_tick: Tick) -> Iterator[Outcome]:
        """See `Backend.run`."""
        waiting = deque(_Attempt(index, 1) for index in range(len(tasks)))
        idle: list[Worker] = []
        busy: dict[Any, tuple[Worker, _Attempt]] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self.workers:
                    worker = idle.pop() if idle else Worker()
                    attempt = waiting.popleft()
                    attempt.until = time.monotonic() + self.silence_s
                    busy[worker.connection] = worker, attempt
                    worker.give(function, tasks[attempt.index])
                first = min(attempt.until for _, attempt in busy.values())
                ready = set(wait(list(busy), max(first - time.monotonic(), 0.0)))
                now = time.monotonic()
                for connection, (worker, attempt) in list(busy.items()):
                    try:
                        if connection in ready:
                            kind, value = worker.heard()
                        elif now > attempt.until:
                            worker.close()
                            raise AttemptFailed(silent(self.silence_s))
                        else:
                            continue
                    except AttemptFailed as failure:
                        del busy[connection]
                        yield from self._again(attempt, failure, waiting)
                        continue
                    if kind == "tick":
                        attempt.until = now + self.silence_s
                        on_tick()
                        continue
                    del busy[connection]
                    idle.append(worker)
                    if isinstance(value, OSError):
                        raise value
                    error = value if kind == "error" else None
                    result = None if error else value
                    yield Outcome(attempt.index, result, error, attempt.number)
        finally:
            for worker in (*idle, *(worker for worker, _ in busy.values())):
                worker.close()

    def _again(
        self, attempt: _Attempt, failure: AttemptFailed, waiting: deque[_Attempt]
    ) -> Iterator[Outcome]:
        """Puts a task back, or gives it up."""
        _log.warning("Attempt %d of a task failed: %s.", attempt.number, failure)
        if attempt.number < self.attempts:
            waiting.append(_Attempt(attempt.index, attempt.number + 1))
        else:
            yield Outcome(attempt.index, error=failure, attempts=attempt.number)
