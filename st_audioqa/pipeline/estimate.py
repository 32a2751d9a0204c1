"""Whether a recipe can be carried out on this machine, and how long it takes: `doctor RECIPE`."""

from __future__ import annotations

import shutil
from pathlib import Path

from st_audioqa.corpus.card import ENGINE_LICENCES
from st_audioqa.doctor import Finding, cores, free_memory_gb
from st_audioqa.errors import UserError
from st_audioqa.pipeline.predict import predict
from st_audioqa.pipeline.tools import open_tools, resolve
from st_audioqa.recipes import Recipe

__all__ = ["estimate"]

_SAMPLE = 40
"""Scenes of each split that are drawn: enough for time and size, not for counts of questions."""
_SPARE = 1.1
"""Room that is wanted beyond the estimate."""
_MATTERPORT = (
    "Matterport3D is licensed by its owners (academic research, by a signed form): have their "
    "permission before you use the scans or pass on audio rendered in them (docs/matterport3d.md)."
)


def estimate(recipe: Recipe, folder: Path, *, with_audio: bool) -> list[Finding]:
    """Findings on a recipe: licences, hours, disk and memory, measured on some of its scenes."""
    subject = f"recipe {recipe.name}"
    try:
        resolved, sentence = resolve(recipe)
        found = predict(open_tools(resolved), sample=_SAMPLE, with_audio=with_audio)
    except UserError as error:
        return [Finding(subject, "fail", str(error))]
    findings = [Finding(subject, "ok", sentence)] if sentence else []
    findings += [Finding("licence", "ok", text) for text in _licences(resolved)]
    n_cores = cores()
    findings.append(
        Finding(
            "hours",
            "ok",
            f"about {found.hours(n_cores):.1f} with {n_cores} workers, {found.hours(1):.1f} with "
            f"one ({found.n_scenes} scenes at {found.scene_s:.2f} s, measured on "
            f"{found.timed or 'the drawing of some'} of them)",
        )
    )
    free_gb = shutil.disk_usage(folder).free / 1e9
    fits = found.gigabytes * _SPARE < free_gb
    findings.append(
        Finding(
            "size",
            "ok" if fits else "fail",
            f"about {found.gigabytes:.2f} GB, and {free_gb:.1f} GB are free in "
            f"{folder.resolve()}" + ("" if fits else ": choose another folder (--out)"),
        )
    )
    shard = recipe.corpus.scenes_per_shard
    # A shard is held as rows and again as the table that is written.
    worker_gb = found.peak_mb / 1e3 + 2 * shard * found.scene_bytes / 1e9
    memory_gb = free_memory_gb()
    if memory_gb is not None:
        most = max(int(memory_gb / worker_gb), 0)
        advice = f": take --workers {max(most, 1)}" if most < n_cores else ""
        findings.append(
            Finding(
                "memory of workers",
                "ok" if most else "fail",
                f"about {worker_gb:.1f} GB each beside the engine's, {memory_gb:.1f} GB are "
                f"free{advice}",
            )
        )
    return findings


def _licences(recipe: Recipe) -> list[str]:
    """What is accepted by carrying out the recipe; nobody can see here whether it was."""
    texts = [ENGINE_LICENCES.get(recipe.renderer.engine, "")]
    if recipe.rooms.provider == "matterport3d":
        texts.append(_MATTERPORT)
    return [text for text in texts if text]
