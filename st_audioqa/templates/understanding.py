"""Reads a question back into what it asks: the wordings, the other way round.

For systems that work on tracks instead of text. Only the text is read, as any model would; the
families say what a text may look like.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from st_audioqa.conventions import ANCHORS
from st_audioqa.templates.family import ANCHOR_WORDS, Family, Kind, load_families
from st_audioqa.templates.rules import CHANGES, CLASSES, MOTION, RELATIONS

__all__ = ["Query", "understand"]


@dataclass(frozen=True)
class Query:
    """What a question asks."""

    family: str
    rule: str
    """Name of the answer rule (`st_audioqa.templates.rules.RULES`)."""
    attribute: str
    """What the rule looks at, such as "azimuth"."""
    anchor: str
    first: str = ""
    """The source named first, as spoken; empty where none is, or it is "the sound"."""
    second: str = ""
    value: str = ""
    """The value or relation that the wording names, such as "front-left" or "clockwise"."""


def understand(question: str, families: Iterable[Family] | None = None) -> Query | None:
    """What a question asks; None where no wording of any family fits it.

    Examples
    --------
    >>> understand("Which sound moves clockwise, engine or bark?")
    Query(family='source_grounding', rule='grounding_change', attribute='azimuth', anchor='', \
first='engine', second='bark', value='clockwise')
    """
    text = " ".join(question.split())
    for form in _own_forms() if families is None else _forms(families):
        query = form.read(text)
        if query is not None:
            return query
    return None


@dataclass(frozen=True)
class _Form:
    """One wording of one kind, as a pattern."""

    family: str
    kind: Kind
    pattern: re.Pattern[str]

    def read(self, text: str) -> Query | None:
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        slots = {key: value for key, value in found.groupdict().items() if value is not None}
        kind = self.kind
        spoken = {kind.phrases.get(value, value).lower(): value for value in _values(kind)}
        named = slots.get("value") or slots.get("relation") or ""
        first = slots.get("name") or slots.get("a_name") or slots.get("first") or ""
        if "a_name" in slots:
            first = re.sub(r"^an? ", "", first, flags=re.IGNORECASE)
        anchors = {words: anchor for anchor, words in ANCHOR_WORDS.items()}
        return Query(
            self.family,
            kind.rule,
            kind.rule_attribute or kind.attribute,
            anchors.get(slots.get("anchor", "").lower(), ""),
            "" if kind.type == "A" and first == "sound" else first,
            slots.get("second", ""),
            spoken[named.lower()] if named else "",
        )


@functools.cache
def _own_forms() -> tuple[_Form, ...]:
    return _forms(load_families())


def _forms(families: Iterable[Family]) -> tuple[_Form, ...]:
    """All wordings; those that say more in words of their own come first."""
    forms = {
        pattern: _Form(family.family, kind, re.compile(pattern, re.IGNORECASE))
        for family in families
        for kind in family.kind
        for wording in (*kind.wordings, *kind.held_out)
        for pattern in [_pattern(wording, kind)]
    }
    return tuple(sorted(forms.values(), key=lambda form: -len(form.pattern.pattern)))


def _pattern(wording: str, kind: Kind) -> str:
    return "".join(_pieces(wording, kind))


def _pieces(wording: str, kind: Kind) -> Iterator[str]:
    seen: set[str] = set()
    for literal, slot, _, _ in string.Formatter().parse(wording):
        yield re.escape(literal)
        if slot is None:
            continue
        if slot in seen:
            yield f"(?P={slot})"
            continue
        seen.add(slot)
        yield f"(?P<{slot}>{_slot(slot, kind)})"


def _slot(slot: str, kind: Kind) -> str:
    """Pattern of what may stand in a slot. Spoken names hold no punctuation but hyphens."""
    spoken = [kind.phrases.get(value, value) for value in _values(kind)]
    words = {
        "value": spoken,
        "relation": spoken,
        "opposite": [*spoken, *kind.opposite_phrases.values()],
        "anchor": [ANCHOR_WORDS[anchor] for anchor in ANCHORS],
        "is": ["is", "are"],
        "does": ["does", "do"],
        "it": ["it", "them"],
    }.get(slot)
    if words is None:
        return r"[^,;:?.]+?"
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _values(kind: Kind) -> tuple[str, ...]:
    """What the slot {value} or {relation} of a kind may stand for."""
    attribute = kind.rule_attribute or kind.attribute
    by_rule: dict[str, Mapping[str, tuple[str, ...]]] = {
        "grounding_location": CLASSES,
        "grounding_change": CHANGES,
        "temporal_relation": RELATIONS,
        "movement_relation": RELATIONS,
    }
    if kind.rule == "grounding_motion":
        return MOTION
    return by_rule.get(kind.rule, {}).get(attribute, ())
