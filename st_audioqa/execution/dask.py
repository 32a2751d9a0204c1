"""Runs tasks on a Dask cluster: Kubernetes, Slurm, SSH, a cloud, or processes of this machine.

A Dask worker hands each task to a child process of its own (`execution.worker`), so that what
kills or hangs a task leaves the worker alone and costs one attempt.
"""

from __future__ import annotations

import importlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.execution.backend import Function, Outcome, Tick
from st_audioqa.execution.processes import ATTEMPTS, SILENCE_S
from st_audioqa.execution.worker import Worker

__all__ = ["Dask"]

_AHEAD = 2
"""Tasks per thread that the scheduler is given, so that it never holds a whole plan."""


@dataclass(frozen=True)
class Dask:
    """A cluster that runs already, or one on this machine.

    Ticks of its tasks are not heard here; progress is in what they write.
    """

    address: str
    """Of the scheduler, such as `tcp://host:8786`, or "local"."""
    workers: int = 2
    """Processes of a local cluster."""
    attempts: int = ATTEMPTS
    silence_s: float = SILENCE_S
    connect_s: float = 30.0
    """How long a scheduler and its workers are waited for."""

    def run(self, function: Function, tasks: Sequence[Any], on_tick: Tick) -> Iterator[Outcome]:
        """See `Backend.run`."""
        try:
            distributed: Any = importlib.import_module("distributed")
        except ModuleNotFoundError as error:
            raise MissingPackageError("distributed", "dask", "Running on Dask") from error
        cluster: Any = self.address
        if self.address == "local":
            cluster = distributed.LocalCluster(
                n_workers=self.workers, threads_per_worker=1, dashboard_address=None
            )
        try:
            client: Any = distributed.Client(
                cluster, timeout=self.connect_s, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise UserError(
                f"No Dask scheduler answers at {self.address} ({error}): start one "
                "(`dask scheduler`), check the address, or take --cluster local."
            ) from error
        try:
            yield from self._run(client, distributed, function, tasks)
        finally:
            client.close()
            if self.address == "local":
                cluster.close()

    def _run(
        self, client: Any, distributed: Any, function: Function, tasks: Sequence[Any]
    ) -> Iterator[Outcome]:
        try:
            client.wait_for_workers(1, timeout=self.connect_s)
        except TimeoutError as error:
            raise UserError(
                f"The Dask scheduler at {self.address} has no workers: start some "
                f"(`dask worker {self.address}`) and run the same command again."
            ) from error
        threads = sum(client.nthreads().values())
        left = iter(range(len(tasks)))
        indices: dict[Any, int] = {}

        def submit(count: int) -> list[Any]:
            new = []
            for index in itertools.islice(left, count):
                future = client.submit(
                    _on_worker,
                    function,
                    tasks[index],
                    self.silence_s,
                    retries=self.attempts - 1,
                    pure=False,
                )
                indices[future] = index
                new.append(future)
            return new

        running = distributed.as_completed(submit(_AHEAD * threads), loop=client.loop)
        try:
            for future in running:
                index = indices.pop(future)
                running.update(submit(1))
                failure = future.exception()
                if failure is not None:
                    yield Outcome(index, error=_plain(failure), attempts=self.attempts)
                    continue
                result, mistake = future.result()
                future.release()
                if isinstance(mistake, OSError):
                    raise mistake
                yield Outcome(index, result, mistake)
        finally:
            client.cancel(list(indices), force=True)


def _plain(error: BaseException) -> Exception:
    return RuntimeError(f"{type(error).__name__}: {error}")


_local = threading.local()


def _on_worker(function: Function, task: Any, silence_s: float) -> tuple[Any, Any]:
    """The result of a task, or what is no use trying again."""
    worker = getattr(_local, "worker", None)
    if worker is None or not worker.close.alive:
        worker = _local.worker = Worker()
    try:
        return worker.call(function, task, lambda: None, silence_s), None
    except (UserError, OSError) as error:
        return None, error
