"""Everything that hears scenes, behind one protocol, and the tracks file it writes.

An encoder is a folder of weights; `intensity` and `intensity-plain` are the estimators without
training (`st_audioqa.baselines.intensity`). Whoever hears says the same things of a scene, so that
`st-audioqa eval tracks` scores all rows of the paper's Table 3 alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from st_audioqa.baselines import intensity
from st_audioqa.conventions import N_BINS, SCENE_SAMPLES, directions
from st_audioqa.corpus.audio import load_audio
from st_audioqa.corpus.manifest import MANIFEST
from st_audioqa.corpus.reader import SCENE_COLUMNS, Corpus
from st_audioqa.corpus.schema import scene_from_row
from st_audioqa.corpus.shards import read_rows
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.evaluation.track_file import SceneTracks, Track
from st_audioqa.evaluation.track_scores import told_names
from st_audioqa.events.labels import all_labels
from st_audioqa.files import file_sha256, whole
from st_audioqa.scene import Scene

__all__ = ["EncoderListener", "IntensityListener", "Listener", "listener", "write_tracks"]

Floats = NDArray[np.floating]

_AT_ONCE = 8


class Listener(Protocol):
    """Who hears scenes."""

    name: str
    input: str
    """"FOA" or "Binaural", as the column of Table 3 says."""

    def hear(self, scenes: Sequence[Scene], audio: Floats) -> list[SceneTracks]:
        """What it says of scenes [shape=(n, 4, 320000)].

        Of a scene it may only use the id, and the names of the sources for `asked`.
        """


class IntensityListener:
    """Directions of the intensity vector; knows no classes and no distances."""

    def __init__(self, weighting: intensity.Weighting) -> None:
        self._weighting = weighting
        self.name = f"intensity-{weighting}"
        self.input = "FOA"

    def hear(self, scenes: Sequence[Scene], audio: Floats) -> list[SceneTracks]:
        """One track per scene; silence has none."""
        found = []
        for scene, samples in zip(scenes, audio, strict=True):
            vectors = intensity.track(samples, self._weighting)
            lone = None if vectors is None else _from_vectors(vectors)
            asked = tuple(
                lone.model_copy(update={"label": name})
                for name in _asked(scene)
                if lone is not None
            )
            own = () if lone is None else (lone,)
            found.append(
                SceneTracks(scene_id=scene.scene_id, tracks=own, trajectory=lone, asked=asked)
            )
        return found


class EncoderListener:
    """An encoder of `st_audioqa.models`.

    Parameters
    ----------
    folder : Path
        What `save_pretrained` or `st-audioqa train encoder` wrote.
    crop_s : float, optional
        See `st_audioqa.models.listening`.
    name : str, optional
        The encoder's kind and stage where left out.
    device : str, optional
        A torch device.
    """

    def __init__(
        self,
        folder: Path,
        *,
        crop_s: float | None = None,
        name: str | None = None,
        device: str | None = None,
    ) -> None:
        try:
            from st_audioqa.models.storage import load_encoder
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "safetensors"):
                raise
            raise MissingPackageError(error.name, "models", "An encoder") from error
        self._encoder = load_encoder(folder)
        if device is not None:
            self._encoder.to(device)
        self._crop_s = crop_s
        kind = f"{self._encoder.kind} stage {self._encoder.trained_stage}"
        self.name = name or (kind if crop_s is None else f"{kind}, crops of {crop_s:g} s")
        layout = self._encoder.frontend.layout
        self.input = layout.upper() if layout == "foa" else layout.capitalize()

    def hear(self, scenes: Sequence[Scene], audio: Floats) -> list[SceneTracks]:
        """Labels, tracks, the trajectory of a lone source, and tracks of the classes told."""
        import torch

        from st_audioqa.models.listening import listen

        told = [_asked(scene) for scene in scenes]
        heard = listen(self._encoder, torch.as_tensor(audio), told, crop_s=self._crop_s)
        return [
            SceneTracks(
                scene_id=scene.scene_id,
                labels={name: round(p, 6) for name, p in one.labels},
                tracks=tuple(map(_from_heard, one.tracks)),
                trajectory=None if one.trajectory is None else _from_heard(one.trajectory),
                asked=tuple(map(_from_heard, one.asked)),
            )
            for scene, one in zip(scenes, heard, strict=True)
        ]


def listener(
    what: str,
    *,
    crop_s: float | None = None,
    name: str | None = None,
    device: str | None = None,
) -> Listener:
    """Whoever hears by that name: "intensity", "intensity-plain", or the folder of an encoder.

    Raises
    ------
    UserError
        There is none, or an estimator was given options of encoders.
    """
    if what in ("intensity", "intensity-direct", "intensity-plain"):
        if crop_s is not None or device is not None:
            raise UserError(
                f"Crops and devices are for encoders, and {what} hears every bin by itself: "
                "leave them out."
            )
        found = IntensityListener("plain" if what == "intensity-plain" else "direct")
        found.name = name or found.name
        return found
    if not Path(what).is_dir():
        raise UserError(
            f"Wanted the folder of an encoder, intensity or intensity-plain, got {what!r}: train "
            "one with `st-audioqa train encoder`."
        )
    return EncoderListener(Path(what), crop_s=crop_s, name=name, device=device)


def write_tracks(
    who: Listener, corpus: Corpus, split: str, out: Path, on_scene: Callable[[], object]
) -> int:
    """Lets somebody hear a split and writes the tracks file.

    Returns
    -------
    int
        Number of scenes.

    Raises
    ------
    UserError
        The corpus has no audio or no such split, or its audio is of another length.
    """
    if split not in corpus.splits:
        raise UserError(
            f"{corpus.folder} has no split {split!r}, wanted one of {', '.join(corpus.splits)}."
        )
    if not corpus.manifest.has_audio:
        raise UserError(
            f"Audio is wanted, and {corpus.folder} was made with --questions-only: generate it "
            "again in another folder without that option."
        )
    header = {
        "type": "run",
        "model": who.name,
        "split": split,
        "manifest_sha256": file_sha256(corpus.folder / MANIFEST),
        "input": who.input,
    }
    known = frozenset(each.name for each in all_labels()).union(
        label
        for scene in corpus.scenes(split)
        for source in scene.sources
        for label in source.event.labels
    )
    count = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole(out) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(header) + "\n")
        for entry in corpus.manifest.scenes:
            if entry.split != split:
                continue
            waiting: list[tuple[Scene, Floats]] = []
            rows = read_rows(corpus.folder / entry.path, [*SCENE_COLUMNS, "audio"])
            for i, row in enumerate(rows, 1):
                waiting.append((scene_from_row(row), _whole_clip(row)))
                if len(waiting) == _AT_ONCE or i == entry.rows:
                    scenes, audio = zip(*waiting, strict=True)
                    for said in who.hear(scenes, np.stack(audio)):
                        told = _known_alone(said, known).model_dump(exclude_none=True)
                        file.write(json.dumps(told) + "\n")
                        on_scene()
                    count += len(waiting)
                    waiting = []
    return count


def _whole_clip(row: dict[str, Any]) -> Floats:
    audio = load_audio(row)
    if audio.shape[1] != SCENE_SAMPLES:
        raise UserError(
            f"Scene {row['scene_id']} has {audio.shape[1]} samples, wanted {SCENE_SAMPLES}: "
            "regenerate the corpus."
        )
    return audio


def _asked(scene: Scene) -> tuple[str, ...]:
    return told_names(scene) if len(scene.sources) > 1 else ()


def _known_alone(said: SceneTracks, known: frozenset[str]) -> SceneTracks:
    """The same without scores of classes that nobody else knows: they can be neither right nor
    wrong, and the scorer takes them for misspelt ones."""
    if said.labels is None:
        return said
    labels = {name: score for name, score in said.labels.items() if name in known}
    return said.model_copy(update={"labels": labels})


def _from_vectors(vectors: Floats) -> Track:
    azimuth, elevation, _ = directions(vectors)
    return Track(azimuth_deg=_rounded(azimuth, 2), elevation_deg=_rounded(elevation, 2))


def _from_heard(track: Any) -> Track:
    return Track(
        label=track.label,
        activity=[bool(each) for each in track.activity >= 0.5],
        azimuth_deg=_rounded(track.azimuth_deg, 2),
        elevation_deg=_rounded(track.elevation_deg, 2),
        distance_m=_rounded(track.distance_m, 3),
    )


def _rounded(values: Floats, digits: int) -> list[float]:
    assert len(values) == N_BINS
    return [round(float(each), digits) for each in values]
