"""Makes a corpus of annotated recordings: what `generate` does for simulated scenes.

A recording that cannot be used (broken annotation, no audio, not four channels) is left out and
named; the others are imported. Windows are cut at whole seconds and resampled to 32 kHz with
soxr; scenes get one gain, and only where they would clip. Nothing is random but the choice and
the wording of questions, which come from the seed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from st_audioqa.conventions import (
    BIN_S,
    CHANNELS,
    DURATION_S,
    SAMPLE_RATE,
    SAMPLES_PER_BIN,
    SCENE_SAMPLES,
    Configuration,
    listener_axes,
    unit_vectors,
)
from st_audioqa.corpus.audio import encode_flac
from st_audioqa.corpus.manifest import Manifest, ShardEntry, library_versions
from st_audioqa.corpus.schema import SCENES_SCHEMA, scene_to_row
from st_audioqa.corpus.shards import write_shard
from st_audioqa.dcase.folder import Recording, find_recordings
from st_audioqa.dcase.metadata import Annotation, read_annotation
from st_audioqa.dcase.windows import Heard, Window, choose_windows
from st_audioqa.errors import UserError
from st_audioqa.events.labels import confusable, mid
from st_audioqa.files import file_sha256
from st_audioqa.pipeline.generate import write_questions
from st_audioqa.recipes import Recipe
from st_audioqa.scene import (
    RECORDED,
    Event,
    Listener,
    RenderInfo,
    RoomInfo,
    Scene,
    SourceTrack,
)

__all__ = ["Dataset", "Imported", "import_recordings"]

Floats = NDArray[np.floating]

MIN_SAMPLE_RATE = 24_000
"""Recordings of less have nothing in the upper part of what scenes hold."""
_MARGIN_S = 0.5
"""Heard by the resampler before and after a window, so that its edges are as the rest."""
_LATE_S = 1.0
"""An annotation may go on this long after its audio ends; it then belongs to other audio."""

UNASKED_WITHOUT_DISTANCE = (
    "distance",
    "change/elevation",
    "grounding_change/elevation",
    "temporal_relation/elevation",
    "movement_relation/elevation",
)
"""What is not asked where distances are not known: distances, and what is higher or rises, which
must hold in metres too."""


@dataclass(frozen=True)
class Dataset:
    """What a folder of recordings is."""

    name: str
    """Stands for the event library of every source."""
    classes: Mapping[int, str]
    """Class index -> label."""
    licence: str
    attribution: str
    description: str


@dataclass(frozen=True)
class Imported:
    """What became of an import."""

    manifest: Manifest
    refused: tuple[str, ...]
    """Why recordings were left out, one sentence each."""


@dataclass(frozen=True, eq=False)
class _Cut:
    """One window of one recording."""

    recording: Recording
    window: Window
    scene_id: str


def import_recordings(
    folder: Path,
    out: Path,
    dataset: Dataset,
    *,
    seed: int = 0,
    directions_only: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Imported:
    """Imports a data set in the DCASE layout as a corpus.

    Parameters
    ----------
    folder : Path
        Above `foa_dev` and `metadata_dev`.
    out : Path
        New or empty.
    dataset : Dataset
    seed : int
        For the choice and the wording of questions.
    directions_only : bool
        Leave distances out also where they are annotated.
    progress : callable
        Called with the number of scenes just written.

    Raises
    ------
    UserError
        The folder is no data set, some recordings have distances and others none, no window of
        the split test is of use, or the output folder is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"The output folder {out} must be new or empty: choose another.")
    recordings = find_recordings(folder)
    refused: list[str] = []
    rejected: Counter[str] = Counter()
    annotated: list[tuple[Recording, Annotation, float]] = []
    for recording in recordings:
        try:
            duration = _duration(recording)
            annotation = read_annotation(recording.annotation, dataset.classes)
            _check_fits(recording, annotation, duration)
        except UserError as error:
            refused.append(str(error))
        else:
            annotated.append((recording, annotation, duration))
    ranged = _ranged([each for _, each, _ in annotated], directions_only)
    cuts: list[_Cut] = []
    for recording, annotation, duration in annotated:
        if not ranged:
            annotation = Annotation(**{**annotation.__dict__, "distance_m": None})
        windows, reasons = choose_windows(annotation, duration, dataset.classes, confusable)
        rejected += reasons
        cuts += [_Cut(recording, each, _scene_id(recording, each)) for each in windows]
    if not any(cut.recording.split == "test" for cut in cuts):
        told = ", ".join(f"{reason} {count}" for reason, count in sorted(rejected.items()))
        first = f"; the first recording that was left out: {refused[0]}" if refused else ""
        raise UserError(
            f"{folder} must have ten seconds of use in the split test, but there are none "
            f"(seconds that begin none: {told or 'no recording is ten seconds long'}){first}"
        )
    ids = Counter(cut.scene_id for cut in cuts)
    if len(ids) < len(cuts):
        raise UserError(f"Two recordings give the name {ids.most_common(1)[0][0]}: rename one.")
    recipe = _recipe(dataset, cuts, seed, ranged)
    entries = _write_scenes(out, recipe, dataset, cuts, ranged, progress)
    manifest = Manifest(
        recipe=recipe,
        recipe_hash=recipe.hash,
        seed=seed,
        has_audio=True,
        engine={"name": RECORDED, "version": "", "preset": ""},
        events={
            "name": dataset.name,
            "version": "",
            "recordings": str(len(annotated)),
            "recordings_left_out": str(len(refused)),
        },
        versions=library_versions(),
        scenes=entries,
        qa=[],
        rejections=dict(sorted(rejected.items())),
        questions={},
    )
    return Imported(write_questions(out, manifest), tuple(refused))


def _duration(recording: Recording) -> float:
    """Length of the audio in seconds; refuses audio that is no FOA recording."""
    for path, what in ((recording.audio, "audio"), (recording.annotation, "annotation")):
        if not path.is_file():
            raise UserError(f"The recording {recording.name} has no {what} ({path}).")
    try:
        info = soundfile.info(str(recording.audio))
    except soundfile.LibsndfileError as error:
        raise UserError(f"{recording.audio} cannot be read as audio ({error}).") from error
    if info.channels != len(CHANNELS) or info.samplerate < MIN_SAMPLE_RATE:
        raise UserError(
            f"{recording.audio} must have 4 channels (FOA) at {MIN_SAMPLE_RATE} Hz or more, got "
            f"{info.channels} at {info.samplerate} Hz."
        )
    return float(info.frames / info.samplerate)


def _check_fits(recording: Recording, annotation: Annotation, duration_s: float) -> None:
    last = float(annotation.frame.max(initial=0)) / 10.0
    if last > duration_s + _LATE_S:
        raise UserError(
            f"{recording.annotation} has a source at {last:.1f} s, but its audio lasts "
            f"{duration_s:.1f} s: it belongs to other audio."
        )


def _ranged(annotations: Iterable[Annotation], directions_only: bool) -> bool:
    """Whether the corpus knows distances."""
    known = [each.distance_m is not None for each in annotations if len(each)]
    if directions_only or not any(known):
        return False
    if not all(known):
        raise UserError(
            f"Distances must be annotated in all recordings or in none, got them in "
            f"{sum(known)} of {len(known)}: import these alone, or give --directions-only."
        )
    return True


def _scene_id(recording: Recording, window: Window) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", recording.name)
    return f"{name}-{window.start_s:04d}"


def _recipe(dataset: Dataset, cuts: list[_Cut], seed: int, ranged: bool) -> Recipe:
    """The recipe that stands for an import: what is in it, and how it is asked about."""
    splits: dict[str, Counter[str]] = {}
    for cut in cuts:
        splits.setdefault(cut.recording.split, Counter())[cut.window.configuration] += 1
    return Recipe.model_validate(
        {
            "name": dataset.name,
            "description": dataset.description,
            "seed": seed,
            "splits": {split: dict(sorted(each.items())) for split, each in splits.items()},
            "rooms": {"provider": RECORDED},
            "events": {"library": dataset.name},
            "renderer": {"engine": RECORDED},
            "questions": {"unasked": () if ranged else UNASKED_WITHOUT_DISTANCE},
        }
    )


def _write_scenes(
    out: Path,
    recipe: Recipe,
    dataset: Dataset,
    cuts: list[_Cut],
    ranged: bool,
    progress: Callable[[int], object],
) -> list[ShardEntry]:
    size, bits = recipe.corpus.scenes_per_shard, recipe.corpus.flac_bits
    entries = []
    for split in sorted(recipe.splits):
        of_split = [cut for cut in cuts if cut.recording.split == split]
        n_shards = -(-len(of_split) // size)
        for number in range(n_shards):
            rows = []
            for cut in of_split[number * size : (number + 1) * size]:
                audio, gain_db = _audio(cut)
                scene = _scene(cut, audio, gain_db, recipe, dataset, ranged)
                rows.append(scene_to_row(scene, encode_flac(audio, bits)))
                progress(1)
            path = f"scenes/{split}-{number:05d}-of-{n_shards:05d}.parquet"
            write_shard(out / path, rows, SCENES_SCHEMA, recipe.corpus.row_group_size)
            entries.append(
                ShardEntry(
                    path=path,
                    split=split,
                    rows=len(rows),
                    bytes=(out / path).stat().st_size,
                    sha256=file_sha256(out / path),
                )
            )
    return entries


def _audio(cut: _Cut) -> tuple[Floats, float]:
    """Ten seconds at 32 kHz [shape=(4, 320000)], and the gain that keeps them from clipping."""
    with soundfile.SoundFile(str(cut.recording.audio)) as file:
        rate, start_s = file.samplerate, float(cut.window.start_s)
        before = min(_MARGIN_S, start_s)
        file.seek(round((start_s - before) * rate))
        wanted = round((before + DURATION_S + _MARGIN_S) * rate)
        samples = file.read(wanted, dtype="float64", always_2d=True)
    if not np.isfinite(samples).all():
        raise UserError(f"{cut.recording.audio} must hold finite samples, got NaN or infinity.")
    if rate != SAMPLE_RATE:
        samples = soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ")
    first = round(before * SAMPLE_RATE)
    audio = samples[first : first + SCENE_SAMPLES].T
    audio = np.pad(audio, ((0, 0), (0, SCENE_SAMPLES - audio.shape[1])))
    peak = float(np.abs(audio).max())
    gain = min(1.0, 0.999 / peak) if peak > 0 else 1.0
    return audio * gain, 20.0 * float(np.log10(gain))


def _scene(
    cut: _Cut,
    audio: Floats,
    gain_db: float,
    recipe: Recipe,
    dataset: Dataset,
    ranged: bool,
) -> Scene:
    recording, window = cut.recording, cut.window
    where = {
        "recording": recording.name,
        "start_s": window.start_s,
        "distance_known": ranged,
    }
    return Scene(
        scene_id=cut.scene_id,
        split=recording.split,
        configuration=cast(Configuration, window.configuration),
        seed=0,
        attempt=0,
        recipe_hash=recipe.hash,
        room=RoomInfo(RECORDED, recording.room, "", where),
        listener=Listener(np.zeros(3), 0.0),
        sources=tuple(
            _source(i, heard, cut, audio, dataset, ranged)
            for i, heard in enumerate(window.sources)
        ),
        sample_rate=SAMPLE_RATE,
        gain_db=gain_db,
        render=RenderInfo(RECORDED, "", "", "", 0.0, ""),
    )


def _source(
    index: int, heard: Heard, cut: _Cut, audio: Floats, dataset: Dataset, ranged: bool
) -> SourceTrack:
    name, label = cut.recording.name, dataset.classes[heard.label]
    vectors = unit_vectors(heard.azimuth_deg, heard.elevation_deg)
    position = heard.distance_m[:, None] * vectors @ listener_axes(0.0)
    sounding = np.repeat(heard.activity, SAMPLES_PER_BIN)
    power = max(float(np.mean(audio[0, sounding] ** 2)), 1e-12)
    return SourceTrack(
        index=index,
        event=Event(
            library=dataset.name,
            clip_id=f"{name}/{cut.window.start_s}/{heard.label}-{heard.number}",
            offset_s=float(cut.window.start_s),
            level_dbfs=10.0 * float(np.log10(power)),
            labels=(label,),
            mids=(mid(label),),
            licence=dataset.licence,
            recording=name,
            attribution=dataset.attribution,
        ),
        moving=heard.moving,
        motion=_motion(position, heard, ranged),
        position=position,
        azimuth_deg=heard.azimuth_deg,
        elevation_deg=heard.elevation_deg,
        distance_m=heard.distance_m,
        activity=heard.activity,
        line_of_sight=np.ones(len(position), dtype=bool),
    )


def _motion(position: Floats, heard: Heard, ranged: bool) -> dict[str, Any]:
    """Mean speed over the active bins; 0 where the source stays or distances are not known."""
    speed = 0.0
    if heard.moving and ranged and heard.activity.sum() > 1:
        bins = np.flatnonzero(heard.activity)
        way = np.linalg.norm(np.diff(position[bins], axis=0), axis=1).sum()
        speed = float(way / ((bins[-1] - bins[0]) * BIN_S))
    return {
        "kind": RECORDED if heard.moving else "static",
        "speed_m_s": speed,
        "start": position[0].tolist(),
        "end": position[-1].tolist(),
    }
