"""Job scripts for clusters that start one task per index: Slurm arrays, Kubernetes Indexed Jobs.

Each task makes a stretch of shards by `st-audioqa generate-shard DIR`, which reads its index from
the environment. Tasks know nothing of each other; whatever is killed is queued again and goes on.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

from st_audioqa.errors import UserError

__all__ = ["INDEX_VARIABLES", "ArrayJob", "kubernetes_manifest", "slurm_script"]

INDEX_VARIABLES = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX")
"""Where Slurm and Kubernetes tell a task its index."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?")


@dataclass(frozen=True)
class ArrayJob:
    """What is to be run.

    Parameters
    ----------
    folder : str
        Of the corpus, as the machines of the cluster see it.
    shards : int
    per_task : int
        Shards that one task makes, one after the other.
    at_once : int
        Tasks at the same time, at most.
    memory_gb, hours : float
        Of one task.
    name : str
        Of the job: letters, digits and hyphens.
    """

    folder: str
    shards: int
    per_task: int = 1
    at_once: int = 100
    memory_gb: float = 8.0
    hours: float = 4.0
    name: str = "st-audioqa"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(
                f"A job is named with letters a-z, digits and hyphens, at most 52, got "
                f"{self.name!r}."
            )
        if "\n" in self.folder:
            raise UserError("The folder of a job cannot have a line break in its name.")

    @property
    def tasks(self) -> int:
        """Tasks that make all shards."""
        return -(-self.shards // self.per_task)

    @property
    def command(self) -> list[str]:
        """What each task runs."""
        return ["st-audioqa", "generate-shard", self.folder, "--count", str(self.per_task)]


def slurm_script(job: ArrayJob, setup: str = "") -> str:
    """A script for `sbatch`.

    Parameters
    ----------
    job : ArrayJob
    setup : str
        A line to be run first, such as `source ~/venv/bin/activate`.
    """
    minutes = max(round(job.hours * 60), 1)
    return f"""#!/bin/bash
#SBATCH --job-name={job.name}
#SBATCH --array=0-{job.tasks - 1}%{job.at_once}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem={round(job.memory_gb * 1024)}M
#SBATCH --time={minutes}
#SBATCH --requeue
#SBATCH --open-mode=append
# sbatch this file; when all tasks are done: st-audioqa questions {shlex.quote(job.folder)}
# Clusters limit an array's length (MaxArraySize): raise --per-task if sbatch says so.
set -euo pipefail
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
{setup}
exec {shlex.join(job.command)}
"""


def kubernetes_manifest(job: ArrayJob, image: str, claim: str) -> str:
    """A manifest of an Indexed Job (Kubernetes 1.33 or later) for `kubectl apply`.

    Parameters
    ----------
    job : ArrayJob
    image : str
        Container image with st_audioqa.
    claim : str
        Persistent volume claim (ReadWriteMany) that holds the folder; mounted at the folder.
    """
    # JSON strings are YAML strings, whatever they hold.
    quoted = json.dumps
    return f"""# kubectl apply -f this file; when the job is complete: st-audioqa questions DIR
apiVersion: batch/v1
kind: Job
metadata:
  name: {quoted(job.name)}
spec:
  completionMode: Indexed
  completions: {job.tasks}
  parallelism: {min(job.at_once, job.tasks)}
  backoffLimitPerIndex: 3
  maxFailedIndexes: {job.tasks}
  podFailurePolicy:
    rules:
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: shards
          image: {quoted(image)}
          command: {quoted(job.command)}
          env:
            - {{name: OMP_NUM_THREADS, value: "1"}}
            - {{name: OPENBLAS_NUM_THREADS, value: "1"}}
            - {{name: MKL_NUM_THREADS, value: "1"}}
          resources:
            requests: {{cpu: "1", memory: {quoted(f"{round(job.memory_gb * 1024)}Mi")}}}
            limits: {{memory: {quoted(f"{round(job.memory_gb * 1024)}Mi")}}}
          volumeMounts:
            - {{name: corpus, mountPath: {quoted(job.folder)}}}
      volumes:
        - name: corpus
          persistentVolumeClaim: {{claimName: {quoted(claim)}}}
"""
