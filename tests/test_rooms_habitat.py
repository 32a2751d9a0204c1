"""The room provider habitat, on a stand-in for habitat-sim and a miniature of Matterport3D."""

import dataclasses
import json
import sys

import mp3d_miniature
import numpy as np
import pytest
from conftest import small_recipe
from habitat_standin import HOUSES, PathFinder, SemanticScene, StandInHouse, material, stand_in
from test_renderers_support import needs_rlr

from st_audioqa.conventions import SAMPLE_RATE, angular_distance_deg, unit_vectors
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.events.library import LIBRARIES
from st_audioqa.foa import bin_directions
from st_audioqa.pipeline.plan import make_plan
from st_audioqa.pipeline.render import produce
from st_audioqa.pipeline.tools import Tools
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.renderers import ENGINES
from st_audioqa.renderers.bank import RIRBank
from st_audioqa.rooms.habitat import walkable
from st_audioqa.rooms.matterport.axes import to_y_up
from st_audioqa.rooms.matterport.navmesh import read_navmesh
from st_audioqa.rooms.placement import line_of_sight, place_listener, static_positions
from st_audioqa.rooms.provider import PROVIDERS
from st_audioqa.seeding import generator

pytest.importorskip("embreex")

NAME = mp3d_miniature.NAME
LIMITS = PlacementRecipe()


@pytest.fixture(params=["sound-spaces", "release"])
def module(request, monkeypatch):
    found = stand_in(request.param)
    monkeypatch.setattr(SemanticScene, "ranges", request.param == "release")
    monkeypatch.setitem(sys.modules, "habitat_sim", found)
    return found


@pytest.fixture
def options(tmp_path, module):
    """Options of a provider for the miniature, which the stand-in has open as well."""
    home = mp3d_miniature.write_building(tmp_path)
    (home / f"{NAME}.glb").write_bytes(b"")
    (tmp_path / "mp3d.scene_dataset_config.json").write_text("{}")
    materials = [material(each, 0.3) for each in mp3d_miniature.CATEGORIES]
    materials.append({**material("default", 0.3), "name": "Default"})
    (tmp_path / "materials.json").write_text(json.dumps({"materials": materials}))
    register(home)
    return {
        "path": str(tmp_path),
        "buildings": {"train": [NAME], "test": []},
        "materials": str(tmp_path / "materials.json"),
    }


def register(home):
    made = mp3d_miniature.scan()
    categories = np.array([category or "unlabeled" for _, category in made.object_rows] + [""])
    floor = read_navmesh(home / f"{NAME}.navmesh").triangles
    house = StandInHouse(
        to_y_up(np.concatenate(made.vertices)),
        np.concatenate(made.faces),
        list(categories[np.concatenate(made.objects)]),
        (floor.reshape(-1, 3), np.arange(3 * len(floor)).reshape(-1, 3)),
    )
    for ending in (".glb", ".navmesh"):
        HOUSES[str(home / f"{NAME}{ending}")] = house


def provider(options, **changes):
    return PROVIDERS.get("habitat")(**{**options, **changes})


def drawn(options, count=12):
    made = provider(options)
    return made, [made.draw(generator(1, i), f"room-{i}", "train") for i in range(count)]


def test_rooms_are_the_boxes_of_regions_that_are_rooms(options):
    made, infos = drawn(options, 30)
    assert {info.category for info in infos} == {"living room", "kitchen", "bedroom"}
    for info in infos:
        room = made.build(info)
        index = info.parameters["region"]
        _, _, outline, height, _ = mp3d_miniature.REGIONS[index]
        (x0, y0), (x1, y1) = np.min(outline, axis=0), np.max(outline, axis=0)
        np.testing.assert_allclose(room.floor.min(axis=0), [x0, -y1], atol=1e-5)
        np.testing.assert_allclose(room.floor.max(axis=0), [x1, -y0], atol=1e-5)
        assert abs(room.floor_y_m - height) < 1e-5
        assert room.height_m == pytest.approx(mp3d_miniature.HEIGHT, abs=1e-5)
        assert info.parameters["level"] == mp3d_miniature.REGIONS[index][0]
        # On the floor of that storey: neither the table's top nor the roof.
        assert (np.abs(room.walkable[..., 1] - height - 0.05) < 1e-5).all()
        assert made.build(info) is room


def test_listeners_and_sources_see_each_other_on_the_mesh(options):
    made, infos = drawn(options, 6)
    for i, info in enumerate(infos):
        room, rng = made.build(info), generator(2, i)
        ears = place_listener(room, rng, LIMITS)
        sources = static_positions(room, ears, rng, LIMITS, 8)
        assert line_of_sight(room, ears, sources).all()
        low, high = room.floor.min(axis=0), room.floor.max(axis=0)
        assert ((sources[:, [0, 2]] > low) & (sources[:, [0, 2]] < high)).all()


def test_the_same_generator_draws_the_same_room(options):
    assert drawn(options)[1] == drawn(options)[1]


def test_rooms_are_drawn_for_their_split_alone(options):
    with pytest.raises(UserError, match="no building for the split 'dev'"):
        provider(options).draw(generator(1), "room", "dev")
    with pytest.raises(UserError, match="for train and for test"):
        provider(options, buildings={"train": [NAME], "test": [NAME]})


@pytest.mark.parametrize("change", [{"buildings": 3}, {"path": None}, {"materials": 4.0}])
def test_options_of_another_kind_are_told(options, change):
    with pytest.raises(UserError, match=r"rooms\.options of the habitat provider take"):
        provider(options, **change)


def test_a_building_without_rooms_is_rejected(options, tmp_path):
    path = tmp_path / NAME / f"{NAME}.house"
    path.write_text(
        path.read_text()
        .replace("  l  ", "  p  ")
        .replace("  k  ", "  p  ")
        .replace("  b  ", "  s  ")
    )
    with pytest.raises(RejectedDraw, match="no_usable_room"):
        provider(options).draw(generator(1), "room", "train")


@pytest.mark.parametrize("text", ["", "ASCII 1.0\n"])
def test_broken_house_files_are_told_before_habitat_aborts(options, tmp_path, text):
    (tmp_path / NAME / f"{NAME}.house").write_text(text)
    with pytest.raises(UserError, match=r"cannot read the house file .*miniature\.house"):
        provider(options).draw(generator(1), "room", "train")


@pytest.mark.parametrize("found", [None, (np.zeros((0, 3)), np.zeros((0, 3), dtype=int))])
def test_navmeshes_without_floor_are_told(options, tmp_path, monkeypatch, found):
    path = str(tmp_path / NAME / f"{NAME}.navmesh")
    if found is None:
        monkeypatch.delitem(HOUSES, path)
    else:
        monkeypatch.setattr(HOUSES[path], "navmesh", found)
    with pytest.raises(UserError, match=r"navmesh .*miniature\.navmesh"):
        provider(options).draw(generator(1), "room", "train")


def test_changed_files_are_told(options, tmp_path):
    _, (info, *_) = drawn(options)
    path = tmp_path / NAME / f"{NAME}_semantic.ply"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match="are not those that room 'room-0' was drawn from"):
        provider(options).build(info)


def test_a_missing_habitat_sim_is_told(options, monkeypatch):
    monkeypatch.delitem(sys.modules, "habitat_sim")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="The room provider habitat needs habitat-sim"):
        provider(options)


def test_matterport3d_gives_its_files_where_habitat_hears_the_same(options):
    provider = PROVIDERS.get("matterport3d")
    ways = [{}, {"close": "room"}, {"materials": None}]
    rooms = []
    for way in ways:
        made = provider(**{**options, **way})
        rooms.append(made.build(made.draw(generator(1), "room", "train")))
    made, (info, *_) = drawn(options)
    assert rooms[0].files == made.build(info).files
    assert rooms[0].files.dataset is not None
    assert [room.files for room in rooms[1:]] == [None, None]


def test_floor_and_islands_are_those_of_the_file(module, options, tmp_path, monkeypatch):
    """Its own reader knows the islands from the links between polygons, not from edges."""
    path = tmp_path / NAME / f"{NAME}.navmesh"
    ours, theirs = walkable(module, path), read_navmesh(path)
    np.testing.assert_allclose(ours.triangles, theirs.triangles)
    np.testing.assert_allclose(ours.island_areas_m2(), theirs.island_areas_m2())
    assert len(ours.island_areas_m2()) > 3
    monkeypatch.setattr(PathFinder, "is_navigable", lambda self, point: point[1] < 2)
    assert walkable(module, path).triangles[..., 1].max() < 2


def with_rlr(test):
    for mark in needs_rlr:
        test = mark(test)
    return test


@with_rlr
@pytest.mark.parametrize("module", ["sound-spaces"], indirect=True)
def test_scenes_sound_from_where_their_labels_say(options):
    """From recipe to audio: provider, placement, engine and axes together."""
    recipe = small_recipe(
        splits={"train": {"S": 4}, "test": {"S": 1}},
        rooms={"provider": "habitat", "options": options},
        renderer={"engine": "habitat", "preset": "fast", "rir_duration_s": 0.4},
    )
    events = recipe.events
    library = LIBRARIES.get(events.library)(
        path=None, level_dbfs=events.level_dbfs, level_spread_db=events.level_spread_db
    )
    bank = RIRBank(ENGINES.get("habitat")("fast"), round(0.4 * SAMPLE_RATE))
    tools = Tools(recipe, provider(options), library, bank)
    specs = [spec for shard in make_plan(recipe).shards for spec in shard.scenes]
    errors = []
    for spec in specs:
        if spec.split == "train" and spec.configuration == "S":
            made = produce(spec, tools)
            (source,) = made.scene.sources
            measured, _ = bin_directions(made.audio)
            heard = source.activity & measured.any(axis=1)
            labelled = unit_vectors(source.azimuth_deg, source.elevation_deg)
            errors.append(np.median(angular_distance_deg(measured, labelled)[heard]))
    assert len(errors) == 4
    assert np.median(errors) < 20.0


@with_rlr
def test_a_building_without_its_dataset_config_is_refused(options, tmp_path):
    made, (info, *_) = drawn(options)
    room = made.build(info)
    ears = place_listener(room, generator(4), LIMITS)
    source = static_positions(room, ears, generator(5), LIMITS, 1)
    engine = ENGINES.get("habitat")("fast")
    assert engine.rirs(room, ears, source, seed=0).any()
    files = dataclasses.replace(room.files, dataset=None)
    with pytest.raises(UserError, match="give the scene dataset config"):
        engine.rirs(dataclasses.replace(room, files=files), ears, source, seed=0)
