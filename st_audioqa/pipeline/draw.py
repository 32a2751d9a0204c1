"""Draws a scene: room, listener, events and tracks, reaching for the aims of its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import SAMPLE_RATE, wrap_deg
from st_audioqa.errors import RejectedDraw
from st_audioqa.events.loudness import activity
from st_audioqa.pipeline.aims import choose
from st_audioqa.pipeline.geometry import DRAWS_PER_GEOMETRY, Geometry, draw_geometry
from st_audioqa.pipeline.tools import Tools
from st_audioqa.pipeline.tracks import stored
from st_audioqa.rooms.placement import line_of_sight
from st_audioqa.scene import (
    Event,
    Listener,
    RenderInfo,
    Room,
    Scene,
    SceneSpec,
    SourceTrack,
    track_directions,
)
from st_audioqa.seeding import derived_seed, generator

__all__ = ["Drawn", "draw_scene"]

Floats = NDArray[np.floating]

_LEAST_HEARD_PATH_M = 0.5


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn scene with what rendering needs beside its metadata."""

    scene: Scene
    room: Room
    waveforms: Floats
    """[shape=(n_sources, n_samples)] dry events"""


def draw_scene(spec: SceneSpec, attempt: int, tools: Tools) -> Drawn:
    """One draw of a planned scene; another `attempt` is another draw.

    Raises
    ------
    RejectedDraw
        There is no place for listener, source or path, or no event that fits.
    """
    recipe = tools.recipe
    # First, because a clip that cannot be used is found out before any geometry is worked on.
    events = _events(spec, attempt, tools)
    rng = generator(recipe.seed, spec.scene_id, attempt, "scene")
    geometry = draw_geometry(spec, attempt, rng, tools)
    shared = spec.geometry is not None
    chosen, yaw_deg = choose(
        geometry.tracks,
        spec.aims,
        rng,
        rank=attempt % DRAWS_PER_GEOMETRY if shared else 0,
        tie=1.0 if shared else 0.01,
    )
    listener = Listener(geometry.ears, yaw_deg)
    waveforms = np.stack([tools.library.waveform(event) for event in events])
    sources = [
        _track(i, geometry, listener, events[i], waveforms[i], chosen[i])
        for i in range(len(chosen))
    ]
    if recipe.events.windows or recipe.placement.motions != ("linear",):
        _check_motion_is_heard(sources)
    scene = Scene(
        scene_id=spec.scene_id,
        split=spec.split,
        configuration=spec.configuration,
        seed=derived_seed(recipe.seed, spec.scene_id, attempt) >> 1,
        attempt=attempt,
        recipe_hash=recipe.hash,
        room=geometry.room.info,
        listener=listener,
        sources=tuple(sources),
        sample_rate=SAMPLE_RATE,
        gain_db=recipe.renderer.gain_db,
        render=RenderInfo(
            engine=tools.engine.name,
            engine_version=tools.engine.version,
            preset=recipe.renderer.preset,
            crossfade=recipe.renderer.crossfade,
            rir_duration_s=recipe.renderer.rir_duration_s,
            rir_hash="",
        ),
    )
    return Drawn(scene, geometry.room, waveforms)


def _events(spec: SceneSpec, attempt: int, tools: Tools) -> list[Event]:
    rng = generator(tools.recipe.seed, spec.scene_id, attempt, "events")
    one, other = _twins(len(spec.configuration), rng, tools.recipe.events.same_label)
    events: list[Event] = []
    for i in range(len(spec.configuration)):
        taken = [
            label
            for j, event in enumerate(events)
            for label in event.labels
            if (j, i) != (one, other)
        ]
        name = events[one].name if i == other else None
        events.append(tools.library.draw(rng, spec.split, name, taken))
    if other > 0:
        _check_twins(events[one], events[other])
    return events


def _twins(n_sources: int, rng: np.random.Generator, share: float) -> tuple[int, int]:
    """Which two sources have one label, the earlier first; (-1, -1) where none."""
    if share == 0.0 or n_sources == 1 or rng.random() >= share:
        return -1, -1
    one, other = sorted(rng.permutation(n_sources)[:2].tolist())
    return one, other


def _check_twins(one: Event, other: Event) -> None:
    """Two sources of one label must have one name, and be two recordings."""
    if one.name != other.name:
        raise RejectedDraw("no_twin", f"{other.name} is no {one.name}")
    if (one.recording or one.clip_id) == (other.recording or other.clip_id):
        raise RejectedDraw("no_twin", f"{one.clip_id} twice")


def _check_motion_is_heard(sources: Sequence[SourceTrack]) -> None:
    """A source that moves must do so while it sounds, or its label could not be heard."""
    for source in sources:
        heard = source.position[source.activity]
        far = np.linalg.norm(heard - heard[:1], axis=-1).max(initial=0.0)
        if source.moving and far < _LEAST_HEARD_PATH_M:
            raise RejectedDraw("unheard_motion", f"source {source.index} by {far:.2f} m")


def _track(
    index: int,
    geometry: Geometry,
    listener: Listener,
    event: Event,
    waveform: Floats,
    which: int,
) -> SourceTrack:
    tracks = geometry.tracks[index]
    position, motion = tracks.positions[which], tracks.motions[which]
    azimuth, elevation, distance = track_directions(position, listener)
    return SourceTrack(
        index=index,
        event=event,
        moving=motion["kind"] != "static",
        motion=motion,
        position=position,
        azimuth_deg=wrap_deg(stored(azimuth)),
        elevation_deg=stored(elevation),
        distance_m=stored(distance),
        activity=activity(waveform),
        line_of_sight=line_of_sight(geometry.room, listener.position, position),
    )
