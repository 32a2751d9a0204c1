"""Scenes that share a geometry: fewer responses, the same rules."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from conftest import SMALL, make_corpus, small_recipe

from st_audioqa import Corpus
from st_audioqa.pipeline.draw import draw_scene
from st_audioqa.pipeline.geometry import DRAWS_PER_GEOMETRY
from st_audioqa.pipeline.plan import make_plan
from st_audioqa.pipeline.tools import open_tools
from st_audioqa.pipeline.verify import verify

EVERY = dict.fromkeys(("S", "D", "SS", "SD", "DD"), 16)


def reusing(reuse, counts=EVERY, **changes):
    renderer = {
        "engine": "image-source",
        "preset": "fast",
        "rir_duration_s": 0.2,
        "reuse": reuse,
    }
    return small_recipe(
        splits={"test": counts, "train": counts},
        renderer=renderer,
        corpus={"scenes_per_shard": 40},
        **changes,
    )


@pytest.fixture(scope="module")
def drawn():
    recipe = reusing(8)
    tools = open_tools(recipe)
    specs = [spec for shard in make_plan(recipe).shards for spec in shard.scenes]
    return [(spec, draw_scene(spec, 0, tools).scene) for spec in specs]


def paths_of(scene):
    """Listener and the two ends of each path, whichever way it is taken."""
    for source in scene.sources:
        ends = sorted([tuple(source.position[0]), tuple(source.position[-1])])
        yield (scene.room.name, *scene.listener.position, *ends[0], *ends[1])


def test_every_path_serves_as_many_sources_as_the_recipe_says(drawn):
    uses = Counter(path for _, scene in drawn for path in paths_of(scene))
    slots = sum(uses.values())
    assert 6.5 <= slots / len(uses) <= 10.0


def test_a_geometry_lies_within_one_split_and_one_shard(drawn):
    shard_of = {
        spec.scene_id: shard.name
        for shard in make_plan(reusing(8)).shards
        for spec in shard.scenes
    }
    shards = defaultdict(set)
    for spec, scene in drawn:
        for path in paths_of(scene):
            shards[path].add(shard_of[spec.scene_id])
    assert {len(each) for each in shards.values()} == {1}


def test_scenes_of_one_geometry_differ_in_what_is_heard(drawn):
    groups = defaultdict(list)
    for spec, scene in drawn:
        groups[spec.geometry.name].append(scene)
    for scenes in groups.values():
        assert len({scene.listener.yaw_deg for scene in scenes}) == len(scenes)
        clips = {source.event.clip_id for scene in scenes for source in scene.sources}
        assert len(clips) > len(scenes)
        pairs = {tuple(sorted(paths_of(scene))) for scene in scenes if len(scene.sources) == 2}
        assert len(pairs) >= 8


def test_two_sources_never_take_one_path(drawn):
    for _, scene in drawn:
        paths = list(paths_of(scene))
        assert len(set(paths)) == len(paths)


def test_rare_places_still_come_up(drawn):
    """Aims are met across geometries although each has few tracks."""
    sources = [source for _, scene in drawn for source in scene.sources]
    near = np.mean([source.distance_m[20] < 1.0 for source in sources])
    above = np.mean([source.elevation_deg[20] > 10 for source in sources])
    back = np.mean([abs(source.azimuth_deg[20]) > 112.5 for source in sources])
    assert near > 0.08
    assert above > 0.1
    assert 0.3 < back < 0.45


def test_a_rejected_draw_takes_other_tracks_and_at_last_another_geometry():
    recipe = reusing(8, {"SD": 40})
    tools = open_tools(recipe)
    spec = make_plan(recipe).shards[0].scenes[3]
    scenes = [
        draw_scene(spec, attempt, tools).scene for attempt in range(DRAWS_PER_GEOMETRY + 1)
    ]
    first = {tuple(paths_of(scene)) for scene in scenes[:-1]}
    assert len(first) >= 3
    assert len({tuple(scene.listener.position) for scene in scenes[:-1]}) == 1
    assert tuple(scenes[-1].listener.position) != tuple(scenes[0].listener.position)


def test_reuse_of_one_gives_every_scene_its_own_geometry():
    specs = [spec for shard in make_plan(reusing(1)).shards for spec in shard.scenes]
    assert {spec.geometry for spec in specs} == {None}


def test_splits_may_reuse_unlike_often():
    recipe = reusing({"train": 8})
    geometries = {
        split: {
            spec.geometry
            for shard in make_plan(recipe).shards
            for spec in shard.scenes
            if shard.split == split
        }
        for split in ("train", "test")
    }
    assert geometries["test"] == {None}
    assert 1 < len(geometries["train"]) < 8


def test_a_corpus_with_reuse_is_right_and_the_same_from_any_number_of_workers(tmp_path):
    counts = {"S": 2, "D": 2, "SD": 4, "DD": 2}
    recipe = small_recipe(
        splits={"test": counts},
        renderer={**SMALL["renderer"], "rir_duration_s": 0.2, "reuse": 4},
    )
    alone = make_corpus(tmp_path / "alone", recipe)
    shared = make_corpus(tmp_path / "shared", recipe, workers=2)
    for path in sorted(alone.rglob("*.parquet")):
        assert path.read_bytes() == (shared / path.relative_to(alone)).read_bytes()
    assert verify(alone).faults == []
    hashes = [scene.render.rir_hash for scene in Corpus(alone).scenes("test")]
    assert len(set(hashes)) < len(hashes)


def test_the_cache_on_disk_changes_no_byte_and_is_used(tmp_path, monkeypatch):
    from st_audioqa.pipeline import generate, shard
    from st_audioqa.renderers.engines.image_source import Engine

    recipe = small_recipe(splits={"test": {"S": 2, "D": 1}})
    plain = make_corpus(tmp_path / "plain", recipe)

    def cached(folder):
        work = generate.plan_corpus(recipe, tmp_path / folder, with_audio=True)
        generate.render_scenes(work, 1, lambda: None, tmp_path / "rirs")
        shard._opened.clear()
        generate.finish(work)
        return tmp_path / folder

    first = cached("first")
    monkeypatch.setattr(Engine, "rirs", None)
    second = cached("second")
    for path in sorted(plain.rglob("*.parquet")):
        name = path.relative_to(plain)
        assert path.read_bytes() == (first / name).read_bytes() == (second / name).read_bytes()
