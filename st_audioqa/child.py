"""A child process: a fresh interpreter that serves its parent and ends with it.

The child knows nothing of the parent's `__main__`. Its standard input is a pipe from the parent,
and the kernel ends it when the pipe closes, however the parent ended and even if the child hangs.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
import weakref
from multiprocessing.connection import Connection
from typing import IO, Any

__all__ = ["Child", "end_with_parent", "sendable"]

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Child:
    """A process that runs `serve(connection)` of a module, and the way to talk to it.

    Parameters
    ----------
    module : str
        Has a function `serve` that takes the child's end of the connection.
    said : binary file, optional
        Takes what the child writes to standard error; without it that is the parent's.
    new_session : bool
        Whether Ctrl-C is to reach the parent alone.

    Raises
    ------
    OSError
        The system starts no process.
    """

    def __init__(
        self, module: str, *, said: IO[bytes] | None = None, new_session: bool = False
    ) -> None:
        ours, theirs = socket.socketpair()
        self._owner = os.getpid()
        with theirs:
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), module],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, **_ONE_THREAD},
                    start_new_session=new_session,
                )
            except OSError:
                ours.close()
                raise
        self.connection = Connection(ours.detach())
        self.close = weakref.finalize(self, _end, self._owner, self.process, self.connection)
        with contextlib.suppress(OSError):  # a child that is dead already is found out later
            self.connection.send(sys.path)

    def usable(self) -> bool:
        """False in a process that was forked from the one that started the child."""
        return self._owner == os.getpid()

    def ended(self) -> int | None:
        """Its exit code, soon after its connection closed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        return self.process.poll()


def _end(owner: int, process: subprocess.Popen[bytes], connection: Connection) -> None:
    """Ends a child; in a forked process only lets go of it."""
    if owner == os.getpid():
        process.kill()
        process.wait()
    connection.close()
    if process.stdin is not None:
        process.stdin.close()


_PROGRAM = """
import importlib, sys
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
sys.path[:] = connection.recv()
importlib.import_module(sys.argv[2]).serve(connection)
"""


def end_with_parent() -> None:
    """Has the kernel end this process once the other end of its standard input is closed.

    Nothing is ever written there, so the one event it signals is the end of the parent.
    """
    import fcntl
    import signal

    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_leave_at_end_of_input, daemon=True).start()


def _leave_at_end_of_input() -> None:
    """Where the kernel does not signal, or the parent had ended before."""
    while os.read(0, 1):
        time.sleep(0.1)
    os._exit(1)


def sendable(error: Exception) -> Any:
    """The error itself, or where it cannot be pickled, its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
