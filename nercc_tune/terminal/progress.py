"""What a launch shows while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from nercc_tune.launch.events import LaunchEvents, WorkerEvents
from nercc_tune.records import TrialRecord
from nercc_tune.spec import StudySpec
from nercc_tune.terminal.figures import show_smoothing
from nercc_tune.terminal.running_training import RunningTraining
from nercc_tune.terminal.standing import Standing
from nercc_tune.text.seconds import describe_seconds

__all__ = ["LaunchProgress"]

_PLAIN_EVERY = 10
_MOST_CELLS = 8
_BAR_WIDTH = 30
_REDRAWN_PER_SECOND = 4


class LaunchProgress:
    """Shows a launch: a live display in a terminal, a line every few proposals elsewhere.

    Args:
        console: Where to show it.
        spec: The study.
        clock: Seconds, from any point on.
    """

    def __init__(self, console: Console, spec: StudySpec, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._is_live = console.is_terminal and not console.is_dumb_terminal
        self._standing = Standing(spec, clock)
        self._training = RunningTraining(clock, say=None if self._is_live else self._print)
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=_REDRAWN_PER_SECOND, transient=True
        )

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    @property
    def events(self) -> LaunchEvents:
        """The callbacks for `nercc_tune.launch.pipeline.launch`."""
        return LaunchEvents(
            stage=self._on_stage,
            begun=self._standing.begin,
            trial=self._on_trial,
            proposal=self._on_proposal,
            notice=self._print,
            training=self._training,
        )

    @property
    def worker_events(self) -> WorkerEvents:
        """The callbacks for `nercc_tune.launch.worker.work`."""
        return WorkerEvents(
            stage=self._on_stage,
            ready=lambda: self._on_stage("searching"),
            proposal=self._on_proposal,
            training=self._training,
        )

    def _on_stage(self, text: str) -> None:
        self._training.end()
        self._standing.enter(text)
        if not self._is_live:
            self._print(text)

    def _on_trial(self, record: TrialRecord) -> None:
        self._training.end()
        self._standing.add(record)
        if record.reason is not None:
            self._print(f"trial {record.uid} failed: {record.reason}", style="yellow")

    def _on_proposal(self, done: int, budget: int) -> None:
        before = self._standing.done
        self._standing.count(done, budget)
        if not self._is_live and (done // _PLAIN_EVERY > before // _PLAIN_EVERY or done == budget):
            self._print(self._line())

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, highlight=False, soft_wrap=True, markup=False)

    def _line(self) -> str:
        """Return how the search stands in one line."""
        standing = self._standing
        best = [f"S={title} {standing.value(record):.4g}" for title, record in standing.best]
        parts = [f"{standing.done}/{standing.budget} proposals"]
        parts += [f"best {self._metric} {'  '.join(best[:_MOST_CELLS])}{_others(len(best), '  ')}"] if best else []
        return ", ".join(filter(None, [*parts, self._time_left(), standing.passes]))

    def _draw(self) -> RenderableType:
        standing = self._standing
        self._spinner.update(text=Text(standing.stage))
        counted = f"{standing.done}/{standing.budget} proposals" if standing.budget else ""
        bar = ProgressBar(
            total=standing.budget, completed=standing.done, width=_BAR_WIDTH, pulse=standing.budget is None
        )
        head = Table.grid(padding=(0, 2))
        head.add_row(self._spinner, bar, counted, self._time_left())
        return Group(
            head,
            *([self._training.draw(_BAR_WIDTH)] * self._training.is_running),
            *([self._table()] if standing.best else []),
            *([Text(standing.passes, style="dim")] * bool(standing.passes)),
        )

    def _table(self) -> Table:
        """Return the best of each cell, as far as there is room."""
        standing = self._standing
        best = standing.best
        shown = Table(box=None, pad_edge=False, padding=(0, 2), caption_justify="left")
        for name in ("S", f"best {self._metric}", "λ_enc", "λ_dec"):
            shown.add_column(name, justify="right", no_wrap=True)
        if standing.has_designs:
            shown.add_column("code")
        for title, record in best[:_MOST_CELLS]:
            pair = [show_smoothing(value) for value in (record.lambda_enc, record.lambda_dec)]
            design = [record.design.label] if standing.has_designs else []
            shown.add_row(title, f"{standing.value(record):.4g}", *pair, *design)
        shown.caption = _others(len(best), "") or None
        return shown

    def _time_left(self) -> str:
        left = self._standing.seconds_left
        return (
            ""
            if left is None or self._standing.done == self._standing.budget
            else f"about {describe_seconds(left)} left"
        )

    @property
    def _metric(self) -> str:
        goal = self._standing.goal
        return goal.error if goal.metric == "pareto" else goal.metric


def _others(count: int, before: str) -> str:
    return f"{before}and {count - _MOST_CELLS} more" if count > _MOST_CELLS else ""
