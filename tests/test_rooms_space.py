"""Where one can be in a room: triangles against what is known exactly of boxes."""

from __future__ import annotations

import dataclasses
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.recipes import PlacementRecipe
from st_audioqa.renderers.engine import checked_query
from st_audioqa.rooms.geometry import box_distance, outline_distance, points_in_outline
from st_audioqa.rooms.placement import (
    line_of_sight,
    linear_paths,
    place_listener,
    static_positions,
)
from st_audioqa.rooms.providers.procedural import Provider
from st_audioqa.rooms.space import blocked, can_stand, floor_points, keeps_clear
from st_audioqa.rooms.surfaces import Surfaces, cover_triangles, triangle_distance
from st_audioqa.seeding import generator

pytest.importorskip("embreex")

MOVED = np.array([-20.0, 7.5, 30.0])


def box_room(i):
    provider = Provider(furniture=(5, 8))
    return provider.build(provider.draw(generator(8, i), f"room-{i}"))


def as_triangles(room):
    """The same room, known by its triangles alone."""
    corners = room.vertices[room.faces]
    walkable = corners[(corners[..., 1] == room.floor_y_m).all(axis=1)]
    return dataclasses.replace(room, walkable=walkable, obstacles=room.obstacles[:0])


def moved(room):
    return dataclasses.replace(
        room,
        vertices=room.vertices + MOVED,
        floor=room.floor + MOVED[[0, 2]],
        obstacles=room.obstacles + MOVED,
        floor_y_m=float(room.floor_y_m + MOVED[1]),
        walkable=None if room.walkable is None else room.walkable + MOVED,
    )


def points_in(room, rng, count):
    low, high = room.vertices.min(axis=0), room.vertices.max(axis=0)
    return rng.uniform(low, high, size=(count, 3))


def exact_clearance(room, points):
    flat = points[:, [0, 2]]
    ends = np.minimum(points[:, 1], room.height_m - points[:, 1])
    walls = np.minimum(outline_distance(flat, room.floor), ends)
    return np.minimum(walls, box_distance(points, room.obstacles))


@pytest.mark.parametrize("i", range(6))
def test_triangles_say_of_a_box_room_what_its_boxes_say(i):
    room, rng = box_room(i), generator(9, i)
    mesh = as_triangles(room)
    points = points_in(room, rng, 3000)
    for least in (0.05, 0.25, 0.6):
        want = exact_clearance(room, points) >= least
        want &= points_in_outline(points[:, [0, 2]], room.floor)
        inside_box = box_distance(points, room.obstacles) == 0.0
        got = keeps_clear(mesh, points, walls_m=least)
        np.testing.assert_array_equal(got[~inside_box], want[~inside_box])
    free = points[keeps_clear(room, points, walls_m=0.02, furniture_m=0.02)]
    a, b = free[: len(free) // 2], free[-(len(free) // 2) :]
    differ = blocked(mesh, a, b) != blocked(room, a, b)
    assert differ.mean() < 0.002  # furniture stands on a gap of 1 cm, edges are grazed
    assert blocked(room, a, b).mean() > 0.01


@pytest.mark.parametrize("kind", [lambda room: room, as_triangles])
def test_a_room_that_stands_elsewhere_answers_the_same(kind):
    room, rng = box_room(1), generator(10)
    here, there = kind(room), moved(kind(room))
    points = points_in(room, rng, 1500)
    limits = {"walls_m": 0.3, "furniture_m": 0.2, "floor_m": 0.2, "ceiling_m": 0.2}
    one, other = (
        keeps_clear(here, points, **limits),
        keeps_clear(there, points + MOVED, **limits),
    )
    np.testing.assert_array_equal(one, other)
    assert 0.2 < one.mean() < 0.9
    ends = points[one]
    np.testing.assert_array_equal(
        blocked(here, ends, ends[::-1]), blocked(there, ends + MOVED, ends[::-1] + MOVED)
    )
    feet = floor_points(there, generator(11), 400)
    np.testing.assert_allclose(feet[:, 1], MOVED[1])
    height = np.full(400, 1.6)
    np.testing.assert_array_equal(
        can_stand(here, feet - MOVED, height, 0.5, 0.2),
        can_stand(there, feet, height, 0.5, 0.2),
    )


@pytest.mark.parametrize("i", range(4))
def test_placements_in_a_mesh_keep_the_distances_of_the_boxes_it_is_made_of(i):
    room, rng, limits = box_room(i), generator(12, i), PlacementRecipe()
    mesh = as_triangles(room)
    ears = place_listener(mesh, rng, limits)
    assert outline_distance(ears[[0, 2]], room.floor) >= limits.listener_clearance_m
    assert box_distance(ears, room.obstacles) >= limits.listener_clearance_m
    still = static_positions(mesh, ears, rng, limits, 64)
    _, moving = linear_paths(mesh, ears, rng, limits, 64)
    for points in (still, moving.reshape(-1, 3)):
        assert exact_clearance(room, points).min() >= limits.wall_clearance_m - 1e-6
        assert points_in_outline(points[:, [0, 2]], room.floor).all()
        assert line_of_sight(mesh, ears, points).all()


def test_a_listener_stands_beside_a_low_table_and_not_in_it():
    room = as_triangles(box_room(0))
    feet = floor_points(room, generator(13), 2000)
    free = can_stand(room, feet, np.full(2000, 1.7), 0.4, 0.2)
    boxes = box_room(0).obstacles
    assert len(boxes)
    assert 0.1 < free.mean() < 0.95
    assert box_distance(feet[free] + [0, 0.45, 0], boxes).min() >= 0.4


def test_feet_are_even_over_walkable_triangles():
    room = as_triangles(box_room(0))
    two = np.array(
        [[[0, 0, 0], [2, 0, 0], [0, 0, 2]], [[10, 1, 0], [11, 1, 0], [10, 1, 1]]], float
    )
    feet = floor_points(dataclasses.replace(room, walkable=two), generator(14), 20_000)
    first = feet[:, 0] < 5
    assert first.mean() == pytest.approx(0.8, abs=0.02)
    np.testing.assert_allclose(feet[first].mean(axis=0), [2 / 3, 0, 2 / 3], atol=0.02)
    np.testing.assert_allclose(feet[~first].mean(axis=0), [31 / 3, 1, 1 / 3], atol=0.02)


def test_laid_points_leave_no_place_uncovered():
    rng = generator(15)
    triangles = rng.uniform(-1, 1, size=(60, 3, 3)) * rng.uniform(0.01, 2, size=(60, 1, 1))
    points, face = cover_triangles(triangles, 0.1)
    weights = rng.dirichlet(np.ones(3), size=(60, 400))
    places = np.einsum("npk,nkx->npx", weights, triangles)
    for i in range(60):
        own = points[face == i]
        gaps = np.linalg.norm(places[i][:, None] - own[None], axis=-1).min(axis=1)
        assert gaps.max() <= 0.112
        assert triangle_distance(own, np.repeat(triangles[i : i + 1], len(own), 0)).max() < 1e-9


def test_the_distance_to_a_triangle_is_that_to_its_nearest_place():
    rng = generator(16)
    triangles = rng.uniform(-1, 1, size=(200, 3, 3))
    points = rng.uniform(-2, 2, size=(200, 3))
    u, v = np.meshgrid(np.linspace(0, 1, 301), np.linspace(0, 1, 301))
    u, v = u[u + v <= 1], v[u + v <= 1]
    for point, (a, b, c) in zip(points, triangles, strict=True):
        places = a + u[:, None] * (b - a) + v[:, None] * (c - a)
        nearest = np.linalg.norm(places - point, axis=1).min()
        got = triangle_distance(point[None], np.array([[a, b, c]]))[0]
        assert got <= nearest + 1e-9
        assert got == pytest.approx(nearest, abs=0.008)


def test_the_notch_of_an_l_is_outside_although_the_outline_goes_round_it():
    provider = Provider(shapes=["l_shaped"])
    boxes = provider.build(provider.draw(generator(18), "l"))
    low, high = boxes.floor.min(axis=0), boxes.floor.max(axis=0)
    rectangle = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    mesh = dataclasses.replace(as_triangles(boxes), floor=rectangle)
    points = points_in(boxes, generator(19), 2000)
    in_l = points_in_outline(points[:, [0, 2]], boxes.floor)
    assert 0.05 < (~in_l).mean() < 0.5
    assert not keeps_clear(mesh, points[~in_l]).any()
    engine = SimpleNamespace(name="some", shapes={"mesh"})
    ears = place_listener(mesh, generator(20), PlacementRecipe())
    sources = static_positions(mesh, ears, generator(21), PlacementRecipe(), 2)
    checked_query(engine, mesh, ears, sources)
    for where in (points[~in_l][0], ears + np.array([0, 100.0, 0]), [0.0, 1.0, 1.0]):
        with pytest.raises(UserError, match="source position has to lie"):
            checked_query(engine, mesh, ears, [where])
        with pytest.raises(UserError, match="listener position has to lie"):
            checked_query(engine, mesh, where, sources)


def test_rays_find_the_ceiling_and_the_face_they_hit():
    room = box_room(0)
    found = Surfaces(room.vertices, room.faces)
    ears = place_listener(room, generator(17), PlacementRecipe())
    up = found.hit_distance(ears, (0, 1, 0))
    assert up == pytest.approx(room.height_m - ears[1], abs=1e-5)
    face = int(found.hit_face(ears, (0, 1, 0)))
    np.testing.assert_allclose(room.vertices[room.faces[face]][:, 1], room.height_m)
    assert np.isinf(found.hit_distance(ears + np.array([0, 50.0, 0]), (0, 1, 0)))


def test_without_embree_the_line_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "embreex.rtcore_scene", None)
    with pytest.raises(MissingPackageError, match=r"st_audioqa\[meshes\]"):
        blocked(as_triangles(box_room(0)), [1.0, 1.0, 1.0], [1.1, 1.0, 1.0])
