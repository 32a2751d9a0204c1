"""One stage of the curriculum, from the corpus and an encoder to adapters (section 4.2)."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from st_audioqa.corpus.manifest import MANIFEST
from st_audioqa.corpus.reader import Corpus
from st_audioqa.errors import UserError
from st_audioqa.files import file_sha256, write_text
from st_audioqa.models.lm.base import load_base
from st_audioqa.models.lm.packing import Asked
from st_audioqa.models.lm.pool import Bundle, PackPlan, bundled, choose_pool
from st_audioqa.models.lm.recipe import LMRecipe, LMStage
from st_audioqa.models.lm.st_audiolm import Inquiry, Judgement, STAudioLM
from st_audioqa.models.lm.storage import load_adapters, make_interface, save_lm
from st_audioqa.models.lm.tokens import TokenCache, build_tokens
from st_audioqa.models.storage import load_encoder
from st_audioqa.models.training.loop import Limits, learning_rate, make_steps
from st_audioqa.models.training.run import StageRun
from st_audioqa.scene import Question
from st_audioqa.seeding import derived_seed

__all__ = ["LMTask", "train_lm"]

_AT_ONCE = 8
"""Packs of one step of validation."""


def train_lm(
    recipe: LMRecipe,
    stage: int,
    data: Path,
    encoder: Path,
    out: Path,
    *,
    cache: Path | None = None,
    start: Path | None = None,
    validation: str | None = None,
    minutes: float | None = None,
    checkpoint_minutes: float = 5.0,
    precision: Literal["fp32", "bf16"] = "fp32",
    workers: int = 1,
    device: str | None = None,
    quiet: bool = False,
) -> StageRun:
    """Trains one stage of a recipe, or goes on with it where it was stopped.

    Parameters
    ----------
    recipe : LMRecipe
    stage : int
        Stages above 1 start from the adapters of the stage before, in `out` or in `start`.
    data : Path
        A corpus with audio.
    encoder : Path
        Folder of a trained encoder.
    out : Path
        Gets a folder `stage-<n>` with adapters, metrics, checkpoint and what it was made from.
    cache : Path, optional
        Folder of the audio tokens; beside the corpus where left out.
    start : Path, optional
        Folder of an ST-AudioLM to start from instead.
    validation : str, optional
        Split for validation; `validation` where the corpus has one, else `test`.
    minutes : float, optional
        Stop cleanly after this time; the same call goes on later.
    checkpoint_minutes : float
        Time between checkpoints.
    precision : {"fp32", "bf16"}
        Of the arithmetic; what is trained is always in 32 bits.
    workers : int
        Processes that compute audio tokens.
    device : str, optional
        A torch device; CUDA where there is one, else the CPU.

    Raises
    ------
    UserError
        No such stage, a corpus without audio or questions, adapters of another model, or an
        `out` of another training.
    """
    settings = recipe.stage.get(str(stage))
    if settings is None:
        raise UserError(
            f"The recipe {recipe.name} has no stage {stage}: it has {', '.join(recipe.stage)}."
        )
    if start is None and stage > 1:
        start = out / f"stage-{stage - 1}"
        if not (start / "config.json").is_file():
            raise UserError(
                f"Stage {stage} starts from the adapters of stage {stage - 1}, and {start} has "
                f"none: train stage {stage - 1} to its end, or name others with --init."
            )
    corpus, folder = Corpus(data), out / f"stage-{stage}"
    validation = validation or ("validation" if "validation" in corpus.splits else "test")
    seed = derived_seed(recipe.seed, "lm-stage", stage)
    heard = load_encoder(encoder)
    interface = make_interface(heard.labels, recipe.interface, recipe.settings)
    pools = {
        "train": corpus.questions("train"),
        validation: _held_out(corpus, validation, settings, recipe.seed),
    }
    folder_of_tokens = cache or data.with_name(f"{data.name}.tokens")
    total = sum(entry.rows for entry in corpus.manifest.scenes if entry.split in pools)
    with tqdm(total=total, desc="audio tokens", unit=" scenes", disable=quiet) as bar:
        tokens = {
            split: build_tokens(
                corpus,
                split,
                asked,
                encoder,
                interface.describe(),
                folder_of_tokens,
                workers,
                lambda: bar.update(1),
            )
            for split, asked in pools.items()
        }
    torch.manual_seed(derived_seed(seed, "weights") % 2**63)
    base = load_base(recipe.base, device=device)
    model = STAudioLM(heard, interface, base, recipe.lora.settings())
    if start is not None:
        load_adapters(model, start)
    pool = choose_pool(pools["train"], settings.types, settings.most, recipe.seed)
    plan = PackPlan(pool, settings, interface, tokens["train"], seed)
    held_out = bundled(interface, pools[validation], tokens[validation], settings.pack)
    described = {
        "recipe": recipe.model_dump(mode="json"),
        "stage": stage,
        "corpus": file_sha256(data / MANIFEST),
        "validation": validation,
        "start": "random" if start is None else file_sha256(start / "adapters.safetensors"),
        "precision": precision,
        "model": model.describe(),
        "pool": {t: sum(q.type == t for q in pool) for t in settings.types},
    }
    text = json.dumps(described, indent=1, sort_keys=True)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "training.json").is_file():
        write_text(folder / "training.json", text + "\n")
    task = LMTask(
        model, plan, tokens["train"], held_out, tokens[validation], precision == "bf16"
    )
    result = make_steps(
        task,
        folder,
        seed=seed,
        about=hashlib.sha256(text.encode()).hexdigest(),
        limits=Limits(minutes, checkpoint_minutes),
        quiet=quiet,
    )
    if result.finished:
        save_lm(model, folder)
    return StageRun(folder, result.finished, result.step, plan.steps, result.metrics)


class LMTask:
    """A stage as the training loop wants it."""

    def __init__(
        self,
        model: STAudioLM,
        plan: PackPlan,
        tokens: TokenCache,
        held_out: Sequence[Bundle],
        held_out_tokens: TokenCache,
        bf16: bool,
    ) -> None:
        self._model, self._plan, self._bf16 = model, plan, bf16
        self._tokens, self._held_out, self._held_out_tokens = tokens, held_out, held_out_tokens
        self._stage = plan.stage
        self.steps, self.epoch_steps = plan.steps, plan.epoch_steps
        self.clip_norm = plan.stage.clip_norm
        self.kept: nn.Module = nn.ParameterList(model.adapters().values())
        self._asked = cache(self._tokenised)
        model.train()

    @property
    def lr(self) -> float:
        """See `LMStage`."""
        return self._stage.lr

    @property
    def min_lr(self) -> float:
        """See `LMStage`."""
        return self._stage.min_lr

    @property
    def warmup(self) -> float:
        """See `LMStage`."""
        return self._stage.warmup

    def optimiser(self) -> torch.optim.Optimizer:
        """AdamW; the connector and LoRA learn at rates of their own."""
        named = self._model.adapters()
        groups = [
            {
                "params": [p for name, p in named.items() if name.startswith(part)],
                "lr": rate,
            }
            for part, rate in (("connector.", self._stage.lr), ("lora.", self._stage.lora_lr))
        ]
        return torch.optim.AdamW(
            groups, betas=(0.9, 0.98), weight_decay=self._stage.weight_decay
        )

    def share(self, step: int) -> float:
        """A rise and half a cosine; see `learning_rate`."""
        return learning_rate(self, step) / self._stage.lr

    def terms(self, step: int) -> dict[str, Tensor]:
        """Minus the mean log-likelihood of the answers, each as a whole."""
        judged = self._forward(self._plan.step(step), self._tokens)
        return {"answers": -judged.per_answer.mean()}

    def counted(self, step: int) -> dict[str, float]:
        """Questions seen."""
        return {"questions": round(self._plan.questions_after(step), 1)}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """By type: loss, and the share of answers of which every token is the likeliest."""
        self._model.eval()
        losses: dict[str, list[float]] = defaultdict(list)
        exact: dict[str, list[float]] = defaultdict(list)
        for first in range(0, len(self._held_out), _AT_ONCE):
            some = self._held_out[first : first + _AT_ONCE]
            judged = self._forward(some, self._held_out_tokens)
            types = [q.type for bundle in some for q in bundle.questions]
            values = zip(types, judged.per_answer.tolist(), judged.exact.tolist(), strict=True)
            for type_, value, right in values:
                losses[type_].append(-value)
                exact[type_].append(float(right))
        self._model.train()
        found: dict[str, float] = {}
        for type_ in sorted(losses):
            found[f"{type_}/loss"] = sum(losses[type_]) / len(losses[type_])
            found[f"{type_}/exact"] = sum(exact[type_]) / len(exact[type_])
        return found

    def _forward(self, bundles: Sequence[Bundle], tokens: TokenCache) -> Judgement:
        model = self._model
        with torch.autocast(model.device.type, torch.bfloat16, enabled=self._bf16):
            prefixes = [
                model.prefix([tokens.piece(b.scene_id, name) for name in b.names])
                for b in bundles
            ]
            packs = [[self._asked(q.question, q.answer) for q in b.questions] for b in bundles]
            return model.judge(prefixes, packs)

    def _tokenised(self, question: str, answer: str) -> Asked:
        return self._model.asked(Inquiry(question, (answer,)))


def _held_out(corpus: Corpus, split: str, stage: LMStage, seed: int) -> list[Question]:
    """The same few questions of the stage's types each time."""
    some = [q for q in corpus.questions(split) if q.type in stage.types]
    return choose_pool(some, stage.types, stage.validation_questions, seed)
