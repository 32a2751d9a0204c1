"""What the sounds of scenes are called, and which names exclude each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from st_audioqa.noun import Noun
from st_audioqa.templates.facts import Facts

__all__ = ["Naming"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Naming:
    """Labels and names of all scenes of some facts."""

    facts: Facts
    noun: Callable[[str], Noun]
    related: Callable[[str, str], bool]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All labels that sound; those that name a source come first."""
        naming = {source[0] for scene in self.facts.labels for source in scene}
        others = {label for scene in self.facts.labels for source in scene for label in source}
        return (*sorted(naming), *sorted(others - naming))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {label: i for i, label in enumerate(self.labels)}

    @cached_property
    def name(self) -> Ints:
        """Label that names each source, index into `labels` [shape=(n, m)]; -1 for none."""
        found = np.full(self.facts.sounds.shape, -1, dtype=np.int64)
        naming = [self._ids[source[0]] for scene in self.facts.labels for source in scene]
        found[self.facts.sounds] = naming
        return found

    @cached_property
    def present(self) -> Ints:
        """All labels of each scene, index into `labels` [shape=(n, k)]; filled up with -1."""
        held = [[self._ids[x] for each in scene for x in each] for scene in self.facts.labels]
        width = max(map(len, held), default=0)
        rows = [each + [-1] * (width - len(each)) for each in held]
        return np.array(rows, dtype=np.int64).reshape(len(held), width)

    @cached_property
    def nouns(self) -> tuple[Noun, ...]:
        """How each label is said."""
        return tuple(self.noun(label) for label in self.labels)

    @cached_property
    def conflict(self) -> NDArray[np.bool_]:
        """Whether a name cannot be called absent where a label sounds [shape=(labels, labels)].

        It cannot where the two are the same or related, or one spoken name is part of the other.
        """
        words = [set(each.text.split()) for each in self.nouns]
        return np.array(
            [
                [
                    self.related(a, b) or words[i] <= words[j] or words[j] <= words[i]
                    for j, b in enumerate(self.labels)
                ]
                for i, a in enumerate(self.labels)
            ],
            dtype=bool,
        )
