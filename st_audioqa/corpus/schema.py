"""The two tables of a corpus: `scenes` and `qa`, as Arrow schemas and as our nouns.

The schema metadata carries the same description in the form the `datasets` library reads, so
that `load_dataset` gives back typed columns without a loading script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from st_audioqa.conventions import CHANNELS, CONFIGURATIONS, N_BINS, SAMPLE_RATE
from st_audioqa.errors import UserError
from st_audioqa.scene import (
    Event,
    Listener,
    Question,
    RenderInfo,
    RoomInfo,
    Scene,
    SourceTrack,
)

__all__ = [
    "ANSWERS_SCHEMA",
    "BENCH_SCHEMA",
    "QA_SCHEMA",
    "SCENES_SCHEMA",
    "question_from_row",
    "question_to_row",
    "scene_from_row",
    "scene_to_row",
]

_STRINGS = pa.list_(pa.string())
_TRACK = pa.list_(pa.float32())
_FLAGS = pa.list_(pa.bool_())
_POINT = pa.list_(pa.float32())

_EVENT = pa.struct(
    [
        ("library", pa.string()),
        ("library_version", pa.string()),
        ("clip_id", pa.string()),
        ("recording", pa.string()),
        ("offset_s", pa.float64()),
        ("level_dbfs", pa.float64()),
        ("repeated", pa.bool_()),
        ("licence", pa.string()),
        ("attribution", pa.string()),
    ]
)
_MOTION = pa.struct(
    [
        ("kind", pa.string()),
        ("speed_m_s", pa.float64()),
        ("start", pa.list_(pa.float64())),
        ("end", pa.list_(pa.float64())),
    ]
)
_SOURCE = pa.struct(
    [
        ("index", pa.int32()),
        ("event", _EVENT),
        ("labels", _STRINGS),
        ("mids", _STRINGS),
        ("moving", pa.bool_()),
        ("motion", _MOTION),
        ("position", pa.list_(_POINT)),
        ("azimuth_deg", _TRACK),
        ("elevation_deg", _TRACK),
        ("distance_m", _TRACK),
        ("activity", _FLAGS),
        ("line_of_sight", _FLAGS),
    ]
)
_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_SCENES_FIELDS: list[tuple[str, pa.DataType]] = [
    ("scene_id", pa.string()),
    ("split", pa.string()),
    ("configuration", pa.string()),
    ("audio", _AUDIO),
    ("sample_rate", pa.int32()),
    ("gain_db", pa.float64()),
    (
        "room",
        pa.struct(
            [
                ("provider", pa.string()),
                ("name", pa.string()),
                ("category", pa.string()),
                ("parameters", pa.string()),
            ]
        ),
    ),
    ("listener", pa.struct([("position", _POINT), ("yaw_deg", pa.float32())])),
    ("sources", pa.list_(_SOURCE)),
    (
        "renderer",
        pa.struct(
            [
                ("engine", pa.string()),
                ("engine_version", pa.string()),
                ("preset", pa.string()),
                ("crossfade", pa.string()),
                ("rir_duration_s", pa.float64()),
                ("rir_hash", pa.string()),
            ]
        ),
    ),
    ("seed", pa.int64()),
    ("attempt", pa.int32()),
    ("recipe_hash", pa.string()),
]
_QA_FIELDS: list[tuple[str, pa.DataType]] = [
    ("question_id", pa.string()),
    ("scene_id", pa.string()),
    ("split", pa.string()),
    ("configuration", pa.string()),
    ("type", pa.string()),
    ("family", pa.string()),
    ("attribute", pa.string()),
    ("anchor", pa.string()),
    ("question", pa.string()),
    ("answer", pa.string()),
    ("answer_kind", pa.string()),
    ("options", _STRINGS),
    ("targets", pa.list_(pa.int32())),
    ("template_id", pa.string()),
    ("paraphrase_id", pa.int32()),
]


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """An Arrow type in the words of the `datasets` library."""
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    name = {"double": "float64", "float": "float32"}.get(str(kind), str(kind))
    return {"dtype": name, "_type": "Value"}


def _schema(fields: list[tuple[str, pa.DataType]]) -> pa.Schema:
    features = {name: _feature(kind) for name, kind in fields}
    if "audio" in features:
        features["audio"] = {
            "sampling_rate": SAMPLE_RATE,
            "num_channels": len(CHANNELS),
            "_type": "Audio",
        }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(fields, metadata=metadata)


SCENES_SCHEMA = _schema(_SCENES_FIELDS)
QA_SCHEMA = _schema(_QA_FIELDS)
BENCH_SCHEMA = _schema(
    [*_QA_FIELDS, *(f for f in _SCENES_FIELDS if f[0] in ("audio", "sample_rate", "gain_db"))]
)
"""Questions with the audio they are about."""
ANSWERS_SCHEMA = _schema(
    [
        ("table", pa.string()),
        *_QA_FIELDS,
        ("source_question_id", pa.string()),
        ("source_scene_id", pa.string()),
    ]
)
"""Questions of all tables whose answers are held back, by their public ids and those in the corpus
they come from."""


def scene_to_row(scene: Scene, audio: bytes | None) -> dict[str, Any]:
    """A scene and its FLAC bytes as a row of the `scenes` table."""
    stored = None if audio is None else {"bytes": audio, "path": f"{scene.scene_id}.flac"}
    render = scene.render
    return {
        "scene_id": scene.scene_id,
        "split": scene.split,
        "configuration": scene.configuration,
        "audio": stored,
        "sample_rate": scene.sample_rate,
        "gain_db": scene.gain_db,
        "room": {
            "provider": scene.room.provider,
            "name": scene.room.name,
            "category": scene.room.category,
            "parameters": json.dumps(scene.room.parameters, sort_keys=True),
        },
        "listener": {
            "position": scene.listener.position.tolist(),
            "yaw_deg": scene.listener.yaw_deg,
        },
        "sources": [_source_to_row(source) for source in scene.sources],
        "renderer": {
            "engine": render.engine,
            "engine_version": render.engine_version,
            "preset": render.preset,
            "crossfade": render.crossfade,
            "rir_duration_s": render.rir_duration_s,
            "rir_hash": render.rir_hash,
        },
        "seed": scene.seed,
        "attempt": scene.attempt,
        "recipe_hash": scene.recipe_hash,
    }


def _source_to_row(source: SourceTrack) -> dict[str, Any]:
    event = source.event
    return {
        "index": source.index,
        "event": {
            "library": event.library,
            "library_version": event.library_version,
            "clip_id": event.clip_id,
            "recording": event.recording,
            "offset_s": event.offset_s,
            "level_dbfs": event.level_dbfs,
            "repeated": event.repeated,
            "licence": event.licence,
            "attribution": event.attribution,
        },
        "labels": list(event.labels),
        "mids": list(event.mids),
        "moving": source.moving,
        "motion": dict(source.motion),
        "position": source.position.tolist(),
        "azimuth_deg": source.azimuth_deg.tolist(),
        "elevation_deg": source.elevation_deg.tolist(),
        "distance_m": source.distance_m.tolist(),
        "activity": source.activity.tolist(),
        "line_of_sight": source.line_of_sight.tolist(),
    }


def scene_from_row(row: Mapping[str, Any]) -> Scene:
    """The scene of a row (its audio is read by `st_audioqa.load_audio`).

    Raises
    ------
    UserError
        A track is missing, has another number of bins, or is not finite; names the scene.
    """
    scene_id = row.get("scene_id")
    try:
        if row["configuration"] not in CONFIGURATIONS:
            raise ValueError(f"unknown configuration {row['configuration']!r}")
        if row["split"] is None or row["scene_id"] is None:
            raise ValueError("scene_id and split must not be null")
        return Scene(
            scene_id=row["scene_id"],
            split=row["split"],
            configuration=row["configuration"],
            seed=row["seed"],
            attempt=row["attempt"],
            recipe_hash=row["recipe_hash"],
            room=RoomInfo(
                row["room"]["provider"],
                row["room"]["name"],
                row["room"]["category"],
                json.loads(row["room"]["parameters"]),
            ),
            listener=Listener(
                _array(row["listener"]["position"], (3,), "listener.position"),
                float(_array(row["listener"]["yaw_deg"], (), "listener.yaw_deg")),
            ),
            sources=_sources(row["sources"]),
            sample_rate=row["sample_rate"],
            gain_db=row["gain_db"],
            render=RenderInfo(**row["renderer"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"Scene {scene_id} is not as the schema says: {error}. Regenerate its shard."
        ) from error


def _sources(rows: Any) -> tuple[SourceTrack, ...]:
    if not rows:
        raise ValueError("a scene needs sources")
    return tuple(_source_from_row(row) for row in rows)


def _source_from_row(row: Mapping[str, Any]) -> SourceTrack:
    if not row["labels"] or len(row["labels"]) != len(row["mids"]):
        raise ValueError("a source needs labels, and a mid for each")
    return SourceTrack(
        index=row["index"],
        event=Event(labels=tuple(row["labels"]), mids=tuple(row["mids"]), **row["event"]),
        moving=bool(row["moving"]),
        motion=row["motion"],
        position=_array(row["position"], (N_BINS, 3), "position"),
        azimuth_deg=_array(row["azimuth_deg"], (N_BINS,), "azimuth_deg"),
        elevation_deg=_array(row["elevation_deg"], (N_BINS,), "elevation_deg"),
        distance_m=_array(row["distance_m"], (N_BINS,), "distance_m"),
        activity=_array(row["activity"], (N_BINS,), "activity").astype(bool),
        line_of_sight=_array(row["line_of_sight"], (N_BINS,), "line_of_sight").astype(bool),
    )


def _array(values: Any, shape: tuple[int, ...], name: str) -> np.ndarray[Any, Any]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    return array


def question_to_row(question: Question) -> dict[str, Any]:
    """A question as a row of the `qa` table."""
    return {
        **question.__dict__,
        "options": list(question.options),
        "targets": list(question.targets),
    }


def question_from_row(row: Mapping[str, Any], *, held: bool = False) -> Question:
    """The question of a row; where answers are held back, the answer is empty.

    Raises
    ------
    UserError
        A field is missing or empty that must not be; names the question.
    """
    try:
        fields = dict(row)
        fields["options"] = tuple(fields["options"])
        fields["targets"] = tuple(fields["targets"])
        question = Question(**fields)
        if any(value is None for value in fields.values()):
            raise ValueError("a field is null")
        if held and question.answer:
            raise ValueError("an answer stands where answers are held back")
        if not held and question.options and question.answer not in question.options:
            raise ValueError(f"its answer {question.answer!r} is not an option")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"Question {row.get('question_id')} is not as the schema says: {error}. Make the "
            "questions again with `st-audioqa questions DIR`."
        ) from error
    return question
