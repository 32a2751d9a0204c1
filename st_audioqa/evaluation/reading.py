"""From what a model said to the answer it means.

Conventions
-----------
A response is read leniently: the value is the one option it names, in whatever words. Where it
names several options, or none, it is ambiguous; where it says that no answer can be given, it is
a refusal. None of these has a value, and all of them score as wrong. Nothing is ever guessed:
`Reading.named` keeps what was found where that is no answer. `exact` says whether the response
was the answer text itself (case, punctuation and hyphens aside): the strict reading.

What counts, in this order: the text behind "final answer", "answer: ..." or "the answer is ...";
a first or last sentence that is an option and nothing else; all that is said. Questions that the
response repeats, and lists of options, are passed over.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from st_audioqa.evaluation.bearings import elevations, sectors
from st_audioqa.evaluation.distances import named_bins
from st_audioqa.evaluation.negation import negated, standing
from st_audioqa.evaluation.phrases import (
    HARD_REFUSALS,
    HEDGES,
    IDIOMS,
    NEGATIONS,
    REPEALS,
    SOFT_REFUSALS,
    SYNONYMS,
    TURNS,
)
from st_audioqa.evaluation.sources import sources
from st_audioqa.evaluation.statements import yes_no
from st_audioqa.evaluation.text import (
    SEPARATORS,
    Mention,
    PhraseBook,
    fold,
    normalise,
    plurals,
    says_something,
    tokens,
    unwrap,
)
from st_audioqa.evaluation.vocabulary import Vocabulary

__all__ = ["STATUSES", "ClosedQuestion", "Reading", "Status", "read_answer"]

Status = Literal["ok", "ambiguous", "refusal", "empty", "error", "missing"]
STATUSES: tuple[Status, ...] = get_args(Status)
"""ok: one answer was read. ambiguous: the text settles on no single option (`Reading.named` has
several or none). refusal: the model said that it cannot answer. empty: no text, or none but
thinking. error: the run recorded an error. missing: there is no prediction."""

_IS = r"(?:is\b|would be\b|should be\b|must be\b|:|=)\s{0,3}:?"
_MARKER = re.compile(
    r"\b(?:answer(?:\sto\s(?:the|this|that|your)\squestion)?|conclusion|prediction|verdict"
    rf"|(?:correct|best|right)\s(?:option|choice|response)|my\s(?:choice|guess))\s{{0,3}}{_IS}"
    r"|\b(?:i|id)\s(?:would\s)?(?:choose|select|pick|go\swith)\b"
)
_MARKER_HINTS = (
    *("answer", "conclusion", "prediction", "verdict", "option", "choice", "response", "guess"),
    *("choose", "select", "pick", "go with"),
)
_FINAL = re.compile(r"\bfinal\s+answer\b")
_SENTENCE_END = re.compile(r"\n|[.!?;](?=\s|$)|\b(?:because|since)\b")
_LIST_END = re.compile(r"\n\s*\n|[.!?](?=\s|$)")
_SENTENCE = re.compile(r"(?:[^.?!\n]|(?<=\d)\.(?=\d))*[.?!\n]?")
_PART = re.compile(
    r"(?<!\d)\.|\.(?!\d)|[?!;\n]|\b(?:because|since|as the|explanation|reason)\b"
)
_TURN = re.compile(rf"\b(?:{'|'.join(sorted(TURNS))})\b")
_REASON = re.compile(r"(?<!^)(?<!\n)(?<![.!?;]\s)\b(?:because|since)\b[^.!?;\n]{0,400}")
_LISTED = re.compile(r"(?:^|\n)[ ]{0,8}(?:options|choices|possible answers)[ ]?:[^\n]*")
_LETTER = re.compile(
    r"\s*(?:(?:option|choice)\s)?[(\[]?\s?([a-j])\s?(?:[)\].:]|$|(?<=(?:option|choice)\s\w)\s)\s*"
)
_LIST_ITEM = re.compile(r"\s*;\s*")
_SHORTEST_ECHO = 8
_LONGEST_OPTION = 200
_LONGEST_LIST = 1000
"""Characters of a response that may be an option, or a list of names, itself."""


class ClosedQuestion(Protocol):
    """What reading needs to know of a question; `Prompt` has it."""

    @property
    def text(self) -> str:
        """What was asked."""

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
    named: tuple[str, ...] = ()
    """The options that an ambiguous response names, sorted."""


def read_answer(
    response: str | None, question: ClosedQuestion, vocabulary: Vocabulary
) -> Reading:
    """Read one response.

    Parameters
    ----------
    response : str or None
        What the model said; None reads as missing.
    question : ClosedQuestion
        Anything with `text`, `answer_kind` and `options`.
    vocabulary : Vocabulary
        Names for event lists, and aliases of source names.

    Examples
    --------
    >>> from st_audioqa.conventions import SECTORS
    >>> from st_audioqa.evaluation.model import Prompt
    >>> asked = Prompt("q", "s", "Where is it?", SECTORS, "sector")
    >>> read_answer("It is in front, slightly to the left.", asked, Vocabulary(())).value
    'front-left'
    >>> read_answer("On the left, or on the right.", asked, Vocabulary(())).named
    ('left', 'right')
    """
    if response is None:
        return Reading("missing")
    exact = _exact(response, question, vocabulary)
    if exact is not None:
        return Reading("ok", exact, exact=True)
    text = normalise(unwrap(response))
    if not says_something(text):
        return Reading("empty")
    text = _without_echo(text, question.text)
    read = functools.partial(_read_text, question=question, vocabulary=vocabulary)
    end = _LIST_END if question.answer_kind == "events" else _SENTENCE_END
    return (
        _read_marked(text, read, end)
        or _read_alone(text, question.options)
        or _read_conclusion(_without_questions(text), read)
    )


Reader = Callable[[str], Reading]


def _exact(
    response: str, question: ClosedQuestion, vocabulary: Vocabulary
) -> str | tuple[str, ...] | None:
    if question.answer_kind == "events":
        if len(response) > _LONGEST_LIST:
            return None
        names = [vocabulary.exact.get(fold(part)) for part in _LIST_ITEM.split(response)]
        return None if None in names else tuple(sorted({name for name in names if name}))
    if len(response) > _LONGEST_OPTION:
        return None
    return _folded(question.options).get(fold(response))


@functools.lru_cache(maxsize=65_536)
def _folded(options: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    return {fold(option): option for option in options}


# Which part of a text counts -----------------------------------------------------------------


def _without_echo(text: str, asked: str) -> str:
    """The text without the question and the list of options, where it repeats them."""
    echo, kept = _normalised(asked), text
    if len(echo) >= _SHORTEST_ECHO:
        kept = kept.replace(echo, " ")
    if "options" in kept or "choices" in kept or "possible answers" in kept:
        kept = _LISTED.sub("\n", kept)
    return kept if kept == text or says_something(kept) else text


@functools.lru_cache(maxsize=65_536)
def _normalised(asked: str) -> str:
    return normalise(asked).strip()


def _without_questions(text: str) -> str:
    if "?" not in text:
        return text
    sentences = _SENTENCE.findall(text)
    rest = " ".join(sentence for sentence in sentences if not sentence.endswith("?"))
    return rest if says_something(rest) else text


def _read_marked(text: str, read: Reader, end: re.Pattern[str]) -> Reading | None:
    """Read the sentences that begin with "answer is" or "answer:", where they agree."""
    if not any(hint in text for hint in _MARKER_HINTS):
        return None
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
    return readings[0] if agree else _several({str(reading.value) for reading in readings})


def _read_conclusion(text: str, read: Reader) -> Reading:
    """Read all but the reasons that are given, where something is said besides them."""
    kept = _REASON.sub(" ", text) if "because" in text or "since" in text else text
    if kept != text and (reading := read(kept)).status == "ok":
        return reading
    return read(text)


def _read_alone(text: str, options: tuple[str, ...]) -> Reading | None:
    """A first or last part that is one option and nothing else, where no other part is one."""
    if not options:
        return None
    parts = [part for part in _PART.split(text) if says_something(part)]
    known = _folded(options)
    folded = [fold(part) if len(part) <= _LONGEST_OPTION else () for part in parts]
    alone = {known[part] for part in folded if part in known}
    if len(alone) != 1:
        return None
    (value,) = alone
    if known.get(folded[-1]) == value:
        return Reading("ok", value)
    if known.get(folded[0]) == value:
        later = {token for part in parts[1:] for token in tokens(part)}
        if later.isdisjoint(REPEALS | HEDGES | {"or"}):
            return Reading("ok", value)
    return None


def _read_text(text: str, question: ClosedQuestion, vocabulary: Vocabulary) -> Reading:
    letter = _LETTER.match(text) if question.options else None
    if letter and ord(letter[1]) - ord("a") < len(question.options):
        option = question.options[ord(letter[1]) - ord("a")]
        rest = text[letter.end() :]
        reading = (
            _read_plain(rest, question, vocabulary)
            if says_something(rest)
            else Reading("ok", option)
        )
        if reading.status == "ambiguous" and not reading.named:
            return Reading("ok", option)
        agrees = reading.status != "ok" or reading.value == option
        return reading if agrees else _several({option, str(reading.value)})
    return _read_plain(text, question, vocabulary)


def _read_plain(text: str, question: ClosedQuestion, vocabulary: Vocabulary) -> Reading:
    found = tokens(text)
    if not _hard_refusals().find(found):
        reading = _read_values(text, found, question, vocabulary)
        nothing = reading.status == "ambiguous" and not reading.named
        return Reading("refusal") if nothing and _soft_refusals().find(found) else reading
    for part in _turned(text):
        found = tokens(part)
        if not _hard_refusals().find(found):
            reading = _read_values(part, found, question, vocabulary)
            if reading.status == "ok" or reading.named:
                return reading
    return Reading("refusal")


def _turned(text: str) -> list[str]:
    """The parts between "but", "I think" and their like, the last one first."""
    parts, begin = [], 0
    for turn in _TURN.finditer(text):
        before = text[max(turn.start() - 20, 0) : turn.start()].split()
        if not (before and before[-1] in NEGATIONS):
            parts.append(text[begin : turn.start()])
            begin = turn.end()
    return [*reversed([*parts, text[begin:]])] if parts else []


@functools.cache
def _hard_refusals() -> PhraseBook:
    return PhraseBook(dict.fromkeys(HARD_REFUSALS, "refusal"))


@functools.cache
def _soft_refusals() -> PhraseBook:
    return PhraseBook(dict.fromkeys(SOFT_REFUSALS, "refusal"))


# What it names -------------------------------------------------------------------------------


def _several(values: set[str]) -> Reading:
    return Reading("ambiguous", named=tuple(sorted(values)))


def _read_values(
    text: str, found: list[str], question: ClosedQuestion, vocabulary: Vocabulary
) -> Reading:
    kind, options = question.answer_kind, question.options
    if kind == "events":
        named = standing(vocabulary.phrases.find(found, plurals), found)
        names = tuple(sorted({mention.value for mention in named}))
        return Reading("ok", names) if names else Reading("ambiguous")
    if kind == "distance":
        values = set(named_bins(text, options))
    elif kind == "yes_no":
        values = yes_no(found, question.text, vocabulary)
    elif kind in ("source", "one_of"):
        values = sources(found, options, vocabulary)
    else:
        mentions = _closed_book(kind, options).find(found)
        mentions = [mention for mention in mentions if mention.value]
        if kind == "sector":
            values = sectors(text, mentions, found)
        elif kind == "elevation":
            values = elevations(text, mentions, found)
        else:
            refine = _flip_motion if kind == "motion" else standing
            values = {mention.value for mention in refine(mentions, found)}
    values &= set(options)
    return Reading("ok", values.pop()) if len(values) == 1 else _several(values)


@functools.lru_cache(maxsize=1024)
def _closed_book(kind: str, options: tuple[str, ...]) -> PhraseBook:
    """Options, their synonyms, and idioms that mean nothing (value "")."""
    phrases = {option: option for option in options}
    for value, others in SYNONYMS.get(kind, {}).items():
        phrases.setdefault(value, value)
        phrases |= {other: value for other in others if other not in phrases}
    return PhraseBook(phrases | dict.fromkeys(IDIOMS.get(kind, ()), ""))


_STILL_GOES_ON = SEPARATORS | {"and", "throughout", "during", "for", "in", "at", "over"}


def _flip_motion(mentions: Sequence[Mention], found: Sequence[str]) -> list[Mention]:
    """Turn "not moving" to stationary and "not stationary" to moving.

    "still" alone counts where nothing follows that it may belong to ("it is still heard").
    """
    other = {"moving": "stationary", "stationary": "moving"}
    kept = []
    for mention in mentions:
        alone = found[mention.begin : mention.end] == ["still"]
        if alone and mention.end < len(found) and found[mention.end] not in _STILL_GOES_ON:
            continue
        value = mention.value
        if negated(mention, found):
            value = other.get(value, value)
        kept.append(Mention(mention.begin, mention.end, value))
    return kept
