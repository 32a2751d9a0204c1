"""The mixture of a scene: sources summed channel by channel under one gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["mix"]


def mix(
    stems: NDArray[np.floating], gain_db: float, peak: float = 0.99
) -> tuple[NDArray[np.float32], float]:
    """Sum of the sources times one gain.

    The gain is the nominal one, so that level stays a cue to distance from scene to scene. It
    is lowered, for the whole scene, only where the mixture would exceed `peak`; it is never
    raised.

    Parameters
    ----------
    stems : ndarray [shape=(n_sources, 4, n)]
        Sources as heard at the listener.
    gain_db : float
        Nominal gain.
    peak : float
        Highest absolute sample allowed in the mixture.

    Returns
    -------
    audio : ndarray [shape=(4, n)]
    gain_db : float
        The gain that was applied.
    """
    total = stems.sum(axis=0, dtype=np.float64)
    loudest = float(np.abs(total).max(initial=0.0))
    if loudest * 10.0 ** (gain_db / 20.0) > peak:
        gain_db = 20.0 * float(np.log10(peak / loudest))
    return (total * 10.0 ** (gain_db / 20.0)).astype(np.float32), gain_db
