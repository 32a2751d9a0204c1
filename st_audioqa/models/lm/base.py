"""The language models that can be listened with: presets, loading, and what they are known by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from st_audioqa.errors import MissingPackageError, UserError

__all__ = ["BASES", "Base", "base_folder", "fingerprint", "load_base"]

BASES: Mapping[str, str] = {
    "paper": "allenai/OLMo-2-1124-7B-Instruct",
    "small": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "test": "",
}
"""`paper`: the paper's; `small`: trained on CPU; `test`: two random layers, made on the spot."""

SMALL_FOLDER = "smollm2-135m-instruct"
_SAMPLED = 256
"""Values of every weight that go into a fingerprint."""


@dataclass(frozen=True, eq=False)
class Base:
    """A causal language model as it comes, and its tokenizer."""

    name: str
    """As asked for: a preset, a folder, or a name on the Hub."""
    model: Any
    tokenizer: Any
    fingerprint: str

    @property
    def hidden(self) -> int:
        """Width of its embeddings."""
        return int(self.model.get_input_embeddings().weight.shape[1])


def base_folder() -> Path:
    """Where fetched models lie: `$ST_AUDIOQA_MODELS`, else a folder of the user's cache."""
    own = os.environ.get("ST_AUDIOQA_MODELS")
    if own:
        return Path(own)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "st_audioqa" / "models"


def load_base(
    name: str, *, device: str | None = None, dtype: torch.dtype | None = None
) -> Base:
    """A preset, a folder of a Hugging Face model, or a name on the Hub.

    `small` is taken from where `st-audioqa models fetch smollm2` put it, else from the Hub.

    Parameters
    ----------
    dtype : torch.dtype, optional
        That of the weights on GPUs, 32 bits on CPUs, if left out.

    Raises
    ------
    UserError
        No such weights, or too little memory for them.
    MissingPackageError
        transformers is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingPackageError("transformers", "models", "A language model") from error
    if name == "test":
        from st_audioqa.models.lm.tiny import tiny_model, tiny_tokenizer

        tokenizer = tiny_tokenizer()
        model = tiny_model(len(tokenizer))
        return Base(name, model.eval(), tokenizer, fingerprint(model))
    place = _place(name)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if dtype is None and device == "cpu":
        dtype = torch.float32
    try:
        config = transformers.AutoConfig.from_pretrained(place)
        if device == "cpu":
            _check_memory(name, config, dtype or torch.float32)
        tokenizer = transformers.AutoTokenizer.from_pretrained(place)
        model = transformers.AutoModelForCausalLM.from_pretrained(place, dtype=dtype or "auto")
    except (OSError, ValueError, KeyError, ImportError) as error:
        told = str(error).strip().splitlines()
        fetch = "run `st-audioqa models fetch smollm2`, or " if name == "small" else ""
        raise UserError(
            f"The language model {name!r} cannot be loaded "
            f"({told[0] if told else type(error).__name__}): {fetch}give a folder of a Hugging "
            "Face causal language model, or a name on the Hub while online."
        ) from error
    return Base(name, model.to(device).eval(), tokenizer, fingerprint(model))


def fingerprint(model: nn.Module) -> str:
    """SHA-256 over names, sizes and some values of all weights.

    Of every weight 256 evenly spaced values are taken, in 16 bits, so that large models are known
    in no time and whatever they are stored in; any training changes it.
    """
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        flat = value.detach().reshape(-1)
        count = min(_SAMPLED, len(flat))
        place = torch.arange(count) * len(flat) // max(count, 1)
        some = flat[place.to(flat.device)].half().cpu().contiguous().numpy()
        digest.update(f"{name} {list(value.shape)} ".encode())
        digest.update(some.astype("<f2").tobytes())
    return digest.hexdigest()


def available_bytes() -> int | None:
    """Memory that a process can still have; None where the system does not say it."""
    try:
        for line in Path("/proc/meminfo").read_text("utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _place(name: str) -> str:
    if name == "small":
        fetched = base_folder() / SMALL_FOLDER
        return str(fetched) if (fetched / "config.json").is_file() else BASES[name]
    return BASES.get(name, name)


def _check_memory(name: str, config: Any, dtype: torch.dtype) -> None:
    """Counts the weights without making them, and compares with what is free."""
    import transformers

    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    needed = sum(p.numel() for p in model.parameters()) * dtype.itemsize * 1.2
    free = available_bytes()
    if free is not None and needed > free:
        raise UserError(
            f"The language model {name!r} wants about {needed / 1e9:.1f} GB of memory, and "
            f"{free / 1e9:.1f} GB are free here: take a smaller one (--base small), or a machine "
            "with more memory or a GPU."
        )
