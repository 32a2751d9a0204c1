"""Encoders on disk: `config.json` and `model.safetensors`, as the Hugging Face Hub has them.

Pickles are never read: a file of weights must not be able to run code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.files import whole, write_text
from st_audioqa.models.encoders import ENCODERS, SpatialEncoder

__all__ = ["load_encoder", "read_weights", "save_encoder"]

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_FORMAT = 1


def save_encoder(encoder: SpatialEncoder, folder: Path, *, half: bool = False) -> None:
    """Writes an encoder into a folder.

    Parameters
    ----------
    half : bool
        Store weights in 16 bits; they are read back in 32.
    """
    save_file = _safetensors().save_file
    weights = {
        name: value.detach().cpu().half().contiguous()
        if half and value.is_floating_point()
        else value.detach().cpu().contiguous()
        for name, value in encoder.state_dict().items()
    }
    with whole(folder / _WEIGHTS) as partial:
        save_file(weights, str(partial), {"format": "pt"})
    described = {
        "encoder": encoder.kind,
        "format": _FORMAT,
        "trained_stage": encoder.trained_stage,
        "config": encoder.config_dict(),
    }
    write_text(folder / _CONFIG, json.dumps(described, indent=1, sort_keys=True) + "\n")


def load_encoder(folder: str | Path) -> SpatialEncoder:
    """The encoder of a folder, in 32 bits, ready to predict.

    Raises
    ------
    UserError
        Files are missing, cut, pickled, of another format, or not of one encoder.
    """
    folder = Path(folder)
    described = _described(folder)
    encoder: SpatialEncoder = ENCODERS.get(str(described.get("encoder"))).from_config(
        described["config"]
    )
    load_weights(encoder, folder / _WEIGHTS)
    encoder.trained_stage = int(described.get("trained_stage", 0))
    encoder.eval()
    return encoder


def load_weights(encoder: nn.Module, path: Path) -> None:
    """Puts the weights of a safetensors file into an encoder.

    Raises
    ------
    UserError
        The file is missing, cut, a pickle, or of an encoder of other sizes.
    """
    weights = read_weights(path)
    wanted = encoder.state_dict()
    for name, value in wanted.items():
        if name not in weights:
            raise UserError(_other_preset(path, f"it has no {name!r}"))
        if weights[name].shape != value.shape:
            sizes = f"{list(weights[name].shape)} instead of {list(value.shape)}"
            raise UserError(_other_preset(path, f"{name!r} is {sizes}"))
    extra = sorted(set(weights) - set(wanted))
    if extra:
        raise UserError(_other_preset(path, f"it also has {extra[0]!r}"))
    encoder.load_state_dict(weights)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a safetensors file.

    Raises
    ------
    UserError
        The file is missing, cut, a pickle, or holds weights that are not finite.
    """
    if not path.is_file():
        raise UserError(
            f"{path.parent} holds no weights (no {path.name}): wanted a folder that "
            "`save_pretrained` or `st-audioqa train` wrote."
        )
    with path.open("rb") as file:
        head = file.read(9)
    # Safetensors begin with the length of their header in eight bytes, of any value, and "{".
    if head[8:] != b"{" and (head[:2] == b"PK" or head[:1] == b"\x80"):
        raise UserError(
            f"{path} is a pickle, which could run any code and is not read: wanted safetensors; "
            "convert it where you trust it."
        )
    try:
        weights: dict[str, torch.Tensor] = _safetensors().load_file(str(path))
    except Exception as error:  # the library raises its own type for every kind of damage
        raise UserError(
            f"{path} is not a whole safetensors file ({error}): copy or download it again."
        ) from error
    if not all(torch.isfinite(v).all() for v in weights.values() if v.is_floating_point()):
        raise UserError(f"{path} holds weights that are not finite: its training failed.")
    return weights


def _other_preset(path: Path, what: str) -> str:
    return (
        f"The weights {path} are not of the encoder its config.json describes ({what}): take "
        "both files from the same checkpoint."
    )


def _described(folder: Path) -> dict[str, Any]:
    path = folder / _CONFIG
    if not path.is_file():
        pickles = [each.name for each in folder.glob("*.bin")] + [
            each.name for each in folder.glob("*.pt*")
        ]
        hint = f" {pickles[0]} is a pickle and is not read." if pickles else ""
        raise UserError(
            f"{folder} holds no encoder (no {_CONFIG}): wanted a folder that `save_pretrained` "
            f"or `st-audioqa train encoder` wrote.{hint}"
        )
    try:
        described = json.loads(path.read_text("utf-8"))
        if described["format"] != _FORMAT or not isinstance(described["config"], dict):
            raise ValueError(f"format {described['format']}, wanted {_FORMAT}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no configuration of an encoder: {error}.") from error
    return dict(described)


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise MissingPackageError("safetensors", "models", "Reading weights") from error
    return safetensors.torch
