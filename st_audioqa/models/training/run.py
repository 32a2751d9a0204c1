"""One stage of a training, from the corpus to weights."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from st_audioqa.corpus.manifest import MANIFEST
from st_audioqa.corpus.reader import Corpus
from st_audioqa.errors import UserError
from st_audioqa.files import file_sha256, whole, write_text
from st_audioqa.models.encoders import ENCODERS, SpatialEncoder
from st_audioqa.models.storage import load_encoder, save_encoder
from st_audioqa.models.training.batches import BatchPlan
from st_audioqa.models.training.cache import build_cache
from st_audioqa.models.training.clips import Clips, label_vocabulary
from st_audioqa.models.training.loop import Limits, train
from st_audioqa.models.training.recipe import TrainingRecipe
from st_audioqa.models.training.validation import semantic_logits
from st_audioqa.seeding import derived_seed

__all__ = ["StageRun", "train_encoder"]

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class StageRun:
    """What became of a stage."""

    folder: Path
    finished: bool
    steps: int
    total_steps: int
    metrics: dict[str, float]


def train_encoder(
    recipe: TrainingRecipe,
    stage: int,
    data: Path,
    out: Path,
    *,
    cache: Path | None = None,
    start: Path | None = None,
    validation: str | None = None,
    minutes: float | None = None,
    checkpoint_minutes: float = 5.0,
    precision: Precision = "fp32",
    workers: int = 1,
    device: str | None = None,
    quiet: bool = False,
) -> StageRun:
    """Trains one stage of a recipe, or goes on with it where it was stopped.

    Parameters
    ----------
    recipe : TrainingRecipe
    stage : int
        Stages above 1 start from the weights of the stage before, in `out` or in `start`.
    data : Path
        A corpus with audio.
    out : Path
        Gets a folder `stage-<n>` with weights, metrics, checkpoint and what it was made from.
    cache : Path, optional
        Folder of the feature cache; beside the corpus where left out.
    start : Path, optional
        Folder of an encoder to start from instead.
    validation : str, optional
        Split for validation; `val` where the corpus has one, else `test`.
    minutes : float, optional
        Stop cleanly after this time; the same call goes on later.
    checkpoint_minutes : float
        Time between checkpoints.
    precision : {"fp32", "bf16"}
        Of the arithmetic; weights and optimiser are always in 32 bits.
    workers : int
        Processes that compute features.
    device : str, optional
        A torch device; CUDA where there is one, else the CPU.

    Raises
    ------
    UserError
        No such stage, a corpus without audio or without the configurations wanted, weights of
        another encoder, or an `out` of another training.
    """
    settings = recipe.stage.get(str(stage))
    if settings is None:
        raise UserError(
            f"The recipe {recipe.name} has no stage {stage}: it has {', '.join(recipe.stage)}."
        )
    corpus = Corpus(data)
    validation = validation or ("validation" if "validation" in corpus.splits else "test")
    folder = out / f"stage-{stage}"
    with _processes() as (rank, world):
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        seed = derived_seed(recipe.seed, "stage", stage)
        torch.manual_seed(derived_seed(seed, "weights") % 2**63)
        encoder, origin = _starting(recipe, stage, corpus, out, start)
        cache = cache or data.with_name(f"{data.name}.features")
        _features(corpus, ["train", validation], encoder, cache, workers, quiet or rank > 0)
        if world > 1:
            torch.distributed.barrier()
        clips = Clips(corpus, "train", encoder.labels, encoder.frontend, cache)
        missing = set(settings.shares) - set(clips.configuration)
        if missing == set(settings.shares):
            raise UserError(
                f"{data} has no scenes of the configurations {', '.join(sorted(missing))}, "
                "which this stage learns from."
            )
        held_out = Clips(corpus, validation, encoder.labels, encoder.frontend, cache)
        described = {
            "recipe": recipe.model_dump(mode="json"),
            "stage": stage,
            "corpus": file_sha256(data / MANIFEST),
            "validation": validation,
            "start": origin,
            "precision": precision,
            "processes": world,
            "encoder": encoder.config_dict(),
        }
        text = json.dumps(described, indent=1, sort_keys=True)
        if rank == 0:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / "training.json").is_file():
                write_text(folder / "training.json", text + "\n")
        teacher = None
        if settings.weights.get("distil"):
            teacher = _teacher(encoder, clips, folder / "teacher.npy", origin, rank, world)
        encoder.to(where)
        result = train(
            encoder,
            BatchPlan(clips, settings, seed, teacher),
            held_out,
            folder,
            about=hashlib.sha256(text.encode()).hexdigest(),
            limits=Limits(minutes, checkpoint_minutes),
            bf16=precision == "bf16",
            rank=rank,
            world=world,
            quiet=quiet,
        )
        encoder.trained_stage = stage
        if rank == 0 and result.finished:
            save_encoder(encoder, folder)
    return StageRun(folder, result.finished, result.step, settings.steps, result.metrics)


def _starting(
    recipe: TrainingRecipe, stage: int, corpus: Corpus, out: Path, start: Path | None
) -> tuple[SpatialEncoder, str]:
    """The encoder a stage starts with, and where its weights come from."""
    if start is None and stage > 1:
        start = out / f"stage-{stage - 1}"
        if not (start / "model.safetensors").is_file():
            raise UserError(
                f"Stage {stage} starts from the weights of stage {stage - 1}, and {start} has "
                f"none: train stage {stage - 1} to its end, or name other weights with --init."
            )
    if start is not None:
        encoder = load_encoder(start)
        if encoder.kind != recipe.encoder:
            raise UserError(
                f"{start} holds the encoder {encoder.kind!r}, the recipe wants "
                f"{recipe.encoder!r}."
            )
        encoder.train()
        return encoder, file_sha256(start / "model.safetensors")
    kind = ENCODERS.get(recipe.encoder)
    config = dict(kind.preset_config(recipe.preset))
    for name, value in recipe.settings.items():
        inner = config.get(name)
        config[name] = {**inner, **value} if isinstance(inner, dict) else value
    config["labels"] = label_vocabulary(corpus)
    encoder = kind.from_config(config)
    return encoder, "random"


def _features(
    corpus: Corpus,
    splits: list[str],
    encoder: SpatialEncoder,
    cache: Path,
    workers: int,
    quiet: bool,
) -> None:
    total = sum(entry.rows for entry in corpus.manifest.scenes if entry.split in splits)
    with tqdm(total=total, desc="features", unit=" scenes", disable=quiet) as bar:
        build_cache(corpus, splits, encoder.frontend, cache, workers, lambda: bar.update(1))


def _teacher(
    encoder: SpatialEncoder, clips: Clips, path: Path, origin: str, rank: int, world: int
) -> NDArray[np.float32]:
    """Semantic logits of the encoder a stage starts with, kept on disk for when it goes on."""
    path = path.with_name(f"teacher-{origin[:16]}.npy")
    if rank == 0 and not path.is_file():
        logits = semantic_logits(encoder, clips).astype(np.float16)
        with whole(path) as partial, partial.open("wb") as file:
            np.save(file, logits)
    if world > 1:
        torch.distributed.barrier()
    return np.load(path).astype(np.float32)


@contextmanager
def _processes() -> Iterator[tuple[int, int]]:
    """Rank and number of the processes that `torchrun` started; 0 and 1 without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield 0, 1
        return
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    try:
        yield torch.distributed.get_rank(), world
    finally:
        torch.distributed.destroy_process_group()
