"""Models that answer without listening: one file each.

An attacker is a function of training questions and test questions that gives a role (see
`Posed.role`) for every test question. To add one, write such a function in a file of its own and
name it in `ATTACKERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from st_audioqa.validity.attackers.counting import majority, memory
from st_audioqa.validity.attackers.linear import linear
from st_audioqa.validity.attackers.network import network
from st_audioqa.validity.posed import Posed

__all__ = ["ATTACKERS", "SIDE_ATTACKERS"]

Attacker = Callable[[Sequence[Posed], Sequence[Posed]], list[str]]


def _with(side: str) -> Attacker:
    return lambda train, test: linear(train, test, side)


ATTACKERS: dict[str, Attacker] = {
    "majority": majority,
    "memory": memory,
    "words": linear,
    "network": network,
}
"""Attackers that have the question alone."""

SIDE_ATTACKERS: dict[str, Attacker] = {
    name: _with(name) for name in ("configuration", "movement", "sounds", "room")
}
"""Attackers that have something beside the question (`validity.clues.SIDE`)."""
