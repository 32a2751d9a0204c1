"""Directions in free text: words, clock positions and degrees to sectors and elevation classes.

Conventions
-----------
Azimuths are those of `st_audioqa.conventions`: 0 in front, positive to the left, and a number
counts as one only where "azimuth" or a sign stands before it, or a side behind it ("30 degrees
to the left"). Any other number of degrees but 0 and 180 may be meant either way round, and names
nothing by itself. At a clock position 12 is in front and 3 to the right. North is in front: no
other reading of a compass answers a question about a listener.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from st_audioqa.conventions import ELEVATION_CLASSES, SECTORS, elevation_class, sector
from st_audioqa.evaluation.negation import standing
from st_audioqa.evaluation.phrases import HEDGES, JOINERS, OF_LEVEL
from st_audioqa.evaluation.text import Mention

__all__ = ["elevations", "sectors"]

_HOURS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
_HOUR = rf"(?:1[0-2]|0?[1-9]|{'|'.join(_HOURS)})"
_CLOCK = re.compile(
    rf"(?<![\w.:])(?:({_HOUR})\s{{0,3}}(?:-|to\b|or\b|and\b)\s{{0,3}})?({_HOUR})"
    r"(?:[ -]{0,3}o[ -]?clock\b|:([03]0)\b(?!:))"
)
_DEGREES = re.compile(
    r"(?P<elevation>\b(?:elevation|pitch)\b[^\d,;.]{0,20}?)?"
    r"(?P<azimuth>\b(?:azimuth|az)\b[^\d,;.]{0,20}?)?"
    r"(?P<sign>(?:(?<!\w)-|\bminus|\bplus)\s{0,3})?"
    r"(?<![\w.])(?:(?P<low>\d{1,3}(?:\.\d{1,6})?)\s{0,2}(?:-|to\b|or\b)\s{0,2})?"
    r"(?P<number>\d{1,3}(?:\.\d{1,6})?)(?!\.?\d)"
    r"(?P<unit>[ -]{0,3}(?:°|degrees?\b|deg\b))?"
    r"(?P<name>\s{0,3}(?:of\s)?(?:azimuth|elevation)\b)?"
    r"(?:[ -]{0,3}(?:off\s)?(?:to\s(?:the|my|your|its|their|our)\s|to\s|on\sthe\s|on\syour\s)?"
    r"(?P<side>left|right|clockwise|counter-?clockwise|anti-?clockwise)\b)?"
)


def sectors(text: str, mentions: Sequence[Mention], found: Sequence[str]) -> set[str]:
    """The sectors that a text names; several where it leaves a choice.

    Parameters
    ----------
    text : str
        Normalised text.
    mentions : sequence of Mention
        Where `found` names sectors by words.
    found : sequence of str
        Tokens of the text.
    """
    angles, sides = _azimuths(text)
    words = _merge_diagonals(mentions, found)
    if angles:
        spoken = {m.value for m in words}
        exact = {SECTORS[int(sector(angle))] for angle in angles}
        if sides:
            spoken -= {"left", "right", "front", "back"} | exact
        return exact | spoken
    return {value for mention in words for value in _widths(mention, found)}


def _azimuths(text: str) -> tuple[list[float], bool]:
    """Azimuths in degrees, and whether sides were told along with numbers."""
    angles, sided = [], False
    for match in _CLOCK.finditer(text):
        half = 15.0 if match[3] == "30" else 0.0
        angles += [-30.0 * _hour(hour) - half for hour in match.groups()[:2] if hour]
    for match in _degrees(text):
        values = [float(number) for number in match.group("low", "number") if number]
        sign, side = match["sign"] or "", match["side"]
        named = match["azimuth"] or "azimuth" in (match["name"] or "")
        if match["elevation"] or "elevation" in (match["name"] or ""):
            continue
        if not (match["unit"] or match["azimuth"]) or max(values) > 360.0:
            continue
        negative = sign.startswith(("-", "minus"))
        if side:
            right = side in ("right", "clockwise")
            angles += [-value if right else value for value in values]
            if negative and not right:
                angles += [-value for value in values]
            sided = True
        elif negative:
            angles += [-value for value in values]
        elif named or sign or set(values) <= {0.0, 180.0, 360.0}:
            angles += values
    return angles, sided


def _degrees(text: str) -> Iterator[re.Match[str]]:
    if any(hint in text for hint in ("deg", "°", "az", "elevation", "pitch")):
        yield from _DEGREES.finditer(text)


def _hour(word: str) -> float:
    return float(_HOURS.index(word) + 1 if word in _HOURS else int(word))


def _merge_diagonals(mentions: Sequence[Mention], found: Sequence[str]) -> list[Mention]:
    """Join "front" and "left" to "front-left" where only small words stand between them."""
    merged: list[Mention] = []
    for mention in standing(mentions, found):
        if merged:
            before = merged[-1]
            value = _diagonal(before.value, mention.value)
            gap = found[before.end : mention.begin]
            words = [token for token in gap if token != ","]
            if value and JOINERS.issuperset(words) and (words or not gap):
                way = "to" in gap and not {",", "and", "slightly"} & set(gap)
                if not (way and "from" in found[max(before.begin - 3, 0) : before.begin]):
                    merged[-1] = Mention(before.begin, mention.end, value)
                    continue
        merged.append(mention)
    return merged


def _diagonal(a: str, b: str) -> str | None:
    ends, sides = {"front", "back"}, {"left", "right"}
    if a in ends and b in sides:
        return f"{a}-{b}"
    return f"{b}-{a}" if a in sides and b in ends else None


def _widths(mention: Mention, found: Sequence[str]) -> set[str]:
    """A side alone may be meant more narrowly: "slightly to the left", "left of centre"."""
    side = mention.value
    if side in ("left", "right"):
        behind = found[mention.end : mention.end + 3]
        if behind[:1] == ["of"] and {"centre", "center", "middle"} & set(behind):
            return {"front", f"front-{side}"}
        if not HEDGES.isdisjoint(found[max(mention.begin - 3, 0) : mention.begin]):
            return {f"front-{side}", side}
    return {side}


def elevations(text: str, mentions: Sequence[Mention], found: Sequence[str]) -> set[str]:
    """The elevation classes that a text names."""
    values = {mention.value for mention in _absorb_level(mentions, found)}
    for match in _degrees(text):
        numbers = [float(number) for number in match.group("low", "number") if number]
        sign = match["sign"] or ""
        named = match["elevation"] or "elevation" in (match["name"] or "")
        if match["azimuth"] or "azimuth" in (match["name"] or "") or match["side"]:
            continue
        if not (named or (sign and match["unit"])) or max(numbers) > 90.0:
            continue
        if values and not sign:
            continue
        down = -1.0 if sign.startswith(("-", "minus")) else 1.0
        values |= {ELEVATION_CLASSES[int(elevation_class(down * each))] for each in numbers}
    return values


def _absorb_level(mentions: Sequence[Mention], found: Sequence[str]) -> list[Mention]:
    """Let "above" in "above ear level" stand for itself."""
    kept: list[Mention] = []
    for mention in standing(mentions, found):
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
