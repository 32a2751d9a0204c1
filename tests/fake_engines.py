"""Engines that do what native code may do; a file of its own, as child processes import it."""

import ctypes
import os
import signal
import time

import numpy as np

from st_audioqa.errors import MissingPackageError, RejectedDraw, UserError
from st_audioqa.renderers import EngineError


class Unpicklable(Exception):
    def __reduce__(self):
        raise TypeError("no")


class Fake:
    """Does what the seed of a query says."""

    name = "fake"
    version = "1"
    preset = "fast"
    shapes = frozenset({"shoebox", "mesh"})
    native = True

    def __init__(self, preset="fast", marks=None):
        self.marks = marks

    def rirs(self, room, listener_position, source_positions, *, seed):
        print("chatter")
        if seed == 1:
            time.sleep(1000)
        if seed == 2:
            ctypes.string_at(0)
        if seed == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if seed == 4:
            return np.zeros(400_000_000, np.float32)
        if seed == 5 and not self.marks.exists():
            self.marks.touch()
            os.abort()
        if seed == 6:
            ctypes.PyDLL(None).sleep(1000)  # and no other thread of this process runs
        if seed >= 10:
            raise ERRORS[seed - 10]
        scale = np.float32(room.height_m * seed)
        return np.full((len(source_positions), 4, 5), scale)


ERRORS = [
    UserError("mistake"),
    RejectedDraw("leaky_room", "half"),
    EngineError("code 7"),
    MissingPackageError("a", "b", "c"),
    ValueError("bug"),
    Unpicklable("odd"),
]


class Unguarded:
    """The RLR engine with hazards that its guards keep away, chosen by the seed of a query."""

    name, version, preset = "unguarded", "1", "fast"
    shapes = frozenset({"shoebox"})
    NOT_A_NUMBER, WILD_FACE = 1, 2

    def rirs(self, room, listener_position, source_positions, *, seed):
        from st_audioqa.renderers.engines import rlr

        faces = room.faces.copy()
        source, listener = np.array([1.0, 1.2, 1.0]), np.asarray(listener_position)
        if seed == self.NOT_A_NUMBER:
            source = source * np.nan
        if seed == self.WILD_FACE:
            faces[0, 0] = 2_000_000_000
        with (
            rlr.surfaces(room) as (database, parts),
            rlr.open_context(rlr.PRESETS["fast"], room) as context,
        ):
            context.set_mesh(database, room.vertices, {next(iter(parts)): faces})
            context.add_listener(listener)
            return context.simulate(source)[None]
