"""Distances in free text: numbers, ranges and units to distance bins.

Conventions
-----------
A bin holds its lower edge and not its upper one; the upper edge of the last bin belongs to it,
since there is no further one. A range that fits no single bin names every bin it touches.
"""

from __future__ import annotations

import functools
import re

__all__ = ["named_bins"]

_METRES = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 0.01),
    **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
}
_UNIT = "|".join(sorted(_METRES, key=len, reverse=True))
_OTHER_UNIT = r"s|sec|secs|seconds?|ms|minutes?|min|hz|khz|db|degrees?|deg|°|%|percent|th|st|nd"
_ANY_UNIT = rf"(?:{_UNIT}|{_OTHER_UNIT})(?![a-z])"
_NUMBER = r"\d+(?:\.\d+)?"
_MEASURE = re.compile(
    rf"(?P<not>\bnot\s+(?:at\s+|in\s+)?)?"
    rf"(?:(?P<between>\b(?:between|from)\s+)|(?P<bound>\b(?:less than|under|below|within"
    rf"|more than|over|beyond|at least|at most)\s+|[<>]\s*))?"
    rf"(?<![\w.])(?P<low>{_NUMBER})(?:\s*-?\s*(?P<low_unit>{_ANY_UNIT}))?"
    rf"(?:\s*(?P<join>-+|to\b|and\b)\s*(?P<high>{_NUMBER})"
    rf"(?:\s*-?\s*(?P<high_unit>{_ANY_UNIT}))?)?"
)
_BIN = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})\s*m")
_UPPER_BOUNDS = ("less than", "under", "below", "within", "at most", "<")

_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WORDS = {name: number for number, name in enumerate(_NAMES)}
_WORD = "|".join(_WORDS)
_WORD_HALF = re.compile(rf"\b({_WORD}) and a half\b")
_WORD_POINT = re.compile(rf"\b({_WORD}) point ({_WORD})\b")
_HALF = re.compile(rf"\b(?:half an?|a half)\s+(?={_UNIT})")
_ONE = re.compile(rf"\ban?\s+(?=(?:{_UNIT})\b)")
_PLAIN_WORD = re.compile(rf"\b({_WORD})\b")
_AND_A_HALF = re.compile(rf"({_NUMBER})\s*(?:{_UNIT})?\s*and a half")


def named_bins(normalised: str, options: tuple[str, ...]) -> list[str]:
    """The options that a normalised text names, each one once.

    Parameters
    ----------
    normalised : str
        Text as `st_audioqa.evaluation.text.normalise` gives it.
    options : tuple of str
        Distance bins such as "2.0-2.5 m".
    """
    bins = _edges(options)
    named: list[str] = []
    bare: list[str] = []
    for match in _MEASURE.finditer(_with_digits(normalised)):
        unit = match["high_unit"] or match["low_unit"]
        if match["not"] or (unit and unit not in _METRES):
            continue
        (named if unit else bare).extend(_bins_of(match, bins))
    return list(dict.fromkeys(named or bare))


@functools.cache
def _edges(options: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    matches = {option: _BIN.fullmatch(option) for option in options}
    return {option: (float(m[1]), float(m[2])) for option, m in matches.items() if m}


def _bins_of(match: re.Match[str], bins: dict[str, tuple[float, float]]) -> list[str]:
    low = _in_metres(match["low"], match["low_unit"] or match["high_unit"])
    if match["high"] is not None:
        high = _in_metres(match["high"], match["high_unit"] or match["low_unit"])
        if match["join"] != "and" or match["between"]:
            return _spanned(min(low, high), max(low, high), bins)
        return [*_spanned(low, low, bins), *_spanned(high, high, bins)]
    if match["bound"]:
        if match["bound"].strip() in _UPPER_BOUNDS:
            return _spanned(0.0, low, bins)
        return _spanned(low, max(high for _, high in bins.values()), bins) if bins else []
    return _spanned(low, low, bins)


def _in_metres(number: str, unit: str | None) -> float:
    return round(float(number) * _METRES.get(unit or "m", 1.0), 6)


def _spanned(low: float, high: float, bins: dict[str, tuple[float, float]]) -> list[str]:
    if low < high:
        return [name for name, (begin, end) in bins.items() if begin < high and low < end]
    last = max((end for _, end in bins.values()), default=0.0)
    return [
        name for name, (begin, end) in bins.items() if begin <= low < end or low == end == last
    ]


def _with_digits(text: str) -> str:
    text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    text = _AND_A_HALF.sub(lambda m: f"{float(m[1]) + 0.5} m", text)
    if any(sign.isdigit() for sign in text):
        return text
    text = _WORD_HALF.sub(lambda m: f"{_WORDS[m[1]]}.5", text)
    text = _WORD_POINT.sub(lambda m: f"{_WORDS[m[1]]}.{_WORDS[m[2]]}", text)
    text = _ONE.sub("1 ", _HALF.sub("0.5 ", text))
    with_words = _PLAIN_WORD.sub(lambda m: str(_WORDS[m[1]]), text)
    has_unit = re.search(rf"\d\s*(?:{_UNIT})\b", with_words)
    return with_words if has_unit or re.fullmatch(r"\W*[\d.]+\W*", with_words) else text
