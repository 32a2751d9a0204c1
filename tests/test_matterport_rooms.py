"""Rooms of miniature Matterport3D buildings: regions, materials, closing, the provider."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import make_corpus, small_recipe

from st_audioqa.cli import cli
from st_audioqa.conventions import BANDS_HZ
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.rooms.geometry import outline_mesh, points_in_outline
from st_audioqa.rooms.materials import material_names
from st_audioqa.rooms.matterport.axes import to_y_up
from st_audioqa.rooms.matterport.building import load_building, survey_building
from st_audioqa.rooms.matterport.closing import close_building, close_room
from st_audioqa.rooms.matterport.house import Region, read_house
from st_audioqa.rooms.matterport.navmesh import NavMesh
from st_audioqa.rooms.matterport.regions import survey
from st_audioqa.rooms.matterport.report import surface_rows
from st_audioqa.rooms.matterport.surfaces import category_materials
from st_audioqa.rooms.placement import linear_paths, place_listener, static_positions
from st_audioqa.rooms.providers.matterport3d import Provider, official_split
from st_audioqa.rooms.space import keeps_clear
from st_audioqa.seeding import generator
from tests import mp3d_miniature as mini

ELL = np.array([[0, 0], [4, 0], [4, 2], [2, 2], [2, 4], [0, 4]], dtype=float)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two buildings, one of them with a hole for a window; not to be written to."""
    path = tmp_path_factory.mktemp("mp3d")
    mini.write_building(path, "shut", spacing=0.5)
    mini.write_building(path, "open", spacing=0.5, window_open=True)
    return path


def provider(folder: Path, name: str = "shut", **options) -> Provider:
    pytest.importorskip("embreex")
    return Provider(path=str(folder), buildings={"test": [name]}, **options)


def rooms_of(made: Provider, count: int = 12):
    return [made.build(made.draw(generator(7, i), f"room-{i}", "test")) for i in range(count)]


# --- regions ------------------------------------------------------------------------------


def region(**changes) -> Region:
    fields = {"index": 0, "level": 0, "label": "l", "category": "living room"}
    return Region(**{**fields, "outline": ELL, "floor_y": 0.0, "height_m": 2.5, **changes})


def sheet(height: float, island: int = 0, low: float = -9.0, high: float = 9.0) -> NavMesh:
    corners = np.array([[low, low], [high, low], [high, high], [low, high]])
    flat = np.insert(corners, 1, height, axis=1)
    return NavMesh(flat[[[0, 1, 2], [0, 2, 3]]], np.full(2, island), 1.5, 0.1)


def both(*parts: NavMesh) -> NavMesh:
    return NavMesh(
        np.concatenate([part.triangles for part in parts]),
        np.concatenate([part.island for part in parts]),
        1.5,
        0.1,
    )


def surveyed(one: Region, navmesh: NavMesh):
    return survey(type("House", (), {"regions": (one,)})(), navmesh)[0]


def test_each_region_is_a_room_or_says_why_not(folder):
    found = survey_building(folder / "shut")
    assert [each.excluded for each in found] == [
        "", "", "no_label", "outdoors", "", "not_walkable"
    ]  # fmt: skip


def test_what_can_be_walked_on_is_cut_at_the_outline():
    """A large navmesh over an L leaves exactly the L, whichever way round it is written."""
    for outline in (ELL, ELL[::-1]):
        found = surveyed(region(outline=outline), sheet(0.1))
        assert found.walkable_m2 == pytest.approx(12.0)
        middles = found.walkable.mean(axis=1)
        assert points_in_outline(middles[:, [0, 2]], ELL).all()
        np.testing.assert_allclose(found.walkable[..., 1], 0.1)


def test_a_slope_keeps_its_heights_where_it_is_cut():
    triangles = sheet(0.0).triangles.copy()
    triangles[..., 1] = 0.1 * triangles[..., 0]
    found = surveyed(region(), NavMesh(triangles, np.zeros(2, int), 1.5, 0.1))
    np.testing.assert_allclose(found.walkable[..., 1], 0.1 * found.walkable[..., 0], atol=1e-9)


def test_roofs_tables_and_cellars_are_no_floor():
    levels = both(sheet(0.2), sheet(6.0, 1), sheet(-2.7, 2), sheet(0.8, 3, 1.0, 1.6))
    found = surveyed(region(), levels)
    np.testing.assert_allclose(found.walkable[..., 1], 0.2)


def test_only_the_larger_island_of_a_room_is_walked():
    small, large = sheet(0.1, 0, 0.0, 1.5), sheet(0.1, 1, 2.0, 9.0)
    found = surveyed(
        region(outline=np.array([[0, 0], [8, 0], [8, 8], [0, 8]], float)), both(small, large)
    )
    assert found.walkable_m2 == pytest.approx(36.0)
    assert found.walkable[..., [0, 2]].min() == 2.0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": "Z"}, "junk"),
        ({"label": "-"}, "no_label"),
        ({"label": "s"}, "stairs"),
        ({"label": "y"}, "outdoors"),
        ({"outline": np.zeros((0, 2))}, "no_outline"),
        ({"outline": np.array([[0, 0], [4, 4], [4, 0], [0, 3.0]])}, "crossed_outline"),
        ({"height_m": 1.5}, "too_low"),
        ({"floor_y": 3.0}, "not_walkable"),
        ({"label": "?"}, ""),
    ],
)
def test_regions_that_are_no_rooms_say_why(changes, reason):
    assert surveyed(region(**changes), sheet(0.0)).excluded == reason


# --- materials ----------------------------------------------------------------------------


def test_every_category_of_the_dataset_has_a_material_of_ours():
    names = category_materials(["wall", "window", "sofa", "unlabeled", "", "never heard of"])
    assert [each.name for each in names] == [
        "plasterboard on frame",
        "pane of glass",
        "upholstered cloth",
        *["plasterboard on frame"] * 3,
    ]
    assert {each.name for each in names} <= set(material_names())


def entry(name: str, labels: list[str], absorption: list[float], scattering: float) -> dict:
    return {
        "name": name,
        "labels": labels,
        "absorption": absorption,
        "scattering": [125, scattering],
    }


DATABASE = {
    "materials": [
        entry("Default", [], [20, 0.6, 20000, 0.6], 0.5),
        entry("Carpet", ["floor", "carpet", "floor"], [125, 0.0, 2000, 0.4], 0.2),
        entry("Wood", ["wood", "floor", "stairs"], [125, 0.2], 0.3),
    ]
}


def database(tmp_path: Path, content=DATABASE) -> str:
    path = tmp_path / "mp3d_material_config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_soundspaces_materials_are_chosen_by_labels(tmp_path):
    names = ["Wood Floor", "stairs", "ceiling", ""]
    found = category_materials(names, database(tmp_path))
    # "floor" stands twice under Carpet: two votes, as many as "wood" and "floor", and it is first.
    assert [each.name for each in found] == ["Carpet", "Wood", "Default", "Default"]
    carpet = found[0]
    # Straight over log frequency: 500 Hz is half way from 125 Hz to 2 kHz, beyond it is flat.
    assert dict(zip(BANDS_HZ, carpet.absorption, strict=True)) == pytest.approx(
        {125: 0, 250: 0.1, 500: 0.2, 1000: 0.3, 2000: 0.4, 4000: 0.4, 8000: 0.4}
    )
    assert set(carpet.scattering) == {0.2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no JSON"),
        ([], "no list of 'materials'"),
        ({"materials": [3]}, "no list of 'materials'"),
        ({"materials": DATABASE["materials"][1:]}, "named 'Default'"),
        ({"materials": [{**DATABASE["materials"][0], "name": None}]}, "without a name"),
        (
            {"materials": [{**DATABASE["materials"][0], "labels": "floor"}]},
            "labels of 'Default'",
        ),
        (
            {"materials": [{**DATABASE["materials"][0], "absorption": [1, 2, 3]}]},
            "no .frequency",
        ),
        ({"materials": [{**DATABASE["materials"][0], "absorption": None}]}, "Default"),
        (
            {"materials": [{**DATABASE["materials"][0], "absorption": [125, 1.5]}]},
            "outside 0 to 1",
        ),
        (
            {"materials": [{**DATABASE["materials"][0], "absorption": [9, 0, 8, 0]}]},
            "out of order",
        ),
    ],
)
def test_a_broken_material_database_is_refused(tmp_path, folder, content, message):
    with pytest.raises(UserError, match=message) as caught:
        Provider(path=str(folder), materials=database(tmp_path, content))
    assert "mp3d_material_config.json" in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        Provider(path=str(folder), materials=str(tmp_path / "none.json"))


def test_faces_have_the_material_of_their_object_and_areas_add_up(folder):
    """Areas by category against the sheets the building was made of."""
    found = {
        row["category"]: float(row["area (m2)"])
        for row in surface_rows(load_building(folder / "shut"))
    }
    assert found["window"] == pytest.approx(3 * 2)
    assert found["ceiling"] == pytest.approx(8 * 6)
    assert found["floor"] == pytest.approx(8 * 6 + 3 * 6 + 5 * 6)
    table = 2 * 1.2 * 0.8 + 2 * (1.2 + 0.8) * 0.74
    assert found["table"] == pytest.approx(table, abs=0.051)
    rest = surface_rows(load_building(folder / "open"))
    assert "window" not in {row["category"] for row in rest}


# --- closing ------------------------------------------------------------------------------


def watertight(faces) -> bool:
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


def test_a_room_is_closed_by_a_hull_outside_its_outline():
    vertices, faces, _ = outline_mesh(np.array([[1, 1], [2, 1], [2, 2], [1, 2]], float), 1.0)
    far = vertices + 50.0
    faces_two = np.concatenate([faces, faces + len(vertices)])
    closed, kept, origin = close_room(
        region(), np.concatenate([vertices, far]), faces_two, floor_y=-0.2
    )
    scan, hull = kept[origin >= 0], kept[origin < 0]
    np.testing.assert_array_equal(closed[scan], vertices[faces])  # what is far away is left out
    assert watertight(hull)
    low, high = closed[hull].min(axis=(0, 1)), closed[hull].max(axis=(0, 1))
    np.testing.assert_allclose(low, [-0.05, -0.25, -0.05])
    np.testing.assert_allclose(high, [4.05, 2.55, 4.05])
    inner_corner = np.array([2.05, 2.05])
    assert (np.abs(closed[hull][..., [0, 2]] - inner_corner).max(axis=-1) < 1e-9).any()
    np.testing.assert_array_equal(np.unique(origin[origin < 0]), [-3, -2, -1])


def test_a_building_is_closed_by_a_box():
    vertices, faces, _ = outline_mesh(ELL, 2.5)
    closed, kept, origin = close_building(vertices, faces)
    assert watertight(kept[origin < 0])
    np.testing.assert_array_equal(origin[: len(faces)], np.arange(len(faces)))
    below = closed[kept[origin == -1]]
    np.testing.assert_allclose(below[..., 1], -0.05)


def test_rays_are_lost_through_a_missing_window_and_nowhere_else(folder):
    pytest.importorskip("embreex")
    shut, opened = (load_building(folder / name) for name in ("shut", "open"))
    assert [shut.rays_kept(shut.regions[i]) for i in (0, 1, 4)] == [1.0, 1.0, 1.0]
    # Living room, kitchen next door, bedroom upstairs (docs/matterport3d.md quotes these).
    kept = [opened.rays_kept(opened.regions[i]) for i in (0, 1, 4)]
    assert kept == pytest.approx([0.27, 0.60, 1.0], abs=0.02)


# --- the provider -------------------------------------------------------------------------


def test_rooms_are_drawn_from_all_usable_regions_and_rebuilt_alike(folder):
    made = provider(folder)
    rooms = rooms_of(made, 20)
    assert {room.info.category for room in rooms} == {"living room", "kitchen", "bedroom"}
    again = provider(folder)
    for room in rooms[:4]:
        built = again.build(room.info)
        np.testing.assert_array_equal(built.vertices, room.vertices)
        np.testing.assert_array_equal(built.walkable, room.walkable)
        assert built.materials == room.materials
        assert made.build(room.info) is made.build(room.info)
        assert json.loads(json.dumps(dict(room.info.parameters))) == room.info.parameters


@pytest.mark.parametrize("close", ["none", "building", "room"])
def test_listener_and_sources_are_in_the_room_they_were_drawn_for(folder, close):
    limits = PlacementRecipe()
    seen = set()
    for room in rooms_of(provider(folder, close=close), 8):
        rng = generator(1, room.info.name)
        ears = place_listener(room, rng, limits)
        points = static_positions(room, ears, rng, limits, 32)
        _, paths = linear_paths(room, ears, rng, limits, 8)
        everything = np.concatenate([ears[None], points, paths.reshape(-1, 3)])
        assert keeps_clear(room, everything).all()
        storey = mini.UPPER if room.info.category == "bedroom" else 0.0
        assert ((everything[:, 1] > storey) & (everything[:, 1] < storey + mini.HEIGHT)).all()
        file_outline = {
            "living room": mini.LIVING,
            "kitchen": mini.KITCHEN,
            "bedroom": mini.BEDROOM,
        }
        outline = np.array(file_outline[room.info.category], float) * [1, -1]
        assert points_in_outline(everything[:, [0, 2]], outline).all()
        seen.add(room.info.category)
    assert len(seen) == 3


def test_faces_of_a_room_point_at_their_categories(folder):
    """Seen from the table's top down: the face below is of the table's material, all closings."""
    for close in ("none", "building", "room"):
        for room in rooms_of(provider(folder, close=close), 6):
            names = [room.materials[i].name for i in room.face_material]
            middles = room.vertices[room.faces].mean(axis=1)
            on_table = (
                (np.abs(middles[:, 1] - 0.75) < 1e-3)
                & (np.abs(middles[:, 0] - 2.6) < 0.6)
                & (np.abs(middles[:, 2] + 2.4) < 0.4)
            )
            assert {names[i] for i in np.flatnonzero(on_table)} <= {"wood on studs"}
            if room.info.category == "living room":
                assert on_table.any()


def test_the_splits_are_the_datasets_own_or_as_named(tmp_path, folder):
    official = official_split()
    assert len(official) == 89
    assert "2n8kARJN3HM" not in official
    assert official["17DRP5sb8fy"] == "train"
    assert official["zsNo4HB9uLZ"] == "val"
    for name in ("17DRP5sb8fy", "2n8kARJN3HM", "zsNo4HB9uLZ", "YFuZgdQ5vWj"):
        (tmp_path / name).mkdir()
        shutil.copy(folder / "shut" / "shut.house", tmp_path / name / f"{name}.house")
    made = Provider(path=str(tmp_path))
    assert made.buildings("train") == ["17DRP5sb8fy"]
    assert made.buildings("val") == made.buildings("valid") == ["zsNo4HB9uLZ"]
    assert made.buildings("test") == ["YFuZgdQ5vWj"]
    with pytest.raises(UserError, match=r"no building for the split 'extra'.*buildings\.extra"):
        made.buildings("extra")
    named = Provider(path=str(tmp_path), buildings={"test": ["2n8kARJN3HM"]})
    assert named.buildings("test") == ["2n8kARJN3HM"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "/no/such/folder"}, "There is no folder"),
        ({"mesh": "pretty"}, "mesh, 'semantic' or 'render'"),
        ({"close": "windows"}, "'building' or 'room'"),
        ({"buildings": ["shut"]}, "lists of names by split"),
        ({"buildings": {"test": ["shot"]}}, "names 'shot'.*fetch it or leave it out"),
        ({"buildings": {"test": ["shut"], "train": ["shut"]}}, "belongs to one split"),
    ],
)
def test_impossible_options_are_named(folder, options, message):
    with pytest.raises(UserError, match=message):
        Provider(**{"path": str(folder), **options})


def test_an_empty_folder_and_missing_files_are_named(folder, tmp_path):
    with pytest.raises(UserError, match="holds no building"):
        Provider(path=str(tmp_path))
    for ending in ("_semantic.ply", ".navmesh", ".glb"):
        copy = tmp_path / ending / "shut"
        shutil.copytree(folder / "shut", copy)
        (copy / f"shut{ending}").unlink(missing_ok=True)
        made = provider(copy.parent, mesh="render" if ending == ".glb" else "semantic")
        with pytest.raises(UserError, match=f"shut{ending} is missing"):
            made.draw(generator(1), "room", "test")


def test_a_building_without_a_room_is_a_counted_rejection(tmp_path):
    made = mini.write_building(tmp_path, "shut")
    regions = [(0, "s", mini.LIVING, 0.0, 2.8)]
    house = mini.house_text(mini.Scan(1.0), regions=regions)
    (made / "shut.house").write_text(house)
    with pytest.raises(RejectedDraw, match="no_usable_room: shut"):
        provider(tmp_path).draw(generator(1), "room", "test")


@pytest.mark.parametrize("turned", ["ply", "navmesh"])
def test_files_of_another_frame_are_refused(tmp_path, turned):
    made = mini.write_building(tmp_path, "shut")
    if turned == "ply":
        upright = mini.scan(1.0)
        upright.vertices = [v[:, [0, 2, 1]] * [1, 1, -1] for v in upright.vertices]
        (made / "shut_semantic.ply").write_bytes(mini.ply_bytes(upright))
    else:
        cells = [(i, j, h - 9.0) for i, j, h in mini.floor_cells()]
        lower = read_house(made / "shut.house")
        assert len(lower.regions) == 6
        text = (made / "shut.house").read_text()
        for label, z in (("l", 0.0), ("k", 0.0), ("b", 3.0)):
            assert label in text
            text = text.replace(f" {z:g}  0 0 1  0 0 0 \n", f" {z - 9:g}  0 0 1  0 0 0 \n")
        (made / "shut.house").write_text(text)
        (made / "shut.navmesh").write_bytes(mini.navmesh_bytes(cells))
    with pytest.raises(UserError, match="z up and the navmesh y up"):
        provider(tmp_path).draw(generator(1), "room", "test")


def test_files_or_options_that_changed_since_the_draw_are_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    info = provider(tmp_path / "copy").draw(generator(1), "room", "test")
    with (tmp_path / "copy" / "shut" / "shut.house").open("a") as file:
        file.write("\n")
    with pytest.raises(UserError, match="not those that room 'room' was drawn from"):
        provider(tmp_path / "copy").build(info)
    with pytest.raises(UserError, match="drawn with close = 'none'"):
        provider(folder, close="room").build(info)


def test_the_render_mesh_is_of_one_material(folder, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    shutil.copytree(folder / "shut", tmp_path / "shut")
    made = mini.scan(1.0)
    mesh = trimesh.Trimesh(
        np.concatenate(made.vertices), np.concatenate(made.faces), process=False
    )
    (tmp_path / "shut" / "shut.glb").write_bytes(trimesh.exchange.gltf.export_glb(mesh.scene()))
    room = rooms_of(provider(tmp_path, mesh="render"), 1)[0]
    assert {each.name for each in room.materials} == {"plasterboard on frame"}
    place_listener(room, generator(2), PlacementRecipe())


def test_the_report_tells_rooms_and_materials(folder, tmp_path):
    pytest.importorskip("embreex")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"""
        name = "scans"
        [splits.test]
        S = 1
        [rooms]
        provider = "matterport3d"
        [rooms.options]
        path = "{folder}"
        materials = "{database(tmp_path)}"
        buildings = {{ test = ["shut", "open"] }}
        """
    )
    result = CliRunner().invoke(cli, ["rooms", str(recipe)])
    assert result.exit_code == 0, result.output
    assert "| shut | 0 | 0 | living room | 2.80 | 16.8 | 1.00 | room |" in result.output
    assert "| shut | 3 | 0 | porch | 3.00 | 0.0 |  | outdoors |" in result.output
    assert "| shut | floor | Carpet | 0.30 | 96.0 | 25.3% |" in result.output
    own = provider(folder).report()["Surfaces"]
    assert {"window", "pane of glass", "6.0"} <= set(own[4].values()) | set(own[3].values())


def test_all_buildings_are_looked_at_before_a_corpus_is_begun(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    made = provider(tmp_path / "copy", "open")
    made.check()
    (tmp_path / "copy" / "open" / "open.navmesh").write_bytes(b"")
    with pytest.raises(UserError, match=r"open\.navmesh does not start as a navmesh"):
        provider(tmp_path / "copy", "open").check()
    text = mini.house_text(mini.Scan(1.0), regions=[(0, "x", mini.LIVING, 0.0, 2.8)])
    (tmp_path / "copy" / "shut" / "shut.house").write_text(text)
    with pytest.raises(UserError, match="None of the 1 regions of 1 buildings"):
        provider(tmp_path / "copy").check()
    with pytest.raises(UserError, match="named as a building of Matterport3D"):
        Provider(path=str(folder)).check()


def test_rooms_that_leak_are_passed_over_and_listed_unless_they_are_closed(folder):
    made = provider(folder, "open")
    assert {room.info.category for room in rooms_of(made, 12)} == {"bedroom"}
    use = [row["use"] for row in made.report()["Regions"]]
    assert use == ["leaky", "leaky", "no_label", "outdoors", "room", "not_walkable"]
    for close in ("building", "room"):
        made = provider(folder, "open", close=close)
        assert len({room.info.category for room in rooms_of(made, 12)}) == 3
        assert "leaky" not in {row["use"] for row in made.report()["Regions"]}


def test_a_building_of_which_all_rooms_leak_is_a_counted_rejection(tmp_path):
    made = mini.write_building(tmp_path, "shut", window_open=True)
    regions = [each for each in mini.REGIONS if each[1] != "b"]
    thing = mini.scan(1.0, window_open=True)
    thing.object_rows = [(0, category) for _, category in thing.object_rows]
    (made / "shut.house").write_text(mini.house_text(thing, regions=regions))
    with pytest.raises(RejectedDraw, match=r"leaky_room: shut: 0\.[56]. of the rays"):
        provider(tmp_path).draw(generator(1), "room", "test")


# --- with the engine ----------------------------------------------------------------------


@pytest.mark.rlr
def test_the_engine_finds_a_hole_too_and_closing_it_helps(folder):
    from st_audioqa.renderers.engine import ENGINES

    engine = ENGINES.get("rlr")("fast")
    outcome = {}
    for close in ("none", "building", "room"):
        # Drawn as one that is closed, since a leaky one is not drawn at all.
        closed = provider(folder, "open", close="room")
        infos = [closed.draw(generator(7, i), "room", "test") for i in range(12)]
        info = next(each for each in infos if each.category == "living room")
        info = replace(info, parameters={**info.parameters, "close": close})
        room = provider(folder, "open", close=close).build(info)
        rng = generator(3)
        ears = place_listener(room, rng, PlacementRecipe())
        source = static_positions(room, ears, rng, PlacementRecipe(), 1)
        try:
            outcome[close] = engine.rirs(room, ears, source, seed=1).shape[1]
        except RejectedDraw as rejected:
            outcome[close] = rejected.reason
    assert outcome == {"none": "leaky_room", "building": 4, "room": 4}


@pytest.mark.rlr
def test_the_first_sound_of_a_source_comes_from_where_it_is(folder):
    """Axes from file to audio: the first 2 ms against the geometry in the file's own z-up axes."""
    from st_audioqa.renderers.engine import ENGINES

    engine = ENGINES.get("rlr")("fast")
    room = next(r for r in rooms_of(provider(folder)) if r.info.category == "living room")
    # In the file: east x, north y, up z. The listener at yaw 0 faces -z of the world: north.
    at = np.array([3.8, 3.5, 1.5])
    for offset, toward in (((0, 1, 0), "X"), ((-1, 0, 0), "Y"), ((0, 0, 0.8), "Z")):
        rir = engine.rirs(room, to_y_up(at), to_y_up([at + offset]), seed=1)[0]
        arrival = round(np.linalg.norm(offset) / 344 * 32000)
        w, y, z, x = rir[:, max(arrival - 4, 0) : arrival + 60]
        intensity = {
            name: float((w * each).sum()) for name, each in (("X", x), ("Y", y), ("Z", z))
        }
        assert intensity[toward] > 0.9 * np.linalg.norm(list(intensity.values()))


@pytest.mark.rlr
def test_listener_and_source_outside_the_region_are_refused_by_name(folder):
    from st_audioqa.renderers.engine import ENGINES

    engine = ENGINES.get("rlr")("fast")
    room = next(r for r in rooms_of(provider(folder)) if r.info.category == "living room")
    inside, kitchen, upstairs = (to_y_up(p) for p in ([4, 3, 1.5], [6, 3, 1.5], [4, 3, 4.5]))
    for outside in (kitchen, upstairs, to_y_up([4, 3, 50])):
        with pytest.raises(UserError, match=f"source position.*{room.info.name}"):
            engine.rirs(room, inside, outside[None], seed=1)
        with pytest.raises(UserError, match=f"listener position.*{room.info.name}"):
            engine.rirs(room, outside, inside[None], seed=1)


@pytest.mark.rlr
def test_a_corpus_in_miniature_buildings_verifies_clean(tmp_path):
    from st_audioqa.corpus.shards import read_rows
    from st_audioqa.pipeline.verify import verify

    pytest.importorskip("embreex")
    for name in ("alpha", "beta"):
        mini.write_building(tmp_path / "mp3d", name)
    recipe = small_recipe(
        splits={"train": {"S": 1, "DD": 1}, "test": {"D": 1, "SS": 1, "SD": 1}},
        rooms={
            "provider": "matterport3d",
            "options": {
                "path": str(tmp_path / "mp3d"),
                "buildings": {"train": ["alpha"], "test": ["beta"]},
                "materials": database(tmp_path),
            },
        },
        renderer={"engine": "rlr", "preset": "fast", "rir_duration_s": 0.4},
    )
    corpus = make_corpus(tmp_path / "corpus", recipe)
    database(tmp_path / "mp3d")  # where verify finds it, as a corpus does not say where it lay
    report = verify(corpus, rooms_path=tmp_path / "mp3d")
    assert report.faults == []
    assert report.n_scenes == 5
    rows = [row for file in sorted(corpus.glob("scenes/*")) for row in read_rows(file)]
    buildings = {
        (row["split"], json.loads(row["room"]["parameters"])["building"]) for row in rows
    }
    assert buildings == {("train", "alpha"), ("test", "beta")}
    # A copy elsewhere, given by path, serves as well; an altered one is a fault.
    moved = tmp_path / "elsewhere"
    (tmp_path / "mp3d").rename(moved)
    assert verify(corpus, rooms_path=tmp_path / "mp3d").faults
    assert str(tmp_path) not in (corpus / "manifest.json").read_text()
    assert verify(corpus, rooms_path=moved).faults == []
