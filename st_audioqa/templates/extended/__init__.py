"""Answer rules of the extended families: each file here lists its own in `RULES`."""

from __future__ import annotations

import importlib
import pkgutil

from st_audioqa.templates.rules import Rule

__all__ = ["EXTENDED_RULES"]


def _found() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda each: each.name):
        for rule in importlib.import_module(f"{__name__}.{module.name}").RULES:
            rules[rule.__name__] = rule
    return rules


EXTENDED_RULES = _found()
