"""The validity report: all checks together, as JSON values, plain text and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from st_audioqa.errors import UserError
from st_audioqa.validity.attackers import ATTACKERS, SIDE_ATTACKERS
from st_audioqa.validity.blind import MARGIN, attack
from st_audioqa.validity.duplicates import duplicates
from st_audioqa.validity.information import SIDE_FACTORS, information
from st_audioqa.validity.margins import margins
from st_audioqa.validity.places import places
from st_audioqa.validity.posed import Posed

__all__ = ["LEAST_QUESTIONS", "measure", "report_markdown", "report_text"]

LEAST_QUESTIONS = 20_000
"""Questions from which on the report is taken to say something; fewer are noted."""
_TELLING_P, _TELLING_BITS = 0.01, 0.005
Table = tuple[str, list[str], list[list[str]]]


def measure(splits: Mapping[str, Sequence[Posed]], test: str = "test") -> dict[str, Any]:
    """All checks of a corpus; attackers learn from "train" and answer the split `test`.

    Raises
    ------
    UserError
        A split is missing or empty.
    """
    for name in ("train", test):
        if not splits.get(name):
            raise UserError(
                f"A validity report wants questions in the splits train and {test}, and this "
                f"corpus has none in {name}: generate one whose recipe has both."
            )
    train, asked = splits["train"], splits[test]
    # What a detection or verification asks for is what the side attackers are given.
    heard = [
        [p for p in some if p.question.family != "event_semantics"] for some in (train, asked)
    ]
    every = [each for some in splits.values() for each in some]
    scenes = {each.scene.scene_id: each.scene for each in every}
    return {
        "split": test,
        "questions": {name: len(some) for name, some in splits.items()},
        "families": dict(sorted(Counter(each.question.family for each in every).items())),
        "blind": attack(ATTACKERS, train, asked),
        "side": attack(SIDE_ATTACKERS, *heard),
        "information": information(every),
        "duplicates": duplicates(splits),
        "margins": margins(every),
        "places": places(scenes.values()),
    }


def report_text(report: Mapping[str, Any]) -> str:
    """The report as plain text."""
    return _written(report, _tables(report), _plain)


def report_markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown, headed "Validity" on the second level."""
    return "## Validity\n\n" + _written(report, _tables(report), _markdown)


def _written(report: Mapping[str, Any], tables: Sequence[Table], write: Any) -> str:
    return "\n\n".join([_summary(report), *(write(*table) for table in tables)]) + "\n"


def _summary(report: Mapping[str, Any]) -> str:
    parts = report["blind"]["parts"]
    states = Counter(row["state"] for row in parts)
    counts = ", ".join(f"{n} in {name}" for name, n in report["questions"].items())
    lines = [
        f"Questions: {counts}. Attackers that never listen learnt from train and answered "
        f"{report['split']}. Of {len(parts)} kinds of question {states['won']} are won (the lower "
        f"end of the 95 % interval, by scenes, more than {MARGIN:g} points above chance), "
        f"{states['open']} open (the value alone is), {states['fair']} fair.",
    ]
    if sum(report["questions"].values()) < LEAST_QUESTIONS:
        lines.append(
            f"With fewer than {LEAST_QUESTIONS} questions in all, intervals are wide, and "
            "answers of small groups even only within one question."
        )
    for name, why in {**report["blind"]["not_run"], **report["side"]["not_run"]}.items():
        lines.append(f"Not run: {name}. {why}")
    return "\n\n".join(lines)


def _tables(report: Mapping[str, Any]) -> list[Table]:
    return [
        _attacks("Answered from the question alone, by kind", report["blind"]["parts"]),
        _attacks(
            "Answered from the question alone, by column of the tables",
            report["blind"]["columns"],
        ),
        _attacks(
            "Answered with something known beside: how many sources move and stay (configuration), "
            "which of those asked about do (movement), what one microphone hears (sounds), the "
            "room",
            report["side"]["parts"],
        ),
        _information(report["information"]),
        *_duplicates(report["duplicates"]),
        _margins(report["margins"]),
        *_places(report["places"]),
    ]


def _attacks(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    names = list(rows[0]["attackers"]) if rows else []
    by_kind = bool(rows) and "family" in rows[0]
    heads = ["type", "family", "attribute"] if by_kind else ["column"]
    body = [
        [
            *(str(row[head]) for head in heads),
            str(row["n"]),
            f"{row['chance']:.1f}",
            *(_cell(row["attackers"][name]) for name in names),
            row["state"],
        ]
        for row in rows
    ]
    return title, [*heads, "n", "chance", *names, "state"], body


def _cell(cell: Mapping[str, float]) -> str:
    return f"{cell['value']:.1f} [{cell['low']:.1f}, {cell['high']:.1f}]"


def _information(rows: Sequence[Mapping[str, Any]]) -> Table:
    telling = [row for row in rows if row["p"] <= _TELLING_P and row["excess"] >= _TELLING_BITS]
    telling.sort(key=lambda row: (row["factor"] in SIDE_FACTORS, -row["excess"]))
    title = (
        f"Single things that tell of the answer (p <= {_TELLING_P} and at least "
        f"{_TELLING_BITS} bits more than by chance; {len(telling)} of {len(rows)} pairs of kind "
        f"and factor; {' and '.join(SIDE_FACTORS)} are no part of the question)"
    )
    body = [
        [
            row["type"],
            row["family"],
            row["attribute"],
            row["factor"],
            str(row["n"]),
            f"{row['bits']:.3f}",
            f"{row['null']:.3f}",
            f"{row['p']:.3f}",
        ]
        for row in telling
    ]
    return title, ["type", "family", "attribute", "factor", "n", "bits", "by chance", "p"], body


def _duplicates(found: Mapping[str, Any]) -> list[Table]:
    within = [
        [name, *(str(row[key]) for key in ("n", "exact", "reordered", "same_matter"))]
        for name, row in found["within"].items()
    ]
    across = [
        [name, *(str(row[key]) for key in ("n", "texts", "scenes"))]
        for name, row in found["across"].items()
    ]
    return [
        (
            "Duplicates within a split: one scene and the same words; these in another order; "
            "the same sources, kind, anchor and answer",
            ["split", "questions", "exact", "reordered", "same matter"],
            within,
        ),
        (
            "Across splits: questions whose words come up in the other, about other scenes; scenes "
            "with the same sounds at the same places",
            ["splits", "questions", "same words", "same scenes"],
            across,
        ),
    ]


def _margins(rows: Sequence[Mapping[str, Any]]) -> Table:
    heads = list(rows[0]["percentiles"]) if rows else []
    body = [
        [
            row["type"],
            row["family"],
            row["attribute"],
            row["unit"],
            str(row["n"]),
            *(f"{row['percentiles'][head]:.2f}" for head in heads),
        ]
        for row in rows
    ]
    title = "Margins: how far the truth is from where the answer would change (percentiles)"
    return title, ["type", "family", "attribute", "unit", "n", *heads], body


def _places(found: Mapping[str, Any]) -> list[Table]:
    tables = []
    for attribute in ("azimuth", "elevation", "distance"):
        classes = list(next(iter(found.values()))[attribute]) if found else []
        body = [
            [name, *(f"{rows[attribute][each]:.1f}" for each in classes)]
            for name, rows in found.items()
        ]
        tables.append(
            (f"Where sources are: percent of bins, {attribute}", ["", *classes], body)
        )
    speeds = found.get("moving", {}).get("speed_m_s", {})
    if speeds:
        row = ["moving", *(f"{value:.2f}" for value in speeds.values())]
        tables.append(("Speed (m/s), percentiles", ["", *speeds], [row]))
    return tables


def _plain(title: str, heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *body, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, ["-" * width for width in widths], *body)
    ]
    return "\n".join([title, "", *lines])


def _markdown(title: str, heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (heads, *body)]
    lines.insert(1, "|" + "---|" * len(heads))
    return "\n".join([f"**{title}**", "", *lines])
