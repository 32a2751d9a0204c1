"""Tasks that do what workers may suffer; a file of its own, as child processes import it."""

import os
import signal
import time
from pathlib import Path

from st_audioqa.errors import UserError


def once(path):
    """Whether this is the first call for that path."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def act(task, tick):
    """What the first word of a task says, at its first attempt or ("!") at every one."""
    kind, folder, name = task
    tick()
    if kind.endswith("!") or once(Path(folder, f"{name}.tried")):
        match kind.rstrip("!"):
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(1000)
            case "memory":
                raise MemoryError
            case "bug":
                raise ZeroDivisionError("of ours")
            case "mistake":
                raise UserError(f"{name} is wrong.")
            case "disk":
                raise OSError(28, "No space left on device", name)
    Path(folder, f"{name}.done").touch(exist_ok=False)
    return name.upper()
