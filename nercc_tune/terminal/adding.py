"""The bar of `sync`, which may add thousands of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["adding_progress"]


@contextmanager
def adding_progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a bar inside the block, where the output is a terminal.

    Yields:
        What to call with the number of runs that were added, and that of all that are missing.
    """
    columns = (TextColumn("adding runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda done, of: bar.update(task, completed=done, total=of, visible=True)
