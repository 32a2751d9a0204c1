"""From what a model said to the answer it means.

Conventions
-----------
A response is read leniently: the value is the one option it names, in whatever words. Naming
two different options is ambiguous, saying that no answer can be given is a refusal, naming none
is unreadable; none of these has a value, and all of them score as wrong. Nothing is ever
guessed. `exact` says whether the response was the answer text itself (case, punctuation and
hyphens aside): the strict reading.

A response with "answer: ..." or "the answer is ..." is read there first; questions that the
response repeats are passed over.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from st_audioqa.evaluation.distances import named_bins
from st_audioqa.evaluation.phrases import (
    ELLIPSES,
    FILLERS,
    HARD_REFUSALS,
    INTERJECTIONS,
    JOINERS,
    NEGATION_GAP,
    NEGATIONS,
    OF_LEVEL,
    SOFT_REFUSALS,
    SYNONYMS,
    TURNS,
)
from st_audioqa.evaluation.text import (
    SEPARATORS,
    Mention,
    PhraseBook,
    fold,
    inflections,
    normalise,
    plurals,
    tokens,
    unwrap,
)
from st_audioqa.evaluation.vocabulary import Vocabulary

__all__ = ["STATUSES", "ClosedQuestion", "Reading", "Status", "read_answer"]

Status = Literal["ok", "ambiguous", "refusal", "unreadable", "empty", "error", "missing"]
STATUSES: tuple[Status, ...] = get_args(Status)
"""ok: one answer was read. ambiguous: several options were named. refusal: the model said that
it cannot answer. unreadable: no option was named. empty: no text, or none but thinking. error:
the run recorded an error. missing: there is no prediction."""

_MARKER = re.compile(r"\banswer\s*(?:is|would be|should be|must be|:|=)\s*:?")
_FINAL = re.compile(r"\bfinal\s+answer\b")
_SENTENCE_END = re.compile(r"\n|[.!?;](?=\s|$)")
_LIST_END = re.compile(r"\n\s*\n|[.!?](?=\s|$)")
_SENTENCE = re.compile(r"(?:[^.?!\n]|(?<=\d)\.(?=\d))*[.?!\n]?")
_LIST_ITEM = re.compile(r"\s*;\s*")


class ClosedQuestion(Protocol):
    """What reading needs to know of a question; `Question` and `Prompt` both have it."""

    @property
    def answer_kind(self) -> str:
        """Kind of the answer, such as "sector"."""

    @property
    def options(self) -> tuple[str, ...]:
        """The closed set of answers; empty for event lists."""


@dataclass(frozen=True)
class Reading:
    """What was read from one response."""

    status: Status
    value: str | tuple[str, ...] | None = None
    """An option as it stands in the question, or the sorted names of an event list; None unless
    `status` is "ok"."""
    exact: bool = False
    """Whether the response is the answer text itself, or the exact list of names."""


def read_answer(
    response: str | None, question: ClosedQuestion, vocabulary: Vocabulary
) -> Reading:
    """Read one response.

    Parameters
    ----------
    response : str or None
        What the model said; None reads as missing.
    question : ClosedQuestion
        Anything with `answer_kind` and `options`.
    vocabulary : Vocabulary
        Names for event lists, and aliases of source names.

    Examples
    --------
    >>> from st_audioqa.conventions import SECTORS
    >>> from st_audioqa.evaluation.model import Prompt
    >>> asked = Prompt("q", "s", "Where is it?", SECTORS, "sector")
    >>> read_answer("It is in front, slightly to the left.", asked, Vocabulary(())).value
    'front-left'
    """
    if response is None:
        return Reading("missing")
    exact = _exact(response, question, vocabulary) if len(response) < 1000 else None
    if exact is not None:
        return Reading("ok", exact, exact=True)
    text = normalise(unwrap(response))
    if not fold(text):
        return Reading("empty")
    read = functools.partial(_read_text, question=question, vocabulary=vocabulary)
    end = _LIST_END if question.answer_kind == "events" else _SENTENCE_END
    marked = _read_marked(text, read, end)
    if marked is not None:
        return marked
    sentences = _SENTENCE.findall(text)
    rest = " ".join(sentence for sentence in sentences if not sentence.endswith("?"))
    return read(rest if fold(rest) else text)


Reader = Callable[[str], Reading]


def _exact(
    response: str, question: ClosedQuestion, vocabulary: Vocabulary
) -> str | tuple[str, ...] | None:
    if question.answer_kind == "events":
        names = [vocabulary.exact.get(fold(part)) for part in _LIST_ITEM.split(response)]
        return None if None in names else tuple(sorted({name for name in names if name}))
    return _folded(question.options).get(fold(response))


@functools.lru_cache(maxsize=65_536)
def _folded(options: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    return {fold(option): option for option in options}


def _read_marked(text: str, read: Reader, end: re.Pattern[str]) -> Reading | None:
    """Read the sentences that begin with "answer is" or "answer:", where they agree."""
    final = [found.start() for found in _FINAL.finditer(text)]
    text = text[final[-1] :] if final else text
    marks = [marker.span() for marker in _MARKER.finditer(text)]
    ends = [*(begin for begin, _ in marks[1:]), len(text)]
    readings = []
    for (_, begin), stop in zip(marks, ends, strict=False):
        said = text[begin:stop].lstrip()
        reading = read(end.split(said, maxsplit=1)[0])
        if reading.status == "ok":
            readings.append(reading)
    if not readings:
        return None
    agree = all(reading == readings[0] for reading in readings)
    return readings[0] if agree else Reading("ambiguous")


def _read_text(text: str, question: ClosedQuestion, vocabulary: Vocabulary) -> Reading:
    found = tokens(text)
    if _refuses(found, _hard_refusals()):
        turn = max((i for i, token in enumerate(found) if token in TURNS), default=None)
        tail = [] if turn is None else found[turn + 1 :]
        if not tail or _refuses(tail, _hard_refusals()):
            return Reading("refusal")
        text, found = " ".join(tail), tail
    reading = _read_values(text, found, question, vocabulary)
    if reading.status == "unreadable" and _refuses(found, _soft_refusals()):
        return Reading("refusal")
    return reading


def _read_values(
    text: str, found: list[str], question: ClosedQuestion, vocabulary: Vocabulary
) -> Reading:
    kind, options = question.answer_kind, question.options
    if kind == "events":
        named = _standing(vocabulary.phrases.find(found, plurals), found)
        names = tuple(sorted({mention.value for mention in named}))
        return Reading("ok", names) if names else Reading("unreadable")
    if kind == "distance":
        values = set(named_bins(text, options))
    elif kind == "yes_no":
        values = _yes_no(found)
    elif kind in ("source", "one_of"):
        values = _sources(found, options, vocabulary)
    else:
        mentions = _closed_book(kind, options).find(found)
        refine = _REFINERS.get(kind, _standing)
        values = {mention.value for mention in refine(mentions, found)}
    values &= set(options)
    if len(values) > 1:
        return Reading("ambiguous")
    return Reading("ok", values.pop()) if values else Reading("unreadable")


@functools.lru_cache(maxsize=1024)
def _closed_book(kind: str, options: tuple[str, ...]) -> PhraseBook:
    phrases = {option: option for option in options}
    for value, others in SYNONYMS.get(kind, {}).items():
        phrases.setdefault(value, value)
        phrases |= {other: value for other in others if other not in phrases}
    return PhraseBook(phrases)


@functools.cache
def _hard_refusals() -> PhraseBook:
    return PhraseBook(dict.fromkeys(HARD_REFUSALS, "refusal"))


@functools.cache
def _soft_refusals() -> PhraseBook:
    return PhraseBook(dict.fromkeys(SOFT_REFUSALS, "refusal"))


def _refuses(found: Sequence[str], phrases: PhraseBook) -> bool:
    return bool(phrases.find(found))


# Negation ------------------------------------------------------------------------------------


def _negated(mention: Mention, found: Sequence[str]) -> bool:
    """Whether a negation stands before the mention, with small words between them at most."""
    for i in range(mention.begin - 1, max(mention.begin - 6, -1), -1):
        if found[i] in NEGATIONS or tuple(found[i - 1 : i + 1]) == ("instead", "of"):
            return True
        if found[i] not in NEGATION_GAP:
            return False
    return False


def _standing(mentions: Sequence[Mention], found: Sequence[str]) -> list[Mention]:
    return [mention for mention in mentions if not _negated(mention, found)]


# Kinds whose mentions depend on one another --------------------------------------------------


def _merge_diagonals(mentions: Sequence[Mention], found: Sequence[str]) -> list[Mention]:
    """Join "front" and "left" to "front-left" where only small words stand between them."""
    merged: list[Mention] = []
    for mention in _standing(mentions, found):
        if merged:
            before = merged[-1]
            value = _diagonal(before.value, mention.value)
            gap = found[before.end : mention.begin]
            words = [token for token in gap if token != ","]
            if value and JOINERS.issuperset(words) and (words or not gap):
                merged[-1] = Mention(before.begin, mention.end, value)
                continue
        merged.append(mention)
    return merged


def _diagonal(a: str, b: str) -> str | None:
    ends, sides = {"front", "back"}, {"left", "right"}
    if a in ends and b in sides:
        return f"{a}-{b}"
    return f"{b}-{a}" if a in sides and b in ends else None


def _absorb_level(mentions: Sequence[Mention], found: Sequence[str]) -> list[Mention]:
    """Let "above" in "above ear level" stand for itself."""
    kept: list[Mention] = []
    for mention in _standing(mentions, found):
        before = kept[-1] if kept else None
        relative = (
            before is not None
            and before.value != "level"
            and mention.value == "level"
            and OF_LEVEL.issuperset(found[before.end : mention.begin])
        )
        if not relative:
            kept.append(mention)
    return kept


def _flip_motion(mentions: Sequence[Mention], found: Sequence[str]) -> list[Mention]:
    """Turn "not moving" to stationary and "not stationary" to moving."""
    other = {"moving": "stationary", "stationary": "moving"}
    return [
        Mention(mention.begin, mention.end, other.get(mention.value, mention.value))
        if _negated(mention, found)
        else mention
        for mention in mentions
    ]


_REFINERS: dict[str, Callable[[Sequence[Mention], Sequence[str]], list[Mention]]] = {
    "sector": _merge_diagonals,
    "elevation": _absorb_level,
    "motion": _flip_motion,
}


# Yes and no ----------------------------------------------------------------------------------


def _yes_no(found: list[str]) -> set[str]:
    """Interjections decide ("No, it is ..."); without one, statements do ("it does not")."""
    clauses = _clauses(found)
    interjections: set[str] = set()
    for i, clause in enumerate(clauses):
        bare = clause
        while bare and bare[0] in FILLERS:
            bare = bare[1:]
        if bare and bare[0] in INTERJECTIONS and (i == 0 or len(bare) == 1):
            interjections.add(INTERJECTIONS[bare[0]])
            interjections |= _opposed(bare)
    if interjections:
        return interjections
    stated = {
        mention.value
        for clause in clauses
        for mention in _closed_book("yes_no", ("yes", "no")).find(clause)
    }
    ellipsis = any(tuple(clause[-2:]) in ELLIPSES for clause in clauses)
    return stated | {"yes"} if ellipsis else stated


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


# Sources -------------------------------------------------------------------------------------


def _sources(found: list[str], options: tuple[str, ...], vocabulary: Vocabulary) -> set[str]:
    """One of two named sources, "both" or "neither".

    Both names joined by "and", with nothing else said, mean both; "both" or "neither" may be
    followed by both names, but not by one of them.
    """
    mentions = _source_book(options, vocabulary).find(found, inflections)
    groups = {mention.value for mention in mentions} & {"both", "neither"}
    named = [mention for mention in mentions if mention.value not in groups]
    if groups:
        alone = {mention.value for mention in named}
        return groups if len(alone) != 1 else groups | alone
    covered = {i for mention in named for i in range(mention.begin, mention.end)}
    rest = {token for i, token in enumerate(found) if i not in covered} - SEPARATORS
    names = {mention.value for mention in named}
    if len(names) == 2 and "and" in rest and rest <= {"and", "the", "a", "an"}:
        return {"both"}
    return {mention.value for mention in _standing(named, found)}


@functools.lru_cache(maxsize=8192)
def _source_book(options: tuple[str, ...], vocabulary: Vocabulary) -> PhraseBook:
    phrases = {option: option for option in options}
    for value, others in SYNONYMS["source"].items():
        phrases |= dict.fromkeys(others, value)
    claims: dict[str, set[str]] = {}
    for option in options:
        for alias in vocabulary.aliases_of(option):
            claims.setdefault(alias, set()).add(option)
    for alias, owners in claims.items():
        if len(owners) == 1 and alias not in phrases:
            phrases[alias] = next(iter(owners))
    return PhraseBook(phrases)
