"""Where the commands write."""

from __future__ import annotations

from rich.console import Console

__all__ = ["make_console"]

_PLAIN_WIDTH = 160


def make_console() -> Console:
    """Return a console on the terminal, or a wide one where the output goes to a file."""
    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)
