"""``tracks.jsonl``: the trajectories and class scores that a model gives, one scene a line.

Format
------
The first line may be a header, ``{"type": "run", "model": ..., "split": ...,
"manifest_sha256": ..., "input": "FOA"}``. Every other line is one scene::

    {"scene_id": ..., "labels": {"Dog": 0.93, "Speech": 0.02},
     "tracks": [{"label": "Dog", "activity": [...], "azimuth_deg": [...],
                 "elevation_deg": [...], "distance_m": [...]}]}

`labels` holds class scores by AudioSet display name, for the mAP; a class left out has score 0.
A track has 40 values of each, or one number that holds for all bins; `activity` may be left out
(always active), `distance_m` may be null or left out (not estimated), `label` may be left out
where the model does not name its tracks. Angles and axes are those of docs/conventions.md. A
scene with `tracks` [] is one in which nothing was found.

Two keys may stand beside `tracks`. `trajectory` is the one track of a model that takes it that
there is one source, for Table 3; where it is left out, that is the first of `tracks`. `asked` holds
the tracks of classes that the model was told to be there, which is scored by itself. Further keys
are not allowed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from st_audioqa.conventions import N_BINS
from st_audioqa.errors import UserError

__all__ = ["SceneTracks", "Track", "TrackFile", "read_tracks"]

_MAX_LINE_BYTES = 4 * 2**20

_Angles = Annotated[
    list[Annotated[float, Field(ge=-360, le=360)]],
    Field(min_length=N_BINS, max_length=N_BINS),
]
_Azimuth = _Angles | Annotated[float, Field(ge=-360, le=360)]
_Elevations = Annotated[
    list[Annotated[float, Field(ge=-90, le=90)]],
    Field(min_length=N_BINS, max_length=N_BINS),
]
_Elevation = _Elevations | Annotated[float, Field(ge=-90, le=90)]
_Metres = Annotated[
    list[Annotated[float, Field(ge=0)]], Field(min_length=N_BINS, max_length=N_BINS)
]
_Distance = _Metres | Annotated[float, Field(ge=0)] | None


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Track(_Row):
    """One predicted source."""

    azimuth_deg: _Azimuth
    elevation_deg: _Elevation
    distance_m: _Distance = None
    activity: Annotated[list[bool], Field(min_length=N_BINS, max_length=N_BINS)] | None = None
    label: str = ""


class SceneTracks(_Row):
    """What a model says of one scene."""

    scene_id: str
    tracks: Annotated[tuple[Track, ...], Field(max_length=32)] = ()
    labels: dict[str, float] | None = None
    trajectory: Track | None = None
    asked: Annotated[tuple[Track, ...], Field(max_length=32)] | None = None

    @property
    def lone(self) -> Track | None:
        """The track that is scored where there is one source."""
        return self.trajectory or (self.tracks[0] if self.tracks else None)


@dataclass(frozen=True)
class TrackFile:
    """The content of a tracks file."""

    model: str
    """Empty where the file does not say."""
    split: str
    manifest_sha256: str
    input: str
    """What the model was given, such as "FOA" or "Binaural"; empty where the file does not say."""
    scenes: dict[str, SceneTracks]
    """By scene id."""


def read_tracks(path: str | Path) -> TrackFile:
    """Read a tracks file.

    Raises
    ------
    UserError
        The file is missing, empty or no JSONL, a row is wrong (line and key are named), or a
        scene has two rows.
    """
    path = Path(path)
    header: dict[str, Any] = {}
    scenes: dict[str, SceneTracks] = {}
    for number, row in _rows(path):
        where = f"Line {number} of {path}"
        if isinstance(row, dict) and row.get("type") == "run" and number == 1:
            header = row
            continue
        try:
            found = SceneTracks.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            key = (
                ".".join(
                    str(part)
                    for part in first["loc"]
                    if str(part) in _KEYS or isinstance(part, int)
                )
                or "row"
            )
            raise UserError(
                f"{where} is no prediction of tracks ({key}: {first['msg']}): wanted scene_id, "
                f"tracks with {N_BINS} bins or one number each, and labels with scores."
            ) from error
        if found.scene_id in scenes:
            raise UserError(f"{where} is a second row for {found.scene_id!r}: keep one.")
        scenes[found.scene_id] = found
    if not scenes:
        raise UserError(f"{path} must hold tracks, one scene a line, but it has none.")
    told = {key: str(header.get(key, "")) for key in _HEADER}
    return TrackFile(**told, scenes=scenes)


_HEADER = ("model", "split", "manifest_sha256", "input")
_KEYS = {*SceneTracks.model_fields, *Track.model_fields}


def _rows(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(_MAX_LINE_BYTES):
                number += 1
                if len(line) == _MAX_LINE_BYTES:
                    raise UserError(
                        f"Line {number} of {path} must be one scene, but it is longer than "
                        f"{_MAX_LINE_BYTES // 2**20} MB: put one JSON object on each line."
                    )
                if not line.strip():
                    continue
                try:
                    yield number, json.loads(line.decode("utf-8-sig"))
                except (ValueError, RecursionError) as error:
                    raise UserError(
                        f"Line {number} of {path} must be one JSON object in UTF-8 ({error}): "
                        "mend or delete that line."
                    ) from error
    except OSError as error:
        raise UserError(
            f"Tracks are read from a file, but {path} cannot be opened ({error.strerror}): "
            "check the path."
        ) from error
