"""Access to the C interface of RLRAudioPropagation.

The functions are called through ctypes: unlike the Python module of the package, the C
interface returns error codes and leaves other threads running while it simulates.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.renderers.engine import EngineError

__all__ = ["Config", "Context", "load", "package_version"]

DISTRIBUTION = "rlr-audio-propagation"
PACKAGE = "RLRAudioPropagationPkg"
LIBRARY = "libs/linux/x64/libRLRAudioPropagation.so"
PURPOSE = "The RLR engine"

AMBISONICS, BINAURAL = 7, 3
"""Values of RLRA_ChannelLayoutType."""

_console = threading.RLock()


class Config(ctypes.Structure):
    """RLRA_ContextConfiguration; `Context` fills in the defaults of the library."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (
        ("thisSize", ctypes.c_size_t),
        ("frequencyBands", ctypes.c_size_t),
        ("directSHOrder", ctypes.c_size_t),
        ("indirectSHOrder", ctypes.c_size_t),
        ("directRayCount", ctypes.c_size_t),
        ("indirectRayCount", ctypes.c_size_t),
        ("indirectRayDepth", ctypes.c_size_t),
        ("sourceRayCount", ctypes.c_size_t),
        ("sourceRayDepth", ctypes.c_size_t),
        ("maxDiffractionOrder", ctypes.c_size_t),
        ("threadCount", ctypes.c_size_t),
        ("sampleRate", ctypes.c_float),
        ("maxIRLength", ctypes.c_float),
        ("unitScale", ctypes.c_float),
        ("globalVolume", ctypes.c_float),
        ("hrtfRight", ctypes.c_float * 3),
        ("hrtfUp", ctypes.c_float * 3),
        ("hrtfBack", ctypes.c_float * 3),
        ("direct", ctypes.c_uint8),
        ("indirect", ctypes.c_uint8),
        ("diffraction", ctypes.c_uint8),
        ("transmission", ctypes.c_uint8),
        ("meshSimplification", ctypes.c_uint8),
        ("temporalCoherence", ctypes.c_uint8),
    )


class _Layout(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("channelCount", ctypes.c_size_t), ("type", ctypes.c_int))


_POINTER, _SIZE, _FLOAT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_float
_ARGUMENTS: dict[str, tuple[type, ...]] = {
    "ContextConfigurationDefault": (_POINTER,),
    "CreateContext": (_POINTER, _POINTER),
    "DestroyContext": (_POINTER,),
    "SetMaterialDatabaseJSON": (_POINTER, ctypes.c_char_p),
    "AddObject": (_POINTER,),
    "AddMeshVertices": (_POINTER, _POINTER, _SIZE),
    "AddMeshIndices": (_POINTER, _POINTER, _SIZE, _SIZE, ctypes.c_char_p),
    "FinalizeObjectMesh": (_POINTER, _SIZE),
    "AddListener": (_POINTER, _POINTER),
    "SetListenerPosition": (_POINTER, _SIZE, _POINTER),
    "SetListenerRadius": (_POINTER, _SIZE, _FLOAT),
    "SetListenerOrientationQuaternion": (_POINTER, _SIZE, _POINTER),
    "SetListenerHRTF": (_POINTER, _SIZE, ctypes.c_char_p),
    "AddSource": (_POINTER,),
    "SetSourcePosition": (_POINTER, _SIZE, _POINTER),
    "Simulate": (_POINTER,),
}
"""Of the functions that return an error code, 0 where all went well."""


def package_version() -> str:
    """Version of the installed package."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise MissingPackageError(DISTRIBUTION, "soundspaces", PURPOSE) from None


def load() -> ctypes.CDLL:
    """The library of the installed package.

    Raises
    ------
    MissingPackageError
        If the package is not installed.
    UserError
        If there is no library for this platform, or it cannot be loaded.
    """
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise UserError(
            f"{PURPOSE} runs on Linux x86-64 only and this is {sys.platform} "
            f"{platform.machine()}: choose the image-source engine."
        )
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, LIBRARY)).is_file():
            return _open(path)
    raise MissingPackageError(DISTRIBUTION, "soundspaces", PURPOSE)


@functools.cache
def _open(path: Path) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise UserError(
            f"{PURPOSE} cannot load its library ({error}): reinstall {DISTRIBUTION} or choose "
            "the image-source engine."
        ) from error
    for name, arguments in _ARGUMENTS.items():
        getattr(library, f"RLRA_{name}").argtypes = arguments
    library.RLRA_GetIndirectRayEfficiency.restype = _FLOAT
    library.RLRA_GetIndirectRayEfficiency.argtypes = (_POINTER,)
    library.RLRA_GetIRSampleCount.restype = _SIZE
    library.RLRA_GetIRSampleCount.argtypes = (_POINTER, _SIZE, _SIZE)
    library.RLRA_GetIRChannel.restype = ctypes.POINTER(_FLOAT)
    library.RLRA_GetIRChannel.argtypes = (_POINTER, _SIZE, _SIZE, _SIZE)
    return library


class Context:
    """One simulation with one listener and one source; use it in a `with` block.

    Parameters
    ----------
    library : CDLL
        From `load`.
    **settings
        Fields of `Config` that differ from the defaults of the library.

    Raises
    ------
    EngineError
        From every method, if the library returns an error code.
    """

    def __init__(self, library: ctypes.CDLL, **settings: float) -> None:
        self._library = library
        self._channels = 4
        self._handle = ctypes.c_void_p()
        config = Config()
        config.thisSize = ctypes.sizeof(Config)
        self._checked("ContextConfigurationDefault", ctypes.byref(config))
        for name, value in settings.items():
            if not hasattr(config, name):
                raise TypeError(f"the engine has no setting {name!r}")
            setattr(config, name, value)
        with _quiet():
            self._checked("CreateContext", ctypes.byref(self._handle), ctypes.byref(config))

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._checked("DestroyContext", self._handle)

    def set_mesh(
        self,
        materials: Path,
        vertices: ArrayLike,
        parts: Mapping[str, NDArray[np.integer]],
    ) -> None:
        """Set up the room.

        Parameters
        ----------
        materials : Path
            Material database (JSON).
        vertices : array [shape=(n_vertices, 3)]
        parts : mapping
            Faces [shape=(n_faces, 3)] by the label of their material.
        """
        points = np.ascontiguousarray(vertices, dtype=np.float32)
        with _quiet():
            # The database has to be there before the mesh: later it is silently ignored.
            self._checked("SetMaterialDatabaseJSON", self._handle, os.fsencode(materials))
            self._checked("AddObject", self._handle)
            self._checked("AddMeshVertices", self._handle, points.ctypes.data, len(points))
            for label, faces in parts.items():
                indices = np.ascontiguousarray(faces, dtype=np.uint32)
                self._checked(
                    "AddMeshIndices",
                    self._handle,
                    indices.ctypes.data,
                    indices.size,
                    indices.shape[1],
                    label.encode(),
                )
            self._checked("FinalizeObjectMesh", self._handle, 0)

    def add_listener(self, position: ArrayLike, layout_type: int = AMBISONICS) -> None:
        """Place the listener, a point [shape=(3,)] that hears first-order ambisonics.

        Or one with two ears (`BINAURAL`); see `set_head`.
        """
        self._channels = 2 if layout_type == BINAURAL else 4
        point = np.ascontiguousarray(position, np.float32)
        layout = _Layout(self._channels, layout_type)
        self._checked("AddListener", self._handle, ctypes.byref(layout))
        self._checked("SetListenerPosition", self._handle, 0, point.ctypes.data)
        # The default, a sphere of 0.1 m, hears sounds too early and with a gain of its own.
        self._checked("SetListenerRadius", self._handle, 0, 0.0)
        self._checked("AddSource", self._handle)

    def set_head(self, yaw_deg: float, hrtf: Path | None = None) -> None:
        """Turn a binaural listener to the left, and give it the HRTFs of a SOFA file.

        Ambisonic channels ignore this orientation.

        Raises
        ------
        EngineError
            Also if the library does not take the file, which it tells on the console only.
        """
        half = np.radians(yaw_deg) / 2.0
        turn = np.array([np.cos(half), 0.0, np.sin(half), 0.0], dtype=np.float32)
        self._checked("SetListenerOrientationQuaternion", self._handle, 0, turn.ctypes.data)
        if hrtf is None:
            return
        with tempfile.TemporaryFile() as said:
            with _quiet(said):
                self._checked("SetListenerHRTF", self._handle, 0, os.fsencode(hrtf))
            said.seek(0)
            if b"rror" in said.read():
                raise EngineError(f"{PURPOSE} does not take the HRTF set in {hrtf.name}.")

    def simulate(self, source_position: ArrayLike) -> NDArray[np.float32]:
        """Impulse response with the source at a position [shape=(3,)].

        Returns
        -------
        ndarray [shape=(4, n)]
            In the axes and the normalisation of the engine; n may be 0. Two channels, left and
            right, for a binaural listener.
        """
        point = np.ascontiguousarray(source_position, dtype=np.float32)
        self._checked("SetSourcePosition", self._handle, 0, point.ctypes.data)
        self._checked("Simulate", self._handle)
        return self.response()

    def response(self) -> NDArray[np.float32]:
        """What the last simulation gave (see `simulate`)."""
        n_samples = self._library.RLRA_GetIRSampleCount(self._handle, 0, 0)
        response = np.zeros((self._channels, n_samples), dtype=np.float32)
        if n_samples:
            for channel, row in enumerate(response):
                samples = self._library.RLRA_GetIRChannel(self._handle, 0, 0, channel)
                row[:] = np.ctypeslib.as_array(samples, (n_samples,))
        return response

    def ray_efficiency(self) -> float:
        """Share of the rays of the last simulation that did not leave the room."""
        return float(self._library.RLRA_GetIndirectRayEfficiency(self._handle))

    def _checked(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, f"RLRA_{name}")(*arguments)
        if code:
            raise EngineError(f"{PURPOSE} failed: {name} returned error {code}.")


@contextlib.contextmanager
def _quiet(into: BinaryIO | None = None) -> Iterator[None]:
    """Keep the console free from what the library prints, at the level of file descriptors.

    It goes into a file, where one is given.

    One thread at a time; what other threads print meanwhile is lost as well, so this is held
    for the few calls that print and not for simulations.
    """
    with _console:
        _flush()
        saved = [os.dup(descriptor) for descriptor in (1, 2)]
        try:
            with open(os.devnull, "wb") as nowhere:
                aside = nowhere if into is None else into
                os.dup2(aside.fileno(), 1)
                os.dup2(aside.fileno(), 2)
            yield
        finally:
            _flush()
            for descriptor, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)


def _flush() -> None:
    """Write out what Python and the C library hold back for the console."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    ctypes.CDLL(None).fflush(None)
