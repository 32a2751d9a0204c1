"""Draws a scene: room, listener, events and tracks, reaching for the aims of its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from st_audioqa.conventions import (
    ANCHORS,
    DURATION_S,
    LEVEL_ELEVATION_DEG,
    N_BINS,
    SAMPLE_RATE,
    azimuth_change_deg,
    distance_bin,
    elevation_class,
    sector,
    wrap_deg,
)
from st_audioqa.events.loudness import activity
from st_audioqa.pipeline.tools import Tools
from st_audioqa.rooms.placement import (
    line_of_sight,
    linear_paths,
    place_listener,
    static_positions,
)
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

_CANDIDATES = 128
"""Valid tracks per source among which the one that meets most aims is taken."""
_CENTRE_BIN = {anchor: bins[len(bins) // 2] for anchor, bins in ANCHORS.items()}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn scene with what rendering needs beside its metadata."""

    scene: Scene
    room: Room
    waveforms: Floats
    """[shape=(n_sources, n_samples)] dry events"""


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Valid tracks of one source, seen by a listener at yaw 0."""

    positions: Floats
    """[shape=(n, 40, 3)]"""
    motions: list[dict[str, Any]]
    azimuth_deg: Floats
    elevation_deg: Floats
    distance_m: Floats


def draw_scene(spec: SceneSpec, attempt: int, tools: Tools) -> Drawn:
    """One draw of a planned scene; another `attempt` is another draw.

    Raises
    ------
    RejectedDraw
        There is no place for listener, source or path, or no event that fits.
    """
    recipe = tools.recipe
    rng = generator(recipe.seed, spec.scene_id, attempt, "scene")
    n_rooms = -(-sum(recipe.splits[spec.split].values()) // recipe.rooms.scenes_per_room)
    number = int(rng.integers(n_rooms))
    room_rng = generator(recipe.seed, "room", spec.split, number)
    room = tools.provider.build(
        tools.provider.draw(room_rng, f"{spec.split}-room-{number:05d}")
    )

    ears = _stored(place_listener(room, rng, recipe.placement))
    candidates = [
        _candidates(room, ears, rng, tools, moving=movement == "D")
        for movement in spec.configuration
    ]
    chosen, yaw_deg = _choose(candidates, spec.aims, rng)
    listener = Listener(ears, yaw_deg)
    events, waveforms = _events(spec, attempt, tools)
    sources = [
        _track(i, room, listener, events[i], waveforms[i], candidates[i], chosen[i])
        for i in range(len(candidates))
    ]
    scene = Scene(
        scene_id=spec.scene_id,
        split=spec.split,
        configuration=spec.configuration,
        seed=derived_seed(recipe.seed, spec.scene_id, attempt, "render") >> 1,
        attempt=attempt,
        recipe_hash=recipe.hash,
        room=room.info,
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
    return Drawn(scene, room, waveforms)


def _stored(values: Floats) -> Floats:
    """Values as they will be read back from a shard, so that nothing changes on the way."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def _events(spec: SceneSpec, attempt: int, tools: Tools) -> tuple[list[Event], Floats]:
    rng = generator(tools.recipe.seed, spec.scene_id, attempt, "events")
    events: list[Event] = []
    for _ in spec.configuration:
        taken = [label for event in events for label in event.labels]
        events.append(tools.library.draw(rng, spec.split, avoid=taken))
    return events, np.stack([tools.library.waveform(event) for event in events])


def _candidates(
    room: Room, ears: Floats, rng: np.random.Generator, tools: Tools, *, moving: bool
) -> _Candidates:
    motions: list[dict[str, Any]]
    if moving:
        ends, positions = linear_paths(room, ears, rng, tools.recipe.placement, _CANDIDATES)
        # A path taken backwards is as good a path and turns every change round.
        ends = np.concatenate([ends, ends[:, ::-1]])
        positions = np.concatenate([positions, positions[:, ::-1]])
        speed = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1) / DURATION_S
        motions = [
            {
                "kind": "linear",
                "speed_m_s": float(s),
                "start": e[0].tolist(),
                "end": e[1].tolist(),
            }
            for s, e in zip(speed, ends, strict=True)
        ]
    else:
        points = static_positions(room, ears, rng, tools.recipe.placement, _CANDIDATES)
        positions = np.repeat(points[:, None], N_BINS, axis=1)
        motions = [
            {"kind": "static", "speed_m_s": 0.0, "start": p.tolist(), "end": p.tolist()}
            for p in points
        ]
    positions = _stored(positions)
    return _Candidates(positions, motions, *track_directions(positions, Listener(ears, 0.0)))


def _choose(
    candidates: Sequence[_Candidates], aims: Mapping[str, Any], rng: np.random.Generator
) -> tuple[list[int], float]:
    """The candidates that meet most aims together, and the yaw of the listener.

    The yaw brings the first source into the sector it aims at; jitter keeps it off the centre.
    """
    jitter = float(rng.uniform(-16.0, 16.0))
    first_aims = aims["sources"][0]
    first = candidates[0]
    at = _CENTRE_BIN[first_aims["anchor"]]
    yaw = wrap_deg(first.azimuth_deg[:, at] - 45.0 * first_aims["azimuth"] - jitter)
    score = _own_score(first, first_aims)
    tie = 0.01
    if len(candidates) == 1:
        best = int(np.argmax(score + rng.uniform(0, tie, size=len(score))))
        return [best], float(np.float32(yaw[best]))

    second = candidates[1]
    second_aims = aims["sources"][1]
    total = score[:, None] + _own_score(second, second_aims)
    at = _CENTRE_BIN[second_aims["anchor"]]
    sectors = sector(wrap_deg(second.azimuth_deg[None, :, at] - yaw[:, None]))
    total += 1.0 * (sectors == second_aims["azimuth"])
    if aims["pair"]:
        total += 6.0 * _pair_met(first, second, yaw, aims["pair"])
    total += rng.uniform(0, tie, size=total.shape)
    one, other = divmod(int(np.argmax(total)), total.shape[1])
    return [one, other], float(np.float32(yaw[one]))


def _own_score(tracks: _Candidates, aims: Mapping[str, Any]) -> Floats:
    """Points for each aim a candidate meets: distance 3, the others 2, a near speed less."""
    at = _CENTRE_BIN[aims["anchor"]]
    elevation = tracks.elevation_deg[:, at]
    inside = np.abs(np.abs(elevation) - LEVEL_ELEVATION_DEG) > 4.0
    score = 2.0 * ((elevation_class(elevation) == aims["elevation"]) & inside)
    score += 3.0 * (distance_bin(tracks.distance_m[:, at]) == aims["distance"])
    if "change" in aims:
        for attribute, (change, least) in _changes(tracks).items():
            wanted = aims["change"][attribute]
            score += 2.0 * ((np.sign(change) == wanted) & (np.abs(change) > least))
        speed = np.array([motion["speed_m_s"] for motion in tracks.motions])
        score += np.clip(1.5 - np.abs(speed - aims["speed_m_s"]) / 0.1, 0.0, 1.5)
    return score


def _changes(tracks: _Candidates) -> dict[str, tuple[Floats, float]]:
    """Change from the first to the last bin, and the least that is clearly one."""
    swept = azimuth_change_deg(tracks.azimuth_deg)[:, -1]
    risen = tracks.elevation_deg[:, -1] - tracks.elevation_deg[:, 0]
    receded = tracks.distance_m[:, -1] - tracks.distance_m[:, 0]
    return {"azimuth": (swept, 24.0), "elevation": (risen, 12.0), "distance": (receded, 0.6)}


def _pair_met(
    first: _Candidates, second: _Candidates, yaw: Floats, aim: Mapping[str, str]
) -> NDArray[np.bool_]:
    """Which pairs meet the aim of their pair [shape=(n_first, n_second)]."""
    attribute = aim["attribute"]
    if aim["kind"] == "share":
        at = _CENTRE_BIN[aim["anchor"]]
        if attribute == "azimuth":
            turned = wrap_deg(first.azimuth_deg[:, at] - yaw)
            other = wrap_deg(second.azimuth_deg[None, :, at] - yaw[:, None])
            return np.asarray(sector(turned)[:, None] == sector(other))
        if attribute == "elevation":
            classes = [elevation_class(each.elevation_deg[:, at]) for each in (first, second)]
        else:
            classes = [distance_bin(each.distance_m[:, at]) for each in (first, second)]
        return np.asarray(classes[0][:, None] == classes[1][None])
    start, end = (_relation(first, second, attribute, b) for b in (1, N_BINS - 2))
    return np.asarray(start * end < 0)


def _relation(first: _Candidates, second: _Candidates, attribute: str, at: int) -> Floats:
    """Sign of the difference between two sources in one bin, 0 where it is not clear."""
    if attribute == "azimuth":
        difference = wrap_deg(first.azimuth_deg[:, None, at] - second.azimuth_deg[None, :, at])
        clear = (np.abs(difference) > 15.0) & (np.abs(difference) < 165.0)
    elif attribute == "elevation":
        difference = first.elevation_deg[:, None, at] - second.elevation_deg[None, :, at]
        clear = np.abs(difference) > 8.0
    else:
        difference = first.distance_m[:, None, at] - second.distance_m[None, :, at]
        clear = np.abs(difference) > 0.4
    return np.sign(difference) * clear


def _track(
    index: int,
    room: Room,
    listener: Listener,
    event: Event,
    waveform: Floats,
    candidates: _Candidates,
    which: int,
) -> SourceTrack:
    position = candidates.positions[which]
    azimuth, elevation, distance = track_directions(position, listener)
    motion = candidates.motions[which]
    return SourceTrack(
        index=index,
        event=event,
        moving=motion["kind"] != "static",
        motion=motion,
        position=position,
        azimuth_deg=wrap_deg(_stored(azimuth)),
        elevation_deg=_stored(elevation),
        distance_m=_stored(distance),
        activity=activity(waveform),
        line_of_sight=line_of_sight(room, listener.position, position),
    )
