"""Public weights, as far as that can be tested without them: names and shapes as published."""

from __future__ import annotations

import argparse

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from st_audioqa.cli import cli  # noqa: E402
from st_audioqa.errors import UserError  # noqa: E402
from st_audioqa.models.originals import convert, read_state  # noqa: E402
from st_audioqa.models.storage import load_encoder  # noqa: E402


def zeros(shapes):
    """Tensors that cost no memory and carry their place as their first value."""
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}


def layer(name, out, inputs):
    return {f"{name}.weight": (out, inputs), f"{name}.bias": (out,)}


def norm(name, dim):
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}


def statistics(name, dim):
    return {
        f"{name}.running_mean": (dim,),
        f"{name}.running_var": (dim,),
        f"{name}.num_batches_tracked": (),
    }


def vit_block(name, dim=768):
    return {
        **norm(f"{name}.norm1", dim),
        **layer(f"{name}.attn.qkv", 3 * dim, dim),
        **layer(f"{name}.attn.proj", dim, dim),
        **norm(f"{name}.norm2", dim),
        **layer(f"{name}.mlp.fc1", 4 * dim, dim),
        **layer(f"{name}.mlp.fc2", dim, 4 * dim),
    }


def spatial_ast(n_classes=355):
    shapes = {
        "cls_tokens": (1, 3, 768),
        "pos_embed": (1, 513, 768),
        "patch_embed.proj.weight": (768, 1, 16, 16),
        "patch_embed.proj.bias": (768,),
        "spectrogram_extractor.conv_real.weight": (513, 1, 1024),
        "logmel_extractor.melW": (513, 128),
        "conv_downsample.0.weight": (1, 4, 3, 3),
        **norm("conv_downsample.1", 1),
        **statistics("conv_downsample.1", 1),
        **statistics("bn", 2),
        **norm("dis_norm", 768),
        **norm("doa_norm", 768),
        **norm("fc_norm", 768),
        **layer("head", n_classes, 768),
        **layer("distance_head", 21, 768),
        **layer("azimuth_head", 360, 768),
        **layer("elevation_head", 180, 768),
    }
    for i in range(12):
        shapes |= vit_block(f"blocks.{i}")
    for i in range(4):
        shapes |= vit_block(f"blocks2.{i}")
    return zeros(shapes)


def hts_at(prefix, channels):
    shapes = {
        "patch_embed.proj.weight": (96, channels, 4, 4),
        "patch_embed.proj.bias": (96,),
        **norm("patch_embed.norm", 96),
        **norm("norm", 768),
    }
    for i, (depth, heads) in enumerate(zip((2, 2, 6, 2), (4, 8, 16, 32), strict=True)):
        dim = 96 << i
        for j in range(depth):
            name = f"layers.{i}.blocks.{j}"
            shapes |= vit_block(name, dim)
            shapes[f"{name}.attn.relative_position_bias_table"] = (225, heads)
            shapes[f"{name}.attn.relative_position_index"] = (64, 64)
            if j % 2 and i < 3:
                shapes[f"{name}.attn_mask"] = ((8 >> i) ** 2, 64, 64)
        if i < 3:
            shapes |= norm(f"layers.{i}.downsample.norm", 4 * dim)
            shapes[f"layers.{i}.downsample.reduction.weight"] = (2 * dim, 4 * dim)
    return {f"{prefix}{name}": shape for name, shape in shapes.items()}


def pseldnets(n_classes=170):
    shapes = hts_at("net.encoder.", 7)
    for i in range(7):
        shapes |= {**norm(f"net.scalar.{i}", 64), **statistics(f"net.scalar.{i}", 64)}
    shapes["net.tscam_conv.weight"] = (9 * n_classes, 768, 2, 3)
    shapes["net.tscam_conv.bias"] = (9 * n_classes,)
    return zeros(shapes)


def hts_at_of_audioset():
    shapes = hts_at("sed_model.", 1)
    shapes |= norm("sed_model.bn0", 64) | statistics("sed_model.bn0", 64)
    shapes |= layer("sed_model.head", 527, 527)
    shapes["sed_model.tscam_conv.weight"] = (527, 768, 2, 3)
    shapes["sed_model.tscam_conv.bias"] = (527,)
    shapes["sed_model.logmel_extractor.melW"] = (513, 64)
    return zeros(shapes)


def names(n):
    return [f"class {i}" for i in range(n)]


def test_spatial_ast_is_taken_whole():
    state = spatial_ast()
    state["azimuth_head.bias"] = torch.arange(360.0)
    state["conv_downsample.0.weight"] = torch.ones(1, 4, 3, 3)
    state["cls_tokens"] = torch.arange(3.0)[None, :, None].expand(1, 3, 768)
    found = convert("spatial-ast", state, names(355))
    assert found.new == ()
    assert found.encoder.trained_stage == 2
    left = {name.split(".")[0] for name in found.left}
    assert left == {"blocks2", "spectrogram_extractor", "logmel_extractor"}
    ours = found.encoder.state_dict()
    assert (
        ours["azimuth.bias"][0] == 90
    )  # in front is their class of the left of the right hand
    assert ours["globals"][:, 0].tolist() == [0, 1, 2]  # distance, direction, classes
    assert ours["stem.0.weight"][0, :, 0, 0].tolist() == pytest.approx([1, 1, 0.032, 0.032])


def test_other_classes_begin_anew():
    found = convert("spatial-ast", spatial_ast(), names(56))
    assert found.new == ("semantic.weight", "semantic.bias")
    assert found.encoder.trained_stage == 1


def test_pseldnets_is_taken_but_for_what_we_added():
    state = pseldnets()
    channel = torch.arange(7.0)
    state["net.encoder.patch_embed.proj.weight"] = channel[None, :, None, None].expand(
        96, 7, 4, 4
    )
    for i in range(7):
        state[f"net.scalar.{i}.running_mean"] = torch.full((64,), float(i))
    found = convert("pseldnets-maccdoa", state, names(170))
    wanted = ("distances.weight", "distances.bias", "semantic.weight", "semantic.bias")
    assert sorted(found.new) == sorted(wanted)
    assert all(name.endswith(("attn_mask", "relative_position_index")) for name in found.left)
    ours = found.encoder.state_dict()
    assert ours["patch.weight"][0, :, 0, 0].tolist() == [0, 1, 2, 3, 6, 4, 5]
    assert ours["scale.running_mean"].view(7, 64)[:, 0].tolist() == [0, 1, 2, 3, 6, 4, 5]


def test_hts_at_of_audioset_is_spread_over_the_channels():
    state = hts_at_of_audioset()
    state["sed_model.patch_embed.proj.weight"] = torch.ones(96, 1, 4, 4)
    found = convert("pseldnets-maccdoa", state, names(58))
    assert {name.split(".")[0] for name in found.new} == {"vectors", "distances", "semantic"}
    assert found.encoder.state_dict()["patch.weight"].sum().item() == pytest.approx(96 * 16)


@pytest.mark.parametrize("kind", ["spatial-ast", "pseldnets-maccdoa"])
def test_weights_of_something_else_are_refused(kind):
    state = spatial_ast() if kind == "spatial-ast" else pseldnets()
    name = next(
        n for n in state if n.endswith("blocks.1.mlp.fc1.weight") or "blocks.1.mlp" in n
    )
    del state[name]
    with pytest.raises(UserError, match=r"no weights of .* got nothing"):
        convert(kind, state, names(5))
    with pytest.raises(UserError, match="did you mean spatial-ast"):
        convert("spatial-as", state, names(5))


class Unknown:
    pass


def test_checkpoints_are_read_without_running_them(tmp_path):
    weights = {"a": torch.ones(2)}
    args = argparse.Namespace(lr=0.1)
    torch.save({"model": weights, "args": args, "epoch": 3}, tmp_path / "bat.pth")
    assert read_state(tmp_path / "bat.pth")["a"].tolist() == [1, 1]
    torch.save({"state_dict": weights, "more": Unknown()}, tmp_path / "code.ckpt")
    with pytest.raises(UserError, match="state dict alone as safetensors"):
        read_state(tmp_path / "code.ckpt")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "bat.pth").read_bytes()[:200])
    with pytest.raises(UserError, match="cannot be read"):
        read_state(tmp_path / "cut.pth")
    with pytest.raises(UserError, match="no file"):
        read_state(tmp_path / "nothing.pth")


def test_the_command_writes_an_encoder(tmp_path):
    from safetensors.torch import save_file

    path, labels = tmp_path / "hts.safetensors", tmp_path / "labels.txt"
    save_file({n: v.contiguous() for n, v in hts_at_of_audioset().items()}, str(path))
    labels.write_text("Dog\nRain\n")
    arguments = [
        "train",
        "convert",
        "pseldnets-maccdoa",
        str(path),
        "--out",
        str(tmp_path / "e"),
    ]
    done = CliRunner().invoke(cli, [*arguments, "--labels", str(labels)])
    assert done.exit_code == 0, done.output
    assert "semantic.weight" in done.output
    assert load_encoder(tmp_path / "e").labels == ("Dog", "Rain")
    refused = CliRunner().invoke(cli, arguments)
    assert isinstance(refused.exception, UserError)
