"""Impulse responses computed once: in memory for a while, on disk for as long as one likes.

What a trajectory sounds like in a room does not depend on who is playing along it, which way the
listener faces or in which direction the path is taken. So responses are kept by what they do
depend on (engine, version, preset, room, places) and serve every scene that asks for them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.renderers.checks import early_energy_db
from st_audioqa.renderers.engine import RIREngine
from st_audioqa.renderers.rir import fit_length, rir_hash
from st_audioqa.scene import Room

__all__ = ["RIRBank", "Responses"]

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Responses:
    """Impulse responses of one trajectory, for a listener at yaw 0."""

    rirs: NDArray[np.float32]
    """[shape=(n_positions, 4, n_samples)]"""
    digest: str
    """SHA-256 of the samples of the trajectory, in whichever direction it came first"""

    def reversed(self) -> Responses:
        """The same trajectory taken backwards."""
        return Responses(self.rirs[::-1], self.digest)

    @cached_property
    def early_energy_db(self) -> Floats:
        """See `checks.early_energy_db` [shape=(n_positions,)]."""
        return early_energy_db(self.rirs)


class RIRBank:
    """An engine that remembers.

    Parameters
    ----------
    engine : RIREngine
    n_samples : int
        Length that responses are padded or cut to.
    folder : Path, optional
        Where responses are kept between runs; several processes may share it. None keeps them
        in memory only.
    memory_mb : float
        Responses kept in memory; the one that was not wanted for longest goes first.
    """

    def __init__(
        self,
        engine: RIREngine,
        n_samples: int,
        *,
        folder: Path | None = None,
        memory_mb: float = 400.0,
    ) -> None:
        self.engine = engine
        self._n_samples = n_samples
        self._folder = folder
        self._budget = memory_mb * 1e6
        self._kept: OrderedDict[str, Responses | RejectedDraw] = OrderedDict()

    def responses(self, room: Room, ears: ArrayLike, positions: ArrayLike) -> Responses:
        """Responses from every position of a trajectory to the ears of a listener at yaw 0.

        A path taken backwards has the responses of the path in reverse order. The seed of the
        engine's random part comes from room, ears and path.

        Parameters
        ----------
        room : Room
        ears : array [shape=(3,)]
        positions : array [shape=(n_positions, 3)]
            In the order of the trajectory.

        Raises
        ------
        UserError, RejectedDraw
            As the engine does; also RejectedDraw "bad_rir" if a sample is not finite.
        """
        path = np.asarray(positions, dtype=np.float64)
        backwards = tuple(path[-1]) < tuple(path[0])
        if backwards:
            path = path[::-1]
        place = _Place(room, np.asarray(ears, dtype=np.float64), path)
        there = self._remembered(place)
        return there.reversed() if backwards else there

    def _remembered(self, place: _Place) -> Responses:
        key = self._key(place)
        found = self._kept.pop(key, None)
        if found is None:
            found = self._read(key)
        if found is None:
            try:
                found = self._compute(place)
                self._write(key, found)
            except RejectedDraw as rejected:
                found = rejected
        self._kept[key] = found
        self._forget()
        if isinstance(found, RejectedDraw):
            raise RejectedDraw(found.reason, found.detail)
        return found

    def _compute(self, place: _Place) -> Responses:
        rirs = self.engine.rirs(place.room, place.ears, place.path, seed=place.seed)
        if not np.isfinite(rirs).all():
            raise RejectedDraw(
                "bad_rir", f"{self.engine.name} gave samples that are not finite"
            )
        fitted = fit_length(rirs, self._n_samples)
        return Responses(fitted, rir_hash([fitted]))

    def _key(self, place: _Place) -> str:
        engine = [self.engine.name, self.engine.version, self.engine.preset, self._n_samples]
        return hashlib.sha256(json.dumps([engine, place.digest]).encode()).hexdigest()

    def _forget(self) -> None:
        held = sum(
            each.rirs.nbytes for each in self._kept.values() if isinstance(each, Responses)
        )
        while held > self._budget and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            held -= oldest.rirs.nbytes if isinstance(oldest, Responses) else 0

    def _path(self, key: str) -> Path | None:
        return None if self._folder is None else self._folder / key[:2] / f"{key}.npz"

    def _read(self, key: str) -> Responses | None:
        """What lies on disk; None also where it was damaged, so that it is computed again."""
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                rirs, digest = stored["rirs"], str(stored["digest"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return Responses(rirs, digest) if rir_hash([rirs]) == digest else None

    def _write(self, key: str, responses: Responses) -> None:
        path = self._path(key)
        if path is None:
            return
        partial = path.with_name(f"{path.stem}-{uuid.uuid4().hex}.partial.npz")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(partial, rirs=responses.rirs, digest=np.array(responses.digest))
            os.replace(partial, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise UserError(
                f"The RIR cache {self._folder} cannot be written ({error}): make room there, "
                "name another folder or go without."
            ) from error


@dataclass(frozen=True, eq=False)
class _Place:
    """What responses are asked for."""

    room: Room
    ears: Floats
    path: Floats

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything an engine looks at."""
        room = self.room
        surfaces = [[each.absorption, each.scattering] for each in room.materials]
        digest = hashlib.sha256(json.dumps([room.shape, surfaces]).encode())
        for array in (room.vertices, room.faces, room.face_material, self.ears, self.path):
            digest.update(repr((array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def seed(self) -> int:
        """Of the engine's random part: 63 bits of the digest."""
        return int(self.digest[:16], 16) >> 1
