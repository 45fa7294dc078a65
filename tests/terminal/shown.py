"""What a console shows, as text."""

from __future__ import annotations

import io

from rich.console import Console


def shown(content: object, *, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(content)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
