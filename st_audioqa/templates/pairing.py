"""Gives every event that is present a scene in which it is absent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["absent_in"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_ROUNDS = 100


def absent_in(
    scene: Ints, event: Ints, present: Ints, conflict: Bools, rng: np.random.Generator
) -> Ints:
    """For every event that sounds in a scene, another scene that holds nothing like it.

    The scenes are dealt out anew among the events, so that each is given as often as it has events.
    Where one does not fit, two events change scenes as long as that mends something. Every event
    is given any scene once at most. The cost is linear in the number of events.

    Parameters
    ----------
    scene : ndarray [shape=(k,)]
        Where the event sounds, index into `present`.
    event : ndarray [shape=(k,)]
        Which event, row of `conflict`.
    present : ndarray [shape=(n, m)]
        Labels that sound in each scene, columns of `conflict`; -1 where there is none.
    conflict : ndarray [shape=(n_events, n_labels)]
        Whether an event cannot be called absent where a label is present.
    rng : Generator

    Returns
    -------
    ndarray [shape=(k,)]
        Index into `present`; -1 where no scene was found.
    """
    clash = np.concatenate([conflict, np.zeros((len(conflict), 1), dtype=bool)], axis=1)
    given = rng.permutation(scene)

    def faults(given: Ints) -> Bools:
        wrong = clash[event[:, None], present[given]].any(axis=1)
        pair = event * len(present) + given
        _, first = np.unique(pair, return_index=True)
        again = np.ones(len(pair), dtype=bool)
        again[first] = False
        return wrong | again

    wrong = faults(given)
    for _ in range(_ROUNDS):
        rows = np.flatnonzero(wrong)
        if len(rows) == 0:
            break
        order = rng.permutation(len(given))
        partners = order[~np.isin(order, rows)][: len(rows)]
        rows = rng.permutation(rows)[: len(partners)]
        if len(rows) == 0:
            break
        tried = given.copy()
        tried[rows], tried[partners] = given[partners], given[rows]
        still = faults(tried)
        failed = still[rows] | still[partners]
        tried[rows[failed]], tried[partners[failed]] = (
            given[rows[failed]],
            given[partners[failed]],
        )
        given, wrong = tried, faults(tried)
    return np.where(wrong, -1, given)
