"""Impulse responses as a scene uses them: turned to the listener and of one length."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.errors import RejectedDraw
from st_audioqa.foa import rotate_yaw
from st_audioqa.renderers.engine import RIREngine
from st_audioqa.scene import Listener, Room

__all__ = ["FADE_S", "cut_length", "listener_rirs", "rir_hash"]

FADE_S = 0.010
"""Length of the raised-cosine fade at the end of an impulse response that is cut."""


def listener_rirs(
    engine: RIREngine,
    room: Room,
    listener: Listener,
    positions: ArrayLike,
    n_samples: int,
    seed: int,
) -> NDArray[np.float32]:
    """Impulse responses in the axes of the listener, padded or cut to one length.

    Parameters
    ----------
    engine : RIREngine
    room : Room
    listener : Listener
    positions : array [shape=(n_positions, 3)]
        Of one source, in the order of its trajectory (world axes, metres).
    n_samples : int
        Length to pad or cut to; what is cut fades out over the last `FADE_S`.
    seed : int

    Returns
    -------
    ndarray [shape=(n_positions, 4, n_samples)]

    Raises
    ------
    UserError, RejectedDraw
        As the engine does; also RejectedDraw "bad_rir" if a sample is not finite.
    """
    world = engine.rirs(room, listener.position, positions, seed=seed)
    if not np.isfinite(world).all():
        raise RejectedDraw("bad_rir", f"{engine.name} gave samples that are not finite")
    cut = rotate_yaw(cut_length(world, n_samples), listener.yaw_deg)
    rirs = np.zeros((*cut.shape[:-1], n_samples), dtype=np.float32)
    rirs[..., : cut.shape[-1]] = cut
    return rirs


def cut_length(rirs: NDArray[np.floating], n_samples: int) -> NDArray[np.float32]:
    """Impulse responses no longer than `n_samples`; what is cut fades out over `FADE_S`.

    Parameters
    ----------
    rirs : ndarray [shape=(..., n)]
    n_samples : int

    Returns
    -------
    ndarray [shape=(..., min(n, n_samples))]
    """
    kept = rirs[..., :n_samples].astype(np.float32)
    if rirs.shape[-1] > n_samples:
        n_fade = min(round(FADE_S * SAMPLE_RATE), n_samples)
        kept[..., n_samples - n_fade :] *= _fade_out(n_fade)
    return kept


def rir_hash(rirs: Iterable[NDArray[np.floating]]) -> str:
    """SHA-256 over the shapes and the single-precision samples of arrays, in their order."""
    digest = hashlib.sha256()
    for array in rirs:
        digest.update(repr(tuple(array.shape)).encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()


def _fade_out(n: int) -> NDArray[np.float32]:
    """Raised cosine from one to zero, neither included."""
    return (0.5 + 0.5 * np.cos(np.pi * (np.arange(n) + 1) / (n + 1))).astype(np.float32)
