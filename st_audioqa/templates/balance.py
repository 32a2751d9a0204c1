"""Keeps as many questions of each answer as of the scarcest one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["balanced", "fair_shares"]

Ints = NDArray[np.int64]

_TURNS = 8
"""Turns in which a stratum takes what it can have at most; smaller ones follow at the end."""
_SPARE = 8
"""Rows of a cell that are looked at, for every row it can have."""


def balanced(
    scene: Ints,
    role: Ints,
    stratum: Ints,
    variety: Ints,
    *,
    n_roles: int,
    per_scene: int,
    rng: np.random.Generator,
    most: int | None = None,
) -> Ints:
    """Rows to keep: as many of every role in every stratum, at most `per_scene` of a scene.

    Cells (a role in a stratum) take turns, the scarcest first. A cell takes varieties by turns,
    and first from scenes that offer least that is scarce. After a turn all cells of a stratum are
    cut to the shortest; a stratum that falls short tries smaller turns and then is through. So no
    role, stratum or variety tells another. Where no stratum has all roles, each role keeps one
    row.

    Parameters
    ----------
    scene : ndarray [shape=(n,)]
        What `per_scene` counts.
    role : ndarray [shape=(n,)]
        The answer: equally often each, from 0 to n_roles - 1.
    stratum : ndarray [shape=(n,)]
        What is known beside the answer: answers come equally often for each.
    variety : ndarray [shape=(n,)]
        Ways to be this answer: as even as they come.
    n_roles : int
    per_scene : int
    rng : Generator
    most : int, optional
        Rows to keep at most, shared evenly among strata.

    Returns
    -------
    ndarray [shape=(k,)]
        Sorted.
    """
    if len(scene) == 0 or n_roles == 0:
        return np.zeros(0, dtype=np.int64)
    strata, stratum = np.unique(stratum, return_inverse=True)
    _, scene = np.unique(scene, return_inverse=True)
    _, variety = np.unique(variety, return_inverse=True)
    cell = stratum * n_roles + role
    supply = np.bincount(cell, minlength=len(strata) * n_roles)
    order = _preference(scene, cell, variety, supply, rng)
    rows_of = np.split(order, np.cumsum(supply)[:-1])

    target = supply.reshape(len(strata), n_roles).min(axis=1)
    if most is not None:
        target = fair_shares(target, most // n_roles)
    # What stands far behind in a long cell is never reached.
    rows_of = [rows[: _SPARE * (target[i // n_roles] + 8)] for i, rows in enumerate(rows_of)]
    kept: list[Ints] = [np.zeros(0, dtype=np.int64) for _ in rows_of]
    used = np.zeros(int(scene.max()) + 1, dtype=np.int64)
    step = np.maximum(target // _TURNS, 1)
    cells = np.argsort(supply, kind="stable")
    while (target > 0).any():
        before = np.array([len(each) for each in kept[::n_roles]])
        for which in cells[target[cells // n_roles] > 0]:
            stratum_ = which // n_roles
            wanted = min(step[stratum_], target[stratum_])
            more = _available(rows_of[which], kept[which], scene, used, per_scene)[:wanted]
            kept[which] = np.concatenate([kept[which], more])
            np.add.at(used, scene[more], 1)
        for stratum_ in np.flatnonzero(target > 0):
            own = range(stratum_ * n_roles, (stratum_ + 1) * n_roles)
            shortest = min(len(kept[each]) for each in own)
            for each in own:
                np.subtract.at(used, scene[kept[each][shortest:]], 1)
                kept[each] = kept[each][:shortest]
            gained = shortest - before[stratum_]
            target[stratum_] -= gained
            if gained < step[stratum_]:
                through = step[stratum_] == 1
                target[stratum_] = 0 if through else target[stratum_]
                step[stratum_] = max(step[stratum_] // 2, 1)
    found = np.concatenate(kept)
    if len(found) == 0 and most is None:
        found = _one_of_each(rng.permutation(len(scene)), scene, role, per_scene)
    return np.sort(found)


def fair_shares(supply: Ints, total: int) -> Ints:
    """`total` dealt out so that all get the same, and what one cannot use goes to the others.

    Parameters
    ----------
    supply : ndarray [shape=(n,)]
        Most that each can use.
    total : int

    Returns
    -------
    ndarray [shape=(n,)]
        Sums to the smaller of `total` and the sum of `supply`.
    """
    supply = np.asarray(supply, dtype=np.int64)
    share = np.zeros_like(supply)
    left = min(int(total), int(supply.sum()))
    while left > 0:
        open_ = np.flatnonzero(share < supply)
        if left < len(open_):
            share[open_[:left]] += 1
            break
        step = np.minimum(supply[open_] - share[open_], left // len(open_))
        share[open_] += step
        left -= int(step.sum())
    return share


def _preference(
    scene: Ints, cell: Ints, variety: Ints, supply: Ints, rng: np.random.Generator
) -> Ints:
    """All rows sorted by cell, and within a cell in the order in which they should be taken."""
    # The sum rises with every scarce thing that a scene offers.
    contested = np.bincount(scene, weights=1.0 / supply[cell])[scene]
    chance = rng.permutation(len(scene))
    by_variety = np.lexsort((chance, contested, variety, cell))
    turn = np.empty(len(scene), dtype=np.int64)
    turn[by_variety] = _ranks(cell[by_variety], variety[by_variety])
    return np.lexsort((chance, turn, cell))


def _ranks(*keys: Ints) -> Ints:
    """Number of each row within its run of equal keys; rows are sorted by the keys."""
    n = len(keys[0])
    new = np.ones(n, dtype=bool)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    starts = np.flatnonzero(new)
    return np.arange(n) - np.repeat(starts, np.diff(np.append(starts, n)))


def _available(rows: Ints, kept: Ints, scene: Ints, used: Ints, per_scene: int) -> Ints:
    """Rows that are not kept and whose scenes have room, in their order."""
    if len(kept):
        rows = rows[~np.isin(rows, kept)]
    rows = rows[used[scene[rows]] < per_scene]
    by_scene = np.argsort(scene[rows], kind="stable")
    rank = np.empty(len(rows), dtype=np.int64)
    rank[by_scene] = _ranks(scene[rows][by_scene])
    return rows[used[scene[rows]] + rank < per_scene]


def _one_of_each(order: Ints, scene: Ints, role: Ints, per_scene: int) -> Ints:
    """One row of every role there is, scenes allowing."""
    used = np.zeros(int(scene.max()) + 1, dtype=np.int64)
    found: dict[int, int] = {}
    for row in order:
        if role[row] not in found and used[scene[row]] < per_scene:
            found[int(role[row])] = int(row)
            used[scene[row]] += 1
    return np.array(sorted(found.values()), dtype=np.int64)
