"""The validity report of a corpus on disk, kept beside its manifest.

`validity.json` says which `qa` shards it was measured on. Where they have changed since, the card
does not show it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from st_audioqa.corpus.manifest import Manifest
from st_audioqa.corpus.reader import Corpus
from st_audioqa.files import write_text
from st_audioqa.validity import measure, posed, report_markdown

__all__ = ["VALIDITY", "card_sections", "measure_corpus"]

VALIDITY = "validity.json"


def measure_corpus(corpus: Corpus) -> dict[str, Any]:
    """Measures a corpus, writes `validity.json` into its folder and returns the report.

    Raises
    ------
    UserError
        The corpus has no questions in train or test.
    """
    folder = corpus.local_folder
    report = measure(
        {name: posed(corpus.questions(name), corpus.scenes(name)) for name in corpus.splits}
    )
    report = {"questions_sha256": _digest(corpus.manifest), **report}
    # Not sorted: tables stand in the order of their rows and columns.
    write_text(folder / VALIDITY, json.dumps(report, indent=2) + "\n")
    return report


def card_sections(folder: Path, manifest: Manifest) -> list[str]:
    """What the card says of validity: nothing where it was not measured on these questions."""
    try:
        report = json.loads((folder / VALIDITY).read_text("utf-8"))
        if report["questions_sha256"] != _digest(manifest):
            return []
        return [report_markdown(report)]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # not ours, or cut: it is measured again by the one who misses it


def _digest(manifest: Manifest) -> str:
    entries = sorted((entry.path, entry.sha256) for entry in manifest.qa)
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()
