"""Rooms from mesh files: what is read, what is refused, and a corpus made in one."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from conftest import make_corpus, small_recipe
from test_renderers_support import direct_part, needs_rlr, t20

from st_audioqa.cli import main
from st_audioqa.corpus.schema import scene_from_row
from st_audioqa.corpus.shards import read_rows
from st_audioqa.errors import UserError
from st_audioqa.pipeline.tools import resolve
from st_audioqa.pipeline.verify import verify
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.renderers.checks import early_energy_db
from st_audioqa.renderers.engine import ENGINES
from st_audioqa.rooms.geometry import box_mesh
from st_audioqa.rooms.mesh_file import read_mesh
from st_audioqa.rooms.placement import linear_paths, place_listener, static_positions
from st_audioqa.rooms.providers.mesh import Provider
from st_audioqa.rooms.providers.procedural import Provider as Procedural
from st_audioqa.rooms.space import keeps_clear
from st_audioqa.seeding import generator

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("embreex")

SIZE = (5.0, 2.8, 4.0)
TABLE = ((1.0, 0.01, 1.0), (2.2, 0.75, 1.8))


def hull(size=SIZE, lower=(0, 0, 0)):
    return trimesh.Trimesh(*box_mesh(lower, np.add(lower, size)), process=False)


def named(mesh, material):
    """A mesh with a material of that name, as modelling programs write it."""
    surface = trimesh.visual.material.PBRMaterial(name=material)
    mesh.visual = trimesh.visual.TextureVisuals(material=surface)
    return mesh


def scene():
    """A room with a table, each a node that its own transform puts into place."""
    made = trimesh.Scene()
    move = trimesh.transformations.translation_matrix([3.0, 0.0, -2.0])
    made.add_geometry(named(hull(), "Painted Wall"), node_name="shell", transform=move)
    table = named(trimesh.Trimesh(*box_mesh(*TABLE), process=False), "oak")
    made.add_geometry(table, node_name="table", transform=move)
    return made


def room_of(path, rng_seed=0, split="test", **options):
    provider = Provider(path=str(path), shares={"test": 1.0}, **options)
    return provider.build(provider.draw(generator(rng_seed), "room", split))


@pytest.fixture
def glb(tmp_path):
    path = tmp_path / "room.glb"
    scene().export(path)
    return path


def test_a_scene_graph_is_put_together_and_its_surfaces_are_named(glb):
    room = room_of(glb, materials={"*wall*": "painted brick", "oak": [0.3] * 7})
    low, high = room.vertices.min(axis=0), room.vertices.max(axis=0)
    np.testing.assert_allclose(low, [3, 0, -2], atol=1e-6)
    np.testing.assert_allclose(high, [8, 2.8, 2], atol=1e-6)
    by_name = {m.name: i for i, m in enumerate(room.materials)}
    assert set(by_name) == {"painted brick", "oak"}
    wood = room.vertices[room.faces[room.face_material == by_name["oak"]]].reshape(-1, 3)
    np.testing.assert_allclose(wood.max(axis=0), np.add(TABLE[1], [3, 0, -2]), atol=1e-6)
    assert room.materials[by_name["oak"]].absorption == (0.3,) * 7


def test_the_report_gives_the_area_of_every_surface(glb):
    provider = Provider(path=str(glb), materials={"oak": "wood on studs"})
    report = provider.report()
    rows = {row["material"]: row for row in report["surfaces"]}
    x, y, z = SIZE
    assert rows["plasterboard on frame"]["area_m2"] == pytest.approx(
        2 * (x * y + y * z + z * x)
    )
    assert rows["plasterboard on frame"]["by"] == "default_material"
    assert "table" in rows["wood on studs"]["surface"]
    (floor,) = report["floors"]
    assert floor["height_m"] == pytest.approx(y, abs=0.01)
    assert (floor["leak_percent"], floor["used"]) == (0.0, "yes")


def test_a_flat_roof_under_a_canopy_is_left_out_and_said_to_be_open(tmp_path):
    canopy = hull((5.0, 0.2, 4.0), lower=(0.0, 6.0, 0.0))
    trimesh.util.concatenate([hull(), canopy]).export(tmp_path / "house.ply")
    provider = Provider(path=str(tmp_path), shares={"test": 1.0})
    used = {row["floor_y_m"]: row["used"] for row in provider.report()["floors"]}
    assert used == {0.0: "yes", 2.8: "no, it is open"}
    for i in range(10):
        room = provider.build(provider.draw(generator(i), "room", "test"))
        assert room.floor_y_m == pytest.approx(0.0, abs=1e-5)


def test_the_longest_pattern_that_fits_names_the_material(glb):
    room = room_of(glb, materials={"*": "marble", "*oak*": "wood on studs"})
    assert {m.name for m in room.materials} == {"marble", "wood on studs"}


def test_a_pattern_that_fits_nothing_is_named_with_the_names_there_are(glb):
    provider = Provider(path=str(glb), materials={"*carpet*": "needle felt"})
    with pytest.raises(UserError, match=r"carpet.*Painted Wall"):
        provider.check()


@pytest.mark.parametrize("library", ["", "mtllib missing.mtl\n"])
def test_an_obj_keeps_its_material_names_without_its_library(tmp_path, library):
    vertices, faces = box_mesh((0, 0, 0), SIZE)
    lines = [f"v {x} {y} {z}" for x, y, z in vertices]
    for k, (a, b, c) in enumerate(faces + 1):
        lines += ["usemtl thick carpet"] * (k == 4) + ["usemtl wall"] * (k in (0, 6))
        lines.append(f"f {a} {b} {c}")
    (tmp_path / "room.obj").write_text(library + "\n".join(lines))
    room = room_of(tmp_path, materials={"thick carpet": "pile carpet on foam"})
    carpet = [m.name for m in room.materials].index("pile carpet on foam")
    floor = room.vertices[room.faces[room.face_material == carpet]]
    assert np.ptp(floor[..., 1]) == 0.0
    assert (room.face_material == carpet).sum() == 2


@pytest.mark.parametrize("suffix", ["obj", "ply", "stl", "off", "glb"])
def test_every_format_gives_the_same_room(tmp_path, suffix):
    hull().export(tmp_path / f"room.{suffix}")
    room = room_of(tmp_path)
    np.testing.assert_allclose(np.ptp(room.vertices, axis=0), SIZE, atol=1e-5)
    assert room.height_m == pytest.approx(SIZE[1], abs=1e-5)


def test_units_and_the_upward_axis_are_taken_as_said(tmp_path):
    turned = hull(np.array(SIZE)[[0, 2, 1]] * 100, lower=(100, 200, 300))
    turned.export(tmp_path / "room.ply")
    room = room_of(tmp_path, units="cm", up="z")
    np.testing.assert_allclose(np.ptp(room.vertices, axis=0), SIZE, atol=1e-5)
    np.testing.assert_allclose(room.vertices.min(axis=0), [1, 3, -2 - 4.0], atol=1e-5)
    assert room.floor_y_m == pytest.approx(3.0, abs=1e-5)
    ears = place_listener(room, generator(1), PlacementRecipe())
    assert 1.09 <= ears[1] - 3.0 <= 1.76


def test_floors_are_found_and_table_tops_are_not(glb):
    room = room_of(glb)
    assert room.floor_y_m == pytest.approx(0.0, abs=1e-5)
    a, b, c = room.walkable.swapaxes(0, 1)
    np.testing.assert_allclose(room.walkable[..., 1], 0.0, atol=2e-3)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    whole, margin = (SIZE[0] - 0.4) * (SIZE[2] - 0.4), 0.4
    table = (TABLE[1][0] - TABLE[0][0] + margin) * (TABLE[1][2] - TABLE[0][2] + margin)
    assert area == pytest.approx(whole - table, rel=0.02)


def test_storeys_of_one_building_are_rooms_of_their_own(tmp_path):
    storeys = [hull(SIZE, (0, y, 0)) for y in (-3.0, 0.0, 3.0)]
    trimesh.util.concatenate(storeys).export(tmp_path / "house.glb")
    provider = Provider(path=str(tmp_path), shares={"test": 1.0})
    rooms = [provider.build(provider.draw(generator(5, i), f"{i}", "test")) for i in range(12)]
    assert {round(room.floor_y_m, 3) for room in rooms} == {-3.0, 0.0, 3.0}
    for i, room in enumerate(rooms):
        ears = place_listener(room, generator(6, i), PlacementRecipe())
        sources = static_positions(room, ears, generator(7, i), PlacementRecipe(), 40)
        assert ((sources[:, 1] > room.floor_y_m) & (sources[:, 1] < room.floor_y_m + 2.8)).all()


def test_placements_in_a_mesh_of_a_furnished_room_avoid_its_furniture(tmp_path):
    procedural = Procedural(shapes=["l_shaped"], furniture=(5, 6))
    boxes = procedural.build(procedural.draw(generator(8), "boxes"))
    trimesh.Trimesh(boxes.vertices, boxes.faces, process=False).export(tmp_path / "l.ply")
    room, rng, limits = room_of(tmp_path), generator(9), PlacementRecipe()
    ears = place_listener(room, rng, limits)
    still = static_positions(room, ears, rng, limits, 100)
    _, moving = linear_paths(room, ears, rng, limits, 50)
    for points in (still, moving.reshape(-1, 3)):
        assert keeps_clear(boxes, points, walls_m=0.249, furniture_m=0.249, floor_m=0.2).all()
    assert keeps_clear(boxes, ears, walls_m=0.499, furniture_m=0.499)


def write(mesh, path):
    trimesh.Trimesh(*mesh, process=False).export(path)


def without_ceiling(path):
    vertices, faces = box_mesh((0, 0, 0), SIZE)
    write((vertices, np.delete(faces, 6, axis=0)), path)  # half of it


def with_nan(path):
    vertices, faces = box_mesh((0, 0, 0), SIZE)
    vertices[3, 1] = np.nan
    write((vertices, faces), path)


def without_area(path):
    vertices, faces = box_mesh((0, 0, 0), SIZE)
    write((vertices, np.repeat(faces[:, :1], 3, axis=1)), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (without_ceiling, r"leaks: \d.* % .* close its holes"),
        (with_nan, "1 vertices that are not finite.*repair"),
        (without_area, "No triangle.*export"),
        (lambda path: hull(np.multiply(SIZE, 100)).export(path), "500.*units = 'cm'"),
        (lambda path: hull(np.multiply(SIZE, 1000)).export(path), "units = 'mm'"),
        (
            lambda path: hull(np.multiply(SIZE, 0.01)).export(path),
            "0.05 x 0.028.*mesh of a room",
        ),
        (lambda path: hull((5.0, 1.6, 4.0)).export(path), "No floor with headroom.*1.60 m"),
        (lambda path: trimesh.PointCloud(np.eye(3)).export(path), "holds no triangles"),
        (lambda path: path.write_bytes(b"ply\nx"), "cannot be read as .ply.*export it anew"),
        (lambda path: path.write_bytes(b""), "room.ply"),
    ],
)
def test_a_mesh_that_is_no_room_is_refused_by_name_with_a_remedy(tmp_path, make, message):
    path = tmp_path / "room.ply"
    make(path)
    with pytest.raises(UserError, match=message) as refused:
        room_of(path)
    assert "room.ply" in str(refused.value)


def test_small_gaps_pass_and_how_much_may_leak_depends_on_the_materials(tmp_path):
    vertices, faces = box_mesh((0, 0, 0), SIZE)
    triangle = vertices[faces[6]]  # of the ceiling
    hole = triangle.mean(axis=0) + 0.1 * (triangle - triangle.mean(axis=0))
    corners = np.concatenate([vertices, hole])
    a, b, c = faces[6]
    ring = [(a, b, 9), (a, 9, 8), (b, c, 10), (b, 10, 9), (c, a, 8), (c, 8, 10)]
    write((corners, np.concatenate([np.delete(faces, 6, axis=0), ring])), tmp_path / "r.ply")
    assert room_of(tmp_path, default_material="mineral wool panel") is not None
    with pytest.raises(UserError, match="leaks"):
        room_of(tmp_path, default_material="marble")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "path"),
        ({"path": "nowhere"}, "no mesh or folder of meshes at nowhere"),
        ({"path": ".", "unit": "cm"}, "unit"),
        ({"path": ".", "units": "km"}, "units"),
        ({"path": ".", "materials": {"*": "paint"}}, "painted brick"),
        ({"path": ".", "materials": {"*": [0.1, 0.2]}}, "7 absorption coefficients"),
        ({"path": ".", "materials": {"*": [2.0] * 7}}, "materials"),
        ({"path": ".", "default_material": "goo"}, "material"),
        ({"path": ".", "shares": {"test": 0.0}}, "shares"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(UserError, match=message):
        Provider(**options)


def test_an_empty_folder_and_an_unknown_format_are_refused(tmp_path):
    with pytest.raises(UserError, match="holds no meshes"):
        Provider(path=str(tmp_path))
    (tmp_path / "room.fbx").write_bytes(b"x")
    with pytest.raises(UserError, match=r"room.fbx is none of .*convert it to .glb"):
        Provider(path=str(tmp_path / "room.fbx"))


def files_of(provider, split, count=60):
    return {provider.draw(generator(i), "room", split).parameters["file"] for i in range(count)}


def test_files_are_dealt_to_splits_and_none_to_two(tmp_path):
    for i in range(5):
        hull(np.add(SIZE, 0.1 * i)).export(tmp_path / f"{i}.ply")
    shutil.copy(tmp_path / "0.ply", tmp_path / "copy.ply")
    provider = Provider(path=str(tmp_path))
    train, test = files_of(provider, "train"), files_of(provider, "test")
    assert (len(train), len(test)) == (4, 1)
    assert not train & test
    with pytest.raises(UserError, match="no files for split 'dev'"):
        provider.draw(generator(0), "room", "dev")


def test_folders_named_after_splits_are_taken_at_their_word(tmp_path):
    for i, split in enumerate(("train", "train", "dev")):
        (tmp_path / split).mkdir(exist_ok=True)
        hull(np.add(SIZE, 0.1 * i)).export(tmp_path / split / f"{i}.ply")
    provider = Provider(path=str(tmp_path))
    assert files_of(provider, "dev") == {"dev/2.ply"}
    shutil.copy(tmp_path / "train" / "0.ply", tmp_path / "dev" / "0.ply")
    with pytest.raises(UserError, match="same content as one of"):
        Provider(path=str(tmp_path)).draw(generator(0), "room", "train")


def test_one_mesh_serves_two_splits_only_where_that_is_asked_for(glb):
    with pytest.raises(UserError, match="share_buildings = true"):
        Provider(path=str(glb)).draw(generator(0), "room", "train")
    shared = Provider(path=str(glb), share_buildings=True)
    rooms = [shared.draw(generator(0), "room", split) for split in ("train", "test")]
    assert all("building" not in room.parameters for room in rooms)
    alone = Provider(path=str(glb), shares={"test": 1.0}).draw(generator(0), "room", "test")
    assert alone.parameters["building"] == alone.parameters["sha256"]


def test_a_moved_file_is_found_by_its_content_and_a_changed_one_is_refused(glb):
    room = room_of(glb)
    moved = glb.with_name("moved.glb")
    glb.rename(moved)
    again = Provider(path=str(moved)).build(room.info)
    np.testing.assert_array_equal(again.vertices, room.vertices)
    hull().export(moved)
    with pytest.raises(UserError, match=r"is missing there.*SHA-256"):
        Provider(path=str(moved)).build(room.info)
    moved.rename(glb)
    with pytest.raises(UserError, match=r"has changed since.*SHA-256"):
        Provider(path=str(glb)).build(room.info)


def test_what_is_stored_of_a_room_is_small_and_enough(glb):
    options = {"units": "m", "materials": {"oak": "marble", "*": "painted brick"}}
    room = room_of(glb, **options)
    text = json.dumps(room.info.parameters, sort_keys=True)
    assert len(text) < 600
    other_options = Provider(path=str(glb), default_material="marble")
    info = type(room.info)("mesh", "room", "mesh", json.loads(text))
    again = other_options.build(info)
    assert again.materials == room.materials
    np.testing.assert_array_equal(again.walkable, room.walkable)


def test_faces_without_an_area_are_left_out_and_counted(tmp_path):
    vertices, faces = box_mesh((0, 0, 0), SIZE)
    write((vertices, np.concatenate([faces, [[0, 0, 1], [2, 2, 2]]])), tmp_path / "r.ply")
    mesh = read_mesh(tmp_path / "r.ply", "m", "y")
    assert (len(mesh.faces), mesh.n_without_area) == (12, 2)


@pytest.mark.rlr
@needs_rlr[1]
def test_which_way_faces_point_is_no_more_to_the_engine_than_noise(tmp_path):
    """Turning faces changes its rays as starting them at another corner of a face does."""
    heard = []
    for turned in (None, slice(None), slice(None, None, 3)):
        whole = scene().to_mesh()
        order = np.asarray(whole.faces).copy()
        if turned is not None:
            order[turned] = order[turned, ::-1]
        path = tmp_path / "room.ply"
        write((whole.vertices, order), path)
        room = room_of(path, default_material="wooden lining")
        ears = place_listener(room, generator(1), PlacementRecipe())
        sources = static_positions(room, ears, generator(2), PlacementRecipe(), 2)
        heard.append((ears, sources, ENGINES.get("rlr")().rirs(room, ears, sources, seed=0)))
    ears, sources, rirs = heard[0]
    for other_ears, other_sources, others in heard[1:]:
        np.testing.assert_array_equal(other_ears, ears)
        np.testing.assert_array_equal(other_sources, sources)
        np.testing.assert_allclose(early_energy_db(others), early_energy_db(rirs), atol=0.5)
        assert t20(others[0, 0]) == pytest.approx(t20(rirs[0, 0]), rel=0.06)
        for rir, other, source in zip(rirs, others, sources, strict=True):
            distance = np.linalg.norm(source - ears)
            first, second = direct_part(rir, distance)[:, 15:18], direct_part(other, distance)
            np.testing.assert_allclose(first, second[:, 15:18], rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """Two flats, written as .glb with one object per surface."""
    folder = tmp_path_factory.mktemp("houses")
    procedural = Procedural(shapes=["flat"])
    for i in range(2):
        room = procedural.build(procedural.draw(generator(10, i), f"flat-{i}"))
        made = trimesh.Scene()
        for k in np.unique(room.face_material):
            part = trimesh.Trimesh(room.vertices, room.faces[room.face_material == k])
            made.add_geometry(named(part, room.materials[k].name), node_name=f"part {k}")
        made.export(folder / f"flat-{i}.glb")
    return folder


MESH_RECIPE = {
    "splits": {"train": {"S": 1, "D": 1}, "test": {"SD": 1}},
    "renderer": {"engine": "rlr", "preset": "fast", "rir_duration_s": 0.5},
    "corpus": {"scenes_per_shard": 3},
}


def mesh_recipe(houses, **options):
    materials = {"*carpet*": "pile carpet on foam", "*brick*": "painted brick"}
    given = {"path": str(houses), "materials": materials, **options}
    rooms = {"provider": "mesh", "scenes_per_room": 2, "options": given}
    return small_recipe(rooms=rooms, **MESH_RECIPE)


@pytest.mark.rlr
@needs_rlr[1]
def test_a_corpus_in_mesh_rooms_is_made_and_verified(houses, tmp_path):
    folder = make_corpus(tmp_path / "corpus", mesh_recipe(houses))
    assert str(tmp_path) not in (folder / "manifest.json").read_text()
    report = verify(folder, rooms_path=houses)
    assert report.faults == []
    assert report.n_scenes == 3
    versions = json.loads((folder / "manifest.json").read_text())["versions"]
    assert versions["trimesh"] == trimesh.__version__
    assert "embreex" in versions
    scenes = [
        scene_from_row(row)
        for path in sorted(folder.glob("scenes/*.parquet"))
        for row in read_rows(path)
    ]
    files = {split: set() for split in ("train", "test")}
    for each in scenes:
        files[each.split].add(each.room.parameters["file"])
        assert all(source.line_of_sight.all() for source in each.sources)
    assert len(files["train"] | files["test"]) == 2
    assert not files["train"] & files["test"]

    moved = shutil.copytree(houses, tmp_path / "elsewhere")
    assert verify(folder, rooms_path=moved).faults == []
    for path in moved.iterdir():
        hull().export(path)
    assert "has changed since" in " ".join(verify(folder, rooms_path=moved).faults)
    gone = verify(folder, rooms_path=tmp_path / "gone").faults
    assert len(gone) == 1
    assert "none can be built again" in gone[0]


def test_a_file_that_cannot_be_used_is_told_before_any_scene_is_drawn(houses, tmp_path):
    broken = shutil.copytree(houses, tmp_path / "broken")
    without_ceiling(broken / "open.ply")
    recipe = mesh_recipe(broken).model_copy(
        update={"renderer": small_recipe().renderer.model_copy(update={"engine": "rlr"})}
    )
    pytest.importorskip("RLRAudioPropagationPkg")
    with pytest.raises(UserError, match=r"open\.ply leaks"):
        make_corpus(tmp_path / "corpus", recipe)
    assert not list((tmp_path / "corpus").glob("scenes/*"))


def test_mesh_rooms_say_that_they_need_the_rlr_engine(glb, monkeypatch):
    monkeypatch.setattr(
        "st_audioqa.renderers.engines.rlr.load",
        lambda: (_ for _ in ()).throw(UserError("it is not installed")),
    )
    recipe = small_recipe(
        rooms={"provider": "mesh", "options": {"path": str(glb)}}, renderer={"engine": "auto"}
    )
    with pytest.raises(UserError, match=r"mesh provider need an engine for meshes.*installed"):
        resolve(recipe)


def test_the_command_rooms_prints_materials_and_floors(glb, tmp_path, capsys):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "r"\n[splits.test]\nS = 1\n[rooms]\nprovider = "mesh"\n'
        f'options = {{path = "{glb}", materials = {{oak = "wood on studs"}}}}\n'
    )
    main(["rooms", str(recipe)])
    said = capsys.readouterr().out
    assert "wood on studs | oak" in said
    assert "walkable_m2" in said
    main(["rooms", "demo"])
    assert "reads no files" in capsys.readouterr().out
