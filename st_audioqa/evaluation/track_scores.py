"""Scores of predicted tracks: the columns of the paper's Table 3, and the SELD metrics.

Conventions
-----------
Table 3 is about scenes of one source: its part (a) about those that stay (S), part (b) about
those that move (D). Of several predicted tracks the one that the file calls trajectory is taken
for the answer, else the first. A scene without a row counts as one in which nothing was found; it
is wrong everywhere. What a library labels "Bark" is also a "Dog": labels above those of a source
count as true for the mAP where any source of the split has them.

Ours is the table "two": scenes of two sources with different names, where the model was told both
(`asked`). Every such source counts like a scene of one source; one without a track is wrong.

SELD metrics are about all scenes. Tracks are turned into frames of 100 ms and need labels. A
source's class is the label that names it; means go over the classes that sound in the split, and
a track of any other class is a false positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import N_BINS, unit_vectors
from st_audioqa.dcase.tracks import N_FRAMES, frames_from_bins
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.evaluation.bootstrap import interval, resampled_sums, scene_weights
from st_audioqa.evaluation.estimates import centred
from st_audioqa.evaluation.localisation import (
    clip_direction,
    clip_distance,
    clip_errors,
    direction_errors_deg,
    distance_accuracy,
    distance_errors,
    doa_errors,
    ratio,
    resampled_map,
    trajectory_accuracy,
)
from st_audioqa.evaluation.seld import (
    Counts,
    FrameRows,
    count_frames,
    count_segments,
    dcase2023,
    dcase2024,
)
from st_audioqa.evaluation.track_file import SceneTracks, Track
from st_audioqa.events.labels import all_labels, with_ancestors
from st_audioqa.scene import Scene, SourceTrack

__all__ = ["knows_distance", "score_tracks", "told_names", "tracks_text"]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Cell = dict[str, Any]
States = tuple[Bools, Floats, Floats, Floats, Floats, Bools]
"""Activity, true directions and metres, predicted ones, and where metres count."""

_UNITS = {
    "mAP": 100.0,
    "Dist. Acc": 100.0,
    "Dist. Acc +-1 bin": 100.0,
    "Traj. Acc@20": 100.0,
    "F20": 100.0,
    "LR_CD": 100.0,
}
"""Columns that are given in percent; the others are degrees, metres or plain ratios."""


def knows_distance(scene: Scene) -> bool:
    """Whether the distances of a scene are known; recordings may tell directions alone."""
    return bool(scene.room.parameters.get("distance_known", True))


def score_tracks(
    scenes: Sequence[Scene],
    predicted: Mapping[str, SceneTracks],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Scores of predicted tracks on the scenes of a split, as JSON values.

    Parameters
    ----------
    scenes : sequence of Scene
    predicted : mapping
        Scene id -> what the model says of it.
    resamples : int
        How often scenes are drawn again for the 95 % intervals.
    seed : int

    Returns
    -------
    dict
        "counts", and the tables "static" and "dynamic" (Table 3), "two" (sources of mixtures whose
        classes were told), "dcase2023" and "dcase2024";
        a cell is {"value", "low", "high", "n"}, its value None where it cannot be had.

    Raises
    ------
    UserError
        A prediction is about no scene of the split, or names a class that is no label.
    """
    known = {scene.scene_id for scene in scenes}
    strangers = sorted(predicted.keys() - known)
    if strangers:
        raise UserError(
            f"{len(strangers)} predictions are about scenes that are not in this split, such as "
            f"{strangers[0][:80]!r}: give the corpus and split they were made with."
        )
    _check_names(scenes, predicted)
    missing = [scene.scene_id for scene in scenes if scene.scene_id not in predicted]
    tables: dict[str, Any] = {
        "counts": {"scenes": len(scenes), "missing": len(missing)},
        "bootstrap": {"resamples": resamples, "seed": seed},
    }
    for name, case in (("static", "S"), ("dynamic", "D")):
        chosen = [scene for scene in scenes if scene.configuration == case]
        tables[name] = _single(chosen, predicted, case == "D", resamples, seed)
    tables["two"] = _two(scenes, predicted, resamples, seed)
    tables |= _seld(scenes, predicted, resamples, seed)
    return tables


def tracks_text(name: str, scores: Mapping[str, Any]) -> str:
    """The tables as text, with intervals."""
    titles = {
        "static": "Table 3 (a), single static sources",
        "dynamic": "Table 3 (b), single moving sources",
        "two": "Two sources, each asked for by its class",
        "dcase2023": "SELD as in DCASE2023 (segments of 1 s, 20 degrees)",
        "dcase2024": "SELD as in DCASE2024 (frames of 100 ms, 20 degrees, relative distance 1)",
    }
    lines = []
    for table, title in titles.items():
        lines += [f"{title}: {name}"]
        for column, cell in scores[table].items():
            lines.append(f"  {column:<20}{_shown(cell):>28}   n = {cell['n']}")
        lines.append("")
    counts = scores["counts"]
    lines.append(f"{counts['scenes']} scenes, {counts['missing']} without a prediction.")
    return "\n".join(lines)


def _shown(cell: Cell) -> str:
    if cell["value"] is None:
        return "-"
    value = f"{cell['value']:.2f}"
    return value if cell["low"] is None else f"{value} [{cell['low']:.2f}, {cell['high']:.2f}]"


def _single(
    scenes: Sequence[Scene],
    predicted: Mapping[str, SceneTracks],
    moving: bool,
    resamples: int,
    seed: int,
) -> dict[str, Cell]:
    """The columns of one half of Table 3."""
    pairs = [(scene, scene.sources[0]) for scene in scenes]
    rows = [predicted.get(scene.scene_id) for scene in scenes]
    states = _states(pairs, [None if row is None else row.lone for row in rows])
    active, truth, true_m, given, given_m, ranged = states
    if moving:
        sums = _trajectory(*states)
    else:
        true_clip = clip_direction(truth, active)
        error = direction_errors_deg(true_clip, clip_direction(given, active))
        metres, guess = clip_distance(true_m, active), clip_distance(given_m, active)
        sums = {
            "DoA MAE": clip_errors(error, active),
            "Dist. Acc": distance_accuracy(metres, guess, ranged),
            "Dist. Acc +-1 bin": distance_accuracy(metres, guess, ranged, within_bins=1),
        }
    cells = {"mAP": _map(scenes, predicted, resamples, seed)}
    for column, each in sums.items():
        values = (
            ratio(resampled_sums(each, resamples, seed)) if len(each) else np.array([np.nan])
        )
        cells[column] = _cell(column, values, int((each[:, 1] > 0).sum()))
    return cells


def _two(
    scenes: Sequence[Scene], predicted: Mapping[str, SceneTracks], resamples: int, seed: int
) -> dict[str, Cell]:
    """Sources of mixtures, asked for by name; scenes are what is drawn again."""
    if not any(row.asked is not None for row in predicted.values()):
        nothing = {"value": None, "low": None, "high": None, "n": 0}
        return {name: dict(nothing) for name in ("DoA MAE", "Dist. MAE", "Traj. Acc@20")}
    chosen = [s for s in scenes if len(s.sources) == 2 and len(told_names(s)) == 2]
    pairs = [(scene, source) for scene in chosen for source in scene.sources]
    tracks = []
    for scene, source in pairs:
        row = predicted.get(scene.scene_id)
        asked = () if row is None or row.asked is None else row.asked
        tracks.append(next((t for t in asked if t.label == source.event.name), None))
    sums = _trajectory(*_states(pairs, tracks))
    cells = {}
    for column, each in sums.items():
        by_scene = each.reshape(len(chosen), 2, 2).sum(axis=1)
        values = (
            ratio(resampled_sums(by_scene, resamples, seed)) if chosen else np.array([np.nan])
        )
        cells[column] = _cell(column, values, int((each[:, 1] > 0).sum()))
    return cells


def told_names(scene: Scene) -> tuple[str, ...]:
    """Names by which the sources of a scene can be asked for: those that only one source has."""
    names = [source.event.name for source in scene.sources]
    return tuple(name for name in names if names.count(name) == 1)


def _states(
    pairs: Sequence[tuple[Scene, SourceTrack]], tracks: Sequence[Track | None]
) -> States:
    """Truth and prediction of some sources, and the bins in which distances count."""
    sources = [source for _, source in pairs]
    shape = (len(sources), N_BINS)
    active = np.array([source.activity for source in sources], dtype=bool).reshape(shape)
    azimuth = np.array([source.azimuth_deg for source in sources]).reshape(shape)
    elevation = np.array([source.elevation_deg for source in sources]).reshape(shape)
    true_m = np.array([source.distance_m for source in sources]).reshape(shape)
    given, given_m = np.zeros((*shape, 3)), np.full(shape, np.nan)
    for i, track in enumerate(tracks):
        if track is not None:
            given[i] = unit_vectors(_all(track.azimuth_deg), _all(track.elevation_deg))
            given_m[i] = np.nan if track.distance_m is None else _all(track.distance_m)
    metric = np.array([knows_distance(scene) for scene, _ in pairs], dtype=bool)
    ranged = active & metric[:, None] if np.isfinite(given_m).any() else np.zeros_like(active)
    return active, unit_vectors(azimuth, elevation), true_m, given, given_m, ranged


def _trajectory(
    active: Bools, truth: Floats, true_m: Floats, given: Floats, given_m: Floats, ranged: Bools
) -> dict[str, Floats]:
    """Sums of the columns of Table 3 (b)."""
    error = direction_errors_deg(truth, given)
    return {
        "DoA MAE": doa_errors(error, active),
        "Dist. MAE": distance_errors(true_m, given_m, ranged),
        "Traj. Acc@20": trajectory_accuracy(error, active),
    }


def _map(
    scenes: Sequence[Scene], predicted: Mapping[str, SceneTracks], resamples: int, seed: int
) -> Cell:
    """AudioSet mAP from class scores; not scored where no scene has any."""
    rows = [predicted.get(scene.scene_id) for scene in scenes]
    given = [None if row is None else row.labels for row in rows]
    if not any(each is not None for each in given):
        return {"value": None, "low": None, "high": None, "n": 0}
    said = [[s.event.labels for s in scene.sources] for scene in scenes]
    names = sorted({label for sources in said for labels in sources for label in labels})
    classes = frozenset(names)
    held = [set().union(*(with_ancestors(x, classes) for x in sources)) for sources in said]
    truth = np.array([[name in each for name in names] for each in held], dtype=bool)
    scores = np.array([[(each or {}).get(name, 0.0) for name in names] for each in given])
    values, n_classes = resampled_map(
        truth, scores, scene_weights(len(scenes), resamples, seed)
    )
    return {**_cell("mAP", centred(values), len(scenes)), "n_classes": n_classes}


def _seld(
    scenes: Sequence[Scene], predicted: Mapping[str, SceneTracks], resamples: int, seed: int
) -> dict[str, dict[str, Cell]]:
    old_names = ("ER20", "F20", "LE_CD", "LR_CD", "SELD")
    new_names = ("F20", "AngE", "DistE", "RelDistE", "SELD")
    tracks = [track for row in predicted.values() for track in row.tracks]
    if not all(track.label for track in tracks) or not scenes:
        nothing = {"value": None, "low": None, "high": None, "n": 0}
        return {
            "dcase2023": {name: dict(nothing) for name in old_names},
            "dcase2024": {name: dict(nothing) for name in new_names},
        }
    sounding = sorted({source.event.name for scene in scenes for source in scene.sources})
    others = sorted({track.label for track in tracks} - set(sounding))
    label = {name: i for i, name in enumerate([*sounding, *others])}
    truth, given, ranged = _frames(scenes, predicted, label)
    n_frames, classes = [N_FRAMES] * len(scenes), slice(len(sounding))

    def table(counts: Counts, score: Any, names: Sequence[str]) -> dict[str, Cell]:
        values = score(
            Counts.of_columns(resampled_sums(counts.columns(), resamples, seed)), classes
        )
        return {name: _cell(name, values[name], len(scenes)) for name in names}

    segments = count_segments(truth, given, n_frames, len(label))
    frames = count_frames(truth, given, n_frames, len(label))
    newer = table(frames, dcase2024, new_names)
    if not ranged:
        for name in ("DistE", "RelDistE", "SELD"):
            newer[name] = {"value": None, "low": None, "high": None, "n": 0}
    return {"dcase2023": table(segments, dcase2023, old_names), "dcase2024": newer}


def _frames(
    scenes: Sequence[Scene], predicted: Mapping[str, SceneTracks], label: Mapping[str, int]
) -> tuple[FrameRows, FrameRows, bool]:
    """True and predicted rows of 100 ms, and whether both have distances."""
    true: list[tuple[Any, ...]] = []
    given: list[tuple[Any, ...]] = []
    ranged = all(knows_distance(scene) for scene in scenes)
    for i, scene in enumerate(scenes):
        for source in scene.sources:
            states = (source.azimuth_deg, source.elevation_deg, source.distance_m)
            true.append(_rows(i, label[source.event.name], *states, source.activity))
        row = predicted.get(scene.scene_id)
        for track in () if row is None else row.tracks:
            ranged &= track.distance_m is not None
            metres = 0.0 if track.distance_m is None else track.distance_m
            states = (_all(track.azimuth_deg), _all(track.elevation_deg), _all(metres))
            active = np.ones(N_BINS, bool) if track.activity is None else track.activity
            given.append(_rows(i, label[track.label], *states, np.asarray(active)))
    return _frame_rows(true, ranged), _frame_rows(given, ranged), ranged


def _rows(scene: int, label: int, *states: Any) -> tuple[Any, ...]:
    frame, azimuth, elevation, metres = frames_from_bins(*states)
    vector = unit_vectors(azimuth, elevation)
    return (np.full(len(frame), scene), frame, np.full(len(frame), label), vector, metres)


def _frame_rows(parts: Sequence[tuple[Any, ...]], ranged: bool) -> FrameRows:
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return FrameRows(none, none, none, np.zeros((0, 3)), np.zeros(0) if ranged else None)
    recording, frame, label, vector, metres = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return FrameRows(
        recording.astype(np.int64),
        frame.astype(np.int64),
        label.astype(np.int64),
        vector,
        metres if ranged else None,
    )


def _all(values: Any) -> Floats:
    return np.broadcast_to(np.asarray(values, dtype=float), (N_BINS,))


def _cell(column: str, values: Floats, n: int) -> Cell:
    scale = _UNITS.get(column, 1.0)
    if np.isnan(values[0]):
        return {"value": None, "low": None, "high": None, "n": 0}
    found = interval(values[1:]) if n > 1 else None
    low, high = (None, None) if found is None else (scale * each for each in found)
    return {
        "value": round(scale * float(values[0]), 6),
        "low": None if low is None else round(low, 6),
        "high": None if high is None else round(high, 6),
        "n": n,
    }


def _check_names(scenes: Sequence[Scene], predicted: Mapping[str, SceneTracks]) -> None:
    """Refuses class names that are neither AudioSet's nor the corpus's own."""
    names = {each.name for each in all_labels()}
    names |= {label for scene in scenes for s in scene.sources for label in s.event.labels}
    for row in predicted.values():
        tracks = (
            *row.tracks,
            *(row.asked or ()),
            *([row.trajectory] if row.trajectory else []),
        )
        for name in [*(row.labels or ()), *(track.label for track in tracks)]:
            if name and name not in names:
                raise unknown_name(f"label (of scene {row.scene_id})", name, names)
