"""The 527 AudioSet labels: what they are called, how they are related, how they are spoken.

Everything is read from `audioset_labels.csv`, whose head says where each column comes from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

from st_audioqa.errors import unknown_name
from st_audioqa.noun import Noun

__all__ = [
    "Label",
    "all_labels",
    "ancestors",
    "label",
    "noun",
    "related",
    "slug",
    "spoken_name",
]


@dataclass(frozen=True)
class Label:
    """One AudioSet label."""

    index: int
    """Class index among the 527."""
    mid: str
    """Machine identifier, such as "/m/05tny_"."""
    name: str
    """Display name, such as "Walk, footsteps"."""
    in_355: bool
    """Whether it is one of the 355 labels of spatial audio question answering."""


@cache
def _rows() -> tuple[dict[str, str], ...]:
    text = files("st_audioqa.events").joinpath("audioset_labels.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(csv.DictReader(lines))


@cache
def all_labels() -> tuple[Label, ...]:
    """All 527 labels in the order of their index."""
    return tuple(
        Label(int(row["index"]), row["mid"], row["name"], row["in_355"] == "1")
        for row in _rows()
    )


@cache
def _by_name() -> Mapping[str, Label]:
    return {known.name: known for known in all_labels()}


@cache
def _parents() -> Mapping[str, tuple[str, ...]]:
    names = {known.mid: known.name for known in all_labels()}
    return {row["name"]: tuple(names[mid] for mid in row["parents"].split()) for row in _rows()}


@cache
def _spoken() -> Mapping[str, str]:
    return {row["name"]: row["spoken"] for row in _rows()}


@cache
def _numbers() -> Mapping[str, Literal["count", "mass", "plural"]]:
    return {row["name"]: cast(Any, row["number"]) for row in _rows()}


def label(name: str) -> Label:
    """The label of that display name.

    Raises
    ------
    UserError
        Where there is none; near names are suggested.
    """
    labels = _by_name()
    if name not in labels:
        raise unknown_name("AudioSet label", name, labels)
    return labels[name]


@cache
def ancestors(name: str) -> frozenset[str]:
    """Display names of all labels above that one in the ontology, itself left out.

    Raises
    ------
    UserError
        If `name` is no label.

    Examples
    --------
    >>> sorted(ancestors("Bark"))
    ['Animal', 'Dog', 'Domestic animals, pets']
    """
    parents = _parents()[label(name).name]
    return frozenset(parents).union(*map(ancestors, parents))


def related(a: str, b: str) -> bool:
    """Whether two labels are the same or one is an ancestor of the other."""
    return a == b or a in ancestors(b) or b in ancestors(a)


def spoken_name(name: str) -> str:
    """How a question says a label; no two labels share a spoken name.

    Raises
    ------
    UserError
        If `name` is no label.

    Examples
    --------
    >>> spoken_name("Fire engine, fire truck (siren)")
    'fire engine siren'
    """
    return _spoken()[label(name).name]


def noun(name: str) -> Noun:
    """The spoken name of a label with its grammatical number.

    Raises
    ------
    UserError
        If `name` is no label.

    Examples
    --------
    >>> noun("Walk, footsteps")
    Noun(text='footsteps', number='plural')
    """
    return Noun(spoken_name(name), _numbers()[name])


def slug(text: str) -> str:
    """Lower case, everything but letters and digits turned into "_".

    Examples
    --------
    >>> slug("Walk, footsteps")
    'walk_footsteps'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
