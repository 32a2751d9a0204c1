"""FSD50K (Fonseca et al. 2022): 51,197 Freesound clips with labels of the AudioSet ontology.

The folder is laid out as published (zenodo.org/records/4060432): `FSD50K.dev_audio` and
`FSD50K.eval_audio` with `<Freesound clip>.wav`, `FSD50K.ground_truth` with `dev.csv` and
`eval.csv`, and `FSD50K.metadata` with the licence and uploader of each clip (optional; without it
licences are unknown and recordings are clips, not uploaders).

The official splits are kept: eval is test, dev is train and validation. No uploader serves two
of them: where one does, the clips of test come before those of train, and those of train
before those of validation. Labels of the ontology that are none of AudioSet's 527 are dropped.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from st_audioqa.errors import UserError
from st_audioqa.events.catalogue import Catalogue, Clip
from st_audioqa.events.labels import label_of_mid
from st_audioqa.events.libraries.folder import opened_table
from st_audioqa.events.own_labels import Reader
from st_audioqa.events.recordings import RecordingLibrary

__all__ = ["Library"]

_LICENCES = {
    "publicdomain/zero/1.0": "CC0-1.0",
    "licenses/by/3.0": "CC-BY-3.0",
    "licenses/by/4.0": "CC-BY-4.0",
    "licenses/by-nc/3.0": "CC-BY-NC-3.0",
    "licenses/by-nc/4.0": "CC-BY-NC-4.0",
    "licenses/sampling+/1.0": "CC-Sampling-Plus-1.0",
}


class Library(RecordingLibrary):
    """The clips of FSD50K; a clip id is the number of its Freesound clip.

    Takes `LibraryOptions`.

    Raises
    ------
    UserError
        If there is no such folder, or a table of it is missing or is none of FSD50K's.
    """

    name = "fsd50k"
    version = "1.0"
    origin = "freesound:"
    _wanted = "the folder of FSD50K"
    _remedy = "unpack FSD50K.dev_audio and FSD50K.eval_audio there"

    def _read(self, root: Path) -> Catalogue:
        left_out: Counter[str] = Counter()
        clips = [clip for part in ("dev", "eval") for clip in _clips(root, part, left_out)]
        catalogue = Catalogue.of(clips, Reader().names(self.options.label_set, ()))
        catalogue.report.update(left_out)
        return catalogue


def _clips(root: Path, part: str, left_out: Counter[str]) -> Iterator[Clip]:
    table = root / "FSD50K.ground_truth" / f"{part}.csv"
    if not table.is_file():
        raise UserError(f"There is no table {table}: unpack FSD50K.ground_truth in {root}.")
    info = _info(root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json")
    with opened_table(table) as lines:
        rows = csv.DictReader(lines)
        wanted = {"fname", "mids", *(["split"] if part == "dev" else [])}
        if not wanted <= set(rows.fieldnames or ()):
            raise UserError(
                f"The table {table} has columns {rows.fieldnames}, wanted {sorted(wanted)}: "
                "copy it from FSD50K.ground_truth again."
            )
        for row in rows:
            number = (row["fname"] or "").strip()
            file = f"FSD50K.{part}_audio/{number}.wav"
            found = [label_of_mid(mid.strip()) for mid in (row["mids"] or "").split(",")]
            labels = tuple(each.name for each in found if each)
            split = {"train": "train", "val": "validation"}.get(row.get("split", ""), "test")
            if not number.isdigit() or not labels or (part == "dev" and split == "test"):
                left_out["broken row or no AudioSet label"] += 1
            elif not (root / file).is_file():
                left_out["missing file"] += 1
            else:
                of_clip = info.get(number, {})
                uploader = of_clip.get("uploader")
                yield Clip(
                    clip_id=number,
                    labels=labels,
                    split=split,
                    recording=f"uploader:{uploader}" if uploader else f"freesound:{number}",
                    file=file,
                    licence=_licence(of_clip.get("license") or ""),
                    attribution=f"{uploader or 'unknown'}, Freesound clip {number}",
                )


def _info(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        info: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"The file {path} is not JSON ({error}): copy it again.") from error
    if not isinstance(info, dict) or not all(isinstance(each, dict) for each in info.values()):
        raise UserError(f"The file {path} is no table of clips: copy it again.")
    return info


def _licence(url: str) -> str:
    for part, name in _LICENCES.items():
        if part in url:
            return name
    return url or "unknown"
