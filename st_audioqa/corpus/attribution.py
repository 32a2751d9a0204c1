"""What sounds a corpus holds, under which licences, and who is to be named for them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from st_audioqa.files import write_text

__all__ = ["ATTRIBUTION", "Sounds"]

ATTRIBUTION = "ATTRIBUTION.csv"


@dataclass
class Sounds:
    """Sources per label and per licence, and the clips that name somebody."""

    labels: Counter[str] = field(default_factory=Counter)
    """Label that names a source -> sources."""
    sources: Counter[str] = field(default_factory=Counter)
    """"library: licence" -> sources."""
    clips: dict[str, set[str]] = field(default_factory=dict)
    """"library: licence" -> clip ids."""
    owed: dict[tuple[str, str], tuple[str, str, str]] = field(default_factory=dict)
    """Library and clip id -> recording, licence, attribution."""
    held: set[tuple[str, str]] = field(default_factory=set)
    """Those of clips that the published corpus must not name."""

    @classmethod
    def of(cls, rows: Iterable[tuple[str, dict[str, Any]]], held: Sequence[str] = ()) -> Sounds:
        """The sounds of rows of the `scenes` table (column `sources`), each with its split.

        Who made the clips of `held` splits is named, but not which clips they are.
        """
        sounds = cls()
        for split, row in rows:
            for source in row["sources"]:
                sounds.labels[source["labels"][0]] += 1
                event = source["event"]
                key = f"{event['library']}: {event['licence']}"
                sounds.sources[key] += 1
                sounds.clips.setdefault(key, set()).add(event["clip_id"])
                if event["attribution"]:
                    sounds.owed[event["library"], event["clip_id"]] = (
                        event["recording"],
                        event["licence"],
                        event["attribution"],
                    )
                    if split in held:
                        sounds.held.add((event["library"], event["clip_id"]))
        return sounds

    def table(self) -> str:
        """Licences with their clips and their share of the sources, in Markdown."""
        total = self.sources.total()
        lines = ["| event library: licence | clips | sources | share |", "|---|--:|--:|--:|"]
        for key, count in sorted(self.sources.items()):
            share = f"{100 * count / total:.1f} %"
            lines.append(f"| {key} | {len(self.clips[key])} | {count} | {share} |")
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Writes `ATTRIBUTION.csv`, or removes it where nobody is to be named."""
        if not self.owed:
            (folder / ATTRIBUTION).unlink(missing_ok=True)
            return
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["library", "clip_id", "recording", "licence", "attribution"])
        rows = {
            (clip[0], "", "", *owed[1:]) if clip in self.held else (*clip, *owed)
            for clip, owed in self.owed.items()
        }
        lines.writerows(sorted(rows))
        write_text(folder / ATTRIBUTION, text.getvalue())
