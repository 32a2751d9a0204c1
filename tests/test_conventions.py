from __future__ import annotations

import numpy as np
import pytest

from st_audioqa import conventions as c


@pytest.mark.parametrize(
    ("yaw", "world", "listener"),
    [
        (0, (0, 0, -1), (1, 0, 0)),  # facing -z
        (0, (-1, 0, 0), (0, 1, 0)),  # left is -x
        (0, (0, 1, 0), (0, 0, 1)),  # up is +y
        (90, (-1, 0, 0), (1, 0, 0)),  # turned left: faces -x
        (90, (0, 0, 1), (0, 1, 0)),
        (180, (0, 0, 1), (1, 0, 0)),
        (-90, (1, 0, 0), (1, 0, 0)),
    ],
)
def test_listener_axes_are_those_of_the_design(yaw, world, listener):
    position = np.array([3.0, 1.5, -2.0])
    got = c.to_listener(position + np.array(world), position, yaw)
    np.testing.assert_allclose(got, listener, atol=1e-12)


def test_front_and_left_follow_the_formula():
    for yaw in (-170.0, -30.0, 12.5, 90.0):
        psi = np.radians(yaw)
        front, left, up = c.listener_axes(yaw)
        np.testing.assert_allclose(front, [-np.sin(psi), 0, -np.cos(psi)], atol=1e-12)
        np.testing.assert_allclose(left, [-np.cos(psi), 0, np.sin(psi)], atol=1e-12)
        np.testing.assert_allclose(np.cross(front, left), up, atol=1e-12)


@pytest.mark.parametrize(
    ("vector", "azimuth", "elevation"),
    [
        ((1, 0, 0), 0, 0),
        ((0, 1, 0), 90, 0),
        ((-1, 0, 0), 180, 0),
        ((-1, -0.0, 0), 180, 0),
        ((0, -1, 0), -90, 0),
        ((1, 1, 0), 45, 0),
        ((0, 0, 1), 0, 90),
        ((1, 0, -1), 0, -45),
    ],
)
def test_directions(vector, azimuth, elevation):
    got = c.directions(np.array(vector, dtype=float))
    np.testing.assert_allclose(got[:2], [azimuth, elevation], atol=1e-9)


def test_directions_and_unit_vectors_are_inverse():
    rng = np.random.default_rng(0)
    azimuth, elevation = rng.uniform(-180, 180, 500), rng.uniform(-89, 89, 500)
    distance = rng.uniform(0.1, 5, 500)
    got = c.directions(c.unit_vectors(azimuth, elevation) * distance[:, None])
    np.testing.assert_allclose(got, [azimuth, elevation, distance], atol=1e-9)


def test_wrap_keeps_180_and_turns_minus_180():
    np.testing.assert_array_equal(
        c.wrap_deg([-180, 180, 181, -181, 540, 0]), [180, 180, -179, 179, 180, 0]
    )


def test_sectors_are_centred_on_front_and_turn_left():
    centres = c.wrap_deg(45.0 * np.arange(8))
    np.testing.assert_array_equal(c.sector(centres), np.arange(8))
    assert c.SECTORS[c.sector(90.0)] == "left"
    assert c.SECTORS[c.sector(-135.0)] == "back-right"
    assert c.sector(22.4) == 0
    assert c.sector(22.6) == 1
    assert c.sector(-22.6) == 7
    assert c.SECTORS[c.sector(180.0)] == c.SECTORS[c.sector(-179.0)] == "back"


def test_elevation_classes_and_distance_bins():
    words = [c.ELEVATION_CLASSES[i] for i in c.elevation_class([-11, -10, 0, 10, 11])]
    assert words == ["below", "level", "level", "level", "above"]
    assert c.DISTANCE_BINS[c.distance_bin(2.25)] == "2.0-2.5 m"
    assert c.distance_bin(0.5) == 1
    assert c.distance_bin(4.999) == 9
    assert c.distance_bin(5.0) == 10
    assert len(c.DISTANCE_BINS) == 10


def test_azimuth_change_goes_behind_the_listener():
    np.testing.assert_allclose(c.azimuth_change_deg([170, 179, -179, -170])[-1], 20.0)
    np.testing.assert_allclose(c.azimuth_change_deg([10, 0, -10])[-1], -20.0)


def test_angular_distance():
    a = c.unit_vectors([0, 0, 0], [0, 0, 0])
    b = c.unit_vectors([1e-5, 90, 180], [0, 0, 0])
    np.testing.assert_allclose(c.angular_distance_deg(a, b), [1e-5, 90, 180], rtol=1e-6)
    assert np.isnan(c.angular_distance_deg([0, 0, 0], [1, 0, 0]))


def test_anchors_are_first_central_and_last_second():
    for anchor, bins in c.ANCHORS.items():
        start = {"beginning": 0.0, "middle": 4.5, "end": 9.0}[anchor]
        assert bins[0] * c.BIN_S == start
        assert len(bins) * c.BIN_S == 1.0
