"""Impulse responses computed once: in memory for a while, on disk for as long as one likes.

What a trajectory sounds like in a room does not depend on who is playing along it, which way the
listener faces or in which direction the path is taken. So responses are kept by what they do
depend on (engine, version, preset, room, places) and serve every scene that asks for them.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.files import whole
from st_audioqa.renderers.checks import early_energy_db
from st_audioqa.renderers.crossfade import Convolver, Mode, prepare
from st_audioqa.renderers.engine import RIREngine
from st_audioqa.renderers.rir import cut_length, rir_hash
from st_audioqa.scene import Room

__all__ = ["RIRBank", "Responses"]

Floats = NDArray[np.floating]
Key = TypeVar("Key")
Thing = TypeVar("Thing")


@dataclass(frozen=True, eq=False)
class Responses:
    """Impulse responses of one trajectory, for a listener at yaw 0."""

    rirs: NDArray[np.float32]
    """[shape=(n_positions, 4, n)]"""
    digest: str
    """SHA-256 of the samples of the trajectory, in the direction in which it is kept"""
    early_energy_db: Floats
    """[shape=(n_positions,)] see `checks.early_energy_db`"""
    convolver: Convolver
    """To hear waveforms through them."""


@dataclass(frozen=True, eq=False)
class _Kept:
    """What is kept of a trajectory, in one direction."""

    rirs: NDArray[np.float32]
    digest: str

    @cached_property
    def early_energy_db(self) -> Floats:
        return early_energy_db(self.rirs)


class _Memory(Generic[Key, Thing]):
    """Things by their keys, as many as fit; the one not wanted for longest goes first."""

    def __init__(self, budget_mb: float) -> None:
        self._budget = budget_mb * 1e6
        self._held = 0
        self._things: OrderedDict[Key, tuple[Thing, int]] = OrderedDict()

    def get(self, key: Key) -> Thing | None:
        if key not in self._things:
            return None
        self._things.move_to_end(key)
        return self._things[key][0]

    def put(self, key: Key, thing: Thing, n_bytes: int) -> None:
        self._things[key] = (thing, n_bytes)
        self._held += n_bytes
        while self._held > self._budget and len(self._things) > 1:
            _, (_, freed) = self._things.popitem(last=False)
            self._held -= freed


class RIRBank:
    """An engine that remembers.

    Parameters
    ----------
    engine : RIREngine
    n_samples : int
        Length that responses are cut to.
    crossfade : str
        Of moving sources (see `renderers.crossfade`).
    folder : Path, optional
        Where responses are kept between runs; several processes may share it. None keeps them
        in memory only.
    reused : bool
        Whether responses are wanted again, so that it pays to keep their spectra too.
    rirs_mb, spectra_mb : float
        Memory for responses, and for responses prepared for convolution.
    """

    def __init__(
        self,
        engine: RIREngine,
        n_samples: int,
        *,
        crossfade: Mode = "aligned",
        folder: Path | None = None,
        reused: bool = True,
        rirs_mb: float = 250.0,
        spectra_mb: float = 450.0,
    ) -> None:
        self.engine = engine
        self._n_samples = n_samples
        self._crossfade = crossfade
        self._folder = folder
        self._reused = reused
        self._rirs: _Memory[str, _Kept | RejectedDraw] = _Memory(rirs_mb)
        self._spectra: _Memory[tuple[str, bool], Convolver] = _Memory(spectra_mb)

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
        turn = slice(None, None, -1) if backwards else slice(None)
        place = _Place(room, np.asarray(ears, dtype=np.float64), path[turn])
        key = self._key(place)
        kept = self._remembered(key, place)
        convolver = self._spectra.get((key, backwards))
        if convolver is None:
            convolver = prepare(
                kept.rirs[turn],
                mode=self._crossfade,
                offsets_m=path - place.ears,
                keep=self._reused,
            )
            self._spectra.put((key, backwards), convolver, convolver.nbytes)
        return Responses(kept.rirs[turn], kept.digest, kept.early_energy_db[turn], convolver)

    def _remembered(self, key: str, place: _Place) -> _Kept:
        found = self._rirs.get(key)
        if found is None:
            found = self._read(key)
            if found is None:
                found = self._computed(key, place)
            size = found.rirs.nbytes if isinstance(found, _Kept) else 0
            self._rirs.put(key, found, size)
        if isinstance(found, RejectedDraw):
            raise RejectedDraw(found.reason, found.detail)
        return found

    def _computed(self, key: str, place: _Place) -> _Kept | RejectedDraw:
        try:
            rirs = self.engine.rirs(place.room, place.ears, place.path, seed=place.seed)
        except RejectedDraw as rejected:
            return rejected
        if not np.isfinite(rirs).all():
            return RejectedDraw(
                "bad_rir", f"{self.engine.name} gave samples that are not finite"
            )
        cut = cut_length(rirs, self._n_samples)
        found = _Kept(cut, rir_hash([cut]))
        self._write(key, found)
        return found

    def _key(self, place: _Place) -> str:
        engine = [self.engine.name, self.engine.version, self.engine.preset, self._n_samples]
        # Engines take the volume of a room, and with it the mixing time, from these two.
        space = [np.asarray(place.room.floor, dtype=np.float64).tolist(), place.room.height_m]
        return hashlib.sha256(json.dumps([engine, place.digest, space]).encode()).hexdigest()

    def _path(self, key: str) -> Path | None:
        return None if self._folder is None else self._folder / key[:2] / f"{key}.npz"

    def _read(self, key: str) -> _Kept | None:
        """What lies on disk; None also where it was damaged, so that it is computed again."""
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                rirs, digest = stored["rirs"], str(stored["digest"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return _Kept(rirs, digest) if rir_hash([rirs]) == digest else None

    def _write(self, key: str, kept: _Kept) -> None:
        path = self._path(key)
        if path is None:
            return
        try:
            # Not synced: what a crash leaves damaged is computed again.
            with whole(path, sync=False) as partial, partial.open("wb") as file:
                np.savez(file, rirs=kept.rirs, digest=np.array(kept.digest))
        except OSError as error:
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
        """SHA-256 of the surfaces of a room, and of the places in it."""
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
