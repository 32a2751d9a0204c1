"""Several questions behind one audio prefix, and several answers behind one question.

A pack is a tree: prefix -> questions -> answers. All tokens lie in one row; each attends to
itself, to what lies before it on its own branch, and to nothing else, and its position is what it
would be if its branch stood alone. So the numbers are those of separate sequences, and the prefix
and the questions are computed once. Training has one answer per question, scoring has all options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Asked", "Layout", "lay_out"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """A question and the answers that are to be weighed, as token ids."""

    question: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    """Each ends with the token that ends a turn."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Some packs as one batch."""

    ids: Tensor
    """[shape=(packs, length)] -1 where the prefix stands, and in the padding"""
    positions: Tensor
    """[shape=(packs, length)]"""
    mask: Tensor
    """[shape=(packs, 1, length, length)] whether the row's token attends to the column's"""
    row: Tensor
    """[shape=(n,)] pack of each answer token"""
    place: Tensor
    """[shape=(n,)] where the token stands that predicts it"""
    target: Tensor
    """[shape=(n,)] the answer token"""
    owner: Tensor
    """[shape=(n,)] to which answer it belongs, counted over all packs, questions and answers"""
    n_answers: int

    def to(self, device: torch.device) -> Layout:
        """The same on another device."""
        parts = (
            self.ids,
            self.positions,
            self.mask,
            self.row,
            self.place,
            self.target,
            self.owner,
        )
        ids, positions, mask, row, place, target, owner = (part.to(device) for part in parts)
        return Layout(ids, positions, mask, row, place, target, owner, self.n_answers)


def lay_out(prefixes: Sequence[int], packs: Sequence[Sequence[Asked]]) -> Layout:
    """The layout of packs whose prefixes have those lengths."""
    rows: list[tuple[Ints, Ints, Ints, Ints]] = []
    found: list[tuple[int, int, int, int]] = []  # row, place, target, owner
    owner = 0
    for row, (length, asked) in enumerate(zip(prefixes, packs, strict=True)):
        ids, positions = [-1] * length, list(range(length))
        question, option = [-1] * length, [-1] * length
        for q, each in enumerate(asked):
            n = len(each.question)
            last = len(ids) + n - 1
            ids += each.question
            positions += range(length, length + n)
            question += [q] * n
            option += [-1] * n
            for o, answer in enumerate(each.answers):
                first = len(ids)
                for i, token in enumerate(answer):
                    found.append((row, last if i == 0 else first + i - 1, token, owner))
                ids += answer[:-1]  # nothing follows the end of a turn
                positions += range(length + n, length + n + len(answer) - 1)
                question += [q] * (len(answer) - 1)
                option += [o] * (len(answer) - 1)
                owner += 1
        rows.append(tuple(np.array(v, np.int64) for v in (ids, positions, question, option)))  # type: ignore[arg-type]
    longest = max(len(ids) for ids, *_ in rows)
    ids_ = np.full((len(rows), longest), -1, np.int64)
    positions_ = np.zeros((len(rows), longest), np.int64)
    mask = np.zeros((len(rows), longest, longest), bool)
    mask[:] = np.eye(longest, dtype=bool)  # padding attends to itself, else it were undefined
    for row, (of_ids, of_positions, of_question, of_option) in enumerate(rows):
        n = len(of_ids)
        ids_[row, :n], positions_[row, :n] = of_ids, of_positions
        mask[row, :n, :n] = _attends(of_question, of_option)
    place = np.array(found, np.int64).reshape(-1, 4)
    found_row, found_place, target, of_answer = (torch.as_tensor(c.copy()) for c in place.T)
    return Layout(
        torch.as_tensor(ids_),
        torch.as_tensor(positions_),
        torch.as_tensor(mask)[:, None],
        found_row,
        found_place,
        target,
        of_answer,
        owner,
    )


def _attends(question: Ints, option: Ints) -> NDArray[np.bool_]:
    """Whether each token of a pack attends to each other one."""
    n = len(question)
    shared = question[None] == -1
    same_question = question[:, None] == question[None]
    same_option = (option[None] == -1) | (option[:, None] == option[None])
    return np.tril(np.ones((n, n), bool)) & (shared | (same_question & same_option))
