"""The label vocabulary that open event answers are read against."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from st_audioqa.evaluation.text import PhraseBook, fold
from st_audioqa.events.labels import all_labels, spoken_name

__all__ = ["LIST_SEPARATOR", "Vocabulary", "audioset_vocabulary", "split_labels"]

LIST_SEPARATOR = "; "
"""Joins the names of an event list; names may hold commas."""


def split_labels(answer: str) -> tuple[str, ...]:
    """The names of a stored event list."""
    return tuple(name for part in answer.split(";") if (name := part.strip()))


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Names of event classes, and what else each of them is called.

    Parameters
    ----------
    names : tuple of str
        Spoken names, as they stand in answers; one class each.
    aliases : mapping of str to str
        Other phrase -> spoken name, such as an AudioSet display name. A phrase that is a name
        itself stays that name.
    """

    names: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def phrases(self) -> PhraseBook:
        """Names and aliases, searchable."""
        return PhraseBook({name: name for name in self.names} | self._free_aliases)

    @functools.cached_property
    def exact(self) -> PhraseBook:
        """Names alone."""
        return PhraseBook({name: name for name in self.names})

    @functools.cached_property
    def _free_aliases(self) -> dict[str, str]:
        taken = {fold(name) for name in self.names}
        return {alias: name for alias, name in self.aliases.items() if fold(alias) not in taken}

    @functools.cached_property
    def _aliases_of(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for alias, name in self._free_aliases.items():
            found.setdefault(name, []).append(alias)
        return {name: tuple(others) for name, others in found.items()}

    def aliases_of(self, name: str) -> tuple[str, ...]:
        """Other phrases for a name."""
        return self._aliases_of.get(name, ())

    def plus(self, names: Iterable[str]) -> Vocabulary:
        """This vocabulary, widened by names it does not hold yet."""
        new = sorted(set(names).difference(self.names))
        return Vocabulary((*self.names, *new), self.aliases) if new else self


@functools.cache
def audioset_vocabulary() -> Vocabulary:
    """The 527 AudioSet labels by their spoken names.

    Display names are aliases, and so is each part of one ("bird call" of "Bird vocalization,
    bird call, bird song") and a name without its brackets, where one label alone has it.
    """
    parts: list[tuple[str, str]] = []
    for known in all_labels():
        name = spoken_name(known.name)
        bare = re.sub(r"\s*\([^)]*\)", "", known.name)
        forms = {known.name, bare, *(part.strip() for part in bare.split(","))} - {"etc."}
        parts.extend((form, name) for form in sorted(forms))
    counts = Counter(fold(form) for form, _ in parts)
    labels = {known.name for known in all_labels()}
    aliases = {form: name for form, name in parts if form in labels}
    aliases |= {form: name for form, name in parts if counts[fold(form)] == 1}
    return Vocabulary(tuple(spoken_name(known.name) for known in all_labels()), aliases)
