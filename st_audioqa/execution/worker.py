"""A child process that runs tasks, one at a time, and can be lost without harm."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from st_audioqa.child import Child, end_with_parent, sendable
from st_audioqa.errors import UserError
from st_audioqa.execution.backend import Function, Tick

__all__ = ["AttemptFailed", "Worker", "serve"]

_OOM_SCORE = 500
"""Where memory runs out, the kernel is to end a worker rather than who watches over it."""


class AttemptFailed(Exception):
    """A worker died, hung, ran out of memory, or met a mistake of ours."""


class Worker:
    """One process. Whatever fails here but a `UserError` or an `OSError` leaves it closed."""

    def __init__(self) -> None:
        self._child = Child(__name__)
        self.connection = self._child.connection
        self.close = self._child.close

    def give(self, function: Function, task: Any) -> None:
        """Has it begin a task."""
        # A worker that is gone is found out when it is listened to.
        with contextlib.suppress(OSError):
            self.connection.send((function, task))

    def heard(self) -> tuple[str, Any]:
        """The next thing it says: ("tick", None), ("done", result) or ("error", exception).

        Raises
        ------
        AttemptFailed
            It is dead, or the task failed in a way that may not come again.
        """
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            code = self._child.ended()
            self.close()
            raise AttemptFailed(f"its process was lost ({_death(code)})") from None
        if kind == "failed":
            self.close()
            raise AttemptFailed(value)
        return kind, value

    def call(self, function: Function, task: Any, on_tick: Tick, silence_s: float) -> Any:
        """The result of a task.

        Raises
        ------
        UserError or OSError
            The task raised it.
        AttemptFailed
            Also where nothing was heard for `silence_s` seconds.
        """
        self.give(function, task)
        while self.connection.poll(silence_s):
            kind, value = self.heard()
            if kind == "done":
                return value
            if kind == "error":
                raise value
            on_tick()
        self.close()
        raise AttemptFailed(silent(silence_s))


def silent(silence_s: float) -> str:
    """What is said of a worker that hangs."""
    return f"its process finished nothing for {silence_s:g} s and was ended"


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f"{name}, perhaps out of memory" if name == "SIGKILL" else name
    return f"exit code {code}"


def serve(connection: Connection) -> None:
    """What the process does until its parent is gone."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked as well, and ends this
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(_OOM_SCORE))
    while True:
        try:
            function, task = connection.recv()
        except EOFError:
            return
        connection.send(_tried(function, task, lambda: connection.send(("tick", None))))


def _tried(function: Callable[..., Any], task: Any, tick: Tick) -> tuple[str, Any]:
    try:
        return "done", function(task, tick)
    except (UserError, OSError) as error:
        return "error", sendable(error)
    except Exception as error:
        import traceback

        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename}:{place.lineno}"
        return "failed", f"{type(error).__name__}: {error} ({where})"
