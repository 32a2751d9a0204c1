"""Text of a response made comparable: unwrapping, folding, tokens and longest-match search.

Conventions
-----------
A response is unwrapped (thinking, tags, JSON), normalised (Unicode NFKC, lower case, plain
dashes, no apostrophes) and cut into tokens: words, numbers, and the separators
``, ; : . / ! ?`` and line ends (as ``;``). Hyphens and all other signs only part words.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "MAX_READ_CHARS",
    "SEPARATORS",
    "Mention",
    "PhraseBook",
    "bounded",
    "fold",
    "inflections",
    "normalise",
    "plurals",
    "says_something",
    "tokens",
    "unwrap",
]

MAX_READ_CHARS = 20_000
"""Of a longer response without its thinking only the beginning and the end are read."""
MAX_THOUGHT_CHARS = 200_000
"""As much of a response, with its thinking, is looked at."""

SEPARATORS = frozenset(",;:./!?")

_THOUGHTS = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis"
_OPEN = re.compile(
    rf"<(?:{_THOUGHTS}|seed:think)>|\[think\]|\u25c1think\u25b7|<\|begin_of_thought\|>"
    r"|<\|channel\|>(?:analysis|commentary)",
    re.IGNORECASE,
)
_CLOSE = re.compile(
    rf"</(?:{_THOUGHTS}|seed:think)>|\[/think\]|\u25c1/think\u25b7|<\|end_of_thought\|>"
    r"|<\|channel\|>final(?:<\|message\|>)?",
    re.IGNORECASE,
)
_ANSWER_TAG = re.compile(r"<answer>([^<]*)(?:</answer>|$)", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{(?:\\text\{)?([^{}]*)\}")
_MODEL_TOKENS = re.compile(r"<\|[^|<>]{0,40}\|>|</?s>|<(?:eos|bos|pad)>", re.IGNORECASE)
_ANSWER_KEYS = ("answer", "final_answer", "final answer", "prediction", "response", "result")
_FRACTIONS = {"\u00bd": ".5", "\u00bc": ".25", "\u00be": ".75"}
_FRACTION = re.compile(r"(\d?)\s{0,2}([\u00bd\u00bc\u00be])")
_FEET = re.compile(r"(?<![\w.'\u2018-])(\d{1,3}(?:\.\d{1,3})?)['\u2019\u2032](?![\w.])")
_FEET_INCHES = re.compile(
    r"(?<![\w.])(\d{1,3})\s?['\u2019\u2032]\s?(\d{1,2}(?:\.\d{1,2})?)"
    r"(?:[\"\u201d\u2033]|''|\u2019\u2019)"
)
_QUOTED = re.compile(r"(?<![\w])['\u2018](?=\w)")
_LEADING_POINT = re.compile(r"(?<![\w.])\.(?=\d)")
_PLUS = re.compile(r"\+(?=\s?\d)")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W_]+|[,;:./!?]")
_SIGN = re.compile(r"[^\W_]")
_TRANSLATION = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
        **dict.fromkeys("'\u2018\u2019\u02bc`\u00b4", None),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", None),
        **dict.fromkeys('*_"\u201c\u201d#', " "),
        **dict.fromkeys("\r\n\u2028\u2029", "\n"),
        **dict.fromkeys("&+", " and "),
        **dict.fromkeys("\u00ba\u02da", "\u00b0"),
    }
)


def bounded(text: str, limit: int) -> str:
    """The text itself, or its beginning and its end where it is longer than `limit`."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n{text[-half:]}"


def unwrap(response: str) -> str:
    """The part of a response that is meant as the answer.

    Thinking blocks go, also where the opening or the closing tag is missing; the content of
    ``<answer>``, ``\\boxed{}`` or of the key "answer" of a JSON object is taken where there is
    one.
    """
    text = _without_thinking(bounded(response, MAX_THOUGHT_CHARS))
    text = bounded(text, MAX_READ_CHARS)
    if "<" in text:
        text = _MODEL_TOKENS.sub(" ", text)
    for hint, pattern in (("<", _ANSWER_TAG), ("\\", _BOXED)):
        found = pattern.findall(text) if hint in text else ()
        if found:
            text = found[-1]
    return _from_json(text)


def _without_thinking(text: str) -> str:
    if not any(sign in text for sign in "<[\u25c1"):
        return text
    closing = _CLOSE.search(text)
    opening = _OPEN.search(text)
    if closing and not (opening and opening.start() < closing.start()):
        text = text[closing.end() :]
    kept, position = [], 0
    while opening := _OPEN.search(text, position):
        kept.append(text[position : opening.start()])
        closing = _CLOSE.search(text, opening.end())
        if closing is None:
            return " ".join(kept)
        position = closing.end()
    return " ".join([*kept, text[position:]])


def _from_json(text: str) -> str:
    """The answer in a JSON object or list that the text is or holds, or the text itself."""
    for opening, closing in ("{}", "[]"):
        begin, end = text.find(opening), text.rfind(closing)
        if begin < 0 or end < begin:
            continue
        try:
            found = json.loads(text[begin : end + 1], strict=False)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, list) and (
            begin > 0 or not all(isinstance(x, str) for x in found)
        ):
            continue
        if isinstance(found, list):
            return _json_text(found)
        values = {str(key).casefold(): value for key, value in found.items()}
        for key in _ANSWER_KEYS:
            if key in values:
                return _json_text(values[key])
        if len(values) == 1 and begin == 0:
            return _json_text(next(iter(values.values())))
        return text
    return text


def _json_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_json_text(item) for item in value)
    return "" if value is None else str(value)


def normalise(text: str) -> str:
    """Lower case, NFKC, plain dashes, no apostrophes, quotes or emphasis.

    Vulgar fractions become decimals and primes become feet and inches, which would be lost.
    """
    if not text.isascii():
        text = _FRACTION.sub(lambda m: f"{m[1] or 0}{_FRACTIONS[m[2]]}", text)
    if "." in text:
        text = _LEADING_POINT.sub("0.", text)
    if "+" in text:
        text = _PLUS.sub("plus ", text)
    if any(sign in text for sign in "'\u2019\u2032"):
        text = _FEET_INCHES.sub(r"\1 ft \2 in", text)
        if not _QUOTED.search(text):
            text = _FEET.sub(r"\1 ft", text)
    return unicodedata.normalize("NFKC", text).translate(_TRANSLATION).casefold()


def says_something(text: str) -> bool:
    """Whether a text holds any letter or digit."""
    return _SIGN.search(text) is not None


def tokens(normalised: str) -> list[str]:
    """Words, numbers and separators of a normalised text."""
    return _TOKEN.findall(normalised.replace("\n", " ; "))


@functools.lru_cache(maxsize=65_536)
def fold(text: str) -> tuple[str, ...]:
    """Tokens of a text without separators at its ends: equal for texts that say the same."""
    found = tokens(normalise(text))
    while found and found[-1] in SEPARATORS:
        found.pop()
    begin = 0
    while begin < len(found) and found[begin] in SEPARATORS:
        begin += 1
    return tuple(found[begin:])


@dataclass(frozen=True)
class Mention:
    """One place in a token list where a value is named."""

    begin: int
    end: int
    value: str


@functools.lru_cache(maxsize=65_536)
def plurals(token: str) -> tuple[str, ...]:
    """The token, then its plural and its singular as they may stand in a phrase book."""
    found = [token, f"{token}s"]
    if len(token) > 3 and token.endswith("s"):
        found.append(token[:-1])
        if token.endswith("es"):
            found.append(token[:-2])
    return tuple(found)


@functools.lru_cache(maxsize=65_536)
def inflections(token: str) -> tuple[str, ...]:
    """As `plurals`, and the stems of a word in -ing: "barking" for "bark"."""
    found = plurals(token)
    if len(token) > 5 and token.endswith("ing"):
        stem = token[:-3]
        found = (*found, stem, f"{stem}e")
    return found


class PhraseBook:
    """Phrases and the values they stand for, searched by longest match.

    Parameters
    ----------
    phrases : mapping of str to str
        Phrase -> value; phrases are folded here. Where two fold alike, the first one holds.
    """

    def __init__(self, phrases: Mapping[str, str]) -> None:
        self._values: dict[tuple[str, ...], str] = {}
        for phrase, value in phrases.items():
            if folded := fold(phrase):
                self._values.setdefault(folded, value)
        self._reach: dict[str, int] = {}
        for folded in self._values:
            self._reach[folded[0]] = max(self._reach.get(folded[0], 1), len(folded))
        self._single = {
            folded[0]: value for folded, value in self._values.items() if len(folded) == 1
        }

    def get(self, folded: tuple[str, ...]) -> str | None:
        """The value of a phrase that stands in the book exactly."""
        return self._values.get(folded)

    def find(
        self,
        found: Sequence[str],
        variants: Callable[[str], Iterable[str]] | None = None,
    ) -> list[Mention]:
        """All mentions from left to right, the longest one first at every place.

        Parameters
        ----------
        found : sequence of str
            Tokens to search.
        variants : callable, optional
            Forms of a phrase's last token that count as the same.
        """
        mentions, begin, reach = [], 0, self._reach
        while begin < len(found):
            mention = None
            if found[begin] in reach:
                mention = self._longest_at(found, begin, variants)
            elif variants is not None:
                mention = self._single_at(found, begin, variants)
            if mention is None:
                begin += 1
            else:
                mentions.append(mention)
                begin = mention.end
        return mentions

    def _longest_at(
        self,
        found: Sequence[str],
        begin: int,
        variants: Callable[[str], Iterable[str]] | None,
    ) -> Mention | None:
        for end in range(min(begin + self._reach[found[begin]], len(found)), begin, -1):
            head, token = tuple(found[begin : end - 1]), found[end - 1]
            for last in (token,) if variants is None else variants(token):
                value = self._values.get((*head, last))
                if value is not None:
                    return Mention(begin, end, value)
        return None

    def _single_at(
        self, found: Sequence[str], begin: int, variants: Callable[[str], Iterable[str]]
    ) -> Mention | None:
        for form in variants(found[begin]):
            value = self._single.get(form)
            if value is not None:
                return Mention(begin, begin + 1, value)
        return None
