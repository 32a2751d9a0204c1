"""How a question is put to a model: presets of wording, each with a hash.

A preset is two templates, for questions with options and for lists of events; ``{question}`` and
``{options}`` stand for what is asked. The hash of the preset goes into the header of the
predictions and into the result, since the same model scores differently with another prompt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from st_audioqa.errors import UserError

__all__ = ["PRESETS", "PromptPreset", "prompt_preset"]


@dataclass(frozen=True)
class PromptPreset:
    """One way of asking."""

    name: str
    closed: str
    """For questions with options."""
    open: str
    """For lists of sound events."""

    def render(self, question: str, options: tuple[str, ...]) -> str:
        """What the model is told.

        Examples
        --------
        >>> PRESETS["options"].render("Is it moving?", ("yes", "no"))
        'Is it moving?\\nOptions: yes; no\\nAnswer with one of the options and nothing else.'
        """
        template = self.closed if options else self.open
        listed = template.replace("{options}", "; ".join(options))
        return listed.replace("{question}", question)

    @property
    def sha256(self) -> str:
        """Hash of the templates: the same for the same wording, whatever its name."""
        return hashlib.sha256(json.dumps([self.closed, self.open]).encode()).hexdigest()

    def describe(self) -> dict[str, str]:
        """Name and hash, for headers and results."""
        return {"name": self.name, "sha256": self.sha256}


_LIST = "Answer with the names of the sound events, separated by semicolons, and nothing else."
_THINK = "Think step by step first."
_CLOSED = "{question}\nOptions: {options}\n"

PRESETS: Mapping[str, PromptPreset] = {
    preset.name: preset
    for preset in (
        PromptPreset("bare", "{question}", "{question}"),
        PromptPreset(
            "options",
            f"{_CLOSED}Answer with one of the options and nothing else.",
            f"{{question}}\n{_LIST}",
        ),
        PromptPreset(
            "reasoning",
            f'{_CLOSED}{_THINK} Then end with a line "Answer: " and one of the options.',
            f'{{question}}\n{_THINK} Then end with a line "Answer: " and the names of the sound '
            "events, separated by semicolons.",
        ),
    )
}
"""bare: the question alone. options: with its options, and to answer with one of them. reasoning:
as options, with room to think."""


def prompt_preset(name: str) -> PromptPreset:
    """The preset of that name.

    Raises
    ------
    UserError
        Where there is none.
    """
    if name not in PRESETS:
        known = ", ".join(PRESETS)
        raise UserError(
            f"A prompt preset is one of {known}, got {name!r}: choose one of these."
        )
    return PRESETS[name]
