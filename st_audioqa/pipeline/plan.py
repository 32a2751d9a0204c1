"""Which scenes a corpus has: a pure function of the recipe.

Every scene gets *aims*, what its draw should reach for, dealt out evenly so that all sectors,
elevations, distances and directions of change come up as often as each other, and so that rare
relations (two sources in one sector, two that change places) come up at all. A draw meets as
many aims as its room allows; labels are always measured from what was drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from st_audioqa.conventions import ANCHORS, CONFIGURATIONS, Configuration
from st_audioqa.recipes import Recipe
from st_audioqa.scene import SceneSpec, SharedGeometry
from st_audioqa.seeding import generator

__all__ = ["Plan", "Shard", "deal_track_aims", "make_plan"]

_SCENES_PER_TRACK = 4
_RARE_PLACES = [
    *((anchor, 9) for anchor in ("beginning", "middle", "middle", "end")),
    *((anchor, 8) for anchor in ("beginning", "middle", "end")),
    ("middle", 0),
]
"""Anchors and bins of distance that paths meet seldom, so that they are aimed at twice as often:
a path within reach is farthest at its ends, and few pass nearer than half a metre."""
_ATTRIBUTES = ("azimuth", "elevation", "distance")


@dataclass(frozen=True)
class Shard:
    """A file of scenes: the unit of work."""

    name: str
    """File name without folder and ending, such as `train-00000-of-00004`."""
    split: str
    scenes: tuple[SceneSpec, ...]

    @property
    def text(self) -> str:
        """All that it is to hold, as JSON."""
        # Not dataclasses.asdict, whose deep copies take most of the time of a large plan.
        return json.dumps([self.name, [_fields(spec) for spec in self.scenes]])


@dataclass(frozen=True)
class Plan:
    """All scenes of a corpus, dealt into shards."""

    recipe: Recipe
    shards: tuple[Shard, ...]

    @property
    def n_scenes(self) -> int:
        """Scenes in all shards."""
        return sum(len(shard.scenes) for shard in self.shards)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of recipe and scenes: work done for another plan is not taken for ours."""
        digest = hashlib.sha256(self.recipe.hash.encode())
        for shard in self.shards:
            digest.update(shard.text.encode())
        return digest.hexdigest()


def _fields(spec: SceneSpec) -> dict[str, Any]:
    geometry = None if spec.geometry is None else spec.geometry.__dict__
    return {**spec.__dict__, "geometry": geometry}


def make_plan(recipe: Recipe) -> Plan:
    """The plan of a recipe."""
    shards: list[Shard] = []
    for split in sorted(recipe.splits):
        specs = _split_specs(recipe, split)
        size, reuse = recipe.corpus.scenes_per_shard, recipe.renderer.reuse_in(split)
        pieces = [specs[i : i + size] for i in range(0, len(specs), size)]
        for number, piece in enumerate(pieces):
            name = f"{split}-{number:05d}-of-{len(pieces):05d}"
            shards.append(Shard(name, split, tuple(_shared(piece, reuse))))
    return Plan(recipe, tuple(shards))


def _split_specs(recipe: Recipe, split: str) -> list[SceneSpec]:
    """Scenes of one split in an order that tells nothing of their configuration."""
    counts = recipe.splits[split]
    drafts: list[tuple[Configuration, dict[str, Any]]] = []
    for configuration in CONFIGURATIONS:
        count = counts.get(configuration, 0)
        rng = generator(recipe.seed, "plan", split, configuration)
        motions = recipe.placement.motions
        dealt = _deal_aims(rng, configuration, count, motions)
        drafts += [(configuration, aims) for aims in dealt]
    order = generator(recipe.seed, "order", split).permutation(len(drafts))
    return [
        SceneSpec(f"{split}-{place:06d}", split, *drafts[which])
        for place, which in enumerate(order)
    ]


def deal_track_aims(
    rng: np.random.Generator, movement: str, count: int, motions: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Aims of `count` tracks that stay ("S") or move ("D"), every value as often as the others."""
    places = [(anchor, each) for anchor in ANCHORS for each in range(10)]
    if movement == "D":
        places += _RARE_PLACES
    anchored = _dealt(rng, places, count)
    columns: dict[str, list[Any]] = {
        "anchor": [anchor for anchor, _ in anchored],
        "azimuth": _dealt(rng, range(8), count),
        "elevation": _dealt(rng, range(3), count),
        "distance": [each for _, each in anchored],
    }
    if movement == "D":
        signs = [(a, e, d) for a in (-1, 1) for e in (-1, 1) for d in (-1, 1)]
        changes = _dealt(rng, signs, count)
        columns["speed_m_s"] = _dealt(rng, (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), count)
        columns["change"] = [dict(zip(_ATTRIBUTES, each, strict=True)) for each in changes]
        if len(motions) > 1:
            columns["motion"] = _dealt(rng, motions, count)
    return [{key: values[i] for key, values in columns.items()} for i in range(count)]


def _dealt(rng: np.random.Generator, values: Sequence[Any], count: int) -> list[Any]:
    """`count` values, each as often as the others, in random order."""
    rounds = -(-count // len(values))
    deck = [value for _ in range(rounds) for value in rng.permutation(len(values))]
    return [values[i] for i in deck[:count]]


def _shared(specs: Sequence[SceneSpec], reuse: int) -> list[SceneSpec]:
    """Scenes of one shard with geometries dealt to them, so that a track serves `reuse` sources.

    With some three tracks of each kind in a geometry there are pairs to choose from, their
    impulse responses fit into memory, and there are twice as many rooms as with six.
    """
    if reuse == 1:
        return list(specs)
    n_groups = max(1, round(len(specs) / (_SCENES_PER_TRACK * reuse)))
    found = []
    for group in np.array_split(np.arange(len(specs)), n_groups):
        scenes = [specs[i] for i in group]
        slots = "".join(spec.configuration for spec in scenes)
        geometry = SharedGeometry(
            name=scenes[0].scene_id,
            n_static=max(-(-slots.count("S") // reuse), 2),
            n_moving=max(-(-slots.count("D") // reuse), 2),
        )
        found += [replace(spec, geometry=geometry) for spec in scenes]
    return found


def _deal_aims(
    rng: np.random.Generator, configuration: Configuration, count: int, motions: Sequence[str]
) -> list[dict[str, Any]]:
    """Aims of all scenes of one configuration."""
    sources = [deal_track_aims(rng, movement, count, motions) for movement in configuration]
    pairs = _dealt(rng, _pair_aims(configuration), count)
    return [
        {
            "sources": [each[i] for each in sources],
            "pair": pairs[i],
        }
        for i in range(count)
    ]


def _pair_aims(configuration: Configuration) -> list[dict[str, str] | None]:
    """What the first two sources should have in common, in the proportions they are dealt in."""
    if len(configuration) == 1:
        return [None]
    share: list[dict[str, str] | None] = [
        {"kind": "share", "attribute": attribute, "anchor": anchor}
        for attribute in _ATTRIBUTES
        for anchor in ANCHORS
    ]
    if "D" not in configuration[:2]:
        return [*share, *[None] * len(share)]
    cross: list[dict[str, str] | None] = [
        {"kind": "cross", "attribute": attribute, "anchor": ""}
        for attribute in _ATTRIBUTES
        for _ in range(3)
    ]
    return [*share, *cross, *[None] * 3]
