"""What `train` shows while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

__all__ = ["LaunchTraining", "training_progress"]

_PLAIN_LINES = 20


@contextmanager
def training_progress(console: Console, *, title: str = "training") -> Iterator[LaunchTraining]:
    """Show a training, or what else goes on in steps: `progress(done, total, text)`."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        yield LaunchTraining(bar, title=title)


class LaunchTraining:
    """Moves the bar of a training; elsewhere than in a terminal, prints a line now and then."""

    def __init__(self, bar: Progress, *, title: str = "training") -> None:
        self._bar = bar
        self._task = bar.add_task(title, total=None)
        self._printed = 0

    def __call__(self, done: int, total: int, text: str) -> None:
        """Show that `done` of `total` steps are made."""
        self._bar.update(self._task, completed=done, total=total, description=text)
        if not self._bar.console.is_terminal and done * _PLAIN_LINES >= (self._printed + 1) * total:
            self._printed = done * _PLAIN_LINES // total
            self._bar.console.print(f"{done / total:.0%} {text}", highlight=False)
