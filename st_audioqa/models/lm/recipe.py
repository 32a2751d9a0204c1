"""The recipe of an ST-AudioLM: base, interface, LoRA, and the stages of the curriculum."""

from __future__ import annotations

from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from st_audioqa.models.lm.st_audiolm import LoraSettings
from st_audioqa.models.training.recipe import bundled_in, read_recipe

__all__ = ["LMRecipe", "LMStage", "bundled_lm_recipes", "load_lm_recipe"]

_PACKAGE = "st_audioqa.models.lm.recipes"

PAPER_POOLS: dict[str, int] = {"A": 216_000, "B": 300_000, "C": 218_000}
"""Questions of each type in the paper's Table 2: 216K, 516K and 734K with each stage's new one."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LMStage(_Section):
    """One stage: which questions, and how long."""

    types: list[Literal["A", "B", "C"]] = Field(min_length=1)
    """Types of questions; of each as many as the paper's proportions allow."""
    question_passes: int = Field(ge=1)
    """Questions that the stage sees, each counted as often as it is seen."""
    most: int | None = Field(None, ge=1)
    """Largest pool; all that the corpus has if left out."""
    pack: int = Field(8, ge=1)
    """Most questions behind one audio prefix."""
    batch: int = Field(32, ge=1)
    """Questions of one step, about: whole packs are taken."""
    epoch_questions: int = Field(4096, ge=1)
    """Questions between two validations."""
    validation_questions: int = Field(300, ge=1)
    """Held-out questions of each validation, the same ones each time."""
    lr: float = Field(1e-3, gt=0)
    """Of the connector."""
    lora_lr: float = Field(3e-4, gt=0)
    min_lr: float = Field(1e-5, ge=0)
    """Of the connector, at the end; LoRA's falls by the same share."""
    warmup: float = Field(0.03, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)


class Lora(_Section):
    """See `st_audioqa.models.lm.st_audiolm.LoraSettings`."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: str | tuple[str, ...] = "all-linear"

    def settings(self) -> LoraSettings:
        """As the model takes them."""
        return LoraSettings(self.rank, self.alpha, self.dropout, self.targets)


class LMRecipe(_Section):
    """A base, an interface and the stages."""

    name: str
    description: str = ""
    base: str = "small"
    """A preset, a folder, or a name on the Hub (`st_audioqa.models.lm.base`)."""
    interface: str = "paper"
    """Name of the interface (`st_audioqa.models.lm.interfaces.INTERFACES`)."""
    settings: dict[str, Any] = {}
    """Of the interface."""
    lora: Lora = Lora()
    seed: int = Field(0, ge=0, lt=2**63)
    stage: dict[str, LMStage]
    """Stages by number; each starts from the adapters of the one before."""

    def changed(
        self,
        stage: int,
        *,
        base: str | None = None,
        interface: str | None = None,
        passes: int | None = None,
        seed: int | None = None,
    ) -> LMRecipe:
        """The same with another base, interface or seed, or another length of one stage."""
        update: dict[str, Any] = {}
        if base is not None:
            update["base"] = base
        if interface is not None and interface != self.interface:
            update |= {"interface": interface, "settings": {}}
        if seed is not None:
            update["seed"] = seed
        chosen = self.stage.get(str(stage))
        if passes is not None and chosen is not None:
            longer = chosen.model_copy(update={"question_passes": passes})
            update["stage"] = {**self.stage, str(stage): longer}
        return self.model_copy(update=update)


def bundled_lm_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return bundled_in(resources.files(_PACKAGE))


def load_lm_recipe(name_or_path: str) -> LMRecipe:
    """A bundled recipe by name, or one from a TOML file.

    Raises
    ------
    UserError
        No such recipe, a file that is not TOML, or impossible values.
    """
    return read_recipe(
        LMRecipe, name_or_path, resources.files(_PACKAGE), "recipe of an ST-AudioLM"
    )
