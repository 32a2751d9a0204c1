from __future__ import annotations

import numpy as np
import pytest

from st_audioqa.conventions import angular_distance_deg, unit_vectors, wrap_deg
from st_audioqa.foa import bin_directions, encode, intensity_vectors, rotate_yaw


def noise(seconds: float = 10.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(int(32000 * seconds)) * 0.1


def test_plane_waves_lie_on_the_ambix_axes():
    s = np.ones(3)
    np.testing.assert_allclose(encode(s, 0, 0)[:, 0], [1, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(encode(s, 90, 0)[:, 0], [1, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(encode(s, 0, 90)[:, 0], [1, 0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(encode(s, -90, 0)[:, 0], [1, -1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("yaw", [-135.0, 30.0, 90.0, 180.0])
def test_rotation_takes_a_source_from_azimuth_to_azimuth_minus_yaw(yaw):
    turned = rotate_yaw(encode(noise(0.1), 50, 20), yaw)
    np.testing.assert_allclose(turned, encode(noise(0.1), 50 - yaw, 20), atol=1e-12)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (100, 30), (-135, -60), (180, 5)])
def test_intensity_points_at_the_source_with_the_length_of_the_energy(azimuth, elevation):
    intensity, energy = intensity_vectors(encode(noise(1.0), azimuth, elevation))
    total = intensity.sum(axis=(1, 2))
    assert angular_distance_deg(total, unit_vectors(azimuth, elevation)) < 1e-6
    np.testing.assert_allclose(np.linalg.norm(total), energy.sum(), rtol=1e-9)


def test_bin_directions_follow_a_moving_plane_wave():
    azimuth = np.linspace(-170, 170, 40)
    pieces = [encode(noise(0.25, i), a, 10) for i, a in enumerate(azimuth)]
    measured, weight = bin_directions(np.concatenate(pieces, axis=1))
    error = angular_distance_deg(measured, unit_vectors(azimuth, 10))
    assert np.median(error) < 2.0
    assert (weight > 0).all()


def test_silent_bins_have_no_direction_and_no_weight():
    audio = encode(noise(), 40, 0)
    audio[:, 80000:160000] = 0.0
    measured, weight = bin_directions(audio)
    assert np.isfinite(measured).all()
    assert not measured[12:19].any()
    assert not weight[12:19].any()
    assert not bin_directions(np.zeros((4, 320000)))[0].any()


def test_float32_audio_gives_finite_directions():
    audio = encode(noise(), 40, 0).astype(np.float32)
    audio[:, :300000] *= 1e-6
    assert np.isfinite(bin_directions(audio)[0]).all()


def test_wrapping_a_rotation_by_360_changes_nothing():
    audio = encode(noise(0.1), float(wrap_deg(400)), 0)
    np.testing.assert_allclose(rotate_yaw(audio, 360.0), audio, atol=1e-12)
