"""Crossfaded convolution against plain definitions of it."""

import numpy as np
import pytest
from scipy import signal
from test_renderers_support import relative_db

from st_audioqa.conventions import N_BINS, SAMPLES_PER_BIN, SCENE_SAMPLES
from st_audioqa.renderers import bin_weights, mix, render


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_weights_sum_to_one_everywhere():
    weights = bin_weights()
    assert weights.shape == (N_BINS, SCENE_SAMPLES)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-12)
    assert weights.min() >= 0.0


def test_weights_are_one_at_their_centres():
    weights = bin_weights()
    centres = np.arange(N_BINS) * SAMPLES_PER_BIN + SAMPLES_PER_BIN // 2
    np.testing.assert_array_equal(weights[:, centres], np.eye(N_BINS))
    assert (weights[0, : centres[0]] == 1).all()
    assert (weights[-1, centres[-1] :] == 1).all()


def brute_force(waveform, rirs, samples_per_bin):
    """Every sample sends out the response interpolated at its own time, in double precision."""
    n_bins, n_channels, length = rirs.shape
    centres = (np.arange(n_bins) + 0.5) * samples_per_bin
    out = np.zeros((n_channels, len(waveform) + length))
    for i, sample in enumerate(waveform.astype(float)):
        place = np.clip(np.interp(i, centres, np.arange(n_bins)), 0, n_bins - 1)
        k = min(int(place), n_bins - 2)
        rir = (k + 1 - place) * rirs[k].astype(float) + (place - k) * rirs[k + 1]
        out[:, i : i + length] += sample * rir
    return out[:, : len(waveform)]


@pytest.mark.parametrize("n_samples", [500, 437, 620, 90])
def test_agrees_with_sample_by_sample_convolution(rng, n_samples):
    waveform = rng.standard_normal(n_samples).astype(np.float32)
    rirs = rng.standard_normal((5, 4, 130)).astype(np.float32)
    got = render(waveform, rirs, samples_per_bin=100)
    assert got.shape == (4, n_samples)
    assert got.dtype == np.float32
    assert relative_db(got, brute_force(waveform, rirs, 100)) < -100


@pytest.mark.parametrize("n_bins", [1, N_BINS])
def test_equal_responses_are_plain_convolution(rng, n_bins):
    waveform = rng.standard_normal(SCENE_SAMPLES).astype(np.float32)
    rir = rng.standard_normal((4, 8000)) * np.exp(-np.arange(8000) / 1000)
    rirs = np.repeat(rir[None], n_bins, axis=0).astype(np.float32)
    want = signal.fftconvolve(waveform[None].astype(float), rir, axes=-1)[:, :SCENE_SAMPLES]
    assert relative_db(render(waveform, rirs), want) < -100


def test_lone_source_at_the_ear_is_the_waveform(rng):
    waveform = rng.standard_normal(SCENE_SAMPLES).astype(np.float32)
    impulse = np.zeros((N_BINS, 4, 10), np.float32)
    impulse[:, 0, 0] = 1.0
    out = render(waveform, impulse)
    np.testing.assert_allclose(out[0], waveform, atol=1e-5)
    assert np.abs(out[1:]).max() == 0.0


def test_silence_stays_silent(rng):
    rirs = rng.standard_normal((N_BINS, 4, 100)).astype(np.float32)
    waveform = np.zeros(SCENE_SAMPLES, np.float32)
    assert not render(waveform, rirs).any()
    assert not render(waveform, rirs[:1]).any()
    waveform[100_000:100_100] = 1.0
    out = render(waveform, rirs)
    assert np.abs(out[:, :100_000]).max() < 1e-5
    assert not out[:, : 100_000 - 2 * SAMPLES_PER_BIN].any()
    assert not out[:, 100_100 + 2 * SAMPLES_PER_BIN + 100 :].any()


def test_rendering_is_linear_and_repeats(rng):
    sounds = rng.standard_normal((2, SCENE_SAMPLES)).astype(np.float32)
    rirs = rng.standard_normal((N_BINS, 4, 1000)).astype(np.float32)
    stems = np.stack([render(sound, rirs) for sound in sounds])
    assert relative_db(render(sounds.sum(axis=0), rirs), stems.sum(axis=0)) < -100
    np.testing.assert_array_equal(stems[0], render(sounds[0], rirs))


def test_mixture_is_the_sum_of_its_sources(rng):
    stems = rng.uniform(-0.1, 0.1, (2, 4, 1000)).astype(np.float32)
    audio, gain_db = mix(stems, 0.0)
    assert gain_db == 0.0
    np.testing.assert_allclose(audio, stems[0] + stems[1], atol=1e-7)


def test_gain_is_lowered_only_to_hold_the_peak():
    stems = np.zeros((2, 4, 8), np.float32)
    stems[0, 0, 3], stems[1, 2, 5] = 0.5, -2.0
    audio, gain_db = mix(stems, -20.0)
    assert gain_db == -20.0
    assert audio[0, 3] == pytest.approx(0.05)
    audio, gain_db = mix(stems, 0.0, peak=0.5)
    assert gain_db == pytest.approx(20 * np.log10(0.25))
    assert audio[2, 5] == pytest.approx(-0.5)
    assert audio[0, 3] == pytest.approx(0.125)
    audio, gain_db = mix(np.zeros((1, 4, 8)), 6.0)
    assert gain_db == 6.0
    assert audio.dtype == np.float32
