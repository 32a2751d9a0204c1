"""An engine in a process of its own, which survives what a native library may do.

A library that hangs, crashes or fills the memory takes its process with it. `IsolatedEngine`
has the engine work in a child process: the parent waits for each answer no longer than a time
limit, the child may not take more than a share of memory, and a child that failed is replaced. The
query it failed at becomes a `RejectedDraw`, so that the scene is drawn again and counted.

The child (`st_audioqa.child`) is started at the first query, prints nothing, and ends with its
parent however that ends.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.child import Child, end_with_parent, sendable
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.renderers.engine import RIREngine
from st_audioqa.scene import Room

__all__ = ["MEMORY_LIMIT_GB", "TIME_LIMIT_S", "IsolatedEngine"]

TIME_LIMIT_S = 300.0
"""Of one query; 40 positions of the slowest preset in a large mesh take less than a minute."""

MEMORY_LIMIT_GB = 8.0
"""That the engine may take beyond what its process has when it starts."""

MAX_FAILURES = 3
"""Queries in a row that may fail before the engine is given up."""

_START_S = 120.0


class IsolatedEngine:
    """Any engine, in a child process (see `RIREngine`).

    It gives what the engine gives, to the bit, and raises what the engine raises. A crash is
    tried once more in a new child, as it may have come from elsewhere (the system was out of
    memory); a scene is drawn again only if its query fails twice, or runs out of time.

    Parameters
    ----------
    make : callable
        Makes the engine; must be picklable, such as `functools.partial(Engine, "fast")`. It is
        called here as well, for the engine's name, version, preset and shapes.
    time_limit_s : float
        Wall-clock time of one query.
    memory_limit_gb : float
        Address space that the child may take beyond what it starts with.
    """

    def __init__(
        self,
        make: Callable[[], RIREngine],
        *,
        time_limit_s: float = TIME_LIMIT_S,
        memory_limit_gb: float = MEMORY_LIMIT_GB,
    ) -> None:
        engine = make()
        self.name = engine.name
        self.version = engine.version
        self.preset = engine.preset
        self.shapes = engine.shapes
        self.time_limit_s = time_limit_s
        self.memory_limit_gb = memory_limit_gb
        self._make = make
        self._child: _Child | None = None
        self._lock = threading.Lock()
        self._failures: list[str] = []

    def rirs(
        self,
        room: Room,
        listener_position: ArrayLike,
        source_positions: ArrayLike,
        *,
        seed: int,
    ) -> NDArray[np.float32]:
        """Impulse responses (see `RIREngine.rirs`).

        Raises
        ------
        RejectedDraw
            Also "engine_timeout", "engine_crash" or "engine_memory".
        UserError
            Also if `MAX_FAILURES` queries in a row failed in one of these ways.
        Exception
            Whatever the engine raises.
        """
        with self._lock:
            try:
                answer = self._tried_twice(room, (listener_position, source_positions, seed))
            except _ChildFailed as failure:
                raise self._rejection(failure) from None
            self._failures.clear()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Ends the child; the next query starts another."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _tried_twice(
        self, room: Room, query: tuple[ArrayLike, ArrayLike, int]
    ) -> NDArray[np.float32] | Exception:
        try:
            return self._answer(room, query)
        except _ChildFailed as failure:
            if failure.reason == "engine_timeout":
                raise
        return self._answer(room, query)

    def _answer(
        self, room: Room, query: tuple[ArrayLike, ArrayLike, int]
    ) -> NDArray[np.float32] | Exception:
        if self._child is not None and not self._child.usable():
            self._child = None
        try:
            if self._child is None:
                self._child = _Child(self._make, self.memory_limit_gb)
            return self._child.ask(room, query, self.time_limit_s)
        except BaseException:
            # Also where the user interrupts: an answer on its way would be taken for the next.
            self.close()
            raise

    def _rejection(self, failure: _ChildFailed) -> Exception:
        self._failures.append(str(failure))
        if len(self._failures) < MAX_FAILURES:
            return RejectedDraw(failure.reason, str(failure))
        times, self._failures = len(self._failures), []
        return UserError(
            f"The {self.name} engine failed at {times} draws in a row (last: {failure}): make "
            "sure that enough memory is free, raise renderer.time_limit_s or "
            "renderer.memory_limit_gb, or choose another engine."
        )


class _ChildFailed(Exception):
    """The child died or did not answer."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class _Child:
    """The process and the ways to talk to it."""

    def __init__(self, make: Callable[[], RIREngine], memory_limit_gb: float) -> None:
        self._room: Room | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            # In a session of its own, so that Ctrl-C reaches the parent alone.
            self._child = Child(__name__, said=self._said, new_session=True)
        except OSError as error:
            self._said.close()
            raise _ChildFailed("engine_crash", f"no process: {error}") from error
        self._connection = self._child.connection
        with self._failing():
            self._connection.send((make, memory_limit_gb))
            answer = self._received(_START_S)
        if isinstance(answer, Exception):
            raise answer

    def usable(self) -> bool:
        """False in a process that was forked from the one that started the child."""
        return self._child.usable()

    def close(self) -> None:
        """Ends the process."""
        self._child.close()
        self._said.close()

    def ask(
        self, room: Room, query: tuple[ArrayLike, ArrayLike, int], time_limit_s: float
    ) -> NDArray[np.float32] | Exception:
        """The answer of the engine, or what it raised."""
        with self._failing():
            # A room is asked about many times over and may be large.
            self._connection.send((None if room is self._room else room, *query))
            self._room = room
            answer = self._received(time_limit_s)
            if isinstance(answer, tuple):
                rirs = np.empty(answer, dtype=np.float32)
                self._connection.recv_bytes_into(_bytes(rirs))
                return rirs
        if isinstance(answer, MemoryError):
            raise _ChildFailed("engine_memory", "it asked for more memory than its limit")
        return answer

    def _received(self, time_limit_s: float) -> Any:
        if not self._connection.poll(time_limit_s):
            raise _ChildFailed("engine_timeout", f"no answer within {time_limit_s:g} s")
        return self._connection.recv()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Turns the end of the connection into the reason for it."""
        try:
            yield
        except (EOFError, OSError):
            code = self._child.ended()
            self._said.seek(0)
            said = self._said.read().decode(errors="replace")
            last = said.strip().splitlines()[-1:]
            if "bad_alloc" in said or "MemoryError" in said:
                reason = "engine_memory"
            else:
                reason = "engine_crash"
            detail = ": ".join([f"its process ended with code {code}", *last])
            raise _ChildFailed(reason, detail) from None


def serve(connection: Connection) -> None:
    """What the child does until its parent is gone."""
    end_with_parent()
    try:
        make, memory_limit_gb = connection.recv()
        engine: RIREngine = make()
        _limit_memory(memory_limit_gb)
    except Exception as error:
        connection.send(sendable(error))
        return
    connection.send(None)
    room: Room | None = None
    while True:
        try:
            new_room, listener, sources, seed = connection.recv()
        except EOFError:
            return
        room = new_room or room
        try:
            if room is None:
                raise ValueError("the first query came without a room")
            rirs = engine.rirs(room, listener, sources, seed=seed)
            rirs = np.ascontiguousarray(rirs, dtype=np.float32)
        except Exception as error:
            connection.send(sendable(error))
        else:
            connection.send(rirs.shape)
            connection.send_bytes(_bytes(rirs))


def _bytes(array: NDArray[np.float32]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _limit_memory(limit_gb: float) -> None:
    import resource

    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
        limit = pages * resource.getpagesize() + round(limit_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    # A crash is expected, a file with all its memory is not.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
