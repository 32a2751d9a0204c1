"""Flats: closed, connected, furnished clear of doorways, and rendered without losing rays."""

from __future__ import annotations

import numpy as np
import pytest
from test_renderers_support import needs_rlr, t20

from st_audioqa.recipes import PlacementRecipe
from st_audioqa.renderers.engine import ENGINES
from st_audioqa.rooms.flats import DOOR_HEIGHT_M, LEAST_SIDE_M, draw_flat, flat_mesh
from st_audioqa.rooms.placement import linear_paths, place_listener, static_positions
from st_audioqa.rooms.providers.procedural import Provider
from st_audioqa.rooms.space import blocked, keeps_clear
from st_audioqa.rooms.surfaces import Surfaces
from st_audioqa.seeding import generator


def flat(i):
    provider = Provider(shapes=["flat"])
    return provider.build(provider.draw(generator(7, i), f"flat-{i}"))


def signed_volume(vertices, faces, origin=(0, 0, 0)):
    a, b, c = (vertices[faces] - np.asarray(origin, float)).swapaxes(0, 1)
    return float((a * np.cross(b, c)).sum() / 6.0)


def doorway_volume(rooms, doors):
    total = 0.0
    for door in doors:
        one, other = door.rooms
        depth = rooms[other][door.axis] - rooms[one][door.axis + 2]
        total += depth * (door.along[1] - door.along[0]) * DOOR_HEIGHT_M
    return total


@pytest.mark.parametrize("i", range(30))
def test_a_flat_is_one_closed_mesh_of_rooms_and_doorways(i):
    rooms, doors = draw_flat(generator(1, i))
    vertices, faces, _ = flat_mesh(rooms, doors, 2.7)
    want = sum((x1 - x0) * (z1 - z0) for x0, z0, x1, z1 in rooms) * 2.7
    want += doorway_volume(rooms, doors)
    # Signed from anywhere, the volume is the same only where the surface is closed.
    for origin in ((0, 0, 0), (50, -30, 20)):
        assert signed_volume(vertices, faces, origin) == pytest.approx(want)


@pytest.mark.parametrize("i", range(30))
def test_every_room_of_a_flat_can_be_reached_and_none_is_a_corridor(i):
    rooms, doors = draw_flat(generator(1, i))
    assert 3 <= len(rooms) <= 5
    reached = {0}
    for _ in rooms:
        reached |= {r for door in doors for r in door.rooms if reached & set(door.rooms)}
    assert reached == set(range(len(rooms)))
    for x_low, z_low, x_high, z_high in rooms:
        assert min(x_high - x_low, z_high - z_low) >= LEAST_SIDE_M - 0.01
    assert all(0.79 <= door.along[1] - door.along[0] <= 1.01 for door in doors)


def test_flats_differ_and_are_rebuilt_exactly_from_their_metadata():
    flats = [flat(i) for i in range(20)]
    assert {len(each.info.parameters["rooms"]) for each in flats} == {3, 4, 5}
    assert len({each.height_m for each in flats}) > 10
    again = Provider().build(flats[3].info)
    np.testing.assert_array_equal(again.vertices, flats[3].vertices)
    np.testing.assert_array_equal(again.face_material, flats[3].face_material)
    assert again.materials == flats[3].materials


def test_nothing_stands_in_a_doorway():
    for i in range(40):
        stored = flat(i).info.parameters
        rooms = [each["rectangle"] for each in stored["rooms"]]
        for one, other, axis, first, last in stored["doors"]:
            reach = {one: rooms[one][axis + 2] - 0.8, other: rooms[other][axis] + 0.8}
            for room in (one, other):
                for piece in stored["rooms"][room]["furniture"]:
                    low, high = piece["lower"], piece["upper"]
                    beside = low[2 - 2 * axis] >= last or high[2 - 2 * axis] <= first
                    if room == one:
                        away = high[2 * axis] <= reach[room]
                    else:
                        away = low[2 * axis] >= reach[room]
                    assert beside or away, (i, piece, one, other, axis)


@pytest.mark.parametrize("i", range(8))
def test_lines_of_sight_of_a_flat_are_those_through_its_triangles(i):
    pytest.importorskip("embreex")
    room, rng = flat(i), generator(2, i)
    low, high = room.floor.min(axis=0), room.floor.max(axis=0)
    flat_points = rng.uniform(low, high, size=(3000, 2))
    height = rng.uniform(0, room.height_m, size=3000)
    points = np.column_stack([flat_points[:, 0], height, flat_points[:, 1]])
    points = points[keeps_clear(room, points, walls_m=0.02, furniture_m=0.02)]
    rays = Surfaces(room.vertices, room.faces)
    differ = rays.blocked(points, points[::-1]) != blocked(room, points, points[::-1])
    assert differ.mean() < 0.003  # furniture stands on a gap of 1 cm


def test_listener_and_sources_are_in_the_room_that_was_chosen():
    limits = PlacementRecipe()
    for i in range(10):
        room, rng = flat(i), generator(3, i)
        stored = room.info.parameters
        x_low, z_low, x_high, z_high = stored["rooms"][stored["room"]]["rectangle"]
        ears = place_listener(room, rng, limits)
        still = static_positions(room, ears, rng, limits, 30)
        _, moving = linear_paths(room, ears, rng, limits, 30)
        for point in (ears[None], still, moving.reshape(-1, 3)):
            assert (point[:, [0, 2]] > (x_low, z_low)).all()
            assert (point[:, [0, 2]] < (x_high, z_high)).all()


@pytest.mark.rlr
@needs_rlr[1]
@pytest.mark.parametrize("i", range(6))
def test_the_rlr_engine_keeps_its_rays_in_a_flat(i):
    """The engine rejects a room that more than 5 % of the rays leave."""
    room, rng = flat(i), generator(4, i)
    ears = place_listener(room, rng, PlacementRecipe())
    sources = static_positions(room, ears, rng, PlacementRecipe(), 2)
    rirs = ENGINES.get("rlr")("fast").rirs(room, ears, sources, seed=0)
    assert 0.1 < t20(rirs[0, 0]) < 1.3
