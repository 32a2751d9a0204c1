"""The 527 AudioSet labels: what they are called, how they are related, how they are spoken.

Everything is read from `audioset_labels.csv`, whose head says where each column comes from.

A library may keep labels of its own beside these. Such a label has no ancestors, is spoken as it
is written, and has the machine identifier "own:" + its `slug`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

from st_audioqa.errors import UserError, unknown_name
from st_audioqa.noun import Noun

__all__ = [
    "LABEL_SETS",
    "Label",
    "all_labels",
    "ancestors",
    "check_mids",
    "confusable",
    "label",
    "label_of_mid",
    "label_set",
    "mid",
    "most_specific_first",
    "noun",
    "related",
    "slug",
    "spoken_name",
    "with_ancestors",
]

LABEL_SETS = ("all", "355")


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


@cache
def _above(name: str) -> frozenset[str]:
    return ancestors(name) if name in _by_name() else frozenset()


def with_ancestors(labels: Iterable[str], classes: Collection[str]) -> set[str]:
    """Labels of a source and those above them in the ontology, as far as they are classes.

    A library says some labels of a sound and not all that follow: who counts "Bark" without
    "Dog" says that a bark is no dog.

    Examples
    --------
    >>> sorted(with_ancestors(["Bark"], {"Bark", "Dog", "Rain"}))
    ['Bark', 'Dog']
    """
    found = set(labels)
    return found.union(*map(_above, found)).intersection(classes)


def related(a: str, b: str) -> bool:
    """Whether two labels are the same or one is an ancestor of the other."""
    return a == b or a in _above(b) or b in _above(a)


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(spoken_name(name).lower().split())


@cache
def confusable(a: str, b: str) -> bool:
    """Whether a listener could rightly call one sound by either label.

    That is so where the labels are `related`, and where all words of one spoken name stand in
    the other: the ontology keeps "Bell" and "Telephone bell ringing" on different branches, yet
    who hears the latter hears a bell. The question engine leaves out the same pairs.
    """
    one, other = _words(a), _words(b)
    return related(a, b) or one <= other or other <= one


def most_specific_first(names: Iterable[str]) -> tuple[str, ...]:
    """Labels by the number of their ancestors, most first; ties by their index.

    Examples
    --------
    >>> most_specific_first(["Animal", "Dog", "Bark", "Music"])
    ('Bark', 'Dog', 'Animal', 'Music')
    """
    known = _by_name()
    return tuple(
        sorted(
            set(names),
            key=lambda name: (
                -len(_above(name)),
                known[name].index if name in known else len(known),
                name,
            ),
        )
    )


@cache
def _of_mid() -> Mapping[str, Label]:
    return {known.mid: known for known in all_labels()}


def label_of_mid(mid: str) -> Label | None:
    """The label of a machine identifier; None where it is none of the 527."""
    return _of_mid().get(mid)


def mid(name: str) -> str:
    """Machine identifier of a label, "own:..." for one that is not AudioSet's."""
    known = _by_name().get(name)
    return known.mid if known else f"own:{slug(name)}"


def check_mids(names: Iterable[str], mids: Iterable[str]) -> None:
    """Checks that labels are AudioSet's, or marked as a library's own.

    Raises
    ------
    UserError
        A machine identifier is not that of its label.
    """
    for name, given in zip(names, mids, strict=False):
        if given != mid(name):
            known = label(name).mid if not given.startswith("own:") else mid(name)
            raise UserError(
                f"The label {name!r} has the machine identifier {given!r}, wanted {known!r}: "
                "regenerate the scenes."
            )


def label_set(wanted: str | int | Collection[str]) -> frozenset[str]:
    """Display names of a set of labels.

    Parameters
    ----------
    wanted : str, int or collection of str
        "all" (527), "355" (those of BAT and Spatial-AST), or display names.

    Raises
    ------
    UserError
        If there is no such set, or one of the names is no AudioSet label.
    """
    if isinstance(wanted, (str, int)):
        if str(wanted) not in LABEL_SETS:
            raise unknown_name("label set", str(wanted), LABEL_SETS)
        return frozenset(each.name for each in all_labels() if wanted == "all" or each.in_355)
    names = frozenset(label(str(name)).name for name in wanted)
    if not names:
        raise UserError(
            "A label set needs a label, but the list is empty: name some, or 'all'."
        )
    return names


def spoken_name(name: str) -> str:
    """How a question says a label; no two AudioSet labels share a spoken name.

    Examples
    --------
    >>> spoken_name("Fire engine, fire truck (siren)")
    'fire engine siren'
    >>> spoken_name("coffee_grinder")
    'coffee grinder'
    """
    return _spoken().get(name) or name.replace("_", " ")


def noun(name: str) -> Noun:
    """The spoken name of a label with its grammatical number.

    A library's own label is spoken of without an article, as what cannot be counted is.

    Examples
    --------
    >>> noun("Walk, footsteps")
    Noun(text='footsteps', number='plural')
    """
    return Noun(spoken_name(name), _numbers().get(name, "mass"))


def slug(text: str) -> str:
    """Lower case, everything but letters and digits turned into "_".

    Examples
    --------
    >>> slug("Walk, footsteps")
    'walk_footsteps'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
