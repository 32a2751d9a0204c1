"""Randomness that depends on what is drawn, never on when or where it is drawn.

Every random stream is named: `generator(seed, "train-S-00012", "room")`. Two names give
independent streams, so neither the number of workers nor the order of work changes a byte.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["derived_seed", "generator"]


def derived_seed(seed: int, *names: str | int) -> int:
    """A 64-bit seed that depends on `seed` and on every name, in order."""
    text = "\x1f".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """The random stream of that name (PCG64, numpy's default)."""
    return np.random.default_rng(derived_seed(seed, *names))
