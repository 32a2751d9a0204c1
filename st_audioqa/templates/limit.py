"""Deals a number of questions among kinds so that it is reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from st_audioqa.templates.balance import fair_shares

__all__ = ["reach"]

Ints = NDArray[np.int64]

_ROUNDS = 8


def reach(
    most: int,
    kinds: Sequence[Sequence[int]],
    full: Ints,
    n_roles: Ints,
    draw: Callable[[int, int], int],
) -> None:
    """Draws groups of questions again until together they have `most`, or cannot have more.

    Kinds share alike, and groups share what their kind has. Answers come equally often in a
    group, so that it may have fewer than it is allowed; what it leaves goes to the others. What
    is left in the end by rounding goes to groups with few answers.

    Parameters
    ----------
    most : int
    kinds : sequence of sequence of int
        Groups of every kind.
    full : ndarray [shape=(n_groups,)]
        Questions of every group without a limit.
    n_roles : ndarray [shape=(n_groups,)]
        Answers that come equally often in the group.
    draw : callable
        Draws a group with a limit of its own and returns how many it then has.
    """
    if full.sum() <= most:
        return
    has, can = full.copy(), full.copy()
    limit = full.copy()
    for _ in range(_ROUNDS):
        wanted = _dealt(kinds, can, most)
        changed = np.flatnonzero((wanted != limit) & (wanted != has))
        for i in changed:
            has[i], limit[i] = draw(int(i), int(wanted[i])), wanted[i]
            if wanted[i] - has[i] >= n_roles[i]:  # less is rounding
                can[i] = has[i]
        if len(changed) == 0 or has.sum() == most:
            break
    for i in np.lexsort((-full, n_roles)):
        more = min(most - int(has.sum()), int(full[i] - has[i]))
        if more >= n_roles[i]:
            has[i] = draw(int(i), int(has[i] + more))
    _trade(most - int(has.sum()), has, full, n_roles, draw)


def _trade(
    missing: int, has: Ints, full: Ints, n_roles: Ints, draw: Callable[[int, int], int]
) -> None:
    """Gives one group a round of answers more than is missing, and takes the rest from another.

    So an odd number is reached too where all groups with room have two answers or more.
    """
    if missing <= 0:
        return
    for i in np.lexsort((-full, n_roles)):
        over = int(n_roles[i]) - missing
        if over <= 0 or full[i] - has[i] < n_roles[i]:
            continue
        for k in np.lexsort((-has, n_roles)):
            if k == i or over % n_roles[k] or has[k] <= over:
                continue
            before = int(has[i]), int(has[k])
            has[i] = draw(int(i), before[0] + int(n_roles[i]))
            has[k] = draw(int(k), before[1] - over)
            if has[i] + has[k] == sum(before) + missing:
                return
            has[i], has[k] = draw(int(i), before[0]), draw(int(k), before[1])
            break


def _dealt(kinds: Sequence[Sequence[int]], can: Ints, most: int) -> Ints:
    dealt = np.zeros_like(can)
    shares = fair_shares(np.array([can[list(each)].sum() for each in kinds]), most)
    for groups, share in zip(kinds, shares, strict=True):
        dealt[list(groups)] = fair_shares(can[list(groups)], int(share))
    return dealt
