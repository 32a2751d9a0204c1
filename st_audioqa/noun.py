"""How a sound is spoken of, so that questions are grammatical."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Noun"]

_LIKE_A_CONSONANT = ("uk", "un", "us", "eu", "one")
"""Beginnings written with a vowel and spoken with a consonant."""


@dataclass(frozen=True)
class Noun:
    """A name with its grammatical number."""

    text: str
    """Without an article, such as "dog bark"."""
    number: Literal["count", "mass", "plural"] = "mass"
    """Something that can be counted ("a bark"), cannot ("rain"), or is many ("footsteps")."""

    @property
    def indefinite(self) -> str:
        """With its indefinite article, where it has one.

        Examples
        --------
        >>> Noun("engine", "count").indefinite, Noun("rain").indefinite
        ('an engine', 'rain')
        """
        if self.number != "count":
            return self.text
        first = self.text.lower()
        vowel = first[:1] in tuple("aeiou") and not first.startswith(_LIKE_A_CONSONANT)
        return f"{'an' if vowel else 'a'} {self.text}"

    def agrees(self, singular: str, plural: str) -> str:
        """The form of a word that agrees with the name."""
        return plural if self.number == "plural" else singular
