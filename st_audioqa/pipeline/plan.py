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
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from st_audioqa.conventions import ANCHORS, CONFIGURATIONS, Configuration
from st_audioqa.recipes import Recipe
from st_audioqa.scene import SceneSpec
from st_audioqa.seeding import generator

__all__ = ["Plan", "Shard", "make_plan"]

_ATTRIBUTES = ("azimuth", "elevation", "distance")


@dataclass(frozen=True)
class Shard:
    """A file of scenes: the unit of work."""

    name: str
    """File name without folder and ending, such as `train-00000-of-00004`."""
    split: str
    scenes: tuple[SceneSpec, ...]


@dataclass(frozen=True)
class Plan:
    """All scenes of a corpus, dealt into shards."""

    recipe: Recipe
    shards: tuple[Shard, ...]

    @property
    def n_scenes(self) -> int:
        """Scenes in all shards."""
        return sum(len(shard.scenes) for shard in self.shards)

    @property
    def hash(self) -> str:
        """SHA-256 of recipe and scenes: work done for another plan is not taken for ours."""
        digest = hashlib.sha256(self.recipe.hash.encode())
        for shard in self.shards:
            text = json.dumps([shard.name, [asdict(spec) for spec in shard.scenes]])
            digest.update(text.encode())
        return digest.hexdigest()


def make_plan(recipe: Recipe) -> Plan:
    """The plan of a recipe."""
    shards: list[Shard] = []
    for split in sorted(recipe.splits):
        specs = _split_specs(recipe, split)
        size = recipe.corpus.scenes_per_shard
        pieces = [specs[i : i + size] for i in range(0, len(specs), size)]
        for number, piece in enumerate(pieces):
            name = f"{split}-{number:05d}-of-{len(pieces):05d}"
            shards.append(Shard(name, split, tuple(piece)))
    return Plan(recipe, tuple(shards))


def _split_specs(recipe: Recipe, split: str) -> list[SceneSpec]:
    """Scenes of one split in an order that tells nothing of their configuration."""
    counts = recipe.splits[split]
    drafts: list[tuple[Configuration, dict[str, Any]]] = []
    for configuration in CONFIGURATIONS:
        count = counts.get(configuration, 0)
        rng = generator(recipe.seed, "plan", split, configuration)
        drafts += [(configuration, aims) for aims in _deal_aims(rng, configuration, count)]
    order = generator(recipe.seed, "order", split).permutation(len(drafts))
    return [
        SceneSpec(f"{split}-{place:06d}", split, *drafts[which])
        for place, which in enumerate(order)
    ]


def _deal_aims(
    rng: np.random.Generator, configuration: Configuration, count: int
) -> list[dict[str, Any]]:
    """Aims of all scenes of one configuration."""

    def dealt(values: Sequence[Any]) -> list[Any]:
        """`count` values, each as often as the others, in random order."""
        rounds = -(-count // len(values))
        deck = [value for _ in range(rounds) for value in rng.permutation(len(values))]
        return [values[i] for i in deck[:count]]

    sources = []
    for movement in configuration:
        columns: dict[str, list[Any]] = {
            "anchor": dealt(tuple(ANCHORS)),
            "azimuth": dealt(range(8)),
            "elevation": dealt(range(3)),
            "distance": dealt(range(10)),
        }
        if movement == "D":
            signs = dealt([(a, e, d) for a in (-1, 1) for e in (-1, 1) for d in (-1, 1)])
            columns["speed_m_s"] = dealt((0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))
            columns["change"] = [dict(zip(_ATTRIBUTES, each, strict=True)) for each in signs]
        sources.append(columns)
    pairs = dealt(_pair_aims(configuration))
    return [
        {
            "sources": [{key: values[i] for key, values in each.items()} for each in sources],
            "pair": pairs[i],
        }
        for i in range(count)
    ]


def _pair_aims(configuration: Configuration) -> list[dict[str, str] | None]:
    """What two sources should have in common, in the proportions they are dealt in."""
    if len(configuration) == 1:
        return [None]
    share: list[dict[str, str] | None] = [
        {"kind": "share", "attribute": attribute, "anchor": anchor}
        for attribute in _ATTRIBUTES
        for anchor in ANCHORS
    ]
    if configuration == "SS":
        return [*share, *[None] * len(share)]
    cross: list[dict[str, str] | None] = [
        {"kind": "cross", "attribute": attribute, "anchor": ""}
        for attribute in _ATTRIBUTES
        for _ in range(3)
    ]
    return [*share, *cross, *[None] * 3]
