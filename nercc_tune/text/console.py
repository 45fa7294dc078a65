"""Where the commands write."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text
from typing_extensions import override

from nercc_tune.text.readable import write_plainly

__all__ = ["make_console"]

_PLAIN_WIDTH = 160


class _ReadableConsole(Console):
    """A console that writes in the letters its terminal has before it measures, so that columns stay aligned."""

    @override
    def render_str(self, text: str, *args: Any, **options: Any) -> Text:
        is_plain = not self.encoding.startswith("utf")
        return super().render_str(write_plainly(text, self.encoding) if is_plain else text, *args, **options)


def make_console(*, stderr: bool = False) -> Console:
    """Return a console on the terminal, or a wide one where the output goes to a file.

    Args:
        stderr: For what is no result.
    """
    console = _ReadableConsole(stderr=stderr)
    return console if console.is_terminal else _ReadableConsole(stderr=stderr, width=_PLAIN_WIDTH)
