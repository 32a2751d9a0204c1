"""Several results in one report: tables of the paper, breakdowns, and what each model was given.

A report is made from the files that `st-audioqa eval score --json` writes; nothing is scored
again. All of them must be about the same questions of the same table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from st_audioqa.decoding import describe_audio
from st_audioqa.errors import UserError
from st_audioqa.evaluation.blocks import Block, Style
from st_audioqa.evaluation.conditions import FACTORS
from st_audioqa.evaluation.tables import CHANCE, UNSCORED, format_tables, shown

__all__ = ["StoredResult", "load_results", "report_json", "report_text"]

TABLES: Mapping[str, str] = {
    "qa": "questions of the paper's families",
    "robustness": "the same questions in wordings kept from training",
    "extended": "questions beyond the paper",
    "extended_robustness": "questions beyond the paper, in wordings kept from training",
}
PAPER_TABLES = ("qa", "robustness")
FAMILY = "family"


@dataclass(frozen=True)
class StoredResult:
    """A result as it was written to a file."""

    name: str
    """Of the model; with that of the file where two have the same."""
    path: Path
    table: str
    """Which table of questions it is about."""
    content: Mapping[str, Any]

    @property
    def tables(self) -> Mapping[str, Any]:
        """Cells of the paper's tables."""
        return dict(self.content["tables"])

    @property
    def breakdowns(self) -> list[Mapping[str, Any]]:
        """Cells by family and condition; none in results of an older version."""
        return list(self.content.get("breakdowns") or [])

    @property
    def audio(self) -> Mapping[str, Any] | None:
        """What the model was given, where it is known."""
        found = self.content.get("audio")
        return found if isinstance(found, dict) else None

    @property
    def run(self) -> Mapping[str, Any]:
        """Header of the run; empty where there was none."""
        return dict(self.content.get("run") or {})

    @property
    def prompt(self) -> str:
        """Name of the prompt and the beginning of its hash."""
        prompt = self.run.get("prompt")
        if not isinstance(prompt, dict):
            return UNSCORED
        return f"{prompt.get('name') or 'unnamed'} ({str(prompt.get('sha256', ''))[:8]})"

    @property
    def parse_rate(self) -> float:
        """Percentage of all questions with a readable answer."""
        return 100.0 * self.content["statuses"]["ok"] / self.content["counts"]["questions"]


def load_results(paths: Sequence[Path]) -> list[StoredResult]:
    """Results that may stand in one report.

    Raises
    ------
    UserError
        A file is no result, or they are about different tables or questions.
    """
    found: list[StoredResult] = []
    for path in paths:
        one = _load(path)
        if any(other.name == one.name for other in found):
            one = StoredResult(f"{one.name} ({path})", path, one.table, one.content)
        found.append(one)
    first = found[0]
    for other in found[1:]:
        if other.table != first.table:
            raise UserError(
                f"{first.path} is about the table {first.table} and {other.path} about "
                f"{other.table}: make one report for each table of questions."
            )
        if other.content["questions_sha256"] != first.content["questions_sha256"]:
            raise UserError(
                f"{first.path} and {other.path} are about different questions: results in one "
                "table must come from the same split of the same corpus."
            )
        if other.content["scorer_version"] != first.content["scorer_version"]:
            raise UserError(
                f"{first.path} and {other.path} come from scorers of different versions "
                f"({first.content['scorer_version']} and {other.content['scorer_version']}): "
                "score both prediction files again."
            )
    return found


def _load(path: Path) -> StoredResult:
    try:
        content = json.loads(path.read_text("utf-8"))
        result = StoredResult(
            str(content["model"]), path, str(content.get("table", "qa")), content
        )
        if not {"table_4", "table_5"} <= result.tables.keys():
            raise ValueError("it has no tables")
        for key in ("questions_sha256", "scorer_version"):
            if not isinstance(content[key], str):
                raise ValueError(f"{key} must be text")
        report_text([result], "plain", intervals=True, by_family=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} is no result: wanted what `st-audioqa eval score --json` writes."
        ) from error
    return result


def report_text(
    results: Sequence[StoredResult],
    style: Style = "plain",
    *,
    intervals: bool = True,
    by_family: bool = False,
) -> str:
    """The whole report in one style.

    Parameters
    ----------
    results : sequence of StoredResult
        What `load_results` gives.
    style : {"plain", "markdown", "latex"}
    intervals : bool
        Whether 95 % intervals stand behind the values.
    by_family : bool
        Whether breakdowns by condition are also shown for each family.
    """
    table = results[0].table
    first = f"Table of questions: {table} ({TABLES.get(table, 'of your own')})"
    parts = [{"latex": f"% {first}\n", "markdown": f"{first}\n"}.get(style, f"{first}\n")]
    if table in PAPER_TABLES:
        tables = {result.name: result.tables for result in results}
        parts.append(format_tables(tables, style=style, intervals=intervals))
    parts += [block.text(style) for block in breakdown_blocks(results, intervals, by_family)]
    parts.append(runs_block(results).text(style))
    marks = {"latex": "% ", "markdown": "- "}
    told = [f"{marks.get(style, '')}{line}" for line in notes(results)]
    return "\n".join([*parts, *told, ""])


def notes(results: Iterable[StoredResult]) -> list[str]:
    """What the numbers cannot say: the audio, and what is missing."""
    lines = []
    for result in results:
        lines.append(f"{result.name} was given {describe_audio(result.audio)}.")
        if not result.breakdowns:
            lines.append(f"{result.name} has no breakdowns: score it again.")
    return lines


def runs_block(results: Sequence[StoredResult]) -> Block:
    """One row per model: revision, prompt, audio, and how many answers could be read."""
    names = ("Model", "revision", "prompt", "audio", "questions", "read %", "scorer")
    rows = []
    for one in results:
        audio = str(one.audio.get("layout", UNSCORED)) if one.audio else "not recorded"
        revision = str(one.run.get("revision") or UNSCORED)
        count = str(one.content["counts"]["questions"])
        version = one.content["scorer_version"]
        rows.append(
            [one.name, revision, one.prompt, audio, count, f"{one.parse_rate:.1f}", version]
        )
    return Block("Runs", [(name,) for name in names], rows)


def breakdown_blocks(
    results: Sequence[StoredResult], intervals: bool, by_family: bool = False
) -> list[Block]:
    """Accuracy by family, and one table for every condition that is known."""
    cells = {result.name: _by_key(result) for result in results}
    everywhere = [key for found in cells.values() for key in found]
    blocks = []
    families = _unique((key[2], key[3]) for key in everywhere if key[0] == FAMILY)
    if families:
        title = "Accuracy by family (percent; event lists left out)"
        rows = [
            [_family(family), *_row(cells, (FAMILY, "", *family), intervals)]
            for family in families
        ]
        header = [("Family",), ("n",), (CHANCE,), *((name,) for name in cells)]
        blocks.append(Block(title, header, rows))
    for factor in FACTORS.values():
        kinds = [("", "")] if not by_family else [("", ""), *families]
        known = {key[1] for key in everywhere if key[0] == factor.name}
        levels = [level for level in factor.levels if level in known]
        if not levels:
            continue
        rows = []
        for kind in kinds:
            for level in levels:
                key = (factor.name, level, *kind)
                if key in everywhere:
                    label = [_family(kind)] if by_family else []
                    rows.append([*label, level, *_row(cells, key, intervals)])
        names = (["Family"] if by_family else []) + [factor.name.capitalize()]
        header = [(name,) for name in (*names, "n", CHANCE, *cells)]
        title = f"Accuracy by {factor.title} (percent; event lists left out)"
        blocks.append(Block(title, header, rows))
    return blocks


def _by_key(result: StoredResult) -> dict[tuple[str, str, str, str], Mapping[str, Any]]:
    return {
        (str(cell["factor"]), str(cell["level"]), str(cell["type"]), str(cell["family"])): cell
        for cell in result.breakdowns
    }


def _unique(kinds: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(kinds))


def _family(kind: tuple[str, str]) -> str:
    return " ".join(kind).replace("_", " ") if any(kind) else "all"


def _row(
    cells: Mapping[str, Mapping[tuple[str, str, str, str], Mapping[str, Any]]],
    key: tuple[str, str, str, str],
    intervals: bool,
) -> list[str]:
    """Number of questions, chance, and the value of every model."""
    found = [cells[name].get(key, {}) for name in cells]
    first = next(cell for cell in found if cell)
    values = [shown(cell, intervals=intervals) for cell in found]
    return [str(first["n"]), shown(first, "chance"), *values]


def report_json(results: Sequence[StoredResult]) -> dict[str, Any]:
    """The report as JSON values: the stored cells, side by side."""
    first = results[0].content
    return {
        "type": "report",
        "table": results[0].table,
        "questions_sha256": first["questions_sha256"],
        "scorer_version": first["scorer_version"],
        "models": [
            {
                "name": result.name,
                "run": result.content.get("run"),
                "audio": result.audio,
                "parse_rate": round(result.parse_rate, 6),
                "counts": result.content["counts"],
                "tables": result.tables,
                "averages": result.content.get("averages", {}),
                "breakdowns": result.breakdowns,
                "confusion": result.content.get("confusion"),
                "distance_errors": result.content.get("distance_errors"),
            }
            for result in results
        ],
    }
