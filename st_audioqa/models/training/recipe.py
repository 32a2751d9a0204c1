"""The recipe of a training: an encoder and its stages, read from TOML."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from st_audioqa.conventions import CONFIGURATIONS, Configuration
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.models.losses import TERMS

if sys.version_info >= (3, 11):
    from importlib.resources.abc import Traversable

    import tomllib
else:
    from importlib.abc import Traversable

    import tomli as tomllib

__all__ = [
    "StageRecipe",
    "TrainingRecipe",
    "bundled_in",
    "bundled_training_recipes",
    "load_training_recipe",
    "read_recipe",
]


_PACKAGE = "st_audioqa.models.training.recipes"

Recipe = TypeVar("Recipe", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StageRecipe(_Section):
    """One stage: what it learns from, what it learns, and how long."""

    shares: dict[Configuration, float]
    """Share of each configuration in every batch, on average."""
    weights: dict[str, float]
    """Weight of each term of the loss (`st_audioqa.models.losses`)."""
    clip_passes: int = Field(ge=1)
    """Clips that the stage sees, each counted as often as it is seen."""
    epoch_clips: int = Field(4096, ge=1)
    """Clips between two validations."""
    batch: int = Field(32, ge=1)
    """Clips of one step, over all processes together."""
    lr: float = Field(1e-3, gt=0)
    min_lr: float = Field(1e-5, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    """Share of the steps in which the learning rate rises; then it falls as a half cosine."""
    weight_decay: float = Field(0.05, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    rotations: Literal[1, 8, 16] = 8
    """How many turns and mirrors are drawn from; 8 keep above and below."""
    drop: tuple[float, float] = (0.0, 0.0)
    """Shares of patches left out in time and in frequency."""
    mask_frames: int = Field(0, ge=0)
    """Longest piece of time masked in the features (SpecAugment); two pieces per clip."""
    mask_bands: int = Field(0, ge=0)
    """Widest piece of frequency masked in the features; two pieces per clip."""
    mix: float = Field(0.0, ge=0, le=1)
    """Share of single-source clips to which another one is added, in the power of the bands."""
    absent: float = Field(0.0, ge=0, le=1)
    """Share of queries that ask for a class that is not there."""

    @model_validator(mode="after")
    def _sensible(self) -> StageRecipe:
        unknown = sorted(set(self.weights) - set(TERMS))
        if unknown:
            raise ValueError(f"no term of the loss is named {unknown[0]!r}: {', '.join(TERMS)}")
        if not self.shares or any(share <= 0 for share in self.shares.values()):
            raise ValueError(f"shares wants one or more of {CONFIGURATIONS} above 0")
        if any(not 0 <= share < 1 for share in self.drop):
            raise ValueError("drop must be at least 0 and below 1")
        return self

    @property
    def dynamic(self) -> bool:
        """Whether trajectories are learned."""
        return any(self.weights.get(name) for name in ("trajectory", "query", "accdoa"))

    @property
    def queries(self) -> bool:
        """Whether trajectories of named classes are learned."""
        return any(self.weights.get(name) for name in ("query", "accdoa"))

    @property
    def steps(self) -> int:
        """Number of steps."""
        return max(1, self.clip_passes // self.batch)

    @property
    def epoch_steps(self) -> int:
        """Steps between two validations."""
        return max(1, self.epoch_clips // self.batch)


class TrainingRecipe(_Section):
    """An encoder, its preset and its stages."""

    name: str
    description: str = ""
    encoder: str = "st-audio-encoder"
    """Name of the encoder (`st_audioqa.models.encoders.ENCODERS`)."""
    preset: str = "small"
    settings: dict[str, Any] = {}
    """Settings that differ from the preset's."""
    seed: int = Field(0, ge=0, lt=2**63)
    stage: dict[str, StageRecipe]
    """Stages by number; each starts from the weights of the one before."""

    def changed(
        self, stage: int, *, passes: int | None = None, seed: int | None = None
    ) -> TrainingRecipe:
        """The same with another seed, or with another length of one stage."""
        recipe = self if seed is None else self.model_copy(update={"seed": seed})
        chosen = recipe.stage.get(str(stage))
        if passes is None or chosen is None:
            return recipe
        longer = chosen.model_copy(update={"clip_passes": passes})
        return recipe.model_copy(update={"stage": {**recipe.stage, str(stage): longer}})


def bundled_training_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return bundled_in(resources.files(_PACKAGE))


def load_training_recipe(name_or_path: str) -> TrainingRecipe:
    """A bundled recipe by name, or one from a TOML file.

    Raises
    ------
    UserError
        No such recipe, a file that is not TOML, or impossible values.
    """
    return read_recipe(
        TrainingRecipe, name_or_path, resources.files(_PACKAGE), "training recipe"
    )


def bundled_in(folder: Traversable) -> list[str]:
    """Names of the TOML files in a folder of a package."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def read_recipe(
    model: type[Recipe], name_or_path: str, bundled: Traversable, what: str
) -> Recipe:
    """A bundled recipe by name, or one from a TOML file, checked.

    Raises
    ------
    UserError
        No such recipe, a file that is not TOML, or impossible values.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The recipe file {path} cannot be read: {error}.") from error
    elif name_or_path in bundled_in(bundled):
        text = bundled.joinpath(f"{name_or_path}.toml").read_text("utf-8")
    else:
        raise unknown_name(what, name_or_path, bundled_in(bundled))
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The recipe {name_or_path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise UserError(
            f"The recipe {name_or_path} has impossible values: {faults}."
        ) from error
