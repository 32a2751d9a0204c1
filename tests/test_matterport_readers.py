"""Readers of Matterport3D's files, on files written by generators and by Recast/Detour."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from st_audioqa.errors import UserError
from st_audioqa.rooms.geometry import points_in_outline
from st_audioqa.rooms.matterport.axes import to_y_up
from st_audioqa.rooms.matterport.glb import read_glb
from st_audioqa.rooms.matterport.house import read_house
from st_audioqa.rooms.matterport.navmesh import read_navmesh
from st_audioqa.rooms.matterport.semantic_ply import read_semantic_ply
from tests import mp3d_miniature as mini

DETOUR = Path(__file__).parent / "fixtures" / "navmesh"


@pytest.fixture(scope="module")
def made() -> mini.Scan:
    return mini.scan()


@pytest.fixture
def house(tmp_path, made):
    path = tmp_path / "good.house"
    path.write_text(mini.house_text(made), "utf-8")
    return read_house(path)


def given(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(read, path, message: str) -> None:
    """The file is refused in one sentence that names it."""
    with pytest.raises(UserError, match=message) as caught:
        read(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_z_up_becomes_y_up_by_a_rotation():
    np.testing.assert_array_equal(
        to_y_up([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    )


# --- .house -------------------------------------------------------------------------------


def test_a_house_is_read_as_it_was_written(house, made):
    assert house.name == mini.NAME
    assert [region.label for region in house.regions] == ["l", "k", "-", "p", "b", "c"]
    assert house.regions[0].category == "living room"
    assert [region.level for region in house.regions] == [0, 0, 0, 0, 1, 0]
    assert house.regions[4].floor_y == mini.UPPER
    assert {region.height_m for region in house.regions} == {mini.HEIGHT, 3.0}
    for region, (_, _, outline, *_) in zip(house.regions, mini.REGIONS, strict=True):
        np.testing.assert_allclose(region.outline, np.array(outline) * [1, -1])
    assert house.object_categories == tuple(category for _, category in made.object_rows)
    assert house.object_regions == tuple(region for region, _ in made.object_rows)
    assert house.segment_objects[mini.segment_id(3)] == 3


def test_the_outline_of_an_l_keeps_its_notch(house):
    notch, inside = [0.75, -5.25], [3.0, -5.25]
    assert points_in_outline([notch, inside], house.regions[0].outline).tolist() == [
        False,
        True,
    ]


def test_needless_corners_of_an_outline_are_dropped(tmp_path, made):
    outline = [(0, 0), (2, 0), (2, 0), (5, 0), (5, 6), (7, 6), (5, 6), (0, 6), (0, 0)]
    regions = [(0, "l", outline, 0.0, 2.5)]
    made = mini.Scan(1.0, object_rows=[(0, "wall")])
    path = given(tmp_path, "a.house", mini.house_text(made, regions))
    corners = read_house(path).regions[0].outline
    assert {tuple(corner) for corner in corners.tolist()} == {(0, 0), (5, 0), (5, -6), (0, -6)}
    assert len(corners) == 4


def test_the_floor_is_the_largest_surface_that_faces_up(tmp_path, made):
    text = mini.house_text(made)
    # A wall's surface and a small floor are added to the bedroom (region 4).
    extra_s = "S  6 4  0  -  0 0 3  1 0 0  0 0 3  1 1 3  0 0 0 0 0 \n"
    extra_s += "S  7 4  0  -  0 0 3  0 0 1  0 0 3  1 1 3  0 0 0 0 0 \n"
    corners = [(-9, -9), (9, -9), (9, 9), (-9, 9)]
    extra_v = "".join(
        f"V  {90 + i} 6  -  {x} {y} 3  1 0 0  0 0 0 \n" for i, (x, y) in enumerate(corners)
    )
    extra_v += "".join(
        f"V  {94 + i} 7  -  {x / 9} {y / 9} 3  0 0 1  0 0 0 \n"
        for i, (x, y) in enumerate(corners)
    )
    n_vertices = sum(len(each[2]) for each in mini.REGIONS)
    text = text.replace(f" 0 1 {n_vertices} 6 ", f" 0 1 {n_vertices + 8} 8 ")
    at = text.index("V  0 0")
    panorama = text.index("P  pano0")
    text = text[:at] + extra_s + text[at:panorama] + extra_v + text[panorama:]
    house = read_house(given(tmp_path, "a.house", text))
    np.testing.assert_allclose(house.regions[4].outline, np.array(mini.BEDROOM) * [1, -1])


def test_a_region_without_height_gets_that_of_its_box(tmp_path, made):
    text = mini.house_text(made).replace(f"  {mini.HEIGHT:g}  0 0 0 0", "  0  0 0 0 0")
    assert read_house(given(tmp_path, "a.house", text)).regions[1].height_m == mini.HEIGHT


def without(text: str, letter: str) -> str:
    lines = text.splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if line.startswith(letter + " "))
    return "".join(lines[:last] + lines[last + 1 :])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: "", "ASCII 1.1"),
        (lambda t: t.replace("ASCII 1.1", "ASCII 1.0"), "ASCII 1.1"),
        (lambda t: t[: len(t) // 2], "cut short"),
        (lambda t: without(t, "R"), "6 R lines and has 5"),
        (lambda t: without(t, "V"), "V lines"),
        (lambda t: without(t, "H"), "one H line"),
        (lambda t: t.replace("H  ", "H  x  ", 1), "whole number|lines"),
        (lambda t: t.replace("V  0 0  ", "V  0 77  "), "line .*there is no surface 77"),
        (lambda t: t.replace("S  1 1  ", "S  1 9  "), "there is no region 9"),
        (lambda t: t.replace("S  1 1  ", "S  2 1  "), "S line of index 1"),
        (lambda t: t.replace("O  1 0 1 ", "O  1 0 70 "), "there is no category 70"),
        (lambda t: t.replace("O  1 0 1 ", "O  1 -2 1 "), "there is no region -2"),
        (lambda t: t.replace("E  1 1  ", "E  1 99  "), "there is no object 99"),
        (lambda t: t.replace("R  1 0  0 0  k", "R  1 5  0 0  k"), "there is no level 5"),
        (lambda t: t.replace("V  3 0  -  1.5", "V  3 0  -  nan"), "finite number, not 'nan'"),
        (lambda t: t.replace("V  3 0  -  1.5", "V  3 0  -  inf"), "finite number"),
        (lambda t: t.replace("V  3 0  -  1.5", "V  3 0  -  wide"), "finite number, not 'wide'"),
        (lambda t: t.replace("R  1 0  0 0  k", "R  1 0.5  0 0  k"), "whole number, not '0.5'"),
    ],
)
def test_a_broken_house_is_refused(tmp_path, made, damage, message):
    text = mini.house_text(made)
    assert damage(text) != text
    refused(read_house, given(tmp_path, "a.house", damage(text)), message)


def test_a_house_without_regions_is_refused_with_a_way_out(tmp_path):
    text = mini.house_text(mini.Scan(1.0), regions=[])
    refused(read_house, given(tmp_path, "a.house", text), "no regions.*another room provider")


def test_missing_and_binary_files_are_refused(tmp_path, house):
    for read in (read_house, read_navmesh, lambda p: read_semantic_ply(p, house), read_glb):
        refused(read, tmp_path / "none.house", "cannot be read")
        refused(read, given(tmp_path, "junk", bytes(range(256)) * 9), "junk")


# --- .navmesh -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two_storeys.navmesh", "two_storeys_v1.navmesh"])
def test_a_navmesh_of_recast_and_detour_is_read_as_detour_reads_it(name):
    """Detour's random points lie on our triangles, at its heights, on islands as it walks them."""
    said = json.loads((DETOUR / "two_storeys.json").read_text())
    found = read_navmesh(DETOUR / name)
    assert len(found.triangles) == said["detail_triangles"]
    points = np.array([each[:3] for each in said["points"]])
    first = [each[3] for each in said["points"]]
    island = np.array([island_at(found, point) for point in points])
    meets = defaultdict(set)
    for i, j in enumerate(first):
        meets[int(island[j])].add(int(island[i]))
    assert dict(meets) == {k: {k} for k in range(3)}
    assert len({int(island[j]) for j in first}) == len(set(first)) == 3
    flat = seen_from_above(found)
    wanted = [said["area_m2"][storey] for storey in ("roof", "ground", "upper")]
    np.testing.assert_allclose(flat, wanted, rtol=0.005)
    assert (found.walker_height_m, round(found.walker_radius_m, 6)) == (1.5, 0.1)


def island_at(navmesh, point) -> int:
    """Island of the triangle that a point lies on, to the millimetre."""
    for triangle, island in zip(navmesh.triangles, navmesh.island, strict=True):
        a, b, c = triangle[:, [0, 2]]
        turn = np.column_stack([b - a, c - a])
        if abs(np.linalg.det(turn)) < 1e-9:
            continue
        u, v = np.linalg.solve(turn, point[[0, 2]] - a)
        height = (
            triangle[0, 1]
            + u * (triangle[1] - triangle[0])[1]
            + v * (triangle[2] - triangle[0])[1]
        )
        if u > -1e-4 and v > -1e-4 and u + v < 1 + 1e-4 and abs(height - point[1]) < 1e-3:
            return int(island)
    raise AssertionError(f"{point} lies on no triangle")


def seen_from_above(navmesh):
    flat = navmesh.triangles * [1, 0, 1]
    a, b, c = flat.swapaxes(0, 1)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return np.bincount(navmesh.island, weights=area)


@pytest.mark.parametrize("version", [1, 2])
def test_a_written_navmesh_is_read(tmp_path, version):
    cells = mini.floor_cells()
    found = read_navmesh(given(tmp_path, "a.navmesh", mini.navmesh_bytes(cells, version)))
    assert found.areas_m2.sum() == pytest.approx(0.25 * len(cells))
    # Ground floor, bedroom, roof, terrace and table top: largest first.
    at_height = [np.unique(found.triangles[found.island == k][..., 1]) for k in range(5)]
    areas = found.island_areas_m2()
    assert len(areas) == 5
    assert (np.diff(areas) <= 0).all()
    np.testing.assert_allclose(at_height[0], 0.05)
    np.testing.assert_allclose(at_height[4], 0.8)


def test_polygons_that_cannot_be_walked_on_neither_count_nor_connect(tmp_path):
    row = [(0, 0, 0.0), (1, 0, 0.0), (2, 0, 0.0)]
    data = bytearray(mini.navmesh_bytes(row))
    assert len(read_navmesh(given(tmp_path, "a", bytes(data))).island_areas_m2()) == 1
    at = data.index(b"VAND") + 100 + 12 * 8 + 32 + 28
    assert struct.unpack_from("<H", data, at) == (1,)
    struct.pack_into("<H", data, at, 4)  # habitat's flag of a disabled polygon
    found = read_navmesh(given(tmp_path, "b", bytes(data)))
    np.testing.assert_allclose(found.island_areas_m2(), [0.25, 0.25])


def changed(at: int, form: str, value, base: str = "") -> object:
    def damage(data: bytes) -> bytes:
        out = bytearray(data)
        start = out.index(base.encode()) if base else 0
        struct.pack_into(form, out, start + at, value)
        return bytes(out)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: b"", "does not start"),
        (lambda d: b"MSET" + d[4:], "big-endian"),
        (lambda d: d[:10], "cut short"),
        (lambda d: d[:60], "cut short"),
        (lambda d: d[:-1], "cut short"),
        (changed(4, "<i", 3), "version 3"),
        (changed(8, "<i", 2), "2 tiles.*recompute_navmesh"),
        (changed(8, "<i", 0), "0 tiles"),
        (changed(8, "<i", -1), "-1 tiles"),
        (changed(4, "<i", 6, "VAND"), "version 6"),
        (changed(0, "<i", 0, "VAND"), "wanted: rebuild"),
        (changed(24, "<i", -5, "VAND"), "negative count"),
        (changed(24, "<i", 2**30, "VAND"), "cut short"),
        (changed(100, "<f", np.nan, "VAND"), "not finite"),
        (changed(-8, "<I", 0, "VAND"), "empty tile"),
        (changed(-4, "<i", 0, "VAND"), "empty tile"),
        (changed(-4, "<i", 50, "VAND"), "cut short"),
    ],
)
def test_a_broken_navmesh_is_refused(tmp_path, damage, message):
    data = mini.navmesh_bytes(mini.floor_cells())
    refused(read_navmesh, given(tmp_path, "a.navmesh", damage(data)), message)


def test_a_navmesh_of_several_whole_tiles_is_refused(tmp_path):
    data = mini.navmesh_bytes(mini.floor_cells(), n_tiles=2)
    refused(read_navmesh, given(tmp_path, "a.navmesh", data), "2 tiles, and one is wanted")


def test_a_navmesh_with_64_bit_references_is_named_as_such(tmp_path):
    data = mini.navmesh_bytes(mini.floor_cells())
    at = data.index(b"VAND") - 8
    wide = data[:at] + struct.pack("<Qi4x", 1, len(data) - at - 8) + data[at + 8 :]
    refused(read_navmesh, given(tmp_path, "a.navmesh", wide), "64-bit")


def test_a_navmesh_that_refers_to_nothing_is_refused(tmp_path):
    data = mini.navmesh_bytes([(0, 0, 0.0)])
    polygon = 100 + 12 * 4
    detail = polygon + 32
    for at, form, value, message in (
        (polygon + 4, "<H", 4, "vertex that is not there"),
        (polygon + 16, "<H", 2, "neighbour that is not there"),
        (polygon + 30, "<B", 7, "too many corners"),
        (detail, "<I", 0, None),
        (detail + 4, "<I", 1, "triangle that is not there"),
        (detail + 12, "<B", 9, "vertex that is not there"),
        (polygon + 28, "<H", 0, "no walkable polygon"),
    ):
        damaged = given(tmp_path, "a.navmesh", changed(at, form, value, "VAND")(data))
        if message is None:
            read_navmesh(damaged)
        else:
            refused(read_navmesh, damaged, message)


# --- _semantic.ply ------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("segments", [False, True])
def test_a_mesh_is_read_as_it_was_written(tmp_path, made, house, order, segments):
    path = given(tmp_path, "a_semantic.ply", mini.ply_bytes(made, order, segments))
    found = read_semantic_ply(path, house)
    wanted = np.concatenate(made.vertices)
    np.testing.assert_allclose(found.vertices[:, 0], wanted[:, 0], atol=1e-6)
    np.testing.assert_allclose(found.vertices[:, 1], wanted[:, 2], atol=1e-6)
    np.testing.assert_allclose(found.vertices[:, 2], -wanted[:, 1], atol=1e-6)
    np.testing.assert_array_equal(found.faces, np.concatenate(made.faces))
    np.testing.assert_array_equal(found.face_object, np.concatenate(made.objects))


def body(data: bytes) -> int:
    return data.index(b"end_header\n") + len(b"end_header\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: b"", "no PLY header"),
        (lambda d: d[:100], "no PLY header"),
        (lambda d: d[:-1], "fewer vertices"),
        (lambda d: d[: body(d)], "fewer vertices"),
        (lambda d: d.replace(b"binary_little_endian", b"ascii"), "'ascii' and not a binary"),
        (lambda d: d.replace(b"object_id", b"thing_nr_"), "without object_id"),
        (lambda d: d.replace(b"property float x", b"property float u"), "not of x, y, z"),
        (lambda d: d.replace(b"float x", b"half  x"), "type 'half'"),
        (lambda d: d.replace(b"vertex_indices", b"vertex_numbers"), "list 'vertex_numbers'"),
        (lambda d: d.replace(b"element face", b"element edge"), "vertices followed by faces"),
        (lambda d: d.replace(b"element vertex ", b"element vertex -"), "header line"),
        (
            lambda d: d.replace(b"element vertex ", b"element vertex 9999999999"),
            "fewer vertices",
        ),
        (
            lambda d: d[: body(d)] + struct.pack("<f", np.nan) + d[body(d) + 4 :],
            "1 vertices that",
        ),
        (lambda d: d[:-17] + b"\x04" + d[-16:], "no triangles"),
        (lambda d: d[:-8] + struct.pack("<i", 10**6) + d[-4:], "vertex that is not there"),
        (lambda d: d[:-8] + struct.pack("<i", -1) + d[-4:], "vertex that is not there"),
        (
            lambda d: d[:-4] + struct.pack("<i", 4000),
            "an object 4000, and the .house file has 10",
        ),
        (lambda d: d[:-4] + struct.pack("<i", -2), "an object -2"),
    ],
)
def test_a_broken_mesh_is_refused(tmp_path, made, house, damage, message):
    data = mini.ply_bytes(made)
    assert damage(data) != data
    path = given(tmp_path, "a_semantic.ply", damage(data))
    refused(lambda p: read_semantic_ply(p, house), path, message)


def test_a_segment_that_the_house_does_not_have_is_refused(tmp_path, made, house):
    data = mini.ply_bytes(made, segments=True)
    data = data[:-12] + struct.pack("<i", 77) + data[-8:]
    path = given(tmp_path, "a_semantic.ply", data)
    refused(lambda p: read_semantic_ply(p, house), path, "segment 77")


# --- any damage ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["house", "navmesh", "ply"])
def test_whatever_is_wrong_with_a_file_nothing_but_a_user_error_comes_out(
    tmp_path, made, house, kind
):
    """Bytes changed, cut off or put in anywhere: a result or one sentence, no other error."""
    content, read = {
        "house": (mini.house_text(made).encode(), read_house),
        "navmesh": ((DETOUR / "two_storeys.navmesh").read_bytes(), read_navmesh),
        "ply": (mini.ply_bytes(made), lambda p: read_semantic_ply(p, house)),
    }[kind]
    rng = np.random.default_rng(3)
    refusals = 0
    for trial in range(300):
        data = bytearray(content)
        # Half of the damage is done near the beginning, where headers are.
        reach = len(data) if trial % 2 else min(len(data), 400)
        at = int(rng.integers(reach))
        if trial % 3 == 0:
            data[at : at + 4] = rng.bytes(4)
        elif trial % 3 == 1:
            del data[at : at + int(rng.integers(1, 50))]
        else:
            del data[at:]
        try:
            read(given(tmp_path, "damaged", bytes(data)))
        except UserError as error:
            refusals += "damaged" in str(error)
    assert refusals > 100


# --- .glb ---------------------------------------------------------------------------------


def glb(meshes, **extra) -> bytes:
    """A binary glTF with a mesh per (vertices, faces), each on a node moved by (1, 0, 0)."""
    chunk, views, accessors = b"", [], []
    for vertices, faces in meshes:
        for values, kind, shape in ((vertices, 5126, "VEC3"), (faces, 5125, "SCALAR")):
            values = np.asarray(values, "<f4" if kind == 5126 else "<u4")
            data = values.tobytes()
            views.append({"buffer": 0, "byteOffset": len(chunk), "byteLength": len(data)})
            entry = {"bufferView": len(views) - 1, "componentType": kind, "type": shape}
            entry["count"] = len(values) if shape == "VEC3" else values.size
            if shape == "VEC3":
                entry["min"], entry["max"] = values.min(0).tolist(), values.max(0).tolist()
            accessors.append(entry)
            chunk += data
    tree = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(meshes)))}],
        "nodes": [{"mesh": i, "translation": [1, 0, 0]} for i in range(len(meshes))],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 2 * i}, "indices": 2 * i + 1}]}
            for i in range(len(meshes))
        ],
        "buffers": [{"byteLength": len(chunk)}],
        "bufferViews": views,
        "accessors": accessors,
        **extra,
    }
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text
    body += struct.pack("<I4s", len(chunk), b"BIN\0") + chunk
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


TRIANGLE = (np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0]]), np.array([[0, 1, 2]]))
UPRIGHT = (np.array([[0, 0, 0], [1, 0, 0], [0, 0, 3]]), np.array([[0, 1, 2]]))


def test_all_meshes_of_a_glb_are_read_moved_and_turned(tmp_path):
    pytest.importorskip("trimesh")
    vertices, faces = read_glb(given(tmp_path, "a.glb", glb([TRIANGLE, UPRIGHT])))
    corners = vertices[faces].reshape(-1, 9)
    wanted = [[1, 0, 0, 2, 0, 0, 1, 0, -2], [1, 0, 0, 2, 0, 0, 1, 3, 0]]
    np.testing.assert_allclose(sorted(corners.tolist()), sorted(wanted), atol=1e-6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"solid box", "no binary glTF"),
        (glb([TRIANGLE])[:100], "cannot be read"),
        (glb([TRIANGLE], extensionsRequired=["KHR_draco_mesh_compression"]), "compressed"),
        (glb([]), "no triangles|cannot be read"),
        (glb([(TRIANGLE[0] * np.nan, TRIANGLE[1])]), "not finite|cannot be read"),
        (glb([(TRIANGLE[0], TRIANGLE[1] + 7)]), "cannot be read|not there"),
    ],
)
def test_a_broken_glb_is_refused(tmp_path, data, message):
    pytest.importorskip("trimesh")
    refused(read_glb, given(tmp_path, "a.glb", data), message)
