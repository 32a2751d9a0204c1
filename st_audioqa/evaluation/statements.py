"""Yes and no in free text.

Conventions
-----------
An interjection decides ("No, it is ..."). Without one, a short answer does ("it does not"), and
for questions about what can be heard a statement of presence ("I hear a bark", "there is no
bark") that names the sound that was asked about, or none. Other statements say nothing safe:
"the violin does not change more" may be an answer to either way of asking.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from st_audioqa.evaluation.phrases import (
    ABSENCE,
    ELLIPSES,
    FILLERS,
    INTERJECTIONS,
    MAKERS,
    PRESENCE,
    VERDICTS,
)
from st_audioqa.evaluation.text import (
    SEPARATORS,
    PhraseBook,
    inflections,
    normalise,
    tokens,
)
from st_audioqa.evaluation.vocabulary import Vocabulary

__all__ = ["yes_no"]

_ASKS_PRESENCE = re.compile(r"\b(?:present|heard|hear|contain|among|audible|occurs?|there)\b")
_NO_IDIOMS = frozenset(("doubt", "problem", "worries", "question", "other", "wonder"))
_COMPARES = re.compile(r"\b(?:than|from|more|larger|wider|compared)\b")


def yes_no(found: list[str], asked: str, vocabulary: Vocabulary) -> set[str]:
    """The values "yes" and "no" that a response states.

    Parameters
    ----------
    found : list of str
        Tokens of the response.
    asked : str
        The question.
    vocabulary : Vocabulary
        Names of sounds.
    """
    clauses = _clauses(found)
    interjections: set[str] = set()
    for i, clause in enumerate(clauses):
        bare = clause
        while bare and bare[0] in FILLERS:
            bare = bare[1:]
        if bare[1:2] and bare[0] == "no" and bare[1] in _NO_IDIOMS:
            continue
        if bare and bare[0] in INTERJECTIONS and (i == 0 or len(bare) == 1):
            interjections.add(INTERJECTIONS[bare[0]])
            interjections |= _opposed(bare)
    if interjections:
        return interjections
    stated = {mention.value for clause in clauses for mention in _verdicts().find(clause)}
    for clause in clauses:
        ends = [ELLIPSES.get(" ".join(clause[-size:])) for size in (3, 2)]
        stated |= {value for value in ends if value and value == next(filter(None, ends))}
    return stated or _presence(clauses, normalise(asked), vocabulary)


def _presence(clauses: Sequence[list[str]], asked: str, vocabulary: Vocabulary) -> set[str]:
    if not _ASKS_PRESENCE.search(asked) or _COMPARES.search(asked):
        return set()
    wanted = _names(tokens(asked), vocabulary)
    wanted |= {maker for name in wanted for maker in MAKERS.get(name, ())}
    values: set[str] = set()
    for clause in clauses:
        named = _names(clause, vocabulary)
        mentions = _presences().find(clause)
        if mentions and named and not named & wanted:
            return set()
        values |= {mention.value for mention in mentions}
    return values


def _names(found: Sequence[str], vocabulary: Vocabulary) -> set[str]:
    return {mention.value for mention in vocabulary.phrases.find(found, inflections)}


@functools.cache
def _verdicts() -> PhraseBook:
    return PhraseBook(VERDICTS)


@functools.cache
def _presences() -> PhraseBook:
    return PhraseBook(dict.fromkeys(ABSENCE, "no") | dict.fromkeys(PRESENCE, "yes"))


def _opposed(clause: Sequence[str]) -> set[str]:
    """The other word of "yes or no" and "yes and no"."""
    rest = [token for token in clause[1:3] if token not in ("or", "and")]
    return {INTERJECTIONS[token] for token in rest[:1] if token in ("yes", "no")}


def _clauses(found: Sequence[str]) -> list[list[str]]:
    clauses: list[list[str]] = [[]]
    for token in found:
        if token in SEPARATORS:
            clauses.append([])
        else:
            clauses[-1].append(token)
    return [clause for clause in clauses if clause]
