"""ST-AudioLM on disk: `config.json`, `adapters.safetensors`, and the encoder in `encoder/`."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch

from st_audioqa.errors import UserError
from st_audioqa.files import whole, write_text
from st_audioqa.models.lm.base import load_base
from st_audioqa.models.lm.interfaces import INTERFACES, AudioInterface
from st_audioqa.models.lm.st_audiolm import LoraSettings, STAudioLM
from st_audioqa.models.storage import load_encoder, read_weights, save_encoder

__all__ = ["load_adapters", "load_lm", "make_interface", "save_lm"]

_CONFIG, _WEIGHTS, _ENCODER = "config.json", "adapters.safetensors", "encoder"
_FORMAT = 1


def save_lm(model: STAudioLM, folder: Path, *, half: bool = False) -> None:
    """Writes everything but the base, `config.json` last.

    Parameters
    ----------
    half : bool
        Store weights in 16 bits; they are read back in 32.
    """
    import safetensors.torch

    weights = {
        name: (p.detach().half() if half else p.detach()).cpu().contiguous()
        for name, p in model.adapters().items()
    }
    save_encoder(model.encoder, folder / _ENCODER, half=half)
    with whole(folder / _WEIGHTS) as partial:
        safetensors.torch.save_file(weights, str(partial), {"format": "pt"})
    described = {"format": _FORMAT, "model": "st-audiolm", **model.describe()}
    write_text(folder / _CONFIG, json.dumps(described, indent=1, sort_keys=True) + "\n")


def load_lm(
    folder: Path,
    *,
    base: str | None = None,
    encoder: str | Path | None = None,
    device: str | None = None,
) -> STAudioLM:
    """The model of a folder, ready to answer.

    Parameters
    ----------
    base : str, optional
        Another base than the one whose name the folder keeps.
    encoder : path, optional
        Another folder of the encoder than `encoder/`.
    device : str, optional
        A torch device; a GPU where there is one if left out.

    Warns
    -----
    UserWarning
        Base or encoder are not those that the adapters were trained with.

    Raises
    ------
    UserError
        Files are missing or cut, the base cannot be loaded, or its sizes do not fit.
    """
    described = read_config(folder)
    heard = load_encoder(encoder or folder / _ENCODER)
    loaded = load_base(base or str(described["base"]["name"]), device=device)
    if loaded.hidden != described["hidden"]:
        raise UserError(
            f"The adapters in {folder} are for a language model of width {described['hidden']} "
            f"({described['base']['name']}), and {loaded.name!r} has {loaded.hidden}: take the "
            "base that they were trained with."
        )
    interface = make_interface(heard.labels, **described["interface"])
    lora = dict(described["lora"])
    if not isinstance(lora["targets"], str):
        lora["targets"] = tuple(lora["targets"])
    model = STAudioLM(heard, interface, loaded, LoraSettings(**lora))
    load_adapters(model, folder)
    for what in ("base", "encoder"):
        now, then = model.describe()[what], described[what]
        if now["fingerprint"] != then["fingerprint"]:
            warnings.warn(
                f"The adapters in {folder} were trained with another {what} "
                f"({then.get('name', then.get('kind'))}, {then['fingerprint'][:12]}) than the one "
                f"loaded ({now.get('name', now.get('kind'))}, {now['fingerprint'][:12]}): answers "
                "will differ.",
                stacklevel=3,
            )
    return model.eval()


def load_adapters(model: STAudioLM, folder: Path) -> None:
    """Puts the adapters of a folder into a model.

    Raises
    ------
    UserError
        The file is missing, cut, or of a model of other sizes.
    """
    path = folder / _WEIGHTS
    weights = read_weights(path)
    wanted = model.adapters()
    differing = sorted(
        name
        for name in {*weights, *wanted}
        if name not in weights
        or name not in wanted
        or weights[name].shape != wanted[name].shape
    )
    if differing:
        raise UserError(
            f"The adapters {path} do not fit this base, encoder and interface (the first "
            f"difference is {differing[0]!r}): take those that they were trained with."
        )
    with torch.no_grad():
        for name, p in wanted.items():
            p.copy_(weights[name])


def make_interface(
    labels: tuple[str, ...], kind: str, settings: dict[str, Any] | None = None
) -> AudioInterface:
    """The interface of that kind.

    Raises
    ------
    UserError
        No such interface, or a setting that it does not have.
    """
    made: AudioInterface = INTERFACES.get(kind)(labels, **(settings or {}))
    return made


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a folder of ST-AudioLM.

    Raises
    ------
    UserError
        There is none.
    """
    path = folder / _CONFIG
    try:
        described: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if described["format"] != _FORMAT or described["model"] != "st-audiolm":
            raise ValueError("it describes something else")
        for name in ("base", "encoder", "interface", "lora"):
            dict(described[name])
        int(described["hidden"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder} holds no ST-AudioLM ({type(error).__name__}: {error}): wanted a folder that "
            "`st-audioqa train lm` or `save_pretrained` wrote."
        ) from error
    return described
