"""Checkpoints: everything a training needs to go on as if it had never stopped.

What is random in a step comes from the seed and the step's number, and so does the learning
rate. So a checkpoint is the weights, the state of the optimiser, and how many steps were made;
the random state of torch is stored with them, and is set anew in every step.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from st_audioqa.errors import UserError
from st_audioqa.files import remove_partials, whole

__all__ = ["load_checkpoint", "save_checkpoint"]

_NAME = "checkpoint.pt"


def save_checkpoint(
    folder: Path, step: int, model: nn.Module, optimiser: torch.optim.Optimizer, about: str
) -> None:
    """Writes a checkpoint in place of the one before.

    Parameters
    ----------
    about : str
        Describes the training; only the same one goes on from here.
    """
    state = {
        "step": step,
        "about": about,
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "random": torch.get_rng_state(),
    }
    with whole(folder / _NAME) as partial:
        torch.save(state, partial)


def load_checkpoint(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, about: str
) -> int:
    """Puts the checkpoint of a folder into model and optimiser.

    Returns
    -------
    int
        Steps that were made; 0 where there is no checkpoint.

    Raises
    ------
    UserError
        It is of another training, or cannot be read.
    """
    path = folder / _NAME
    remove_partials(folder)
    if not path.is_file():
        return 0
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(
            f"{path} cannot be read ({type(error).__name__}): delete it to begin again."
        ) from error
    if state["about"] != about:
        raise UserError(
            f"{path} is of a training with other settings or data: give another --out, or the "
            "settings it was begun with."
        )
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    torch.set_rng_state(state["random"])
    return int(state["step"])
