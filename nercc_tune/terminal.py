"""What the commands show: progress while a study runs, tables when it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from nercc_tune.export.table import TunedTable
from nercc_tune.pipeline import LaunchEvents, LaunchResult
from nercc_tune.records import Heldout, Interval, StudyHistory, TrialRecord
from nercc_tune.tracking.reachability import redact

_PLAIN_EVERY = 10
_PLAIN_WIDTH = 160
_PLAIN_LINES = 20


def make_console() -> Console:
    """Return a console on the terminal, or a wide one where the output goes to a file."""
    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)


class LaunchProgress:
    """Shows a launch: a live bar in a terminal, a line every few proposals elsewhere."""

    def __init__(self, console: Console, stragglers: Sequence[int]) -> None:
        self._console = console
        self._best: dict[int, float] = dict.fromkeys(stragglers, float("inf"))
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("proposals"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[best]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None, best="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def events(self) -> LaunchEvents:
        """The callbacks for `nercc_tune.pipeline.launch`."""
        return LaunchEvents(stage=self._on_stage, trial=self._on_trial, proposal=self._on_proposal)

    def _on_stage(self, text: str) -> None:
        self._bar.update(self._task, description=text)
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True)

    def _on_trial(self, record: TrialRecord) -> None:
        stragglers = int(record.uid.rpartition("#")[0].rpartition("-S")[2])
        if record.score is not None:
            self._best[stragglers] = min(self._best[stragglers], record.score.mse)
        else:
            self._console.print(f"trial {record.uid} failed: {record.reason}", style="yellow", highlight=False)

    def _on_proposal(self, done: int, budget: int) -> None:
        best = "  ".join(f"S={stragglers} {mse:.4g}" for stragglers, mse in self._best.items())
        self._bar.update(self._task, completed=done, total=budget, best=f"best MSE {best}")
        if not self._console.is_terminal and (done % _PLAIN_EVERY == 0 or done == budget):
            self._console.print(f"{done}/{budget} proposals, best MSE {best}", highlight=False, soft_wrap=True)


@contextmanager
def training_progress(console: Console) -> Iterator[LaunchTraining]:
    """Show a training: `progress(done, total, text)`."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        yield LaunchTraining(bar)


class LaunchTraining:
    """Moves the bar of a training; elsewhere than in a terminal, prints a line now and then."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("training", total=None)
        self._printed = 0

    def __call__(self, done: int, total: int, text: str) -> None:
        """Show that `done` of `total` steps are made."""
        self._bar.update(self._task, completed=done, total=total, description=text)
        if not self._bar.console.is_terminal and done * _PLAIN_LINES >= (self._printed + 1) * total:
            self._printed = done * _PLAIN_LINES // total
            self._bar.console.print(f"{done / total:.0%} {text}", highlight=False)


def show_smoothing(value: float) -> str:
    """Return a smoothing parameter with three digits, 0 as 0.

    Example:
        >>> show_smoothing(0.0), show_smoothing(3.162e-7)
        ('0', '3.16e-07')
    """
    return "0" if value == 0 else f"{value:.2e}"


def table_of_results(table: TunedTable) -> Table:
    """Return the tuned table for the terminal, with 95 % intervals."""
    shown = Table(title=f"{table.study}: tuned pairs on held-out queries (95 % intervals)", title_justify="left")
    for name in ("S", "λ_enc", "λ_dec", "MSE", "to BACC", "to (0, 0)", "RelAcc", "agreement"):
        shown.add_column(name, justify="right", no_wrap=True)
    for entry in table.entries:
        shown.add_row(
            str(entry.stragglers),
            show_smoothing(entry.lambda_enc),
            show_smoothing(entry.lambda_dec),
            _interval(entry.heldout.mse),
            _change(entry.mse_minus["bacc"], entry.baselines["bacc"]),
            _change(entry.mse_minus["nercc_ag"], entry.baselines["nercc_ag"]),
            f"{entry.heldout.rel_acc.mean:.4f}" if entry.heldout.rel_acc else "–",
            f"{entry.heldout.agreement.mean:.4f}",
        )
    return shown


def policy_line(table: TunedTable) -> str:
    """Return the policy in a line."""
    pairs = ", ".join(f"S={entry.stragglers}: {show_smoothing(entry.lambda_dec)}" for entry in table.policy.entries)
    return f"policy: λ_enc {show_smoothing(table.policy.lambda_enc)} for all, λ_dec by S ({pairs})"


def baseline_warnings(table: TunedTable) -> list[str]:
    """Return a line for every cell in which a baseline does at least as well as the tuned pair, or may."""
    lines = []
    for entry in table.entries:
        for name in ("replication", "uncoded", "bacc", "nercc_ag"):
            baseline = entry.baselines[name].mse
            if name in entry.mse_minus:
                difference = entry.mse_minus[name]
                is_same = (entry.lambda_enc, entry.lambda_dec) == (0.0, 0.0) and name == "nercc_ag"
                if not difference.high < 0 and not is_same:
                    lines.append(f"S={entry.stragglers}: the tuned pair is not surely better than {name} here.")
            elif baseline.mean < entry.heldout.mse.mean:
                lines.append(
                    f"S={entry.stragglers}: {name} has the lower MSE ({baseline.mean:.3g} against "
                    f"{entry.heldout.mse.mean:.3g}); use it there."
                )
    return lines


def closing_lines(result: LaunchResult, *, home: Path, wall: float) -> str:
    """Return what was done and what to type next."""
    name = result.table.study
    option = "" if home == Path("nercc-home") else f" --home {home}"
    return "\n".join(
        [
            f"forward passes: tuning {result.forwards['tuning']}, held-out {result.forwards['heldout']}; {wall:.0f} s",
            f"table, figures and report in {result.folder}",
            "next:",
            f"  nercc-tune export {name}{option} -o table.json",
            f"  mlflow ui --backend-store-uri {redact(result.tracking_url)}",
        ]
    )


def table_of_studies(histories: Mapping[str, StudyHistory]) -> Table:
    """Return the studies of a home with their state and best MSE."""
    shown = Table(title="studies", title_justify="left")
    for name in ("study", "model", "data", "N", "K", "S", "trials", "state", "best MSE", "λ_enc", "λ_dec"):
        shown.add_column(name, justify="left" if name in ("study", "model", "data", "state") else "right")
    for name, history in histories.items():
        for cell in history.cells:
            best = cell.best
            shown.add_row(
                name,
                cell.cell.model,
                cell.cell.data,
                str(cell.cell.workers),
                str(cell.cell.queries),
                str(cell.cell.stragglers),
                str(len(cell.trials)),
                "finished" if cell.entry else "not finished",
                f"{best.score.mse:.4g}" if best and best.score else "–",
                show_smoothing(best.lambda_enc) if best else "–",
                show_smoothing(best.lambda_dec) if best else "–",
            )
    return shown


def table_of_times(seconds: Mapping[str, float], wall: float) -> Table:
    """Return the seconds of each stage with their shares of the wall time."""
    shown = Table(title="where the time went", title_justify="left")
    for name in ("stage", "seconds", "share"):
        shown.add_column(name, justify="left" if name == "stage" else "right")
    rest = wall - sum(seconds.values())
    for stage, spent in sorted({**seconds, "other": rest}.items(), key=lambda item: -item[1]):
        shown.add_row(stage, f"{spent:.2f}", f"{spent / wall:.1%}")
    shown.add_row("all", f"{wall:.2f}", "100.0%")
    return shown


def _interval(interval: Interval) -> str:
    return f"{interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}]"


def _change(difference: Interval, baseline: Heldout) -> str:
    """Return a paired difference as a share of the baseline's MSE."""
    base = baseline.mse.mean
    if base == 0:
        return "–"
    return f"{difference.mean / base:+.1%} [{difference.low / base:+.1%}, {difference.high / base:+.1%}]"
