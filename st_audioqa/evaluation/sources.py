"""One of two named sources, "both" or "neither", in free text.

Conventions
-----------
A source is named by its spoken name, by an alias of its label, by what makes the sound ("the dog"
for "bark"), or by a part of its name, where that fits only one of the two. A part does not count
inside the name of another sound ("electric guitar" does not name "acoustic guitar").
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from st_audioqa.evaluation.negation import standing
from st_audioqa.evaluation.phrases import IDIOMS, MAKERS, PART_STOPWORDS, SYNONYMS
from st_audioqa.evaluation.text import SEPARATORS, Mention, PhraseBook, fold, inflections
from st_audioqa.evaluation.vocabulary import Vocabulary

__all__ = ["sources"]

_GROUPS = frozenset(("both", "neither"))
_DENIALS = frozenset(("not", "never", "isnt", "doesnt", "didnt", "wasnt", "cannot", "cant"))
_SMALL = frozenset(["and", "the", "a", "an", "sound", "sounds", "source", "sources", "of"])


def sources(found: list[str], options: tuple[str, ...], vocabulary: Vocabulary) -> set[str]:
    """The options that are named.

    Both names joined by "and", with nothing else said, mean both; "both" or "neither" may be
    followed by both names, but not by one of them.
    """
    names, parts = _books(options, vocabulary)
    mentions = [mention for mention in names.find(found, inflections) if mention.value]
    mentions = sorted(
        [*mentions, *_free_parts(found, mentions, parts, vocabulary)], key=lambda m: m.begin
    )
    named = [mention for mention in mentions if mention.value not in _GROUPS]
    groups = {m.value for m in mentions if m.value == "neither"}
    groups |= {m.value for m in standing(mentions, found) if m.value == "both"}
    if groups:
        alone = {mention.value for mention in named}
        return groups if len(alone) != 1 else groups | alone
    covered = {i for mention in named for i in range(mention.begin, mention.end)}
    rest = {token for i, token in enumerate(found) if i not in covered} - SEPARATORS
    if len({mention.value for mention in named}) == 2 and "and" in rest and rest <= _SMALL:
        return {"both"}
    begins = {mention.begin for mention in named}
    return {m.value for m in standing(named, found) if not _denied(m, begins, found)}


def _denied(mention: Mention, begins: set[int], found: list[str]) -> bool:
    """Whether it is said of the source that it does not ("the bark does not move")."""
    for i in range(mention.end, min(mention.end + 3, len(found))):
        if found[i] in SEPARATORS:
            return False
        if found[i] in _DENIALS:
            return begins.isdisjoint(range(i + 1, i + 4))
    return False


def _free_parts(
    found: list[str], mentions: list[Mention], parts: PhraseBook, vocabulary: Vocabulary
) -> Iterable[Mention]:
    """Parts of names that stand neither in a whole name nor in the longer one of another."""
    taken = {i for mention in mentions for i in range(mention.begin, mention.end)}
    partial = [m for m in parts.find(found, inflections) if m.begin not in taken]
    if partial:
        for other in vocabulary.phrases.find(found, inflections):
            if other.end - other.begin > 1:
                taken |= set(range(other.begin, other.end))
    return [mention for mention in partial if mention.begin not in taken]


@functools.lru_cache(maxsize=8192)
def _books(options: tuple[str, ...], vocabulary: Vocabulary) -> tuple[PhraseBook, PhraseBook]:
    """Names and aliases, and the parts of them that fit one option only."""
    names = {option: option for option in options}
    for value, others in SYNONYMS["source"].items():
        names |= dict.fromkeys(others, value)
    names |= dict.fromkeys(IDIOMS["source"], "")
    taken = {fold(name) for name in names}
    aliases: dict[tuple[str, ...], set[str]] = {}
    words: dict[tuple[str, ...], set[str]] = {}
    for option in options:
        if option in _GROUPS:
            continue
        known = (option, *vocabulary.aliases_of(option))
        for phrase in (*known, *MAKERS.get(option, ())):
            aliases.setdefault(fold(phrase), set()).add(option)
        for phrase in known:
            for word in fold(phrase):
                if len(word) > 2 and word not in PART_STOPWORDS:
                    words.setdefault((word,), set()).add(option)
    names |= _unique(aliases, taken)
    parts = _unique(words, {fold(name) for name in names})
    return PhraseBook(names), PhraseBook(parts)


def _unique(
    claims: dict[tuple[str, ...], set[str]], taken: set[tuple[str, ...]]
) -> dict[str, str]:
    return {
        " ".join(phrase): next(iter(owners))
        for phrase, owners in claims.items()
        if len(owners) == 1 and phrase not in taken
    }
