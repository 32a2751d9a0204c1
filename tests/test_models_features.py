from __future__ import annotations

import numpy as np
import pytest

from st_audioqa.conventions import unit_vectors
from st_audioqa.foa import encode
from st_audioqa.models import FeatureSpec, foa_features
from st_audioqa.models.features import mel_filters


def noise(n=320_000, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(n)


def test_ten_seconds_give_ten_frames_a_bin():
    features = foa_features(encode(noise(), 0, 0))
    assert features.shape == (7, 400, 64)
    assert features.dtype == np.float32


def test_intensity_is_the_direction_of_a_plane_wave():
    features = foa_features(encode(noise(), 120, -35))
    loud = features[4:, 5:-5, 8:].mean(axis=(1, 2))
    np.testing.assert_allclose(loud, unit_vectors(120, -35), atol=1e-3)


def test_intensity_of_a_diffuse_field_is_small():
    independent = np.stack([noise(seed=i) * (1.0 if i == 0 else 3**-0.5) for i in range(4)])
    mean = foa_features(independent)[4:].mean(axis=(1, 2))
    assert np.abs(mean).max() < 0.03


def test_level_is_kept():
    audio = encode(noise(), 0, 0)
    louder = foa_features(10.0 * audio)[0] - foa_features(audio)[0]
    np.testing.assert_allclose(louder, 20.0, atol=1e-3)


def test_frames_are_centred_on_their_hop():
    audio = np.zeros((4, 32_000))
    audio[:, 800 * 7 + 400] = 1.0
    assert foa_features(audio)[0].mean(axis=-1).argmax() == 7


def test_a_tone_falls_into_its_band():
    spec = FeatureSpec()
    tone = np.sin(2 * np.pi * 1000 * np.arange(32_000) / 32_000)
    band = foa_features(encode(tone, 0, 0))[0, 20].argmax()
    frequency = np.fft.rfftfreq(spec.n_fft, 1 / 32_000)
    assert abs(frequency[mel_filters(spec)[:, band].argmax()] - 1000) < 60


@pytest.mark.parametrize(
    "audio", [np.zeros((2, 100)), np.zeros(100), np.full((4, 1000), np.nan)]
)
def test_other_audio_is_refused(audio):
    with pytest.raises(ValueError, match="wanted finite audio"):
        foa_features(audio)
