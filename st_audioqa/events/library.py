"""Where sound events come from.

A library draws events and turns an event into its waveform again. To add one, see
`st_audioqa.events.libraries`.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from st_audioqa.errors import RejectedDraw, UserError, unknown_name
from st_audioqa.events.labels import confusable
from st_audioqa.events.labels import label as find_label
from st_audioqa.registry import Registry
from st_audioqa.scene import Event

__all__ = ["LIBRARIES", "EventLibrary", "draw_label", "draw_level", "open_library"]

LIBRARIES = Registry(
    "event library", "st_audioqa.events.libraries", "Library", "st_audioqa.events"
)


class EventLibrary(Protocol):
    """A source of events of `DURATION_S` at `SAMPLE_RATE`.

    An implementation is built as `Library(path=None, level_dbfs=-35.0, level_spread_db=3.0,
    **options)` and raises `UserError` or `pydantic.ValidationError` at options it does not take.
    Options called `path` and `index` say where files lie on this machine and are not published.
    No recording belongs to more than one split.
    """

    name: str
    version: str
    details: Mapping[str, str]
    """What the manifest says of the library beside name and version, such as a digest of its
    clips and how many could not be used."""

    def labels(self, split: str) -> list[str]:
        """Display names of the labels that name a source in that split, sorted."""

    def draw(
        self,
        rng: np.random.Generator,
        split: str,
        label: str | None = None,
        avoid: Collection[str] = (),
    ) -> Event:
        """Draw an event.

        Parameters
        ----------
        rng : numpy.random.Generator
            The only source of randomness.
        split : str
        label : str, optional
            Display name of the label the event is to have; any label if left out.
        avoid : collection of str
            Display names; none of the event's labels is confusable with any of them.

        Raises
        ------
        RejectedDraw
            "no_event" where no label of the split will do; libraries of recordings may add
            reasons of their own.
        UserError
            If `label` is neither an AudioSet label nor one of the library's own.
        """

    def waveform(self, event: Event) -> NDArray[np.float32]:
        """The sound of an event, mono at `SAMPLE_RATE`, from the event's fields alone.

        Returns
        -------
        ndarray [shape=(SCENE_SAMPLES,)]
            Its active level is `event.level_dbfs`. It is not clipped: short impulses at that
            level may have peaks beyond 1.
        """


def open_library(
    name: str,
    path: str | None,
    options: Mapping[str, Any],
    *,
    level_dbfs: float,
    level_spread_db: float,
    where: str = "events",
) -> EventLibrary:
    """An event library by its name.

    Parameters
    ----------
    name : str
    path : str or None
        Its folder.
    options : mapping
        Of the library, as the recipe has them.
    level_dbfs, level_spread_db : float
        See `EventLibrary`.
    where : str
        What messages call the section of the recipe that all this stands in.

    Raises
    ------
    UserError
        There is no such library, or it does not take what it is given.
    """
    factory, what = LIBRARIES.get(name), f"event library {name!r}"
    given = {"path": path, "level_dbfs": level_dbfs, "level_spread_db": level_spread_db}
    for option in options:
        if option in given:
            raise UserError(
                f"The {what} does not take {where}.options.{option}: it stands beside the "
                f"options of a recipe ([events] {option} = ...)."
            )
    takes = getattr(factory, "takes", None)
    fields: Collection[str] = () if takes is None else takes.model_fields
    for option in options:
        if fields and option not in fields:
            known = set(fields) - set(given)
            raise unknown_name(f"option of the {what} ({where}.options)", option, known)
    try:
        inspect.signature(factory).bind(**given, **options)
    except TypeError as error:
        raise UserError(f"The {what} does not take these {where}.options: {error}.") from error
    try:
        made: EventLibrary = factory(**given, **options)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}, got {each['input']!r}"
            for each in error.errors()
        )
        raise UserError(f"The {what} has impossible {where}.options: {faults}.") from error
    return made


def draw_label(
    rng: np.random.Generator,
    labels: Iterable[str],
    label: str | None,
    avoid: Collection[str],
) -> str:
    """Draw uniformly among the labels a draw may have (see `EventLibrary.draw`).

    Raises
    ------
    RejectedDraw
        "no_event" where there is none.
    UserError
        If `label` is neither an AudioSet label nor in `labels`.
    """
    labels = list(labels)
    wanted = label if label is None or label in labels else find_label(label).name
    allowed = [
        name
        for name in labels
        if wanted in (None, name) and not any(confusable(name, other) for other in avoid)
    ]
    if not allowed:
        raise RejectedDraw(
            "no_event", f"no label fits {label or 'any label'} while avoiding {sorted(avoid)}"
        )
    return allowed[int(rng.integers(len(allowed)))]


def draw_level(rng: np.random.Generator, level_dbfs: float, level_spread_db: float) -> float:
    """Draw a level uniformly in `level_dbfs` +- `level_spread_db`."""
    return float(rng.uniform(level_dbfs - level_spread_db, level_dbfs + level_spread_db))
