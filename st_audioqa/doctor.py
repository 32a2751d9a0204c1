"""What is installed, what works here, and the line that installs what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from st_audioqa.errors import UserError
from st_audioqa.renderers.engine import ENGINES

__all__ = ["Finding", "examine"]

_OPTIONAL = {
    "datasets": ("hub", "reading a corpus with load_dataset"),
    "huggingface_hub": ("hub", "publishing to the Hugging Face Hub"),
    "trimesh": ("meshes", "rooms from mesh files"),
    "embreex": ("meshes", "lines of sight through meshes"),
    "matplotlib": ("plots", "plots of `st-audioqa stats --plots`"),
    "netCDF4": ("binaural", "SOFA files of HRTFs"),
    "torch": ("models", "the neural reference models"),
}

_INSTALLED = {
    "habitat": (
        "built with audio ({version}); renders buildings of scene datasets, and probes its axes "
        "when it opens one: some versions misplace sources (docs/habitat.md)"
    ),
}
"""What is said of engines that only prove themselves at work."""


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    subject: str
    state: Literal["ok", "missing", "fail"]
    """"missing" is something optional; "fail" stands in the way of any work."""
    text: str


def examine(folder: Path) -> list[Finding]:
    """Examines this machine; `folder` is where corpora are to be written."""
    version = importlib.metadata.version("st_audioqa")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free_gb = shutil.disk_usage(folder).free / 1e9
    findings = [
        Finding("st_audioqa", "ok", f"{version} on Python {platform.python_version()}"),
        Finding("cores", "ok", f"{cores} (`--workers {cores}` uses them all)"),
        Finding(
            "disk",
            "ok" if free_gb > 1.0 else "fail",
            f"{free_gb:.0f} GB free in {folder.resolve()} (a scene takes about 1 MB)",
        ),
    ]
    findings += [_engine(name) for name in ENGINES.names()]
    for package, (extra, purpose) in _OPTIONAL.items():
        if importlib.util.find_spec(package) is None:
            text = f"not installed; for {purpose}: pip install 'st_audioqa[{extra}]'"
            findings.append(Finding(package, "missing", text))
        else:
            text = f"{importlib.metadata.version(package)}, for {purpose}"
            findings.append(Finding(package, "ok", text))
    findings.append(_ffmpeg())
    return findings


def _ffmpeg() -> Finding:
    purpose = "for clips that libsndfile cannot read, such as M4A"
    program = shutil.which("ffmpeg")
    if program is None:
        return Finding("ffmpeg", "missing", f"not installed; {purpose}: ffmpeg.org")
    return Finding("ffmpeg", "ok", f"{program}, {purpose}")


def _engine(name: str) -> Finding:
    subject = f"engine {name}"
    try:
        engine = ENGINES.get(name)(preset="default")
    except UserError as error:
        state: Literal["missing", "fail"] = "fail" if name == "image-source" else "missing"
        return Finding(subject, state, str(error))
    shapes = "any closed room" if "mesh" in engine.shapes else "empty shoebox rooms"
    text = _INSTALLED.get(name, f"works ({engine.version}); renders {shapes}")
    return Finding(subject, "ok", text.format(version=engine.version))
