"""A small neural network on embedded words: strong where words tell the answer together only.

Words, pairs of words and options are hashed, embedded and averaged; two layers follow. One network
learns all kinds of questions, and guesses among the answers that its kind had in training.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from st_audioqa.errors import MissingPackageError
from st_audioqa.seeding import generator
from st_audioqa.validity.clues import clues
from st_audioqa.validity.posed import Posed

__all__ = ["network"]

_BUCKETS, _WIDTH, _HIDDEN = 2**16, 48, 128
_BATCH, _EPOCHS, _HELD_OUT = 256, 8, 0.15


def network(train: Sequence[Posed], test: Sequence[Posed]) -> list[str]:
    """Answers of the epoch that does best on a part of the training scenes.

    Raises
    ------
    MissingPackageError
        torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingPackageError("torch", "models", "The network attacker") from error
    kinds = {part: i for i, part in enumerate(sorted({each.part for each in (*train, *test)}))}
    roles = {role: i for i, role in enumerate(sorted({each.role for each in train}))}
    allowed = torch.zeros(len(kinds), len(roles), dtype=torch.bool)
    for each in train:
        allowed[kinds[each.part], roles[each.role]] = True
    allowed[~allowed.any(dim=1)] = True
    told = [_numbers(each) for each in train]
    asked = [_numbers(each) for each in test]
    kind, asked_kind = ([kinds[each.part] for each in some] for some in (train, test))
    right = [roles[each.role] for each in train]

    random = generator(0, "validity", "network")
    names = sorted({each.scene.scene_id for each in train})
    apart = {name for name in names if random.random() < _HELD_OUT}
    held = [i for i, each in enumerate(train) if each.scene.scene_id in apart]
    seen = [i for i, each in enumerate(train) if each.scene.scene_id not in apart]
    if not seen:
        seen = held
    held_right = np.array([right[i] for i in held])

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the same sums in the same order, on whatever machine
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            words = torch.nn.EmbeddingBag(_BUCKETS, _WIDTH, mode="mean", sparse=True)
            layers = torch.nn.Sequential(
                torch.nn.Linear(_WIDTH, _HIDDEN),
                torch.nn.ReLU(),
                torch.nn.Dropout(0.2),
                torch.nn.Linear(_HIDDEN, len(roles)),
            )
            steps: list[Any] = [
                torch.optim.SparseAdam(words.parameters(), lr=3e-3),
                torch.optim.AdamW(layers.parameters(), lr=3e-3, weight_decay=1e-2),
            ]

            def scores(rows: Any, told: Any, kind: Any) -> Any:
                flat = torch.from_numpy(np.concatenate([told[i] for i in rows]))
                lengths = [0, *(len(told[i]) for i in rows[:-1])]
                offsets = torch.from_numpy(np.cumsum(lengths))
                given = layers(words(flat, offsets) * 8.0)
                return given.masked_fill(~allowed[[kind[i] for i in rows]], -1e9)

            def guesses(rows: Any, told: Any, kind: Any) -> Any:
                layers.eval()
                with torch.no_grad():
                    parts = [
                        scores(rows[i : i + 4096], told, kind).argmax(dim=1).numpy()
                        for i in range(0, len(rows), 4096)
                    ]
                return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

            best, answers = -1.0, np.zeros(len(test), dtype=np.int64)
            for _ in range(_EPOCHS):
                layers.train()
                order = random.permutation(seen)
                for start in range(0, len(order), _BATCH):
                    rows = order[start : start + _BATCH]
                    target = torch.tensor([right[i] for i in rows])
                    loss = torch.nn.functional.cross_entropy(scores(rows, told, kind), target)
                    for step in steps:
                        step.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    for step in steps:
                        step.step()
                found = guesses(held, told, kind) == held_right
                share = float(found.mean()) if len(held) else 0.0
                if share > best:
                    best, answers = share, guesses(range(len(test)), asked, asked_kind)
    finally:
        torch.set_num_threads(threads)
    back = list(roles)
    return [back[i] for i in answers.tolist()]


def _numbers(each: Posed) -> Any:
    """Buckets of the clues of a question and of its kind."""
    kind = "/".join(each.part)
    said = [kind, *(clue for clue in clues(each) if clue.count(" ") < 2 or "=" in clue)]
    return np.array([zlib.crc32(clue.encode()) % _BUCKETS for clue in said], dtype=np.int64)
