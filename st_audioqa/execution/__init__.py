"""Where work runs; the work itself is the same everywhere.

A back-end takes a function and its tasks and yields an `Outcome` for each, in the order they are
finished: `Inline` in this process, `Processes` in several that are watched over, `Dask` on a
cluster. `array` writes the job scripts for clusters that give out one task by its index.
"""

from st_audioqa.execution.backend import Backend, Outcome, results, run_tasks
from st_audioqa.execution.dask import Dask
from st_audioqa.execution.inline import Inline
from st_audioqa.execution.processes import Processes

__all__ = ["Backend", "Dask", "Inline", "Outcome", "Processes", "results", "run_tasks"]
