"""Public weights of the systems of the paper's Table 3, brought into our encoders.

========================  ==========================================================
kind                      file
========================  ==========================================================
``spatial-ast``           `finetuned.pth` of Spatial-AST / BAT: keys `model`, in it
                          `cls_tokens`, `blocks.0.attn.qkv.weight`, `azimuth_head.weight`, ...
``pseldnets-maccdoa``     a Lightning checkpoint of PSELDNets' mACCDOA-HTSAT: key `state_dict`, in
                          it `net.scalar.0.weight`, `net.encoder.layers.0...`, `net.tscam_conv...`;
                          or the AudioSet checkpoint of HTS-AT that it starts from, with
                          `sed_model.patch_embed...` and `sed_model.bn0...`
========================  ==========================================================

The names are read from the public code of both systems; the files themselves have never been tried,
and what fits by name and shape may still mean another convention:

- Spatial-AST's azimuth is counted from the right hand (in the simulator's frame, listener facing
  -z) and ours from the front: its rows are turned by 90 classes. Its two ears are the simulator's,
  ours a computed head; its phase features are 31.25 times smaller, which the first convolution
  takes over.
- PSELDNets hears W, Y, Z, X at 24 kHz, with intensities of unit length in the order Y, Z, X: these
  are put into the order x, y, z; the mel bands and the length of the vectors are not its own.

So weights are a place to start a training from (`--init`) rather than a row of the table.
"""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.models.encoders import ENCODERS, SpatialEncoder

__all__ = ["ORIGINALS", "Converted", "convert", "read_state"]

State = dict[str, Tensor]

_AZIMUTH_TURN = 90
"""Spatial-AST's class of what is in front."""
_LEFT_OUT = (
    "attn_mask",
    "relative_position_index",
    "spectrogram_extractor.",
    "logmel_extractor.",
    "blocks2.",  # made by Spatial-AST and never used
)
_BLOCK = {
    "attn.relative_position_bias_table": "bias",
    "attn.qkv": "qkv",
    "attn.proj": "proj",
    "mlp.fc1": "fc1",
    "mlp.fc2": "fc2",
}


@dataclass(frozen=True)
class Converted:
    """An encoder with foreign weights."""

    encoder: SpatialEncoder
    new: tuple[str, ...]
    """Weights of ours that the file does not have; they are freshly drawn."""
    left: tuple[str, ...]
    """Weights of the file that have no place in ours."""


def convert(kind: str, state: Mapping[str, Tensor], labels: Sequence[str]) -> Converted:
    """An encoder of preset `paper` with the weights of a public checkpoint.

    Parameters
    ----------
    kind : {"spatial-ast", "pseldnets-maccdoa"}
    state : mapping
        As `read_state` gives it.
    labels : sequence of str
        Classes, in the order of the checkpoint's; where there are not as many as those, the layers
        that say classes begin anew.

    Raises
    ------
    UserError
        The weights are not those of that system, or of another size.
    """
    if kind not in ORIGINALS:
        raise unknown_name("system with public weights", kind, ORIGINALS)
    maker = ENCODERS.get(kind)
    encoder: SpatialEncoder = maker.from_config(
        {**maker.preset_config("paper"), "labels": list(labels)}
    )
    renamed, left = ORIGINALS[kind]({_bare(name): value for name, value in state.items()})
    wanted = encoder.state_dict()
    heads = ("semantic.", "vectors.", "distances.")
    new = []
    for name, value in wanted.items():
        given = renamed.pop(name, None)
        if given is not None and given.shape == value.shape:
            wanted[name] = given.to(value.dtype)
        elif name.startswith(heads):
            new.append(name)
        else:
            got = "nothing" if given is None else f"shape {list(given.shape)}"
            raise UserError(
                f"These are no weights of {kind} as published: wanted {name!r} of shape "
                f"{list(value.shape)}, got {got}."
            )
    encoder.load_state_dict(wanted)
    encoder.trained_stage = 2 if kind == "spatial-ast" and not new else 1
    return Converted(encoder, tuple(new), tuple(sorted([*left, *renamed])))


def read_state(path: Path) -> State:
    """The weights of a checkpoint, without running any code that it may hold.

    Raises
    ------
    UserError
        The file is missing or damaged, or holds more than weights and plain values.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}: download the checkpoint first.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(str(path)))
        with torch.serialization.safe_globals([argparse.Namespace]):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # every library raises its own type for damage
        refused = isinstance(error, pickle.UnpicklingError)
        remedy = (
            "in a place where you trust it, save its state dict alone as safetensors"
            if refused
            else "copy or download it again"
        )
        raise UserError(f"{path} cannot be read ({type(error).__name__}): {remedy}.") from error
    for key in ("model", "state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise UserError(f"{path} is no checkpoint: wanted names with their weights.")
    return dict(found)


def _bare(name: str) -> str:
    """A name without what training tools put in front."""
    return re.sub(r"^(net\.|_orig_mod\.|module\.|sed_model\.)+", "", name).replace(
        "_orig_mod.", ""
    )


def _renamed(state: State, rules: Sequence[tuple[str, str]]) -> tuple[State, list[str]]:
    """Names by the first rule whose beginning fits; the rest is left."""
    found: State = {}
    left = []
    for name, value in state.items():
        rule = next((r for r in rules if name.startswith(r[0])), None)
        if any(part in name for part in _LEFT_OUT) or rule is None:
            left.append(name)
            continue
        ours = rule[1] + name[len(rule[0]) :]
        for theirs, short in _BLOCK.items():
            ours = ours.replace(theirs, short)
        found[ours] = value
    return found, left


def _spatial_ast(state: State) -> tuple[State, list[str]]:
    rules = (
        ("conv_downsample.", "stem."),
        ("bn.", "level."),
        ("patch_embed.proj.", "patch."),
        ("cls_tokens", "globals"),
        ("pos_embed", "positions"),
        ("blocks.", "blocks."),
        ("dis_norm.", "norms.0."),
        ("doa_norm.", "norms.1."),
        ("fc_norm.", "norms.2."),
        ("distance_head.", "distance."),
        ("azimuth_head.", "azimuth."),
        ("elevation_head.", "elevation."),
        ("head.", "semantic."),
    )
    found, left = _renamed(state, rules)
    if "globals" in found and "positions" in found:
        found["globals"] = found["globals"][0]
        found["positions"] = found["positions"][0, 1:]  # the first is that of a token long gone
    if "stem.0.weight" in found:
        scale = torch.ones(4)
        scale[2:] = 1024 / SAMPLE_RATE
        found["stem.0.weight"] = found["stem.0.weight"] * scale[None, :, None, None]
    for name in ("azimuth.weight", "azimuth.bias"):
        if name in found:
            found[name] = found[name].roll(-_AZIMUTH_TURN, dims=0)
    return found, left


def _pseldnets(state: State) -> tuple[State, list[str]]:
    state = {name.removeprefix("encoder."): value for name, value in state.items()}
    channels = range(7)
    order = [0, 1, 2, 3, 6, 4, 5]  # intensities Y, Z, X become x, y, z
    if "bn0.weight" in state:  # HTS-AT hears one channel
        for i in channels:
            for part in _NORM:
                state[f"scalar.{i}.{part}"] = state[f"bn0.{part}"]
        state = {name: v for name, v in state.items() if not name.startswith("bn0.")}
        patches = state.get("patch_embed.proj.weight")
        if patches is not None and patches.shape[1] == 1:
            state["patch_embed.proj.weight"] = patches.repeat(1, 7, 1, 1) / 7.0
        state = {n: v for n, v in state.items() if not n.startswith(("head.", "tscam_conv."))}
    rules = (
        ("patch_embed.proj.", "patch."),
        ("patch_embed.norm.", "patch_norm."),
        ("norm.", "swin.norm."),
        ("layers.", "swin.stages."),
        ("tscam_conv.", "vectors."),
    )
    found, left = _renamed(state, rules)
    found = {_swin(name): value for name, value in found.items()}
    for part in _NORM:
        names = [f"scalar.{i}.{part}" for i in order]
        if all(name in state for name in names):
            values = [state[name] for name in names]
            found[f"scale.{part}"] = values[0] if values[0].ndim == 0 else torch.cat(values)
    if found.get("patch.weight", torch.zeros(0)).ndim == 4:
        found["patch.weight"] = found["patch.weight"][:, order]
    return found, [name for name in left if not name.startswith("scalar.")]


_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _swin(name: str) -> str:
    """`swin.stages.1.blocks.0.x` to `swin.stages.1.0.x`, and merging to its own list."""
    name = re.sub(r"^swin\.stages\.(\d+)\.downsample\.", r"swin.merges.\1.", name)
    return re.sub(r"^(swin\.stages\.\d+)\.blocks\.", r"\1.", name)


ORIGINALS: Mapping[str, Callable[[State], tuple[State, list[str]]]] = {
    "spatial-ast": _spatial_ast,
    "pseldnets-maccdoa": _pseldnets,
}
"""Encoders for which there are public weights -> the way from their names to ours."""
