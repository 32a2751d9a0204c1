from __future__ import annotations

import numpy as np
import pytest

from st_audioqa.conventions import BANDS_HZ
from st_audioqa.errors import RejectedDraw, UserError
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.rooms.geometry import (
    box_distance,
    box_mesh,
    outline_distance,
    outline_mesh,
    points_in_outline,
    segments_blocked,
)
from st_audioqa.rooms.materials import material, material_names, materials_for
from st_audioqa.rooms.placement import (
    line_of_sight,
    linear_paths,
    place_listener,
    static_positions,
)
from st_audioqa.rooms.provider import PROVIDERS
from st_audioqa.rooms.providers.procedural import Provider
from st_audioqa.scene import Listener, track_directions
from st_audioqa.seeding import generator

SQUARE = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], dtype=float)
ELL = np.array([[0, 0], [4, 0], [4, 2], [2, 2], [2, 4], [0, 4]], dtype=float)
BOX = np.array([[[1.0, 0.0, 1.0], [2.0, 1.0, 2.0]]])


def rooms(count: int, **options):
    provider = Provider(**options)
    return [provider.build(provider.draw(generator(3, i), f"room-{i}")) for i in range(count)]


def signed_volume(vertices, faces):
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return float((a * np.cross(b, c)).sum() / 6.0)


def test_points_in_an_l():
    inside = points_in_outline([[1, 1], [3, 1], [1, 3], [3, 3], [-1, 1]], ELL)
    assert inside.tolist() == [True, True, True, False, False]


def test_outline_distance_is_to_the_nearest_edge():
    np.testing.assert_allclose(
        outline_distance([[1, 2], [2, 2], [3.5, 3.9]], SQUARE), [1, 2, 0.1]
    )


def test_box_distance():
    points = [[1.5, 0.5, 1.5], [1.5, 2.0, 1.5], [3.0, 0.5, 3.0]]
    np.testing.assert_allclose(box_distance(points, BOX), [0, 1, np.sqrt(2)])
    assert np.isinf(box_distance([0, 0, 0], BOX[:0]))


def test_lines_are_blocked_by_walls_and_boxes_and_nothing_else():
    none = BOX[:0]
    assert segments_blocked([3, 1, 1], [1, 1, 3.5], ELL, none)  # across the missing corner
    assert not segments_blocked([1, 1, 1], [1, 1, 3.5], ELL, none)
    assert segments_blocked([0.5, 0.5, 1.5], [3, 0.5, 1.5], SQUARE, BOX)
    assert not segments_blocked([0.5, 1.5, 1.5], [3, 1.5, 1.5], SQUARE, BOX)  # over it
    assert segments_blocked([1.5, 1.5, 1.5], [1.5, 0.5, 1.5], SQUARE, BOX)  # straight down
    assert not segments_blocked([0.5, 0.5, 1.5], [0.5, 0.5, 3.5], SQUARE, BOX)  # beside it


@pytest.mark.parametrize("outline", [SQUARE, ELL, ELL[::-1]])
def test_a_room_mesh_is_closed_and_has_the_right_volume_and_surface(outline):
    vertices, faces, surface = outline_mesh(outline, 3.0)
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    floor = 16.0 if outline is SQUARE else 12.0
    assert areas[surface == 0].sum() == pytest.approx(floor)
    assert areas[surface == 1].sum() == pytest.approx(floor)
    assert areas[surface >= 2].sum() == pytest.approx(16.0 * 3.0)


def test_a_box_mesh_points_outward():
    vertices, faces = box_mesh([1, 2, 3], [2, 4, 6])
    assert signed_volume(vertices, faces) == pytest.approx(6.0)


def test_materials_are_physical_and_fit_every_surface():
    for name in material_names():
        found = material(name)
        assert len(found.absorption) == len(found.scattering) == len(BANDS_HZ)
        assert 0 < min(found.absorption) <= max(found.absorption) < 1
        assert 0 < min(found.scattering) <= max(found.scattering) < 1
    for surface in ("wall", "floor", "ceiling", "table", "cabinet", "sofa", "shelf"):
        assert materials_for(surface), surface


def test_an_unknown_material_is_refused_with_near_names():
    with pytest.raises(UserError, match="painted brick"):
        material("painted bricks")


def test_rooms_vary_and_are_rebuilt_exactly_from_their_metadata():
    drawn = rooms(40)
    assert {room.info.category for room in drawn} == {"shoebox", "l_shaped"}
    assert len({room.height_m for room in drawn}) > 20
    assert any(len(room.obstacles) >= 5 for room in drawn)
    for room in drawn[:5]:
        again = PROVIDERS.get(room.info.provider)().build(room.info)
        np.testing.assert_array_equal(again.vertices, room.vertices)
        assert again.materials == room.materials


def test_furniture_stands_inside_and_apart():
    for room in rooms(60):
        for i, (low, high) in enumerate(room.obstacles):
            corners = [[x, z] for x in (low[0], high[0]) for z in (low[2], high[2])]
            assert points_in_outline(corners, room.floor).all()
            assert high[1] < room.height_m
            for other_low, other_high in room.obstacles[i + 1 :]:
                gap = np.maximum(other_low - high, low - other_high)[[0, 2]]
                assert gap.max() >= 0.3


def test_an_empty_shoebox_says_so_and_a_furnished_one_is_a_mesh():
    assert all(r.shape == "shoebox" for r in rooms(3, shapes=["shoebox"], furniture=(0, 0)))
    assert all(r.shape == "mesh" for r in rooms(3, shapes=["l_shaped"], furniture=(0, 0)))
    assert all(r.shape == "mesh" for r in rooms(3, shapes=["shoebox"], furniture=(3, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shapes": ["shoebx"]}, "shoebox"),
        ({"furniture": (5, 2)}, "furniture"),
        ({"shapes": []}, "shapes"),
        ({"furniture": (2,)}, "furniture"),
        ({"furniture": (0.5, 2)}, "furniture"),
        ({"furniture": (0, 10**22)}, "furniture"),
        ({"furniture": 3}, "furniture"),
    ],
)
def test_impossible_room_options_are_named(options, message):
    with pytest.raises(UserError, match=message):
        Provider(**options)


def test_placements_keep_their_distances():
    limits = PlacementRecipe()
    elevations, distances = [], []
    for i, room in enumerate(rooms(25)):
        rng = generator(4, i)
        ears = place_listener(room, rng, limits)
        assert outline_distance(ears[[0, 2]], room.floor) >= limits.listener_clearance_m
        still = static_positions(room, ears, rng, limits, 50)
        ends, moving = linear_paths(room, ears, rng, limits, 50)
        for points in (still, moving.reshape(-1, 3)):
            assert points_in_outline(points[:, [0, 2]], room.floor).all()
            assert (
                outline_distance(points[:, [0, 2]], room.floor).min() >= limits.wall_clearance_m
            )
            assert box_distance(points, room.obstacles).min() >= limits.furniture_clearance_m
            assert points[:, 1].min() >= 0.2
            assert points[:, 1].max() <= room.height_m - 0.2
            distance = np.linalg.norm(points - ears, axis=-1)
            assert distance.min() >= limits.distance_m[0]
            assert distance.max() <= limits.distance_m[1]
            assert line_of_sight(room, ears, points).all()
        speed = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1) / 10.0
        assert speed.min() >= 0.2
        assert speed.max() <= 2.0
        steps = np.diff(moving, axis=1)
        np.testing.assert_allclose(steps, steps[:, :1].repeat(39, axis=1), atol=1e-9)
        np.testing.assert_allclose(moving[:, 0] - ends[:, 0], steps[:, 0] / 2, atol=1e-9)
        _, elevation, far = track_directions(still, Listener(ears, 0.0))
        elevations += elevation.tolist()
        distances += far.tolist()
    share = [np.mean(np.array(elevations) < -13), np.mean(np.array(elevations) > 13)]
    assert min(share) > 0.1
    assert min(distances) < 0.6
    assert max(distances) > 4.0


def test_no_place_is_a_counted_rejection():
    room = rooms(1)[0]
    narrow = PlacementRecipe(listener_clearance_m=30.0)
    with pytest.raises(RejectedDraw) as rejected:
        place_listener(room, generator(0), narrow)
    assert rejected.value.reason == "no_listener_position"
