"""Draws a scene: room, listener, events and tracks, reaching for the aims of its plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import SAMPLE_RATE, wrap_deg
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
    events: list[Event] = []
    for _ in spec.configuration:
        taken = [label for event in events for label in event.labels]
        events.append(tools.library.draw(rng, spec.split, avoid=taken))
    return events


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
