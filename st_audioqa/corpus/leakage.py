"""What of a corpus serves which split: recordings, rooms and trajectories.

A test measures memory where training has heard the same recording, stood in the same room, or
followed the same trajectory.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from st_audioqa.scene import RECORDED

__all__ = ["SUBJECT_COLUMNS", "Leakage", "subjects"]

SUBJECT_COLUMNS = (
    "split",
    "room",
    "sources.list.element.event",
    "sources.list.element.position",
)


def subjects(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Everything of a row of `scenes` that no other split may have, as (kind, name).

    A room is known by its name, its building and its parameters, so that a room under a second
    name is found; a recording by its name, whichever library has it, and a clip by its id. A
    trajectory is the 40 positions of a source, to the bit. Needs the columns `SUBJECT_COLUMNS`.
    """
    room = row["room"]
    yield "rooms", f"{room['provider']}/{room['name']}"
    parameters = json.loads(room["parameters"])
    if parameters:
        shape = json.dumps(parameters, sort_keys=True)
        yield "room shapes", f"{room['provider']}/{_digest(shape)}"
    building = parameters.get("building")
    if building is not None:
        yield "buildings", str(building)
    for source in row["sources"]:
        event = source["event"]
        clip = f"{event['library']}/{event['clip_id']}"
        yield "clips", clip
        yield "recordings", event["recording"] or clip
        if room["provider"] != RECORDED:  # annotations in whole degrees meet by chance
            yield "trajectories", _digest(repr(source["position"]))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Leakage:
    """Counts subjects per split, and those that several splits have."""

    def __init__(self) -> None:
        self._splits: dict[tuple[str, str], set[str]] = defaultdict(set)

    def add(self, row: Mapping[str, Any]) -> None:
        """Counts one row."""
        for subject in subjects(row):
            self._splits[subject].add(row["split"])

    def merge(self, other: Leakage) -> None:
        """Counts what another one counted of other rows."""
        for subject, splits in other._splits.items():
            self._splits[subject] |= splits

    def shared(self) -> Iterator[tuple[str, str, list[str]]]:
        """Kind, name and splits of everything that serves several splits, in order."""
        for (kind, name), splits in sorted(self._splits.items()):
            if len(splits) > 1:
                yield kind, name, sorted(splits)

    def report(self) -> dict[str, dict[str, int]]:
        """Per kind: how many each split has, and how many serve several ("shared")."""
        counts: dict[str, dict[str, int]] = {}
        for (kind, _), splits in sorted(self._splits.items()):
            of_kind = counts.setdefault(kind, {"shared": 0})
            of_kind["shared"] += len(splits) > 1
            for split in splits:
                of_kind[split] = of_kind.get(split, 0) + 1
        return {kind: dict(sorted(of_kind.items())) for kind, of_kind in counts.items()}
