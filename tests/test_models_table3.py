"""The encoders that the ST-Audio Encoder is measured against."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from st_audioqa.conventions import SCENE_SAMPLES, unit_vectors  # noqa: E402
from st_audioqa.decoding import Decoder  # noqa: E402
from st_audioqa.errors import UserError  # noqa: E402
from st_audioqa.foa import encode  # noqa: E402
from st_audioqa.models.adpit import adpit  # noqa: E402
from st_audioqa.models.binaural_frontend import BinauralFrontend, slaney_filters  # noqa: E402
from st_audioqa.models.encoders import ENCODERS, Targets  # noqa: E402
from st_audioqa.models.encoders.pseldnets_maccdoa import _read  # noqa: E402
from st_audioqa.models.features import FeatureSpec  # noqa: E402
from st_audioqa.models.frontend import FOAFrontend  # noqa: E402
from st_audioqa.models.listening import crops, listen  # noqa: E402
from st_audioqa.models.rotations import ROTATIONS  # noqa: E402
from st_audioqa.models.storage import load_encoder  # noqa: E402
from st_audioqa.models.swin import SwinBlock, SwinTransformer  # noqa: E402

LABELS = ("Bark", "Dog", "Rain", "Speech")
MIRROR = next(
    i for i, r in enumerate(ROTATIONS) if (r.exchange, r.sign_x, r.sign_y) == (0, 1, -1)
)


def tiny(kind, stage=4, seed=0, **changes):
    torch.manual_seed(seed)
    maker = ENCODERS.get(kind)
    encoder = maker.from_config({**maker.preset_config("test"), "labels": LABELS, **changes})
    encoder.trained_stage = stage
    return encoder.eval()


def field(seed=0, n=48_000):
    rng = np.random.default_rng(seed)
    audio = encode(0.1 * rng.standard_normal(n), 50, 20)
    return (audio + encode(0.05 * rng.standard_normal(n), -130, -10)).astype(np.float32)


def heard(audio, spec=None):
    return BinauralFrontend(spec)(torch.as_tensor(audio)[None])[0]


def targets_of(classes, activity, direction, metres):
    present = torch.as_tensor(classes) >= 0
    zero = torch.zeros(len(classes), 2)
    return Targets(
        labels=torch.zeros(len(classes), len(LABELS)),
        present=present,
        source_class=torch.as_tensor(classes),
        activity=activity,
        direction=direction,
        log_distance=metres.log(),
        moving=zero.bool(),
        queries=zero.long(),
        answers=zero.long(),
    )


# ---------------------------------------------------------------- two ears


def test_mel_filters_of_two_ears_are_those_of_another_library():
    audio_utils = pytest.importorskip("transformers.audio_utils")
    spec = FeatureSpec(hop=320, n_mels=128)
    wanted = audio_utils.mel_filter_bank(
        513, 128, 50.0, 14_000.0, 32_000, norm="slaney", mel_scale="slaney"
    )
    np.testing.assert_allclose(slaney_filters(spec), wanted, atol=1e-9)


def test_the_ears_hear_what_the_decoder_gives():
    audio = field()
    wanted = Decoder("binaural")(audio)
    found = BinauralFrontend().heard(torch.as_tensor(audio)[None])[0]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_mirrored_field_exchanges_the_ears():
    audio = field()
    frontend = BinauralFrontend(FeatureSpec(n_mels=32))
    assert frontend.rotations == (0, MIRROR)
    features = frontend(torch.as_tensor(audio)[None])
    mirrored = frontend.rotate(features, torch.tensor([MIRROR]))
    wanted = frontend(torch.as_tensor(audio * np.float32([[1], [-1], [1], [1]]))[None])
    np.testing.assert_allclose(mirrored, wanted, atol=0.02)
    assert (features - wanted).abs().max() > 0.5


def test_the_phase_difference_tells_left_from_right_and_the_near_ear_is_louder():
    rng = np.random.default_rng(1)
    sound = 0.1 * rng.standard_normal(48_000)
    left = heard(encode(sound, 70, 0).astype(np.float32))
    # The right ear hears later: right minus left is negative at low frequencies.
    low = slice(2, 10)
    assert left[3, 5:-5, low].mean() < -0.3
    assert left[2].abs().max() <= 1.3
    high = slice(40, 60)
    assert (left[0] - left[1])[5:-5, high].mean() > 2.0


def test_the_sum_of_two_clips_is_near_the_features_of_the_mixture():
    rng = np.random.default_rng(0)
    one = encode(0.1 * rng.standard_normal(64_000), 60, 0).astype(np.float32)
    two = encode(0.05 * rng.standard_normal(64_000), -100, 30).astype(np.float32)
    frontend = BinauralFrontend(FeatureSpec(n_mels=16))
    a, b, mixture = frontend(torch.as_tensor(np.stack([one, two, one + two])))
    found = frontend.add(a[None], b[None])[0]
    torch.testing.assert_close(
        found[:2].mean((1, 2)), mixture[:2].mean((1, 2)), atol=0.4, rtol=0
    )


def test_caches_of_two_ears_and_of_ambisonics_are_told_apart():
    spec = FeatureSpec()
    assert BinauralFrontend(spec).key != FOAFrontend(spec).key
    assert heard(np.zeros((4, 32_000), np.float32)).isfinite().all()


# ---------------------------------------------------------------- sizes


def built(kind, preset, n_classes):
    maker = ENCODERS.get(kind)
    config = {**maker.preset_config(preset), "labels": tuple(map(str, range(n_classes)))}
    with torch.device("meta"):
        encoder = maker.from_config(config)
        shape = encoder.frontend.shape(SCENE_SAMPLES)
        outputs = encoder(torch.zeros(2, *shape), torch.zeros(2, 3, dtype=torch.long))
    return encoder, outputs


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_spatial_ast_has_the_sizes_of_the_original():
    encoder, outputs = built("spatial-ast", "paper", 355)
    block = 12 * 768**2 + 13 * 768
    heads = 769 * (355 + 360 + 180 + 21)
    rest = 4 * 9 + 2 + 256 * 768 + 768 + 3 * 768 + 3 * 2 * 768  # stem, patches, tokens, norms
    assert count(encoder) == 12 * block + heads + rest
    assert encoder.config.grid == (64, 8)
    shapes = {
        name: tuple(outputs[name].shape[1:]) for name in ("azimuth", "elevation", "distance")
    }
    assert shapes == {"azimuth": (360,), "elevation": (180,), "distance": (21,)}
    assert "direction" not in outputs
    small, _ = built("spatial-ast", "small", 60)
    assert 2.5e6 < count(small) < 4.5e6


def test_pseldnets_has_the_sizes_of_the_original():
    encoder, outputs = built("pseldnets-maccdoa", "paper", 170)
    assert encoder.config.grid == (64, 64)
    assert encoder.vectors.weight.shape == (9 * 170, 768, 2, 3)
    widths, depths = (96, 192, 384, 768), (2, 2, 6, 2)
    blocks = sum(
        n * (12 * w**2 + 13 * w + 225 * w // 24) for n, w in zip(depths, widths, strict=True)
    )
    merges = sum(8 * w**2 + 8 * w for w in widths[:3])
    assert count(encoder.swin) == blocks + merges + 2 * 768
    assert outputs["accdoa"].shape == (2, 40, 3, 4, 170)
    assert outputs["query_direction"].shape == (2, 3, 40, 3)
    small, _ = built("pseldnets-maccdoa", "small", 60)
    assert 3.5e6 < count(small) < 5e6


@pytest.mark.parametrize("kind", ["spatial-ast", "pseldnets-maccdoa"])
def test_weights_and_configurations_survive_the_disk(kind, tmp_path):
    encoder = tiny(kind)
    features = torch.randn(2, *encoder.frontend.shape(SCENE_SAMPLES))
    encoder.save_pretrained(tmp_path)
    again = load_encoder(tmp_path)
    for name, value in encoder(features).items():
        torch.testing.assert_close(again(features)[name], value, msg=name)
    maker = ENCODERS.get(kind)
    with pytest.raises(UserError, match="preset"):
        maker.preset_config("huge")
    with pytest.raises(UserError, match="divisible"):
        maker.from_config(
            {**maker.preset_config("test"), "patch": (7, 7) if kind[0] == "s" else 7}
        )


# ---------------------------------------------------------------- Spatial-AST


def test_classes_of_degrees_are_decoded_to_the_direction_they_mean():
    encoder = tiny("spatial-ast", stage=2)
    logits = {
        "azimuth": torch.nn.functional.one_hot(torch.tensor([30, 270]), 360).float(),
        "elevation": torch.nn.functional.one_hot(torch.tensor([90, 120]), 180).float(),
        "distance": torch.nn.functional.one_hot(torch.tensor([0, 4]), 10).float(),
    }
    found = encoder._decoded(logits)
    np.testing.assert_allclose(found["doa"], unit_vectors([30, -90], [0, 30]), atol=1e-6)
    np.testing.assert_allclose(found["distance_m"], [0.25, 2.25])
    encoder.config = replace(encoder.config, nearest_step=True)
    np.testing.assert_allclose(encoder._decoded(logits)["distance_m"], [0.0, 2.0])


@pytest.mark.parametrize(("nearest", "spread"), [(False, 5.0), (True, 0.0)])
def test_the_static_loss_is_least_for_the_truth(nearest, spread):
    encoder = tiny("spatial-ast", stage=2)
    encoder.config = replace(encoder.config, nearest_step=nearest, spread_deg=spread)
    azimuth, elevation, metres = 359.6, 24.7, 2.2
    direction = torch.as_tensor(unit_vectors([azimuth], [elevation])).float()
    targets = targets_of(
        [[0, -1]],
        torch.ones(1, 2, 40),
        direction[:, None, None].expand(1, 2, 40, 3),
        torch.full((1, 2, 40), metres),
    )

    def loss(azimuth_class, elevation_class, distance_class):
        said = {
            "semantic": torch.zeros(1, 4),
            "azimuth": 9.0 * torch.nn.functional.one_hot(torch.tensor([azimuth_class]), 360),
            "elevation": 9.0
            * torch.nn.functional.one_hot(torch.tensor([elevation_class]), 180),
            "distance": 9.0 * torch.nn.functional.one_hot(torch.tensor([distance_class]), 10),
        }
        return encoder.loss(said, targets, {"static": 1.0})["static"].item()

    costs = {
        place: loss(*place)
        for place in itertools.product((358, 359, 0, 1, 2), (113, 114, 115, 116), (3, 4, 5))
    }
    assert min(costs, key=costs.get) == (0, 115, 4)


# ---------------------------------------------------------------- Multi-ACCDOA


def brute_force(said, targets):
    """ADPIT by trying every way in which tracks can tell the sources of each class and bin."""
    batch, bins, tracks, _, classes = said.shape
    total = 0.0
    for b, t in np.ndindex(batch, bins):
        for c in range(classes):
            sources = [
                s
                for s in range(2)
                if targets.present[b, s]
                and targets.source_class[b, s] == c
                and targets.activity[b, s, t]
            ]
            best = np.inf
            for way in itertools.product(sources or [None], repeat=tracks):
                if set(way) != set(sources or [None]):
                    continue
                cost = 0.0
                for k, s in enumerate(way):
                    vector = said[b, t, k, :3, c]
                    aim = torch.zeros(3) if s is None else targets.direction[b, s, t]
                    cost += ((vector - aim) ** 2).mean().item() / tracks
                    if s is not None:
                        off = said[b, t, k, 3, c] - targets.log_distance[b, s, t]
                        cost += 0.2 * abs(off.item()) / tracks
                best = min(best, cost)
            total += best
    return total / (batch * bins)


def test_adpit_is_the_least_of_all_assignments():
    torch.manual_seed(0)
    classes = [[0, 1], [2, 2], [3, -1], [1, 1]]
    activity = (torch.rand(4, 2, 40) < 0.6).float()
    direction = torch.nn.functional.normalize(torch.randn(4, 2, 40, 3), dim=-1)
    targets = targets_of(classes, activity, direction, 0.5 + 4 * torch.rand(4, 2, 40))
    said = 0.5 * torch.randn(4, 40, 3, 4, 4)
    assert adpit(said, targets).item() == pytest.approx(brute_force(said, targets), rel=1e-5)


def test_adpit_is_zero_for_the_truth_in_any_order_of_tracks():
    direction = torch.as_tensor(unit_vectors([[10.0, -80.0]], [[0.0, 20.0]])).float()
    metres = torch.tensor([[1.0, 3.0]])[..., None].expand(1, 2, 40)
    targets = targets_of(
        [[1, 1]], torch.ones(1, 2, 40), direction[:, :, None].expand(1, 2, 40, 3), metres
    )
    said = torch.zeros(1, 40, 3, 4, 4)
    for order in ((0, 1, 0), (1, 1, 0), (0, 1, 1)):
        for k, s in enumerate(order):
            said[0, :, k, :3, 1] = direction[0, s]
            said[0, :, k, 3, 1] = metres[0, s].log()
        assert adpit(said, targets).item() == pytest.approx(0.0, abs=1e-6)
    for k in range(3):
        said[0, :, k, :3, 1] = direction[0, 0]
    assert adpit(said, targets).item() > 0.1


def test_vectors_are_read_as_activity_direction_and_distance():
    accdoa = torch.zeros(1, 40, 3, 4, 4)
    accdoa[..., 3, :] = np.log(9.0)
    aim = torch.as_tensor(unit_vectors([35.0], [10.0])[0]).float()
    accdoa[:, :20, :, :3, 2] = 0.9 * aim
    accdoa[:, :20, :, 3, 2] = np.log(2.0)
    found = _read(accdoa)
    assert (found["activity"][0] > 0).tolist() == [True] * 20 + [False] * 20
    np.testing.assert_allclose(found["direction"][0, 3], aim, atol=1e-5)
    np.testing.assert_allclose(found["log_distance"][0, 3], np.log(2.0), atol=1e-4)


def test_a_named_class_is_read_alone():
    encoder = tiny("pseldnets-maccdoa")
    features = torch.randn(2, *encoder.frontend.shape(SCENE_SAMPLES))
    found = encoder(features, torch.tensor([[2, 0], [1, 1]]))
    alone = _read(found["accdoa"][1, ..., 1:2])
    torch.testing.assert_close(found["query_direction"][1, 0], alone["direction"])
    torch.testing.assert_close(found["query_direction"][1, 0], found["query_direction"][1, 1])


# ---------------------------------------------------------------- shifted windows


def test_the_windows_are_those_of_another_library():
    """The audio encoder of CLAP is an HTS-AT: one channel, time folded four times."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ClapAudioConfig(
        window_size=8,
        num_mel_bins=64,
        spec_size=256,
        patch_embeds_hidden_size=8,
        depths=[2, 2, 2, 2],
        num_attention_heads=[1, 2, 4, 8],
        hidden_size=64,
        patch_size=4,
        patch_stride=[4, 4],
        enable_fusion=False,
    )
    torch.manual_seed(0)
    theirs = transformers.ClapAudioModel(config).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    their = {n.removeprefix("audio_encoder."): v for n, v in theirs.state_dict().items()}
    maker = ENCODERS.get("pseldnets-maccdoa")
    settings = {**maker.preset_config("paper"), "labels": LABELS, "channels": 1, "dim": 8}
    encoder = maker.from_config({**settings, "depths": (2,) * 4, "heads": (1, 2, 4, 8)}).eval()
    ours = encoder.state_dict()
    ours["patch.weight"], ours["patch.bias"] = (
        their[f"patch_embed.proj.{part}"] for part in ("weight", "bias")
    )
    for part in ("weight", "bias"):
        ours[f"patch_norm.{part}"] = their[f"patch_embed.norm.{part}"]
        ours[f"swin.norm.{part}"] = their[f"norm.{part}"]
    for i, j in itertools.product(range(4), range(2)):
        old, new = f"layers.{i}.blocks.{j}.", f"swin.stages.{i}.{j}."
        names = {
            "norm1": "layernorm_before",
            "norm2": "layernorm_after",
            "proj": "attention.output.dense",
            "fc1": "intermediate.dense",
            "fc2": "output.dense",
        }
        for part in ("weight", "bias"):
            for mine, his in names.items():
                ours[f"{new}{mine}.{part}"] = their[f"{old}{his}.{part}"]
            three = (
                their[f"{old}attention.self.{n}.{part}"] for n in ("query", "key", "value")
            )
            ours[f"{new}qkv.{part}"] = torch.cat(list(three))
        ours[f"{new}bias"] = their[f"{old}attention.self.relative_position_bias_table"]
        if i < 3 and j == 0:
            for part in ("norm.weight", "norm.bias", "reduction.weight"):
                ours[f"swin.merges.{i}.{part}"] = their[f"layers.{i}.downsample.{part}"]
    for part in ("weight", "bias", "running_mean", "running_var"):
        ours[f"scale.{part}"] = their[f"batch_norm.{part}"]
    encoder.load_state_dict(ours)
    x = torch.randn(2, 1, 1024, 64)
    with torch.no_grad():
        wanted = theirs(x).last_hidden_state
        found = encoder._tokens(x)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


def test_windows_bound_what_a_token_can_see():
    torch.manual_seed(0)
    block = SwinBlock(8, (8, 16), 2, 4, shifted=True, drop_path=0.0).eval()
    x = torch.randn(1, 8, 16, 8)
    changed = x.clone()
    changed[0, 3, 5] = torch.randn(8)
    seen = (block(x) != block(changed)).any(dim=-1)[0]
    rows, columns = seen.any(dim=1).nonzero()[:, 0], seen.any(dim=0).nonzero()[:, 0]
    assert rows.tolist() == [2, 3, 4, 5]
    assert columns.tolist() == [2, 3, 4, 5]


def test_stages_halve_the_grid_and_double_the_width():
    swin = SwinTransformer((16, 32), 8, (2, 2, 1), (1, 2, 4), 4, 0.1)
    assert swin(torch.randn(2, 16, 32, 8)).shape == (2, 4, 8, 32)


# ---------------------------------------------------------------- listening


def test_crops_are_centred_on_their_bins_and_repeated():
    features = torch.arange(400.0)[None, :, None].expand(2, 400, 3)
    found = crops(features, 80)
    assert found.shape == (40, 2, 400, 3)
    middle = found[20, 0, :, 0]
    assert middle.unique().tolist() == list(range(165, 245))  # centre 205
    torch.testing.assert_close(middle[:80], middle[80:160])
    assert found[0, 0, 0, 0] == 0
    assert found[39, 0, 0, 0] == 320


@pytest.mark.parametrize("kind", ["st-audio-encoder", "spatial-ast", "pseldnets-maccdoa"])
def test_every_encoder_says_the_same_kinds_of_things(kind):
    audio = torch.as_tensor(np.stack([field(i, SCENE_SAMPLES) for i in range(2)]))
    asked = [["Dog", "Speech"], []]
    first = listen(tiny(kind, stage=1), audio, asked)
    assert [len(one.tracks) for one in first] == [0, 0]
    assert first[0].trajectory is None
    assert len(first[0].labels) == 4
    one, two = listen(tiny(kind, stage=2 if kind == "spatial-ast" else 4), audio, asked)
    assert [track.label for track in one.asked] == ["Dog", "Speech"]
    assert two.asked == ()
    assert one.trajectory.azimuth_deg.shape == one.trajectory.activity.shape == (40,)
    assert one.trajectory.label == one.labels[0][0]
    assert np.isfinite(one.trajectory.distance_m).all()


def test_static_encoders_hold_one_direction_and_crops_give_one_per_bin():
    sound = 0.1 * np.random.default_rng(0).standard_normal(SCENE_SAMPLES)
    half = SCENE_SAMPLES // 2
    audio = np.concatenate(
        [encode(sound[:half], 60, 0), encode(sound[half:], -60, 0)], axis=1
    ).astype(np.float32)
    encoder = tiny("spatial-ast", stage=2)

    def by_phase(features, queries=None, *, dynamic=True, drop=(0.0, 0.0)):
        side = torch.sign(features[:, 3, :, 1:5].mean(dim=(1, 2)))  # right minus left
        zero = torch.zeros_like(side)
        return {
            "semantic": torch.stack([side, -side, zero, zero], dim=1),
            "doa": torch.stack([zero + 0.5, -side * 0.866, zero], dim=1),
            "distance_m": zero + 2.0,
        }

    encoder.forward = by_phase
    clip = torch.as_tensor(audio)[None]
    held = listen(encoder, clip)[0].trajectory
    assert len(set(held.azimuth_deg)) == 1
    cropped = listen(encoder, clip, crop_s=1.0)[0]
    np.testing.assert_allclose(cropped.trajectory.azimuth_deg[:17], 60, atol=0.1)
    np.testing.assert_allclose(cropped.trajectory.azimuth_deg[-17:], -60, atol=0.1)
    for crop_s in (0.0, 11.0):
        with pytest.raises(UserError, match="up to 10 s"):
            listen(encoder, clip, crop_s=crop_s)
    with pytest.raises(UserError, match="knows trajectories"):
        listen(tiny("st-audio-encoder", stage=3), clip, crop_s=1.0)
