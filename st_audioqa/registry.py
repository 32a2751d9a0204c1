"""What can be chosen by name: one file per thing, other packages by entry point.

A file `image_source.py` in the folder of its kind is the thing named `image-source`. Nothing is
imported before it is asked for, so an optional dependency is needed only where it is used.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from dataclasses import dataclass
from typing import Any

from st_audioqa.errors import UserError, unknown_name

__all__ = ["Registry"]


@dataclass(frozen=True)
class Registry:
    """The things of one kind.

    Parameters
    ----------
    kind : str
        What a thing is called in messages, such as "RIR engine".
    package : str
        Dotted name of the folder whose modules are the built-in things.
    attribute : str
        The name that each of those modules defines.
    group : str
        Entry-point group through which other packages add things.
    """

    kind: str
    package: str
    attribute: str
    group: str

    def names(self) -> list[str]:
        """Names of everything that can be asked for."""
        folder = importlib.import_module(self.package)
        built_in = {
            module.name.replace("_", "-")
            for module in pkgutil.iter_modules(folder.__path__)
            if not module.name.startswith("_")
        }
        return sorted(built_in | {point.name for point in self._entry_points()})

    def get(self, name: str) -> Any:
        """The thing of that name; near names are suggested where there is none."""
        for point in self._entry_points():
            if point.name == name:
                return point.load()
        if name not in self.names():
            raise unknown_name(self.kind, name, self.names())
        module = importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
        thing = getattr(module, self.attribute, None)
        if thing is None:
            raise UserError(
                f"The {self.kind} file {module.__name__} defines no {self.attribute}: add it."
            )
        return thing

    def _entry_points(self) -> importlib.metadata.EntryPoints:
        return importlib.metadata.entry_points(group=self.group)
