"""Verifies a corpus: its files, its tables, its labels, its answers and its audio.

Nothing is trusted: azimuth, elevation and distance are recomputed from stored positions and
poses, answers are asked again of the stored scenes, and the direction of arrival of every
single-source scene is measured from the audio's own intensity vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    BIN_S,
    SAMPLE_RATE,
    SCENE_SAMPLES,
    angular_distance_deg,
    azimuth_change_deg,
    directions,
    unit_vectors,
    wrap_deg,
)
from st_audioqa.corpus.audio import load_audio
from st_audioqa.corpus.bench import bench_faults
from st_audioqa.corpus.leakage import Leakage
from st_audioqa.corpus.manifest import QUESTION_TABLES, Manifest, ShardEntry
from st_audioqa.corpus.schema import (
    BENCH_SCHEMA,
    SCENES_SCHEMA,
    scene_from_row,
)
from st_audioqa.corpus.shards import read_rows
from st_audioqa.errors import UserError
from st_audioqa.events.labels import check_mids, confusable
from st_audioqa.execution import run_tasks
from st_audioqa.foa import bin_directions
from st_audioqa.pipeline.tools import open_rooms
from st_audioqa.pipeline.verify_files import check_file
from st_audioqa.pipeline.verify_questions import check_questions
from st_audioqa.rooms.placement import line_of_sight
from st_audioqa.rooms.provider import RoomProvider
from st_audioqa.rooms.space import keeps_clear
from st_audioqa.scene import RECORDED, Room, Scene, SourceTrack, track_directions

__all__ = ["MIN_SCENES", "Report", "verify"]

Floats = NDArray[np.floating]

_MAX_LABEL_ERROR = 1e-3
_MAX_MEDIAN_DOA_ERROR_DEG = 20.0
"""A corpus whose median lies above this has its axes or its audio mixed up."""
_MAX_MEDIAN_RECORDED_DEG = 35.0
"""The same for recordings: other sounds, noise and people who mark places take their share."""
_FEW_SCENES_DEG = 30.0
"""Added to it over the square root of the number of scenes. Of right scenes, a quarter lies above
the limit by itself: the median of two did for every fourth corpus, of twelve for every 30th."""
MIN_SCENES = 5
"""Fewer say nothing of a turn or a lead."""
_FAR_OFF_DEG = 75.0
_MAX_SHARE_FAR_OFF = 0.03
"""Where reverberation drowns a tone, the intensity vector of a right scene can point anywhere;
more scenes than this share (and more than one) that sound so far from their labels cannot be."""
_MAX_BIAS_DEG = 5.0
"""Reverberation spreads measured azimuths but does not turn them: a median residual beyond this
(and twice its own uncertainty) means turned axes."""
_MAX_BIAS_RECORDED_DEG = 15.0
_MAX_LEAD_S = 0.35
"""Labels that lead or trail the sound of moving sources by more are wrong in time."""


@dataclass
class Report:
    """What was checked and what was found wrong."""

    faults: list[str] = field(default_factory=list)
    n_files: int = 0
    n_scenes: int = 0
    n_questions: int = 0
    max_label_error: float = 0.0
    doa_error_deg: dict[str, float] = field(default_factory=dict)
    """Median error of each single-source scene, measured from its audio."""
    azimuth_residual_deg: list[float] = field(default_factory=list)
    """Median of measured minus labelled azimuth, of each single-source scene."""
    leads: list[tuple[float, float]] = field(default_factory=list)
    """Of each single moving source: sums of residual times rate of azimuth, and of rate squared."""

    def add(self, other: Report) -> None:
        """Takes in what was found in another part of the corpus."""
        self.faults += other.faults
        self.n_files += other.n_files
        self.n_scenes += other.n_scenes
        self.n_questions += other.n_questions
        self.max_label_error = max(self.max_label_error, other.max_label_error)
        self.doa_error_deg |= other.doa_error_deg
        self.azimuth_residual_deg += other.azimuth_residual_deg
        self.leads += other.leads

    @property
    def lead_s(self) -> float:
        """By how much sound is ahead of the labels of moving sources (least squares), in
        seconds; negative where it is behind, NaN where nothing was measured."""
        product, square = np.sum(self.leads, axis=0) if self.leads else (np.nan, np.nan)
        return float(product / square) if square else float("nan")

    @property
    def median_doa_error_deg(self) -> float:
        """Median over the single-source scenes; NaN where there is none."""
        return float(np.median(list(self.doa_error_deg.values()) or [np.nan]))


def verify(
    folder: Path,
    on_scene: Callable[[], object] = lambda: None,
    rooms_path: Path | None = None,
    workers: int = 1,
) -> Report:
    """Checks a finished corpus and lists every fault.

    Parameters
    ----------
    folder : Path
    on_scene : callable
        Called after each scene.
    rooms_path : Path, optional
        Where the meshes of the rooms lie here; a manifest does not say it.
    workers : int
        Processes; any number gives the same report.

    Raises
    ------
    UserError
        The folder holds no finished corpus.
    """
    manifest = Manifest.load(folder)
    manifest.refuse_held("Verification")
    report = Report()
    _check_recipe(manifest, report)
    _check_strangers(folder, manifest, report)
    _open_rooms(manifest, rooms_path, report)
    tasks = [_Task(folder, manifest, entry, rooms_path) for entry in manifest.scenes]
    parts = sorted(run_tasks(_check_file, tasks, workers, on_scene), key=lambda part: part.path)
    files: dict[str, str] = {}
    leakage = Leakage()
    for entry in manifest.bench:
        report.n_files += (folder / entry.path).is_file()
        report.faults += check_file(folder, entry, BENCH_SCHEMA)[1]
    report.faults += bench_faults(folder, manifest)
    for part in parts:
        report.add(part.report)
        leakage.merge(part.leakage)
        for scene_id in part.scenes:
            if scene_id in files:
                report.faults.append(f"{part.path}: scene {scene_id} occurs twice")
            files[scene_id] = part.path
    _check_leakage(leakage, manifest, report)
    for faults, n_files, n_questions in check_questions(folder, manifest, files, workers):
        report.faults += faults
        report.n_files += n_files
        report.n_questions += n_questions
    _check_directions(report, recorded=_recorded(manifest))
    single = any(part.single for part in parts)
    if manifest.has_audio and single and not report.doa_error_deg:
        report.faults.append("direction of arrival: no single-source scene can be measured")
    return report


@dataclass(frozen=True)
class _Task:
    """One file of scenes to be checked."""

    folder: Path
    manifest: Manifest
    entry: ShardEntry
    rooms_path: Path | None


@dataclass
class _Part:
    """What one file of scenes gave."""

    path: str
    report: Report = field(default_factory=Report)
    scenes: list[str] = field(default_factory=list)
    single: bool = False
    """Whether a scene has one source."""
    leakage: Leakage = field(default_factory=Leakage)


def _check_file(task: _Task, tick: Callable[[], object]) -> _Part:
    """Checks one file of scenes by itself."""
    entry, manifest = task.entry, task.manifest
    part = _Part(entry.path)
    readable, faults = check_file(task.folder, entry, SCENES_SCHEMA)
    part.report.n_files = int((task.folder / entry.path).is_file())
    part.report.faults += faults
    if not readable:
        return part
    rooms = _open_rooms(manifest, task.rooms_path, Report())
    for scene, row in _scenes(task.folder, entry, part.report):
        part.scenes.append(scene.scene_id)
        part.single |= len(scene.sources) == 1
        part.leakage.add(row)
        _check_scene(scene, entry, manifest, rooms, part.report)
        if manifest.has_audio:
            _check_audio(scene, row, part.report)
        part.report.n_scenes += 1
        tick()
    return part


def _check_recipe(manifest: Manifest, report: Report) -> None:
    if manifest.recipe.hash != manifest.recipe_hash:
        report.faults.append("manifest.json: recipe_hash is not the hash of the recipe")
    wanted = sum(sum(counts.values()) for counts in manifest.recipe.splits.values())
    held = sum(entry.rows for entry in manifest.scenes)
    if wanted != held:
        report.faults.append(f"manifest.json: {held} scenes, the recipe makes {wanted}")


def _check_strangers(folder: Path, manifest: Manifest, report: Report) -> None:
    """Files that a loader would take for shards although the manifest does not name them."""
    named = {entry.path for entry in manifest.files}
    for table in ("scenes", *QUESTION_TABLES, "bench"):
        for path in sorted((folder / table).glob("*")):
            if path.relative_to(folder).as_posix() not in named:
                report.faults.append(f"{table}/{path.name}: not named in the manifest")


def _scenes(
    folder: Path, entry: ShardEntry, report: Report
) -> Iterator[tuple[Scene, dict[str, Any]]]:
    """Scenes of a file with their rows; a row that is no scene is a fault of its own."""
    try:
        for row in read_rows(folder / entry.path):
            try:
                yield scene_from_row(row), row
            except UserError as error:
                report.faults.append(f"{entry.path}: {error}")
    except UserError as error:
        report.faults.append(f"{entry.path}: {error}")


def _open_rooms(manifest: Manifest, path: Path | None, report: Report) -> RoomProvider | None:
    """What builds the rooms again, where it can be had here."""
    if _recorded(manifest):
        return None
    recipe = manifest.recipe
    if path is not None:
        options = {**recipe.rooms.options, "path": str(path)}
        rooms = recipe.rooms.model_copy(update={"options": options})
        recipe = recipe.model_copy(update={"rooms": rooms})
    try:
        return open_rooms(recipe)
    except UserError as reason:
        report.faults.append(
            "rooms: none can be built again, so places are not checked; say where their files "
            f"lie (--rooms FOLDER) if they are of files ({reason})"
        )
    return None


def _check_scene(
    scene: Scene,
    entry: ShardEntry,
    manifest: Manifest,
    rooms: RoomProvider | None,
    report: Report,
) -> None:
    def fault(text: str) -> None:
        report.faults.append(f"{entry.path}: scene {scene.scene_id}: {text}")

    if scene.split != entry.split:
        fault(f"split {scene.split} in a file of {entry.split}")
    if scene.recipe_hash != manifest.recipe_hash:
        fault("made from another recipe")
    if scene.sample_rate != SAMPLE_RATE:
        fault(f"sample rate {scene.sample_rate}, wanted {SAMPLE_RATE}")
    made_by = (scene.render.engine, scene.render.engine_version, scene.render.preset)
    if made_by != tuple(manifest.engine[key] for key in ("name", "version", "preset")):
        fault(f"rendered by {' '.join(made_by)}, which is not the engine of the manifest")
    if not scene.gain_db <= manifest.recipe.renderer.gain_db + 1e-9:
        fault(f"gain of {scene.gain_db} dB is above the recipe's")
    room = None
    try:
        if rooms is not None:
            if scene.room.provider != rooms.name:
                raise UserError(f"it is of {scene.room.provider}, the recipe's of {rooms.name}")
            room = rooms.build(scene.room)
    except (UserError, KeyError, TypeError, ValueError, IndexError, AttributeError) as reason:
        fault(f"its room cannot be built again ({type(reason).__name__}: {reason})")
        return
    made_of = {(s.event.library, s.event.library_version) for s in scene.sources}
    if not made_of <= manifest.event_libraries:
        fault("sounds come from another event library than the manifest's")
    for i, source in enumerate(scene.sources):
        try:
            check_mids(source.event.labels, source.event.mids)
        except UserError as reason:
            fault(f"source {i}: {reason}")
    if room is not None and not _inside(room, scene.listener.position):
        fault("the listener is not inside the room")
    if len(scene.sources) != len(scene.configuration):
        fault(f"{len(scene.sources)} sources in configuration {scene.configuration}")
    for i, source in enumerate(scene.sources[: len(scene.configuration)]):
        if source.index != i:
            fault(f"source {i} has index {source.index}")
            continue
        for wrong in _source_faults(source, scene, room, manifest, report):
            fault(f"source {i}: {wrong}")
    for one, other in combinations(scene.sources, 2):
        if manifest.recipe.events.same_label and one.event.name == other.event.name:
            continue
        for a, b in product(one.event.labels, other.event.labels):
            if confusable(a, b):
                fault(f"two sources have labels that contain each other: {a} and {b}")


def _source_faults(
    source: SourceTrack, scene: Scene, room: Room | None, manifest: Manifest, report: Report
) -> Iterator[str]:
    """What is wrong with the labels of a source."""
    azimuth, elevation, distance = track_directions(source.position, scene.listener)
    error = max(
        float(np.abs(wrap_deg(azimuth - source.azimuth_deg)).max()),
        float(np.abs(elevation - source.elevation_deg).max()),
        float(np.abs(distance - source.distance_m).max()),
    )
    report.max_label_error = max(report.max_label_error, error)
    if not error <= _MAX_LABEL_ERROR:
        yield f"labels differ from positions by {error:.3g}"
    low, high = manifest.recipe.placement.distance_m
    near_far = source.distance_m.min() < low - 1e-3 or source.distance_m.max() > high + 1e-3
    near_far &= not _recorded(manifest)
    if near_far or (room is not None and not _inside(room, source.position)):
        yield "leaves the room or the recipe's range of distance"
    if room is not None:
        seen = line_of_sight(room, scene.listener.position, source.position)
        if (seen != source.line_of_sight).any():
            yield "line of sight is not that of the room"
    still = bool((np.ptp(source.position, axis=0) == 0).all())
    # Annotations of a source that stays waver a little.
    unlike = source.moving == still and not (_recorded(manifest) and not still)
    if unlike or source.moving != (scene.configuration[source.index] == "D"):
        yield f"moving is {source.moving}, its track says otherwise"


def _check_audio(scene: Scene, row: dict[str, Any], report: Report) -> None:
    try:
        audio = load_audio(row)
    except UserError as error:
        report.faults.append(f"scene {scene.scene_id}: {error}")
        return
    if audio.shape != (4, SCENE_SAMPLES) or not audio.any():
        report.faults.append(
            f"scene {scene.scene_id}: audio has shape {audio.shape} or is silent, wanted "
            f"(4, {SCENE_SAMPLES}) with sound"
        )
        return
    if len(scene.sources) == 1:
        _measure_direction(scene, audio, report)


def _measure_direction(scene: Scene, audio: Floats, report: Report) -> None:
    """Direction of arrival of a single source against its label, bin by bin."""
    source = scene.sources[0]
    measured, _ = bin_directions(audio)
    labelled = unit_vectors(source.azimuth_deg, source.elevation_deg)
    heard = source.activity & source.line_of_sight & measured.any(axis=1)
    if heard.any():
        apart = float(np.median(angular_distance_deg(measured, labelled)[heard]))
        report.doa_error_deg[scene.scene_id] = apart
    level = heard & (np.abs(source.elevation_deg) < 45.0)
    if level.any():
        residual = wrap_deg(directions(measured)[0] - source.azimuth_deg)
        report.azimuth_residual_deg.append(float(np.median(residual[level])))
        if source.moving:
            rate = np.gradient(azimuth_change_deg(source.azimuth_deg), BIN_S)
            used = level & (np.abs(residual) < 60.0)
            sums = (residual * rate)[used].sum(), (rate**2)[used].sum()
            report.leads.append((float(sums[0]), float(sums[1])))


def _inside(room: Room, points: Floats) -> bool:
    """Whether all points lie within walls, floor and ceiling."""
    return bool(keeps_clear(room, points).all())


def _recorded(manifest: Manifest) -> bool:
    """Whether scenes were recorded: no room to build again, no renderer to trust."""
    return manifest.recipe.rooms.provider == RECORDED


def _check_directions(report: Report, *, recorded: bool = False) -> None:
    """What the directions of all scenes say together; of recordings only what holds for the
    middle of them, since the loudest sound need not be an annotated one."""
    errors = report.doa_error_deg
    limit = _MAX_MEDIAN_RECORDED_DEG if recorded else _MAX_MEDIAN_DOA_ERROR_DEG
    limit += _FEW_SCENES_DEG / np.sqrt(max(len(errors), 1))
    if errors and not report.median_doa_error_deg <= limit:
        report.faults.append(
            f"direction of arrival: median error {report.median_doa_error_deg:.1f} deg over "
            f"{len(errors)} single-source scenes, wanted at most {limit:.0f}"
        )
    far_off = sorted(name for name, error in errors.items() if not error <= _FAR_OFF_DEG)
    if not recorded and len(far_off) > max(1.0, _MAX_SHARE_FAR_OFF * len(errors)):
        report.faults += [
            f"scene {name}: sounds {errors[name]:.0f} deg away from its label"
            for name in far_off
        ]
    values = np.array(report.azimuth_residual_deg)
    if len(values) >= MIN_SCENES:
        median = float(np.median(values))
        spread = float(np.median(np.abs(values - median))) * 1.4826
        most = _MAX_BIAS_RECORDED_DEG if recorded else _MAX_BIAS_DEG
        if abs(median) > most + 2.0 * 1.25 * spread / np.sqrt(len(values)):
            report.faults.append(
                f"direction of arrival: azimuth is turned by {median:+.1f} deg, the median of "
                f"{len(values)} single-source scenes"
            )
    if not recorded and len(report.leads) >= MIN_SCENES and abs(report.lead_s) > _MAX_LEAD_S:
        report.faults.append(
            f"direction of arrival: sound is ahead of its labels by {report.lead_s:+.2f} s over "
            f"{len(report.leads)} moving sources"
        )


def _check_leakage(leakage: Leakage, manifest: Manifest, report: Report) -> None:
    """No room, recording or trajectory may serve two splits, and the manifest must say so."""
    for kind, name, splits in leakage.shared():
        report.faults.append(f"{kind}: {name} serves several splits: {splits}")
    whole = report.n_scenes == sum(entry.rows for entry in manifest.scenes)
    if whole and manifest.leakage != leakage.report():
        report.faults.append("manifest.json: leakage is not what the scenes give")
