"""How evenly the answers of a corpus are spread, for its card."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from st_audioqa.scene import SOURCE_NUMBERS, SOURCE_ROLES

__all__ = ["BALANCE_COLUMNS", "balance_text"]

BALANCE_COLUMNS = ["split", "family", "answer_kind", "answer", "options"]


def balance_text(tables: Iterable[Iterable[Mapping[str, Any]]]) -> str:
    """Shares of the commonest and the scarcest answer by family and kind, in Markdown.

    Parameters
    ----------
    tables : iterable of iterables of rows
        Rows of `qa` with `BALANCE_COLUMNS`. Open questions (event lists) are left out. Where the
        answer names a source, its place in the question counts.
    """
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    possible: dict[tuple[str, str, str], int] = {}
    for rows in tables:
        for row in rows:
            if row["options"]:
                key = (row["split"], row["family"], row["answer_kind"])
                counts[key][_role(row)] += 1
                possible[key] = len(row["options"])
    if not counts:
        return ""
    lines = [
        "## How even answers are",
        "",
        "| split | family | kind of answer | answers | commonest | scarcest | by chance |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for key, answers in sorted(counts.items()):
        total, n = answers.total(), possible[key]
        most = max(answers.values()) / total
        least = min(answers.values()) / total if len(answers) >= n else 0.0
        lines.append(f"| {' | '.join(key)} | {n} | {most:.1%} | {least:.1%} | {1 / n:.1%} |")
    return "\n".join(lines)


def _role(row: Mapping[str, Any]) -> str:
    names = {"source": SOURCE_ROLES, "one_of": SOURCE_NUMBERS}.get(row["answer_kind"])
    answer: str = row["answer"]
    return answer if names is None else names[row["options"].index(answer)]
