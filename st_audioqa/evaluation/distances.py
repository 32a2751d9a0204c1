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
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 0.001),
    **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
    **dict.fromkeys(("inch", "inches"), 0.0254),
    **dict.fromkeys(("yd", "yds", "yard", "yards"), 0.9144),
}
_IMPERIAL = frozenset(["ft", "foot", "feet", "inch", "inches", "yd", "yds", "yard", "yards"])
_ROUNDING = 0.1
_UNIT = "|".join(sorted(_METRES, key=len, reverse=True))
_OTHER_UNIT = r"s|sec|secs|seconds?|ms|minutes?|min|hz|khz|db|degrees?|deg|°|%|percent|th|st|nd"
_ANY_UNIT = rf"(?:{_UNIT}|{_OTHER_UNIT})(?![a-z]|\s?/\s?[a-z]|\sper\b)"
_NUMBER = r"\d+(?:\.\d+)?"
_MEASURE = re.compile(
    rf"(?P<not>\b(?:not|isnt)\s+(?:at\s+|in\s+|about\s+)?)?(?P<label>\b(?:option|choice|source"
    rf"|sound|number|bin|no)\s+)?"
    rf"(?:(?P<between>\b(?:between|from)\s+)|(?P<bound>\b(?:less than|under|below|within"
    rf"|more than|over|beyond|at least|at most)\s+|[<>]\s*))?"
    rf"(?<![\w.])(?P<low>{_NUMBER})(?:\s*-?\s*(?P<low_unit>{_ANY_UNIT}))?"
    rf"(?:\s*(?P<join>-+|to\b|and\b|or\b)\s*(?P<high>{_NUMBER})"
    rf"(?:\s*-?\s*(?P<high_unit>{_ANY_UNIT}))?)?"
)
_BIN = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})\s*m")
_BARE_TAIL = re.compile(
    r"\W*(?:away|from|or|to|and|at|in|is|apart|but|approximately|off|roughly|because|since)?\b"
)
_UPPER_BOUNDS = ("less than", "under", "below", "within", "at most", "<")

_NAMES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *(
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
    ),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {name: number for number, name in enumerate(_NAMES)}
_WORDS |= {name: 10 * (number + 2) for number, name in enumerate(_TENS)}
_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_WORD_TENS = re.compile(rf"\b({'|'.join(_TENS)})[ -]({'|'.join(_NAMES[1:10])})\b")
_HUNDRED = re.compile(
    rf"\b(?:an?|one|two|three|four)\s+hundred(?:\s+(?:and\s+)?({_WORD}|\d+))?\b"
)
_HUNDREDS = {"a": 100, "an": 100, "one": 100, "two": 200, "three": 300, "four": 400}
_WORD_HALF = re.compile(rf"\b({_WORD})[ -]and[ -](a[ -]half|a[ -]quarter|three[ -]quarters)\b")
_WORD_POINT = re.compile(rf"\b({_WORD}) point ({_WORD})\b")
_HALF = re.compile(rf"\b(?:half[ -](?:an?[ -])?|a half[ -](?:of an?[ -])?)\s*(?=(?:{_UNIT})\b)")
_QUARTER = re.compile(
    rf"\b(three[ -]|a |one )?quarters?(?:[ -]of)?[ -](?:an?[ -])?(?=(?:{_UNIT})\b)"
)
_COMPOUND = re.compile(
    rf"(?<![\w.])({_NUMBER})\s*-?\s*(m|met(?:er|re)s?|ft|foot|feet)\s*,?\s*(?:and\s+)?"
    rf"({_NUMBER})\s*-?\s*(cm|centimet(?:er|re)s?|in|inch|inches)(?![a-z])"
)
_METRE_CENTIMETRES = re.compile(r"(?<![\w.])(\d)m(\d\d)\b")
_INTERVAL = re.compile(rf"[\[(]\s*({_NUMBER})\s*,\s+({_NUMBER})\s*[\])]")
_OR_TWO = re.compile(rf"\b(?:an?|one|1)\s+({_UNIT})\s+or\s+(?:two|2|so)\b")
_ONE = re.compile(rf"\ban?\s+(?=(?:{_UNIT})\b)")
_PLAIN_WORD = re.compile(rf"\b({_WORD})\b")
_AND_A_HALF = re.compile(
    rf"(?<![\w.])({_NUMBER})\s*(?:{_UNIT})?[ -]and[ -]a[ -](half|quarter)\b"
)
_NUMBER_UNIT = re.compile(rf"\d\s*-?\s*(?:{_UNIT})\b")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d+)(?![\d.,])")
_FRACTION = re.compile(r"(?<![\d./])(?:(\d)\s+)?([13])/([24])(?![\d/])")


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
    metric: list[str] = []
    imperial: list[tuple[float, float, list[str]]] = []
    bare: list[str] = []
    spans: list[tuple[float, float]] = []
    text = _with_digits(normalised)
    for match in _MEASURE.finditer(text):
        unit = match["high_unit"] or match["low_unit"]
        if match["not"] or (unit and unit not in _METRES):
            continue
        named = _bins_of(match, bins)
        if not unit:
            if not match["label"] and _stands_alone(text, match.end()):
                bare.extend(named)
        elif unit in _IMPERIAL:
            imperial.append((*_ends_of(match), named))
        else:
            metric.extend(named)
            spans.append(_ends_of(match))
    for low, high, named in imperial:
        if not any(_near(low, a) and _near(high, b) for a, b in spans):
            metric.extend(named)
    return list(dict.fromkeys(metric or bare))


def _near(a: float, b: float) -> bool:
    """Whether one length is the other in other units, rounded."""
    return abs(a - b) <= _ROUNDING * max(a, b)


def _stands_alone(text: str, end: int) -> bool:
    """Whether no noun follows a number without a unit: "2.3", but not "2 sounds"."""
    tail = text[end : end + 60]
    match = _BARE_TAIL.match(tail)
    rest = tail.lstrip(" )]}")
    return not rest or not rest[0].isalnum() or bool(match and match[0].strip())


def _ends_of(match: re.Match[str]) -> tuple[float, float]:
    low = _in_metres(match["low"], match["low_unit"] or match["high_unit"])
    if match["high"] is None:
        return low, low
    return low, _in_metres(match["high"], match["high_unit"] or match["low_unit"])


@functools.cache
def _edges(options: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    matches = {option: _BIN.fullmatch(option) for option in options}
    return {option: (float(m[1]), float(m[2])) for option, m in matches.items() if m}


def _bins_of(match: re.Match[str], bins: dict[str, tuple[float, float]]) -> list[str]:
    low, high = _ends_of(match)
    if match["high"] is not None:
        if match["join"] not in ("and", "or") or match["between"]:
            return _spanned(min(low, high), max(low, high), bins)
        return [*_spanned(low, low, bins), *_spanned(high, high, bins)]
    if match["bound"]:
        if match["bound"].strip() in _UPPER_BOUNDS:
            return _spanned(0.0, low, bins)
        top = max((end for _, end in bins.values()), default=0.0)
        return _spanned(low, top, bins) if low < top else []
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
    """Fractions, compounds and number words as plain decimals."""
    text = _DECIMAL_COMMA.sub(r"\1.\2", " ".join(text.split()))
    text = _FRACTION.sub(lambda m: str(int(m[1] or 0) + int(m[2]) / int(m[3])), text)
    text = _INTERVAL.sub(r"\1-\2", text)
    text = _METRE_CENTIMETRES.sub(r"\1.\2 m", text)
    text = _OR_TWO.sub(r"1 \1 or 2 \1", text)
    text = _WORD_TENS.sub(lambda m: str(_WORDS[m[1]] + _WORDS[m[2]]), text)
    text = _HUNDRED.sub(_hundreds, text)
    text = _AND_A_HALF.sub(lambda m: f"{float(m[1]) + _part(m[2])} m", text)
    text = _WORD_HALF.sub(lambda m: str(_WORDS[m[1]] + _part(m[2])), text)
    text = _WORD_POINT.sub(lambda m: f"{_WORDS[m[1]]}.{_WORDS[m[2]]}", text)
    text = _QUARTER.sub(lambda m: "0.75 " if "three" in (m[1] or "") else "0.25 ", text)
    text = _ONE.sub("1 ", _HALF.sub("0.5 ", text))
    with_words = _PLAIN_WORD.sub(lambda m: str(_WORDS[m[1]]), text)
    has_unit = _NUMBER_UNIT.search(with_words)
    if not (has_unit or _is_number(with_words)):
        with_words = text
    return _COMPOUND.sub(_compound, with_words)


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBER, text.strip(" .,;:!()[]{}~")) is not None


def _part(words: str) -> float:
    return 0.5 if "half" in words else 0.75 if "three" in words else 0.25


def _hundreds(match: re.Match[str]) -> str:
    rest = match[1] or "0"
    return str(_HUNDREDS[match[0].split()[0]] + int(_WORDS.get(rest, 0) or rest))


def _compound(match: re.Match[str]) -> str:
    small = {"c": 0.01, "i": 0.0254}[match[4][0]]
    total = float(match[1]) * _METRES[match[2]] + float(match[3]) * small
    return f"{total:.3f} m"
