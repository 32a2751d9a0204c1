"""Kinds of motion, entrances and twins: what is drawn is what the recipe asks for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import SMALL, make_corpus, small_recipe

from st_audioqa import Corpus, UserError
from st_audioqa.conventions import BIN_S
from st_audioqa.corpus.stats import corpus_stats, stats_text
from st_audioqa.events.loudness import active_level_dbfs, activity
from st_audioqa.events.windows import WindowedLibrary, window_of
from st_audioqa.pipeline.draw import draw_scene
from st_audioqa.pipeline.motions import MOTIONS
from st_audioqa.pipeline.plan import make_plan
from st_audioqa.pipeline.tools import open_tools
from st_audioqa.pipeline.verify import verify
from st_audioqa.recipes import PlacementRecipe, load_recipe
from st_audioqa.rooms.placement import line_of_sight, place_listener
from st_audioqa.rooms.providers.procedural import Provider
from st_audioqa.rooms.space import keeps_clear

KINDS = ("accelerating", "arc", "linear", "stop-and-go", "there-and-back")
LIMITS = PlacementRecipe()
BEYOND = {
    "events": {"windows": 0.5, "same_label": 1.0},
    "placement": {"motions": KINDS},
    "questions": {"sets": ["paper", "extended"]},
}


@pytest.fixture(scope="module")
def furnished():
    rng = np.random.default_rng(4)
    provider = Provider(shapes=["l_shaped"], furniture=[4, 6])
    room = provider.build(provider.draw(rng, "room", "train"))
    return room, place_listener(room, rng, LIMITS)


@pytest.fixture(scope="module")
def drawn_paths(furnished):
    room, ears = furnished
    return {
        kind: MOTIONS.get(kind)(room, ears, np.random.default_rng(1), LIMITS, 40)
        for kind in KINDS
    }


def speeds(positions):
    return np.linalg.norm(np.diff(positions, axis=1), axis=-1) / BIN_S


def test_the_kinds_are_the_files(drawn_paths):
    assert tuple(MOTIONS.names()) == KINDS
    with pytest.raises(UserError, match="did you mean arc"):
        MOTIONS.get("ark")


@pytest.mark.parametrize("kind", KINDS)
def test_paths_keep_clear_in_sight_in_reach_and_within_the_speeds(kind, furnished, drawn_paths):
    room, ears = furnished
    paths = drawn_paths[kind]
    assert 1 <= len(paths.positions) <= 40
    assert keeps_clear(room, paths.positions, walls_m=0.25, furniture_m=0.15).all()
    assert line_of_sight(room, ears, paths.positions).all()
    distance = np.linalg.norm(paths.positions - ears, axis=-1)
    assert distance.min() >= LIMITS.distance_m[0]
    assert distance.max() <= LIMITS.distance_m[1]
    assert paths.speed_m_s.min() >= LIMITS.speed_m_s[0]
    assert speeds(paths.positions).max() <= LIMITS.speed_m_s[1] + 1e-9
    between = np.linalg.norm(np.diff(paths.positions, axis=1), axis=-1).sum(axis=1)
    ends = np.linalg.norm(paths.ends - paths.positions[:, [0, -1]], axis=-1).sum(axis=1)
    np.testing.assert_allclose(between + ends, 10.0 * paths.speed_m_s, rtol=0.02)


def test_the_same_generator_gives_the_same_paths(furnished, drawn_paths):
    room, ears = furnished
    for kind, paths in drawn_paths.items():
        again = MOTIONS.get(kind)(room, ears, np.random.default_rng(1), LIMITS, 40)
        np.testing.assert_array_equal(again.positions, paths.positions)


def test_each_kind_moves_as_its_name_says(drawn_paths):
    even = speeds(drawn_paths["arc"].positions)
    assert (even.max(axis=1) < 1.02 * even.min(axis=1)).all()
    flat = drawn_paths["arc"].positions[..., [0, 2]]  # as seen from above
    offset = flat - flat[:, :1]
    chord = offset[:, -1:] / np.linalg.norm(offset[:, -1:], axis=-1, keepdims=True)
    aside = np.linalg.norm(offset - (offset * chord).sum(-1, keepdims=True) * chord, axis=-1)
    assert (aside.max(axis=1) > 0.12 * np.linalg.norm(offset[:, -1], axis=-1)).all()

    stopping = speeds(drawn_paths["stop-and-go"].positions)
    assert ((stopping < 1e-9).sum(axis=1) >= 5).all()
    assert (stopping[:, [0, -1]] > 0.1).all()

    faster = speeds(drawn_paths["accelerating"].positions)
    assert (np.diff(faster, axis=1) > 0).all()
    assert (faster[:, -1] > 2.2 * faster[:, 0]).all()

    away = drawn_paths["there-and-back"].positions
    away = np.linalg.norm(away - away[:, :1], axis=-1)
    assert (away[:, -1] < 0.55 * away.max(axis=1)).all()


def test_kinds_are_dealt_evenly_and_old_recipes_draw_as_before():
    splits = {"test": {"D": 20, "SDDD": 10}}
    recipe = small_recipe(splits=splits, placement={"motions": KINDS})
    specs = [spec for shard in make_plan(recipe).shards for spec in shard.scenes]
    motions = [aims.get("motion") for spec in specs for aims in spec.aims["sources"]]
    assert Counter(motions) == {None: 10, **dict.fromkeys(KINDS, 10)}
    plain = make_plan(small_recipe(splits=splits))
    aims = [aims for shard in plain.shards for s in shard.scenes for aims in s.aims["sources"]]
    assert not any("motion" in each for each in aims)


def test_what_a_recipe_does_not_set_changes_no_hash():
    explicit = small_recipe(
        events={"windows": 0.0, "same_label": 0.0},
        placement={"motions": ["linear"]},
        questions={"sets": ["paper"]},
    )
    assert explicit.hash == small_recipe().hash
    assert "windows" not in str(explicit.model_dump())
    assert small_recipe(**BEYOND).hash != small_recipe().hash
    assert load_recipe("demo").hash.startswith("9077c699cce3")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"questions": {"sets": ["extended"]}}, "paper"),
        ({"events": {"windows": 1.5}}, "windows"),
        ({"placement": {"motions": []}}, "motions"),
        ({"splits": {"test": {"SSSSS": 1}}}, "splits"),
        ({"splits": {"test": {"DS": 1}}}, "splits"),
    ],
)
def test_impossible_extensions_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        type(small_recipe()).model_validate({**SMALL, **changes})


def test_an_unknown_motion_is_refused_before_anything_is_drawn():
    with pytest.raises(UserError, match="there-and-back"):
        open_tools(small_recipe(placement={"motions": ["there-and-bak"]}))


@pytest.fixture(scope="module")
def tools():
    return open_tools(small_recipe(**BEYOND, splits={"test": {"SDD": 6, "SSSD": 6}}))


@pytest.fixture(scope="module")
def scenes(tools):
    plan = make_plan(tools.recipe)
    return [
        draw_scene(spec, 0, tools).scene for shard in plan.shards for spec in shard.scenes[:4]
    ]


def test_scenes_of_three_and_four_sources_have_tracks_of_their_own(scenes):
    assert {len(scene.sources) for scene in scenes} == {3, 4}
    for scene in scenes:
        assert [s.moving for s in scene.sources] == [c == "D" for c in scene.configuration]
        assert len({source.position.tobytes() for source in scene.sources}) == len(
            scene.sources
        )


def test_twins_share_a_name_and_no_recording(scenes):
    for scene in scenes:
        names = Counter(source.event.name for source in scene.sources)
        assert sorted(names.values()) == [1] * (len(scene.sources) - 2) + [2]
        assert len({source.event.clip_id for source in scene.sources}) == len(scene.sources)


def test_a_window_is_heard_where_it_says_and_at_the_level_of_the_event(tools):
    rng = np.random.default_rng(3)
    library = WindowedLibrary(open_tools(small_recipe()).library, 1.0)
    shapes = set()
    for _ in range(6):
        event = library.draw(rng, "test", label="Rain")
        clip_id, (first, last) = window_of(event)
        assert event.recording == clip_id
        heard = library.waveform(event)
        bins = activity(heard)
        k, end = round(first / BIN_S), round(last / BIN_S)
        assert bins[k:end].all()
        assert not bins[:k].any()
        assert not bins[end:].any()
        assert active_level_dbfs(heard) == pytest.approx(event.level_dbfs, abs=0.01)
        np.testing.assert_array_equal(heard, library.waveform(event))
        shapes.add((k > 0, end < 40))
    assert len(shapes) > 1
    whole = replace(event, clip_id="mail@home")
    assert window_of(whole) == ("mail@home", None)


def test_an_extended_corpus_verifies_and_keeps_its_questions_in_tables_of_their_own(tmp_path):
    recipe = small_recipe(
        **BEYOND, splits={"train": {"D": 2, "SSD": 3}, "test": {"D": 2, "SDD": 3, "DDDD": 1}}
    )
    folder = make_corpus(tmp_path / "beyond", recipe, with_audio=False)
    assert verify(folder).faults == []
    corpus = Corpus(folder)
    extended = corpus.questions("test", "extended")
    assert extended
    assert {question.type for question in extended} == {"E"}
    assert len(corpus.questions("test", "extended_robustness")) == len(extended)
    assert corpus.questions("train", "extended_robustness") == []
    assert {q.type for q in corpus.questions("test")} <= {"A", "B", "C"}
    card = (folder / "README.md").read_text()
    assert "config_name: extended_robustness" in card
    assert "| DDDD |" in card
    assert "DDDD" in stats_text(corpus_stats(corpus))
