"""The nouns that travel through the pipeline.

`SceneSpec` (what a scene is to be) -> `Scene` (what it is) -> FOA audio -> `Question` ->
`Prediction`. All are frozen; arrays inside them are not to be written to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import Configuration, directions, to_listener

__all__ = [
    "RECORDED",
    "SOURCE_NUMBERS",
    "SOURCE_ROLES",
    "Event",
    "Listener",
    "Material",
    "Prediction",
    "Question",
    "RenderInfo",
    "Room",
    "RoomInfo",
    "Scene",
    "SceneFiles",
    "SceneSpec",
    "SharedGeometry",
    "SourceTrack",
    "track_directions",
]

Floats = NDArray[np.floating]

RECORDED = "recorded"
"""Provider of rooms and engine of scenes that were recorded, not simulated."""
SOURCE_ROLES = ("first", "second", "both", "neither")
"""Answers that name sources, by their place in the wording."""
SOURCE_NUMBERS = ("first", "second", "third", "fourth")
"""So where one of the named sources is the answer."""


@dataclass(frozen=True)
class Material:
    """Acoustic properties of a surface at the octave bands `st_audioqa.conventions.BANDS_HZ`."""

    name: str
    absorption: tuple[float, ...]
    """Random-incidence energy absorption per band, 0 to 1."""
    scattering: tuple[float, ...]
    """Share of the reflected energy that is scattered, per band, 0 to 1."""


@dataclass(frozen=True)
class RoomInfo:
    """The room of a scene as stored: enough to build it again."""

    provider: str
    name: str
    category: str
    parameters: Mapping[str, Any]
    """What the provider's `build` needs (JSON values)."""


@dataclass(frozen=True)
class SceneFiles:
    """Files of the building that a room is part of, as they lie on this machine; never stored.

    The world axes of such a room are those in which habitat-sim sees the building.
    """

    mesh: Path
    """What is seen and, without materials, heard (`<id>.glb`)."""
    navmesh: Path
    dataset: Path | None = None
    """Scene dataset config, which says how the meshes are turned."""
    materials: Path | None = None
    """Acoustic materials by category; without it all surfaces have the engine's default. The
    semantic mesh is then heard, and it and the house file lie beside `mesh`."""


@dataclass(frozen=True, eq=False)
class Room:
    """A room that can be stood in and listened to, in world axes (y up, metres).

    The mesh is what is rendered, and may hold neighbouring rooms as well. Listener and sources
    are to be between `floor_y_m` and `floor_y_m + height_m` over the outline `floor`. Whatever
    asks where one can be, or what one sees from there, asks `st_audioqa.rooms.space`.
    """

    info: RoomInfo
    shape: str
    """"shoebox" (axis-aligned box from the origin, empty), or "mesh" (anything else)."""
    vertices: Floats
    """[shape=(n_vertices, 3)]"""
    faces: NDArray[np.int64]
    """[shape=(n_faces, 3)] indices into `vertices`"""
    face_material: NDArray[np.int64]
    """[shape=(n_faces,)] indices into `materials`"""
    materials: tuple[Material, ...]
    floor: Floats
    """[shape=(n_corners, 2)] outline of the room from above as (x, z)"""
    height_m: float
    """From floor to ceiling."""
    obstacles: Floats
    """[shape=(n_obstacles, 2, 3)] lower and upper corners of the furniture; empty where
    `walkable` is given"""
    floor_y_m: float = 0.0
    """Height of the floor in world axes; the lowest place of a floor that is not level."""
    walkable: Floats | None = None
    """[shape=(n_triangles, 3, 3)] where feet can be. None where outline and obstacles say all
    there is to know of the room; elsewhere walls and furniture are those of the mesh."""
    files: SceneFiles | None = None
    """Given where the room is part of one whose files habitat-sim can open."""


@dataclass(frozen=True, eq=False)
class Listener:
    """Who listens: a fixed position in world axes, turned left by `yaw_deg`."""

    position: Floats
    """[shape=(3,)] metres"""
    yaw_deg: float


@dataclass(frozen=True)
class Event:
    """One clip of an event library; the library turns it into its waveform again."""

    library: str
    clip_id: str
    offset_s: float
    level_dbfs: float
    """RMS level of the dry waveform over its active bins."""
    labels: tuple[str, ...]
    """AudioSet display names, the most specific one first; it names the source."""
    mids: tuple[str, ...]
    """Machine identifier of each label, "own:..." for one that is not AudioSet's."""
    licence: str
    library_version: str = ""
    recording: str = ""
    """What the clip was cut from; empty where that is the clip itself. No recording serves two
    splits."""
    attribution: str = ""
    """Who is to be named as the source of the clip."""
    repeated: bool = False
    """Whether a sound shorter than the scene is heard again and again."""

    @property
    def name(self) -> str:
        """The label that names the source."""
        return self.labels[0]


@dataclass(frozen=True, eq=False)
class SourceTrack:
    """One source over the 40 bins of a scene (paper, equation 1)."""

    index: int
    event: Event
    moving: bool
    motion: Mapping[str, Any]
    """Kind of path and its parameters: `kind`, `speed_m_s`, `start`, `end`."""
    position: Floats
    """[shape=(40, 3)] world axes, metres"""
    azimuth_deg: Floats
    """[shape=(40,)]"""
    elevation_deg: Floats
    """[shape=(40,)]"""
    distance_m: Floats
    """[shape=(40,)]"""
    activity: NDArray[np.bool_]
    """[shape=(40,)] measured from the dry waveform"""
    line_of_sight: NDArray[np.bool_]
    """[shape=(40,)] whether nothing stands between source and listener"""


@dataclass(frozen=True)
class RenderInfo:
    """How the audio of a scene was made."""

    engine: str
    engine_version: str
    preset: str
    crossfade: str
    rir_duration_s: float
    rir_hash: str
    """SHA-256 over the responses of each source's path, as heard at yaw 0 and in the direction
    in which the path is kept; empty where none were computed."""


@dataclass(frozen=True)
class SharedGeometry:
    """A room, a listener's place and tracks that several scenes have in common."""

    name: str
    n_static: int
    """Places of sources that stay."""
    n_moving: int
    """Paths of sources that move."""


@dataclass(frozen=True)
class SceneSpec:
    """What a scene is to be: planned before anything is drawn."""

    scene_id: str
    split: str
    configuration: Configuration
    aims: Mapping[str, Any]
    """What the draw should reach for, so that rare answers come up (see `pipeline.plan`)."""
    geometry: SharedGeometry | None = None
    """None for a scene with a geometry of its own."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene as it is: geometry, events and labels."""

    scene_id: str
    split: str
    configuration: Configuration
    seed: int
    """Of this draw: derived from the recipe's seed, the scene's name and the attempt."""
    attempt: int
    """How many draws of this scene were rejected before this one."""
    recipe_hash: str
    room: RoomInfo
    listener: Listener
    sources: tuple[SourceTrack, ...]
    sample_rate: int
    gain_db: float
    """The one gain that was applied to the whole scene before it was stored."""
    render: RenderInfo


@dataclass(frozen=True)
class Question:
    """One question with its one right answer."""

    question_id: str
    scene_id: str
    split: str
    configuration: Configuration
    type: str
    """A, B or C"""
    family: str
    attribute: str
    anchor: str
    """beginning, middle, end, or empty"""
    question: str
    answer: str
    answer_kind: str
    options: tuple[str, ...]
    """The closed set the answer comes from; empty for event detection."""
    targets: tuple[int, ...]
    """Indices of the sources asked about."""
    template_id: str
    paraphrase_id: int

    @property
    def role(self) -> str:
        """The answer as what is balanced: for a named source its place in the question."""
        if self.answer_kind == "source":
            return SOURCE_ROLES[self.options.index(self.answer)]
        if self.answer_kind == "one_of":
            return SOURCE_NUMBERS[self.options.index(self.answer)]
        return self.answer


@dataclass(frozen=True)
class Prediction:
    """What a model said to one question."""

    question_id: str
    response: str | None
    """None where the model gave no answer; `error` says why."""
    error: str = ""
    request_key: str = ""
    """Hash of what was asked: audio, prompt, model, revision, decoding; empty if not known."""


def track_directions(
    position: NDArray[np.floating], listener: Listener
) -> tuple[Floats, Floats, Floats]:
    """Azimuth (deg), elevation (deg) and distance (m) of world positions for a listener."""
    return directions(to_listener(position, listener.position, listener.yaw_deg))
