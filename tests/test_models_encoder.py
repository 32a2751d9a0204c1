from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from st_audioqa.conventions import SAMPLE_RATE, SCENE_SAMPLES  # noqa: E402
from st_audioqa.errors import UserError  # noqa: E402
from st_audioqa.foa import encode  # noqa: E402
from st_audioqa.models import Encoder, load_encoder  # noqa: E402
from st_audioqa.models.config import EncoderConfig, config_from_dict, preset  # noqa: E402
from st_audioqa.models.encoders import ENCODERS, SpatialEncoder  # noqa: E402
from st_audioqa.models.estimate import prepare_audio  # noqa: E402

LABELS = ("Bark", "Dog", "Rain", "Speech")


def small_encoder(stage=4, seed=0, **changes):
    torch.manual_seed(seed)
    encoder = Encoder(replace(preset("test"), labels=LABELS, **changes))
    encoder.trained_stage = stage
    return encoder.eval()


def noise(n=SCENE_SAMPLES):
    return encode(0.1 * np.random.default_rng(0).standard_normal(n), 40, 10)


@pytest.fixture
def folder(tmp_path):
    small_encoder().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_paper_preset_is_a_vit_b_over_512_patches():
    labels = tuple(map(str, range(355)))
    with torch.device("meta"):
        encoder = Encoder(replace(preset("paper"), labels=labels))
        outputs = encoder(torch.zeros(2, 7, 1000, 128), torch.zeros(2, 2, dtype=torch.long))
    assert encoder.config.grid == (64, 8)
    assert encoder.positions.shape == (512, 768)
    block = 12 * 768**2 + 13 * 768  # attention, perceptron, their biases and two norms
    assert count(encoder.blocks) == 12 * block
    assert count(encoder.stem) == 7 * 9 + 2  # seven channels fused into one, and its norm
    assert count(encoder.patch) == 16 * 16 * 768 + 768
    assert count(encoder.semantic) == 355 * 769
    assert outputs["semantic"].shape == (2, 355)
    assert outputs["temporal_tokens"].shape == (2, 40, 768)
    assert outputs["query_direction"].shape == (2, 2, 40, 3)


def test_the_small_preset_has_four_million_parameters_in_bins_of_ten_frames():
    with torch.device("meta"):
        encoder = Encoder(replace(preset("small"), labels=tuple(map(str, range(100)))))
    assert 3.8e6 < count(encoder) < 4.5e6
    assert encoder.config.grid == (40, 4)
    assert encoder.frontend.shape(SCENE_SAMPLES) == (10, 400, 64)


def test_outputs_have_the_shapes_and_lengths_that_are_promised():
    outputs = small_encoder()(torch.randn(3, 10, 400, 16), torch.zeros(3, 2, dtype=torch.long))
    shapes = {
        "semantic": (3, 4),
        "doa": (3, 3),
        "distance": (3, 10),
        "activity": (3, 40),
        "direction": (3, 40, 3),
        "log_distance": (3, 40),
        "query_activity": (3, 2, 40),
        "query_direction": (3, 2, 40, 3),
    }
    assert {name: tuple(outputs[name].shape) for name in shapes} == shapes
    for name in ("doa", "direction", "query_direction"):
        torch.testing.assert_close(
            outputs[name].norm(dim=-1), torch.ones(outputs[name].shape[:-1])
        )


def test_a_plane_wave_is_localised_by_physics_before_any_training():
    encoder = small_encoder()
    torch.nn.init.zeros_(encoder.trajectory.heads.weight)
    for azimuth, elevation in ((40, 10), (-130, -30)):
        audio = torch.as_tensor(encode(noise()[0], azimuth, elevation)).float()[None]
        x, y, z = encoder(encoder.frontend(audio))["direction"][0, 20].tolist()
        assert abs(np.degrees(np.arctan2(y, x)) - azimuth) < 2
        assert abs(np.degrees(np.arcsin(z)) - elevation) < 2


def test_queries_tell_classes_apart_and_do_not_disturb_one_another():
    encoder, features = small_encoder(), torch.randn(2, 10, 400, 16)
    one = encoder(features, torch.tensor([[0], [0]]))
    two = encoder(features, torch.tensor([[0, 3], [0, 3]]))
    torch.testing.assert_close(one["query_direction"][:, 0], two["query_direction"][:, 0])
    torch.testing.assert_close(one["direction"], two["direction"])
    assert not torch.allclose(two["query_activity"][:, 0], two["query_activity"][:, 1])


def test_dropped_patches_are_left_out_in_training_only():
    encoder, features = small_encoder(), torch.randn(2, 10, 400, 16)
    seen = []
    encoder.blocks[0].register_forward_hook(lambda m, i, o: seen.append(i[0].shape[1]))
    encoder.train()(features, dynamic=False, drop=(0.25, 0.5))
    encoder.eval()(features, dynamic=False, drop=(0.25, 0.5))
    assert seen == [3 + 30 * 1, 3 + 40 * 2]


def test_low_precision_attention_is_that_of_torch():
    encoder, features = small_encoder(), torch.randn(2, 10, 400, 16)
    exact = encoder(features)["direction"]
    with torch.autocast("cpu", torch.bfloat16):
        low = encoder(features)["direction"].float()
    assert (exact * low).sum(-1).min() > 0.999


def test_configurations_survive_json_and_misspelt_ones_are_refused():
    config = replace(preset("small"), labels=LABELS)
    assert config_from_dict(config.to_dict()) == config
    with pytest.raises(UserError, match="did you mean depth"):
        config_from_dict({"depht": 3})
    with pytest.raises(UserError, match="divisible"):
        config_from_dict({**EncoderConfig().to_dict(), "patch": [7, 16]})
    with pytest.raises(UserError, match="no encoder preset"):
        preset("huge")


@pytest.mark.parametrize("half", [False, True])
def test_saved_encoders_say_the_same(tmp_path, half):
    encoder, features = small_encoder(), torch.randn(1, 10, 400, 16)
    encoder.save_pretrained(tmp_path, half=half)
    again = Encoder.from_pretrained(tmp_path)
    assert again.trained_stage == 4
    assert again.labels == LABELS
    assert next(again.parameters()).dtype == torch.float32
    wanted, found = encoder(features)["semantic"], again(features)["semantic"]
    torch.testing.assert_close(found, wanted, atol=1e-2 if half else 0, rtol=0)


def test_every_registered_encoder_is_one():
    assert "st-audio-encoder" in ENCODERS.names()
    for name in ENCODERS.names():
        kind = ENCODERS.get(name)
        assert issubclass(kind, SpatialEncoder)
        assert kind.kind == name


def damage(folder, what):
    weights = folder / "model.safetensors"
    if what == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif what == "pickle":
        torch.save({"a": torch.ones(1)}, weights)
    elif what == "other preset":
        other = folder.parent / "other"
        small_encoder(dim=24).save_pretrained(other)
        weights.write_bytes((other / "model.safetensors").read_bytes())
    elif what == "not finite":
        encoder = load_encoder(folder)
        encoder.semantic.weight.data[0, 0] = torch.nan
        encoder.save_pretrained(folder)
    elif what == "no weights":
        weights.unlink()
    elif what == "no config":
        (folder / "config.json").unlink()
        (folder / "pytorch_model.bin").touch()
    elif what == "cut config":
        (folder / "config.json").write_text('{"encoder": ')


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("truncated", "not a whole safetensors file"),
        ("pickle", "is a pickle"),
        ("other preset", "not of the encoder its config.json describes"),
        ("not finite", "not finite"),
        ("no weights", "no model.safetensors"),
        ("no config", "pytorch_model.bin is a pickle"),
        ("cut config", "no configuration of an encoder"),
    ],
)
def test_damaged_encoders_are_refused(folder, what, says):
    damage(folder, what)
    with pytest.raises(UserError, match=says):
        load_encoder(folder)


def test_ten_lines_from_audio_to_tracks(folder):
    encoder = Encoder.from_pretrained(folder)
    estimate = encoder.predict(noise(), SAMPLE_RATE, sources=["Dog", "Rain"])
    assert [track.label for track in estimate.tracks] == ["Dog", "Rain"]
    assert estimate.tracks[0].azimuth_deg.shape == (40,)
    assert estimate.labels[0][1] == max(p for _, p in estimate.labels)
    pytest.importorskip("matplotlib")
    assert len(estimate.plot().axes) == 4


def test_earlier_stages_promise_no_more_than_they_learned():
    audio = noise()
    assert small_encoder(stage=1).predict(audio, SAMPLE_RATE).tracks == ()
    (held,) = small_encoder(stage=2).predict(audio, SAMPLE_RATE).tracks
    assert len(set(held.azimuth_deg)) == len(set(held.distance_m)) == 1
    assert len(small_encoder(stage=3).predict(audio, SAMPLE_RATE).tracks) == 1


def test_the_second_track_is_no_relative_of_the_first():
    encoder = small_encoder()
    torch.nn.init.zeros_(encoder.semantic.weight)
    encoder.semantic.bias.data = torch.tensor([3.0, 2.0, -3.0, 1.0])
    tracks = encoder.predict(noise(), SAMPLE_RATE).tracks
    assert [track.label for track in tracks] == ["Bark", "Speech"]


def test_other_rates_and_lengths_become_ten_seconds_at_32_khz():
    audio = noise(2 * 48_000)
    prepared = prepare_audio(audio, 48_000)
    assert prepared.shape == (4, SCENE_SAMPLES)
    assert np.abs(prepared[0, :63_000]).max() > 0.1
    assert not prepared[:, 64_100:].any()


@pytest.mark.parametrize(
    ("audio", "rate", "order", "says"),
    [
        (
            np.ones((2, 100)),
            32_000,
            "ambix",
            "shape .4, samples. is wanted, got shape .2, 100.",
        ),
        (np.ones((100, 4)), 32_000, "ambix", "transposed"),
        (np.ones(100), 32_000, "ambix", "got shape"),
        (np.ones((4, 100)), 32_000, "wxyz", "'ambix' or 'fuma'"),
        (np.ones((4, 100)), 0, "ambix", "sample rate"),
        (np.full((4, 100), np.nan), 32_000, "ambix", "NaN"),
        (np.zeros((4, 100)), 32_000, "ambix", "silence"),
        (np.ones((4, 400_000)), 32_000, "ambix", "windows of 10 s"),
        ("scene.wav", 32_000, "ambix", "read it first"),
    ],
)
def test_other_audio_is_refused_in_one_sentence(audio, rate, order, says):
    with pytest.raises(UserError, match=says):
        small_encoder().predict(audio, rate, order=order)


def test_unknown_classes_are_refused():
    with pytest.raises(UserError, match="no class 'Cat'"):
        small_encoder().predict(noise(), SAMPLE_RATE, sources=["Cat"])
