"""Errors that a user can cause and mend.

Every message is one sentence that says what was wanted, what was got and what to do. The
command line prints it without a traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["MissingPackageError", "RejectedDraw", "UserError", "unknown_name"]


class UserError(Exception):
    """A mistake of use or of input data, told in one sentence."""


class MissingPackageError(UserError):
    """An optional package is not installed; the message holds the pip line."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the optional package {package}, which is not installed here: "
            f"pip install 'st_audioqa[{extra}]'."
        )
        self._arguments = (package, extra, purpose)

    def __reduce__(self) -> tuple[type[MissingPackageError], tuple[str, str, str]]:
        return type(self), self._arguments


class RejectedDraw(Exception):
    """A drawn scene does not pass a check; it is counted under `reason` and drawn again."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[RejectedDraw], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist, with near names suggested."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {shown}."
    return UserError(f"There is no {kind} named {name!r}: {hint}")
