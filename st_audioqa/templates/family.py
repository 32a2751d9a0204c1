"""Question families as data: what each TOML file in `families/` may say."""

from __future__ import annotations

import functools
import string
import sys
from collections.abc import Collection, Iterable
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from st_audioqa.conventions import ANCHORS, Configuration
from st_audioqa.errors import UserError
from st_audioqa.templates.extended import EXTENDED_RULES
from st_audioqa.templates.rules import CHANGES, CLASSES, MOTION, RELATIONS, RULES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "ALL_RULES",
    "ANCHOR_WORDS",
    "Family",
    "Kind",
    "check_ids",
    "load_families",
    "parse_family",
]

ALL_RULES = {**RULES, **EXTENDED_RULES}

ANCHOR_WORDS = {"beginning": "at the beginning", "middle": "at the middle", "end": "at the end"}
"""How an anchor is spoken in the slot {anchor}."""

_SLOTS = {
    "name",
    "a_name",
    "first",
    "second",
    "names",
    "value",
    "relation",
    "opposite",
    "anchor",
    "is",
    "does",
    "it",
}
"""{is} and {does} agree with {name} or {first}; {it} stands for {second}; {names} is all of them
with "or". In questions of type A {name} is "sound"."""


_ATTRIBUTES = (
    *("detection", "verification", "motion", *CLASSES),
    *(f"{what}_{attribute}" for what in ("location", "change") for attribute in CLASSES),
    *("entrance", "exit", "label", "offset", "onset", "pause", "sources", "speed", "turn"),
)
_ANSWER_KINDS = (
    *("events", "yes_no", "motion", "source", "sector", "elevation", "distance"),
    *(f"{attribute}_change" for attribute in CLASSES),
    *("count", "one_two", "one_of", "pace"),
)
"""What `st_audioqa.evaluation.reading` reads."""
_PLACED = {
    *("location", "change", "grounding_location", "grounding_change", "temporal_relation"),
    *("movement_relation", "trajectory_relation", "extreme", "ordered_location"),
}
"""Rules that look at azimuth, elevation or distance."""
_OF_TWO = {
    *("grounding_location", "grounding_change", "grounding_motion", "temporal_relation"),
    *("trajectory_relation", "starts_first", "stops_first"),
}
_SLOT_RULES: dict[str, set[str]] = {
    **dict.fromkeys(("first", "second", "it"), _OF_TWO),
    "opposite": {"temporal_relation"},
    "relation": {"temporal_relation", "movement_relation"},
    "names": {"extreme"},
}
"""Slots that only some rules fill."""
_SPOKEN = {
    *(value for values in CLASSES.values() for value in values),
    *(value for values in (*CHANGES.values(), *RELATIONS.values()) for value in values),
    *MOTION,
}
"""Values that the rules of the paper name; those beyond it check their own."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(_Data):
    """One kind of question: a rule, an attribute and its wordings for one question type."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_.]*[A-Za-z0-9_]$")
    type: Literal["A", "B", "C", "E"]
    """A, B and C are the paper's; E goes beyond it."""
    attribute: str
    rule: str
    rule_attribute: str = ""
    """Attribute handed to the rule, where it is not the kind's own."""
    answer_kind: str
    cases: tuple[Configuration, ...]
    anchors: tuple[str, ...] = ("",)
    pool_cases: bool = False
    """Balance all cases together, where a case alone would give the answer away."""
    paired: bool = False
    """Ask every yes again, as a no, of another scene (verification); not limited per scene."""
    twins: bool = False
    """Ask about sources that share their name as well; all other kinds ask only about sources
    whose names fit them alone."""
    per_scene: int = Field(2, ge=1)
    """Most questions of this kind about one scene and anchor."""
    phrases: dict[str, str] = {}
    """How a value, relation or opposite is spoken in a wording."""
    opposite_phrases: dict[str, str] = {}
    """How an opposite is spoken, where it differs."""
    wordings: tuple[str, ...] = Field(min_length=1)
    held_out: tuple[str, ...] = ()
    """Wordings that are never used for training (nor in `qa` at all): they test robustness."""

    @model_validator(mode="after")
    def _known(self) -> Kind:
        _one_of("rule", self.rule, ALL_RULES)
        _one_of("attribute", self.attribute, _ATTRIBUTES)
        _one_of("answer_kind", self.answer_kind, _ANSWER_KINDS)
        if self.rule in _PLACED:
            where = "rule_attribute" if self.rule_attribute else "attribute"
            _one_of(where, self.rule_attribute or self.attribute, CLASSES)
        for anchor in self.anchors:
            if anchor:
                _one_of("anchor", anchor, ANCHORS)
        if self.rule in RULES:
            for value in (*self.phrases, *self.opposite_phrases):
                _one_of("key of phrases", value, _SPOKEN)
        every = (*self.wordings, *self.held_out)
        for wording in every:
            for _, slot, _, _ in string.Formatter().parse(wording):
                if slot is not None:
                    self._check_slot(slot, wording)
        if len(set(every)) < len(every):
            raise ValueError("two wordings are the same")
        return self

    def _check_slot(self, slot: str, wording: str) -> None:
        if slot not in _SLOTS:
            raise ValueError(f"unknown slot {{{slot}}} in {wording!r}")
        if self.rule not in _SLOT_RULES.get(slot, {self.rule}):
            raise ValueError(f"the rule {self.rule} does not fill {{{slot}}} in {wording!r}")
        if slot == "anchor" and "" in self.anchors:
            raise ValueError(f"{{anchor}} in {wording!r} needs anchors")


class Family(_Data):
    """One family of questions."""

    family: str
    version: int
    min_wordings: int = Field(8, ge=1)
    """Least wordings of a kind, held out or not."""
    min_held_out: int = Field(2, ge=0)
    """Least wordings of a kind that are held out."""
    kind: tuple[Kind, ...]

    @model_validator(mode="before")
    @classmethod
    def _both_types(cls, data: dict[str, Any]) -> dict[str, Any]:
        """A kind without a type is asked of one source (A) and of two (B), by its cases."""
        kinds: list[Any] = []
        for kind in data.get("kind", []):
            if not isinstance(kind, dict) or "type" in kind:
                kinds.append(kind)
                continue
            cases = [str(case) for case in kind.get("cases", [])]
            single = [case for case in cases if len(case) == 1]
            double = [case for case in cases if len(case) != 1]
            kinds += [
                {**kind, "id": f"{kind.get('id')}.{type_}", "type": type_, "cases": some}
                for type_, some in (("A", single), ("B", double))
                if some
            ]
        return {**data, "kind": kinds}

    @model_validator(mode="after")
    def _unique(self) -> Family:
        ids = [kind.id for kind in self.kind]
        if len(set(ids)) < len(ids):
            raise ValueError("two kinds have the same id")
        for kind in self.kind:
            if len(kind.wordings) + len(kind.held_out) < self.min_wordings:
                raise ValueError(f"{kind.id} has fewer than {self.min_wordings} wordings")
            if len(kind.held_out) < self.min_held_out:
                raise ValueError(f"{kind.id} has fewer than {self.min_held_out} in held_out")
        return self


def _one_of(what: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}, known: {', '.join(sorted(known))}")


def parse_family(text: str, name: str) -> Family:
    """A family from TOML text; `name` is the file's name in messages.

    Raises
    ------
    UserError
        Names the file and the key that is wrong.
    """
    try:
        return Family.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The question family {name} is not valid TOML: {error}.") from error
    except ValidationError as error:
        faults = "; ".join(_fault(each) for each in error.errors())
        raise UserError(f"The question family {name} is not usable: {faults}.") from error


@functools.cache
def load_families(name: Literal["paper", "extended"] = "paper") -> tuple[Family, ...]:
    """All families of a set that come with the package, sorted by file name."""
    folder = resources.files("st_audioqa.templates").joinpath("families")
    folder = folder if name == "paper" else folder.joinpath(name)
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")),
        key=lambda entry: entry.name,
    )
    families = tuple(parse_family(entry.read_text("utf-8"), entry.name) for entry in files)
    check_ids(families)
    return families


def check_ids(families: Iterable[Family]) -> None:
    """Refuse two kinds of one id, in one family or several.

    Raises
    ------
    UserError
        Names the id and both families.
    """
    found: dict[str, str] = {}
    for family in families:
        for kind in family.kind:
            other = found.setdefault(kind.id, family.family)
            if other != family.family:
                raise UserError(
                    f"The question kind {kind.id} is in the families {other} and "
                    f"{family.family}: give one of them another id."
                )


def _fault(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
