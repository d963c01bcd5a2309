"""Errors that the command line prints without a traceback."""

from __future__ import annotations

import difflib


class UserError(ValueError):
    """Bad input or settings. The message says what is wrong, what was received, what is allowed, and what to do."""


class ModelUnavailable(UserError):
    """A pretrained model is not on this machine. The message says which, and the command that gets it."""


def did_you_mean(wrong: str, allowed: list[str]) -> str:
    """A sentence with the closest allowed name, and the list of all allowed names."""
    near = difflib.get_close_matches(wrong, allowed, n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"{guess} Available: {', '.join(allowed) or 'none'}."
