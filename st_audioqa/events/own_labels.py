"""From the words of a collection to labels: AudioSet names, or the words as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Literal

from st_audioqa.errors import UserError, unknown_name
from st_audioqa.events.labels import (
    all_labels,
    label,
    label_of_mid,
    label_set,
    slug,
    spoken_name,
)

__all__ = ["LabelSet", "OwnLabels", "Reader"]

LabelSet = str | int | list[str]
OwnLabels = Literal["refuse", "keep", "drop"]


@cache
def _known() -> Mapping[str, str]:
    names = [known.name for known in all_labels()]
    return {slug(text): name for name in names for text in (name, spoken_name(name))}


class Reader:
    """Reads the words of a collection.

    A word is taken for an AudioSet label if it is its machine identifier, its display name
    ("Walk, footsteps"), its spoken name ("footsteps"), or one of the names with "_" for
    everything but letters and digits ("walk_footsteps").

    Parameters
    ----------
    label_map : mapping of str to str
        Word of the collection -> AudioSet display name; asked first.
    own_labels : {"refuse", "keep", "drop"}
        What is done with a word that is no AudioSet label.

    Raises
    ------
    UserError
        If `label_map` leads to something that is no AudioSet label.
    """

    def __init__(
        self, label_map: Mapping[str, str] | None = None, own_labels: OwnLabels = "refuse"
    ) -> None:
        self._map = {word: label(name).name for word, name in (label_map or {}).items()}
        self._own = own_labels

    def read(self, word: str) -> str | None:
        """The label of a word; None where it is dropped.

        Raises
        ------
        UserError
            If it is no AudioSet label and to be refused; near names are suggested.
        """
        word = word.strip()
        of_mid = label_of_mid(word)
        found = self._map.get(word) or (of_mid.name if of_mid else _known().get(slug(word)))
        if found or self._own == "drop":
            return found
        if self._own == "keep" and slug(word):
            return word
        error = unknown_name("AudioSet label", word, _known())
        raise UserError(
            f"{error} Or set own_labels to 'keep' or 'drop', or name it in label_map."
        )

    def names(self, wanted: LabelSet, used: Collection[str]) -> frozenset[str] | None:
        """Labels that may name a source: a set of AudioSet's, and the collection's own.

        None stands for all of them.
        """
        if wanted == "all":
            return None
        known = {each.name for each in all_labels()}
        if isinstance(wanted, list) and wanted:
            own = [name for name in wanted if name in used and name not in known]
            audioset = [name for name in wanted if name not in own]
            return frozenset(own) | (label_set(audioset) if audioset else frozenset())
        return label_set(wanted) | frozenset(name for name in used if name not in known)
