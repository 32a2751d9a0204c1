"""A table of texts, written as plain text, Markdown or LaTeX."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Block", "Style"]

Style = Literal["plain", "markdown", "latex"]
Path = tuple[str, ...]

_MANY_COLUMNS = 9

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


@dataclass(frozen=True)
class Block:
    """A titled table; the first column holds names, all others values."""

    title: str
    header: Sequence[Path]
    """Per column the groups it stands in, then its name."""
    rows: Sequence[Sequence[str]]

    def text(self, style: Style) -> str:
        """The table in one of the styles, ended by a newline."""
        writers = {"plain": self._plain, "markdown": self._markdown, "latex": self._latex}
        return writers[style]()

    def _plain(self) -> str:
        """Groups stand in a line above the names."""
        groups = [" ".join(heading[:-1]) for heading in self.header]
        names = [heading[-1] for heading in self.header]
        heads = [groups, names] if any(groups) else [names]
        widths = [max(map(len, column)) for column in zip(*heads, *self.rows, strict=True)]
        rule = ["-" * width for width in widths]
        lines = (_aligned(cells, widths) for cells in (*heads, rule, *self.rows))
        return "\n".join([self.title, *lines]) + "\n"

    def _markdown(self) -> str:
        names = [" ".join(heading) for heading in self.header]
        rule = ["---", *["---:"] * (len(names) - 1)]
        escaped = [[cell.replace("|", "\\|") for cell in row] for row in (names, *self.rows)]
        head, *rows = [f"| {' | '.join(cells)} |" for cells in escaped]
        lines = [head, f"| {' | '.join(rule)} |", *rows]
        return "\n".join([f"**{self.title}**", "", *lines]) + "\n"

    def _latex(self) -> str:
        """A `table*` for the packages booktabs and graphicx, shrunk where it is too wide.

        Equal neighbouring groups are joined; in a table of many columns intervals stand in a
        line below the values.
        """
        depth = max(len(heading) for heading in self.header)
        padded = [("",) * (depth - len(heading)) + tuple(heading) for heading in self.header]
        lines = [
            r"\begin{table*}",
            r"\centering\small",
            rf"\caption{{{_escaped(self.title)}}}",
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * (len(padded) - 1)}}}",
            r"\toprule",
        ]
        for level in range(depth - 1):
            if any(heading[level] for heading in padded):
                lines += _spans([heading[: level + 1] for heading in padded])
        head = _line([heading[-1] for heading in padded])
        split = len(padded) > _MANY_COLUMNS
        rows = [
            line for row in self.rows for line in (_two_lines(row) if split else [_line(row)])
        ]
        lines += [head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}}", r"\end{table*}"]
        return "\n".join(lines) + "\n"


def _aligned(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = [
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(_escaped, cells)) + r" \\"


def _two_lines(cells: Sequence[str]) -> list[str]:
    """Values, and below them what stands in brackets behind them, where anything does."""
    parts = [cell.partition(" [") for cell in cells[1:]]
    below = [f"{bracket[1:]}{rest}" for _, bracket, rest in parts]
    lines = [_line([cells[0], *(value for value, _, _ in parts)])]
    if any(below):
        small = [rf"\tiny {_escaped(interval)}" if interval else "" for interval in below]
        lines.append(" & ".join(["", *small]) + r" \\")
    return lines


def _spans(groups: Sequence[Path]) -> list[str]:
    """One line of group names, and the rules below them."""
    cells, rules = [], []
    begin = 1
    for group, members in itertools.groupby(groups):
        width = len(list(members))
        if group[-1]:
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{_escaped(group[-1])}}}")
            rules.append(rf"\cmidrule(lr){{{begin}-{begin + width - 1}}}")
        else:
            cells += [""] * width
        begin += width
    return [" & ".join(cells) + r" \\", "".join(rules)]
