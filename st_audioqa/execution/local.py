"""Runs independent tasks in this process or in several on this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from st_audioqa.errors import UserError

__all__ = ["run_tasks"]

Task = TypeVar("Task")
Result = TypeVar("Result")
Tick = Callable[[], object]

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_counter: Any = None


def run_tasks(
    function: Callable[[Task, Tick], Result],
    tasks: Sequence[Task],
    workers: int,
    on_tick: Tick,
) -> Iterator[Result]:
    """Results of `function(task, tick)` for every task, in the order they are finished.

    Parameters
    ----------
    function : callable
        Must be importable by name and depend on its task alone; it calls `tick()` after every
        item it finishes.
    workers : int
        1 runs in this process.
    on_tick : callable
        Called here once for every tick.

    Raises
    ------
    UserError
        A worker process died; what was finished stays finished.
    """
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            yield function(task, on_tick)
        return
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    seen = 0
    with (
        _one_thread_each(),
        ProcessPoolExecutor(
            min(workers, len(tasks)), context, initializer=_start_worker, initargs=(counter,)
        ) as pool,
    ):
        waiting: set[Future[Result]] = {pool.submit(_call, function, task) for task in tasks}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.3, return_when=FIRST_COMPLETED)
                for _ in range(counter.value - seen):
                    on_tick()
                    seen += 1
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            _end_children()
            raise UserError(
                "A worker process died (killed, or out of memory): run the same command again "
                "to go on from the last finished shard, with fewer --workers if memory is short."
            ) from error
        except BaseException:
            _end_children()
            raise


def _end_children() -> None:
    """Ends the workers at once; a shard that was being written is made again."""
    for child in multiprocessing.active_children():
        child.terminate()


def _start_worker(counter: Any) -> None:
    global _counter
    _counter = counter
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Ends a worker whose parent was killed, so that it does not work on unseen."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(function: Callable[[Task, Tick], Result], task: Task) -> Result:
    return function(task, _tick)


def _tick() -> None:
    with _counter.get_lock():
        _counter.value += 1


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keeps numerical libraries of the workers from starting threads of their own."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
