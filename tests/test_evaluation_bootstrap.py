"""The scene bootstrap: weights, closed forms, pairing."""

import numpy as np
import pytest
from scipy import sparse

from st_audioqa.evaluation import bootstrap
from st_audioqa.evaluation.bootstrap import (
    interval,
    paired_interval,
    resampled_sums,
    scene_weights,
)


def test_weights_are_multinomial_and_seeded():
    weights = np.concatenate(list(scene_weights(50, 2000, seed=3)))
    assert weights.shape == (2000, 50)
    assert (weights.sum(axis=1) == 50).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.12)
    np.testing.assert_allclose(weights.var(axis=0).mean(), 49 / 50, rtol=0.05)
    np.testing.assert_array_equal(weights, np.concatenate(list(scene_weights(50, 2000, 3))))
    assert (weights != np.concatenate(list(scene_weights(50, 2000, 4)))).any()


def test_chunks_do_not_change_the_weights(monkeypatch):
    whole = np.concatenate(list(scene_weights(7, 30, 0)))
    monkeypatch.setattr(bootstrap, "CHUNK_VALUES", 20)
    np.testing.assert_array_equal(np.concatenate(list(scene_weights(7, 30, 0))), whole)


def test_sums_of_dense_and_sparse_arrays_agree():
    sums = np.random.default_rng(0).random((20, 3))
    dense = resampled_sums(sums, 10, 0)
    np.testing.assert_allclose(dense, resampled_sums(sparse.csr_array(sums), 10, 0))
    np.testing.assert_allclose(dense[0], sums.sum(axis=0))
    assert resampled_sums(sums, 0, 0).shape == (1, 3)


def test_interval_equals_the_clustered_closed_form():
    random = np.random.default_rng(5)
    n_scenes, per_scene = 400, 10
    skill = random.beta(2.0, 1.0, n_scenes)
    correct = random.random((n_scenes, per_scene)) < skill[:, None]
    sums = np.stack([np.full(n_scenes, per_scene), correct.sum(axis=1)], axis=1).astype(float)
    drawn = resampled_sums(sums, 4000, 0)
    samples = drawn[:, 1] / drawn[:, 0]
    low, high = interval(samples[1:])
    scene_means = correct.mean(axis=1)
    error = scene_means.std(ddof=1) / np.sqrt(n_scenes)
    assert low < samples[0] < high
    assert low == pytest.approx(samples[0] - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(samples[0] + 1.96 * error, abs=0.1 * error)
    naive = np.sqrt(samples[0] * (1 - samples[0]) / correct.size)
    assert error > 1.3 * naive


def test_paired_interval_is_that_of_the_difference():
    random = np.random.default_rng(6)
    first = random.normal(0.5, 0.1, 1000)
    low, high = paired_interval(first, first + 0.01)
    assert low == pytest.approx(0.01)
    assert high == pytest.approx(0.01)


def test_undefined_resamples_are_left_out():
    assert interval([np.nan, 0.5, 0.5]) == (0.5, 0.5)
    assert interval([np.nan]) is None
    assert interval([]) is None
