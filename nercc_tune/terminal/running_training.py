"""The training that a launch is at: a bar with the time that is left, or a line now and then."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from nercc_tune.text.seconds import describe_seconds

__all__ = ["RunningTraining"]

_LINES = 5


class RunningTraining:
    """What is known of the training that runs; calling it with steps and a text brings it up to date.

    Args:
        clock: Seconds, from any point on.
        say: Prints a line, some times in each training; None where the bar is drawn instead.
    """

    def __init__(self, clock: Callable[[], float], *, say: Callable[[str], None] | None) -> None:
        self._clock = clock
        self._say = say
        self.end()

    def end(self) -> None:
        """Forget the training: it is over, or another stage has begun."""
        self._done, self._total, self._text = 0, 0, ""
        self._first, self._began, self._said = 0, 0.0, 0

    @property
    def is_running(self) -> bool:
        """Whether there is one."""
        return 0 < self._done < self._total

    @property
    def seconds_left(self) -> float | None:
        """What is left at the pace so far; None before there is one."""
        made = self._done - self._first
        return (self._clock() - self._began) / made * (self._total - self._done) if made > 0 else None

    def __call__(self, done: int, total: int, text: str) -> None:
        """Take note that `done` of `total` steps are made; fewer than before means that another training began."""
        if done < self._done or total != self._total:
            self._first, self._began, self._said = done, self._clock(), done * _LINES // total
        self._done, self._total, self._text = done, total, text
        if self._say is not None and done * _LINES // total > self._said:
            self._said = done * _LINES // total
            self._say(f"training: {text}{self._time_left()}")

    def draw(self, width: int) -> RenderableType:
        """Return the bar."""
        row = Table.grid(padding=(0, 2))
        row.add_row(" ", ProgressBar(total=self._total, completed=self._done, width=width), self._text)
        row.add_row("", "", self._time_left().removeprefix(", "))
        return row

    def _time_left(self) -> str:
        left = self.seconds_left
        return "" if left is None else f", about {describe_seconds(left)} left"
