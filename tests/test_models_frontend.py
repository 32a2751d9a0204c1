from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

torch = pytest.importorskip("torch")

from st_audioqa.conventions import angular_distance_deg, unit_vectors  # noqa: E402
from st_audioqa.foa import encode, from_fuma, rotate_yaw  # noqa: E402
from st_audioqa.models.encoders import Targets  # noqa: E402
from st_audioqa.models.features import FeatureSpec, foa_features, mel_filters  # noqa: E402
from st_audioqa.models.frontend import FOAFrontend  # noqa: E402
from st_audioqa.models.rotations import (  # noqa: E402
    ROTATIONS,
    rotate_targets,
)

SPECS = [FeatureSpec(), FeatureSpec(hop=320, n_mels=128)]


def field(seconds=1.0, seed=0):
    """Two sources and some noise, so that no channel is like another."""
    rng = np.random.default_rng(seed)
    n = int(32_000 * seconds)
    noise = 0.01 * rng.standard_normal((4, n))
    first = encode(0.1 * rng.standard_normal(n), 70, 25)
    second = encode(0.05 * rng.standard_normal(n) * (np.arange(n) > n // 2), -160, -40)
    return (noise + first + second).astype(np.float32)


def in_torch(audio, spec):
    return FOAFrontend(spec)(torch.as_tensor(audio)[None])[0].numpy()


@pytest.mark.parametrize("spec", SPECS)
def test_torch_gives_what_numpy_gives(spec):
    audio = field()
    np.testing.assert_allclose(in_torch(audio, spec), foa_features(audio, spec), atol=2e-3)


def test_levels_are_those_of_an_independent_transform():
    audio, spec = field(), FeatureSpec()
    shifted = np.pad(audio[0].astype(float), (112, 1024))
    _, _, spectrum = signal.stft(
        shifted, 32_000, "hann", 1024, 1024 - 800, boundary=None, padded=False
    )
    scale = signal.get_window("hann", 1024).sum()
    power = (np.abs(spectrum.T[:40]) * scale) ** 2 / 1024
    expected = 10 * np.log10(power @ mel_filters(spec))
    np.testing.assert_allclose(in_torch(audio, spec)[0], expected, atol=2e-3)


def test_a_batch_gives_what_its_clips_give_alone():
    frontend = FOAFrontend(FeatureSpec(direct=True))
    clips = torch.as_tensor(np.stack([field(seed=1), field(seed=2)]))
    alone = torch.cat([frontend(clip[None]) for clip in clips])
    torch.testing.assert_close(frontend(clips), alone)


def test_direct_sound_points_to_a_source_whose_echo_comes_from_elsewhere():
    rng = np.random.default_rng(3)
    bursts = 0.1 * rng.standard_normal(32_000) * (np.arange(32_000) % 8000 < 4000)
    audio = encode(bursts, 50, 10)
    for delay, azimuth in ((900, -120), (1500, 170), (2100, -60)):
        audio = audio + encode(0.8 * np.roll(bursts, delay), azimuth, 0)
    features = in_torch(audio.astype(np.float32), FeatureSpec(direct=True))
    truth = unit_vectors(50, 10)
    plain = features[4:7].mean(axis=(1, 2))
    direct = features[7:10].mean(axis=(1, 2))
    assert angular_distance_deg(direct, truth) < 8
    assert angular_distance_deg(direct, truth) < 0.5 * angular_distance_deg(plain, truth)


def test_direct_sound_is_as_strong_at_any_level():
    audio, spec = field(), FeatureSpec(direct=True)
    loud, soft = in_torch(audio, spec)[7:], in_torch(0.01 * audio, spec)[7:]
    np.testing.assert_allclose(loud, soft, atol=1e-2)


def test_silence_has_finite_features():
    features = in_torch(np.zeros((4, 32_000), np.float32), FeatureSpec(direct=True))
    assert np.isfinite(features).all()
    assert not features[4:].any()


def test_the_cache_key_tells_settings_apart():
    specs = [*SPECS, FeatureSpec(direct=True), FeatureSpec(n_mels=32)]
    assert len({FOAFrontend(spec).key for spec in specs}) == 4


def turned(audio, rotation):
    """The waveform of a rotated field; channels are W, Y, Z, X."""
    w, y, z, x = audio
    x, y, z = rotation.matrix @ np.stack([x, y, z])
    return np.stack([w, y, z, x])


def test_rotating_features_is_rotating_the_waveform():
    audio, spec = field(), FeatureSpec(n_mels=32, direct=True)
    features = torch.as_tensor(in_torch(audio, spec))
    every = FOAFrontend(spec).rotate(features.expand(16, -1, -1, -1), torch.arange(16))
    assert len(set(ROTATIONS)) == 16
    for rotation, found in zip(ROTATIONS, every, strict=True):
        wanted = in_torch(turned(audio, rotation), spec)
        np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_a_quarter_turn_is_among_the_rotations():
    audio = field()
    quarter = [r for r in ROTATIONS[:8] if np.allclose(turned(audio, r), rotate_yaw(audio, 90))]
    assert len(quarter) == 1


def test_directions_rotate_with_the_field():
    rng = np.random.default_rng(0)
    direction = torch.as_tensor(unit_vectors(*rng.uniform(-80, 80, (2, 16, 2, 40)))).float()
    zero = torch.zeros(16, 2)
    targets = Targets(zero, zero, zero, zero, direction, zero, zero, zero, zero)
    found = rotate_targets(targets, torch.arange(16)).direction
    for i, rotation in enumerate(ROTATIONS):
        x, y, z = direction[i, 1, 7].numpy()
        w_yzx = np.array([[1.0], [y], [z], [x]])
        _, y, z, x = turned(w_yzx, rotation)[:, 0]
        np.testing.assert_allclose(found[i, 1, 7], [x, y, z], atol=1e-6)


def test_fuma_is_converted_to_ambix():
    ambix = field()
    w, y, z, x = ambix
    fuma = np.stack([w / np.float32(np.sqrt(2)), x, y, z])
    np.testing.assert_allclose(from_fuma(fuma), ambix, rtol=1e-6)
