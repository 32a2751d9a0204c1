"""What a leaderboard is published as: tables for programs and one page for people."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from st_audioqa.evaluation.summary import TYPES
from st_audioqa.files import whole, write_text
from st_audioqa.leaderboard.board import CELLS, Board, Entry
from st_audioqa.leaderboard.eval_results import Published, eval_results_yaml
from st_audioqa.leaderboard.page import page

__all__ = ["results_table", "write_site"]

_SPACE = Path(__file__).with_name("space")
_TEXTS = (
    "model",
    "revision",
    "url",
    "training",
    "training_data",
    "layout",
    "channels",
    "prompt",
    "prompt_sha256",
    "decoding",
    "submitted_by",
    "dataset_revision",
    "scorer_version",
    "predictions_sha256",
    "file",
)
_COUNTS = ("rank", "questions", "answered")


def results_table(board: Board) -> pa.Table:
    """One row per entry, best first; percent, null where nothing was scored."""
    rows = [_row(board, rank, entry) for rank, entry in enumerate(board.entries, start=1)]
    values = ["overall", *(f"avg_{kind.lower()}" for kind in TYPES), *CELLS]
    numbers = [f"{name}{end}" for name in values for end in ("", "_low", "_high")]
    fields = [
        *((name, pa.int64()) for name in _COUNTS[:1]),
        *((name, pa.string()) for name in _TEXTS[:1]),
        *((name, pa.float64()) for name in numbers if not name.startswith("overall_")),
        ("parse_rate", pa.float64()),
        *((name, pa.int64()) for name in _COUNTS[1:]),
        *((name, pa.string()) for name in _TEXTS[1:]),
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def _row(board: Board, rank: int, entry: Entry) -> dict[str, Any]:
    made = entry.submission
    row: dict[str, Any] = {
        "rank": rank,
        "model": made.model.name,
        "overall": entry.overall,
        "parse_rate": entry.parse_rate,
        "questions": entry.counts["questions"],
        "answered": entry.counts["questions"] - entry.statuses["missing"],
        "revision": made.model.revision,
        "url": made.model.url or "",
        "training": "zero-shot" if made.training.zero_shot else "QA-trained",
        "training_data": made.training.data,
        "layout": made.input.layout,
        "channels": ", ".join(made.input.channels),
        "prompt": made.prompt.name if made.prompt else "",
        "prompt_sha256": made.prompt.sha256 if made.prompt else "",
        "decoding": json.dumps(made.decoding, sort_keys=True),
        "submitted_by": made.submitted_by,
        "dataset_revision": made.dataset.revision,
        "scorer_version": board.scorer_version,
        "predictions_sha256": made.predictions.sha256,
        "file": entry.file,
    }
    cells = {f"avg_{kind.lower()}": entry.averages[kind] for kind in TYPES}
    cells |= {name: _cell(entry.tables, path) for name, path in CELLS.items()}
    for name, cell in cells.items():
        row |= {f"{name}{end}": cell.get(key) for end, key in _ENDS}
    return row


_ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def _cell(tables: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    found: Any = tables
    for key in path:
        found = found[key]
    return dict(found)


def write_site(board: Board, folder: Path, published: Published | None = None) -> list[Path]:
    """Write everything into a folder; the same board gives the same bytes.

    Parameters
    ----------
    board : Board
    folder : Path
        Gets `results.parquet`, `.csv` and `.json`, `refused.json`, `index.html`, and the files of
        a Space (`app.py`, `requirements.txt`, `README.md`).
    published : Published, optional
        Where the dataset lies on the Hub; with it there is also `eval.yaml` and one file in
        `eval_results/` per entry.

    Returns
    -------
    list of Path
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = results_table(board)
    rows = table.to_pylist()
    asked = board.asked
    about = {
        "dataset": asked.name,
        "dataset_revision": board.dataset_revision,
        "split": asked.split,
        "table": asked.table,
        "questions": len(asked.questions),
        "asked_sha256": asked.asked_sha256,
        "manifest_sha256": asked.manifest_sha256,
        "scorer_version": board.scorer_version,
        "bootstrap": dict(board.bootstrap),
    }
    text = io.StringIO()
    writer = csv.DictWriter(text, table.column_names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _for_sheet(value) for name, value in row.items()} for row in rows)
    files = {
        "results.json": _json({**about, "entries": rows}),
        "results.csv": text.getvalue(),
        "refused.json": _json([asdict(refusal) for refusal in board.refused]),
        "index.html": page(about, rows, board),
    }
    if published is not None:
        files |= eval_results_yaml(board, published)
    for name, content in files.items():
        write_text(folder / name, content)
    with whole(folder / "results.parquet") as partial:
        pq.write_table(table, partial)
    for path in sorted(_SPACE.iterdir()):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
            files[path.name] = ""
    return [folder / name for name in (*files, "results.parquet")]


def _json(content: Any) -> str:
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n"


def _for_sheet(value: Any) -> Any:
    """Text that a spreadsheet does not take for a formula."""
    return (
        f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
    )
