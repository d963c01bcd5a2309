"""What became of reading something damaged: it was read, or a user's error says what is wrong; anything else fails the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vcbench.base.errors import UserError


def refusal(read: Callable[..., Any], *arguments: Any) -> UserError | None:
    """The error with which `read` refused its arguments; None if it took them."""
    try:
        read(*arguments)
    except UserError as error:
        return error
    return None
