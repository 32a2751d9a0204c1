"""A corpus as a data set in the DCASE layout, for systems that localise and detect sounds.

    foa_dev/dev-<split>/<scene_id>.wav         4 channels (W, Y, Z, X; SN3D), 16 bit
    metadata_dev/dev-<split>/<scene_id>.csv    frame, class, source, azimuth, elevation, distance
    classes.csv                                class index, label
    export.json                                what was exported

Angles are rounded to whole degrees and distances to centimetres, as in DCASE. A source has rows
where it sounds, one each 0.1 s; its number is its index in the scene plus one, and its class the
label that names it. Where distances are not known the column is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.io import wavfile

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.corpus.manifest import MANIFEST
from st_audioqa.corpus.reader import Corpus
from st_audioqa.dcase.classes import CLASSES, write_classes
from st_audioqa.dcase.metadata import write_annotation
from st_audioqa.dcase.tracks import frames_from_bins
from st_audioqa.errors import UserError
from st_audioqa.events.labels import all_labels
from st_audioqa.files import file_sha256, whole, write_text
from st_audioqa.scene import Scene

__all__ = ["Exported", "annotation_rows", "export_seld"]

DESCRIPTION = "export.json"


@dataclass(frozen=True)
class Exported:
    """What was written."""

    scenes: int
    classes: int
    clipped: int
    """Scenes that were lowered because resampling took them beyond full scale."""


def export_seld(
    corpus: Corpus,
    folder: Path,
    splits: Sequence[str] = (),
    sample_rate: int = 24_000,
    progress: Callable[[Sequence[Scene]], Iterable[Scene]] = iter,
) -> Exported:
    """Writes a corpus as a DCASE data set.

    Parameters
    ----------
    corpus : Corpus
    folder : Path
        New or empty, or with the same export, which is then written anew.
    splits : sequence of str
        All where empty. Classes are always numbered over all splits.
    sample_rate : int
        24 kHz in DCASE; resampled with soxr.
    progress : callable
        Wraps the list of scenes to be gone through, as tqdm does.

    Raises
    ------
    UserError
        The folder holds something else, or the corpus has no such split or no audio.
    """
    chosen = [scene for split in splits or corpus.splits for scene in corpus.scenes(split)]
    told = {
        "manifest_sha256": file_sha256(corpus.folder / MANIFEST),
        "sample_rate": sample_rate,
        "channels": ["W", "Y", "Z", "X"],
        "normalisation": "SN3D",
        "frame_s": 0.1,
    }
    text = json.dumps(told, indent=2, sort_keys=True) + "\n"
    path = folder / DESCRIPTION
    occupied = folder.is_dir() and any(folder.iterdir())
    if occupied and not (path.is_file() and path.read_text("utf-8") == text):
        raise UserError(
            f"{folder} must be empty or hold this export, but it holds something else: choose "
            "another output folder."
        )
    write_text(path, text)
    label = {name: i for i, name in enumerate(_classes(corpus))}
    write_classes(folder / CLASSES, {i: name for name, i in label.items()})
    clipped = 0
    for scene in progress(chosen):
        place = Path(f"dev-{scene.split}") / scene.scene_id
        if len(place.parts) != 2 or ".." in place.parts:
            raise UserError(
                f"A scene's id is the name of its file, and {scene.scene_id!r} is none."
            )
        audio, lowered = _audio(corpus.audio(scene.scene_id), sample_rate)
        clipped += lowered
        with whole((folder / "foa_dev" / place).with_suffix(".wav"), sync=False) as partial:
            wavfile.write(partial, sample_rate, audio)
        rows = annotation_rows(scene, label)
        write_annotation((folder / "metadata_dev" / place).with_suffix(".csv"), rows)
    return Exported(len(chosen), len(label), clipped)


def annotation_rows(scene: Scene, label: Mapping[str, int]) -> list[tuple[int, ...]]:
    """Rows of a scene: frame, class, source, azimuth, elevation and, if known, distance in cm."""
    ranged = scene.room.parameters.get("distance_known", True)
    rows: list[tuple[int, ...]] = []
    for source in scene.sources:
        states = (source.azimuth_deg, source.elevation_deg, source.distance_m, source.activity)
        for frame, azimuth, elevation, metres in zip(*frames_from_bins(*states), strict=True):
            row = (
                int(frame),
                label[source.event.name],
                source.index + 1,
                round(float(azimuth)),
                round(float(elevation)),
            )
            rows.append((*row, max(round(100.0 * float(metres)), 1)) if ranged else row)
    return rows


def _classes(corpus: Corpus) -> list[str]:
    """Labels that name sources: AudioSet's in its order, then others by name."""
    order = {each.name: each.index for each in all_labels()}
    names = {
        source.event.name
        for split in corpus.splits
        for scene in corpus.scenes(split)
        for source in scene.sources
    }
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def _audio(audio: NDArray[np.float32], sample_rate: int) -> tuple[NDArray[np.int16], bool]:
    """Audio [shape=(4, n)] as 16-bit samples [shape=(n, 4)], and whether it had to be lowered."""
    samples = audio.T.astype(np.float64)
    if sample_rate != SAMPLE_RATE:
        samples = soxr.resample(samples, SAMPLE_RATE, sample_rate, quality="VHQ")
    peak = float(np.abs(samples).max())
    samples = samples / max(peak, 1.0)
    return np.round(samples * 32767.0).astype(np.int16), peak > 1.0
