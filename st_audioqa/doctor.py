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

__all__ = ["Finding", "cores", "examine", "free_memory_gb"]

_WORKER_GB = 1.0
"""That a worker needs at least; RLR in buildings takes several times it."""

_OPTIONAL = {
    "datasets": ("hub", "reading a corpus with load_dataset"),
    "huggingface_hub": ("hub", "publishing to the Hugging Face Hub"),
    "trimesh": ("meshes", "rooms from mesh files"),
    "embreex": ("meshes", "lines of sight through meshes"),
    "matplotlib": ("plots", "plots of `st-audioqa stats --plots`"),
    "netCDF4": ("binaural", "SOFA files of HRTFs"),
    "torch": ("models", "the neural reference models"),
    "distributed": ("dask", "making corpora on a Dask cluster"),
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
    n_cores = cores()
    free_gb = shutil.disk_usage(folder).free / 1e9
    memory_gb = free_memory_gb()
    findings = [
        Finding("st_audioqa", "ok", f"{version} on Python {platform.python_version()}"),
        Finding("cores", "ok", f"{n_cores} (`--workers {n_cores}` uses them all)"),
        Finding(
            "disk",
            "ok" if free_gb > 1.0 else "fail",
            f"{free_gb:.0f} GB free in {folder.resolve()} (a scene takes about 1 MB)",
        ),
        Finding(
            "memory",
            "ok" if memory_gb is None or memory_gb > _WORKER_GB else "fail",
            "not known on this system"
            if memory_gb is None
            else f"{memory_gb:.1f} GB free (a worker takes {_WORKER_GB:g} GB or more)",
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


def cores() -> int:
    """Cores that this process may use: of its affinity, and of the quota of its container."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _number("/sys/fs/cgroup/cpu.max", 0)
    period = _number("/sys/fs/cgroup/cpu.max", 1)
    if quota and period:
        found = min(found or 1, max(int(quota / period), 1))
    return found or 1


def free_memory_gb() -> float | None:
    """Memory that can still be had, in GB: of the machine, and of the container."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = dict(line.split(":", 1) for line in lines)["MemAvailable"]
        found.append(float(available.split()[0]) * 1024 / 1e9)
    except (OSError, KeyError, ValueError):
        pass
    most = _number("/sys/fs/cgroup/memory.max", 0)
    if most is not None:
        found.append((most - (_number("/sys/fs/cgroup/memory.current", 0) or 0)) / 1e9)
    return min(found, default=None)


def _number(path: str, field: int) -> float | None:
    """A number in a file of the kernel; None where there is none, or no limit ("max")."""
    try:
        return float(Path(path).read_text().split()[field])
    except (OSError, ValueError, IndexError):
        return None


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
