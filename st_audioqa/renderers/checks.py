"""What a rendered scene must pass: audible sources and impulse responses that change smoothly.

All functions return nothing, and raise `RejectedDraw` with the reason of the first fault.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.errors import RejectedDraw

__all__ = ["check_levels", "check_rirs", "early_energy_db"]

Floats = NDArray[np.floating]

EARLY_S = 0.050
ONSET = 0.1
"""The sound arrives where |W| first reaches this share of its peak (-20 dB, ISO 3382-1)."""


def early_energy_db(rirs: NDArray[np.floating]) -> Floats:
    """Energy of W in the 50 ms from the first arrival on, 10 log10(sum w[i]^2), per position.

    Parameters
    ----------
    rirs : ndarray [shape=(n_positions, 4, n)]

    Returns
    -------
    ndarray [shape=(n_positions,)]
        Minus infinity where W is silent.
    """
    w = rirs[:, 0].astype(np.float64)
    magnitude = np.abs(w)
    onset = np.argmax(magnitude >= ONSET * magnitude.max(axis=1, keepdims=True), axis=1)
    since = np.arange(w.shape[1]) - onset[:, None]
    early = (since >= 0) & (since < round(EARLY_S * SAMPLE_RATE))
    with np.errstate(divide="ignore"):
        return np.asarray(10.0 * np.log10((w**2 * early).sum(axis=1)))


def check_rirs(energy_db: NDArray[np.floating], max_step_db: float) -> None:
    """Impulse responses of one trajectory: none silent, no jump between adjacent bins.

    The step between bins k and k + 1 is |E[k + 1] - E[k]|.

    Parameters
    ----------
    energy_db : ndarray [shape=(n_positions,)]
        Their `early_energy_db`, E.
    max_step_db : float

    Raises
    ------
    RejectedDraw
        "silent_rir" or "unstable_rir".
    """
    if not np.isfinite(energy_db).all():
        raise RejectedDraw("silent_rir", f"bin {np.argmin(np.isfinite(energy_db))}")
    steps = np.abs(np.diff(energy_db))
    if (steps > max_step_db).any():
        k = int(np.argmax(steps))
        raise RejectedDraw("unstable_rir", f"{steps[k]:.1f} dB between bins {k} and {k + 1}")


def check_levels(
    stems: NDArray[np.floating],
    activity: NDArray[np.bool_],
    min_level_dbfs: float,
    max_level_difference_db: float,
) -> None:
    """Sources of one scene: each one loud enough, none drowned by the others.

    The level of a signal over bins is 10 log10(mean w[i]^2), over the samples of W within those
    bins. A source is inaudible if its level over its own active bins is below
    `min_level_dbfs`. It is masked if the level of the sum of all other sources, over that
    source's active bins, exceeds its own by more than `max_level_difference_db`.

    Parameters
    ----------
    stems : ndarray [shape=(n_sources, 4, n)]
        Sources as heard at the listener, under the gain of the scene.
    activity : ndarray [shape=(n_sources, n_bins)]
        The bins divide n evenly.
    min_level_dbfs : float
    max_level_difference_db : float

    Raises
    ------
    RejectedDraw
        "inaudible" (also for a source that is never active) or "masked".
    """
    w = stems[:, 0].astype(np.float64)
    n_bins = activity.shape[1]
    for i, active in enumerate(activity):
        level = _level_db(w[i], active, n_bins)
        if not level >= min_level_dbfs:
            raise RejectedDraw("inaudible", f"source {i} at {level:.1f} dBFS")
        others = _level_db(np.delete(w, i, axis=0).sum(axis=0), active, n_bins)
        if others - level > max_level_difference_db:
            raise RejectedDraw("masked", f"source {i} by {others - level:.1f} dB")


def _level_db(w: Floats, active: NDArray[np.bool_], n_bins: int) -> float:
    """Level over the active bins; minus infinity if there is no sound or no active bin."""
    power = (w.reshape(n_bins, -1) ** 2).mean(axis=1)[active]
    return 10.0 * float(np.log10(power.mean())) if power.any() else -np.inf
