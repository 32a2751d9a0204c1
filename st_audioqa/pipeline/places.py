"""Where the files of a recipe lie on this machine, said beside the recipe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from st_audioqa.errors import UserError
from st_audioqa.events.library import LIBRARIES
from st_audioqa.recipes.recipe import Recipe

__all__ = ["with_places"]


def with_places(
    recipe: Recipe, events: Sequence[str] = (), rooms: str | Path | None = None
) -> Recipe:
    """A recipe with the folders of its sounds and rooms set.

    Parameters
    ----------
    recipe : Recipe
    events : sequence of str
        Folders of the event library: one, which replaces `events.path`. A mix gives one folder
        to the one part that waits for it; "PART=FOLDER" names the part, and may be said for
        several.
    rooms : str or Path, optional
        Replaces `rooms.options.path`.

    Raises
    ------
    UserError
        There is no place in the recipe that a folder could be meant for, or several.
    """
    if rooms is not None:
        options = {**recipe.rooms.options, "path": os.path.abspath(rooms)}
        changed = recipe.rooms.model_copy(update={"options": options})
        recipe = recipe.model_copy(update={"rooms": changed})
    for given in events:
        recipe = recipe.model_copy(update={"events": _with_folder(recipe.events, given)})
    return recipe


def _with_folder(events: Any, given: str) -> Any:
    if events.library != "mix":
        return events.model_copy(update={"path": os.path.abspath(given)})
    parts = events.options.get("parts")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return events  # the library says what is wrong with it
    called = [part.get("name") or part.get("library") for part in parts]
    before, equals, folder = given.partition("=")
    if equals and before in called:
        which = called.index(before)
    else:
        folder = given
        waiting = [i for i, part in enumerate(parts) if "path" not in part and _needs(part)]
        if len(waiting) != 1:
            names = ", ".join(str(called[i]) for i in waiting) or "none"
            raise UserError(
                f"--events {given} must be meant for one part of the mix, and {names} of "
                f"{', '.join(map(str, called))} waits for a folder: say --events PART=FOLDER."
            )
        which = waiting[0]
    changed = [dict(part) for part in parts]
    changed[which]["path"] = os.path.abspath(folder)
    return events.model_copy(update={"options": {**events.options, "parts": changed}})


def _needs(part: dict[str, Any]) -> bool:
    return bool(getattr(LIBRARIES.get(str(part.get("library"))), "needs_path", False))
