"""What is printed: lines that hold no markup."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from vcbench.base.escape import terminal


def say(console: Console, *parts: str | tuple[str, str]) -> None:
    """Print a line as it is: nothing in it is markup. A part that has a style is a pair of text and style."""
    console.print(Text.assemble(*(terminal(part) if isinstance(part, str) else terminal(*part) for part in parts)))


def print_missing(missing: dict[str, str], console: Console) -> None:
    """Say which metrics are left out, and why."""
    for metric, reason in missing.items():
        say(console, (f"{metric} is left out:", "yellow"), f" {reason}")
