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

from nercc_tune.export.advice import NAMES, Advice
from nercc_tune.export.blocks import write_count
from nercc_tune.export.table import TunedTable
from nercc_tune.pipeline import LaunchEvents, LaunchResult
from nercc_tune.records import Goal, Interval, Score, StudyHistory, TrialRecord, TunedEntry
from nercc_tune.redaction import redact
from nercc_tune.tracking.reachability import is_server
from nercc_tune.worker import WorkerEvents

_PLAIN_EVERY = 10
_PLAIN_WIDTH = 160
_PLAIN_LINES = 20
_ERRORS = {"mse": "MSE", "prob_mse": "MSE (probabilities)"}


def make_console() -> Console:
    """Return a console on the terminal, or a wide one where the output goes to a file."""
    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)


class LaunchProgress:
    """Shows a launch: a live bar in a terminal, a line every few proposals elsewhere."""

    def __init__(self, console: Console, goal: Goal) -> None:
        self._console = console
        self._goal = goal
        self._best: dict[int, Score] = {}
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

    @property
    def worker_events(self) -> WorkerEvents:
        """The callbacks for `nercc_tune.worker.work`."""
        return WorkerEvents(stage=self._on_stage, ready=lambda: self._on_stage("searching"), proposal=self._on_proposal)

    def _on_stage(self, text: str) -> None:
        self._bar.update(self._task, description=text)
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True)

    def _on_trial(self, record: TrialRecord) -> None:
        stragglers = int(record.uid.rpartition("#")[0].rpartition("-S")[2])
        if record.score is not None:
            best = self._best.setdefault(stragglers, record.score)
            self._best[stragglers] = min(best, record.score, key=self._goal.rank)
        elif record.reason is not None:
            self._console.print(f"trial {record.uid} failed: {record.reason}", style="yellow", highlight=False)

    def _on_proposal(self, done: int, budget: int) -> None:
        values = sorted((stragglers, self._goal.value(score)) for stragglers, score in self._best.items())
        name = self._goal.error if self._goal.metric == "pareto" else self._goal.metric
        best = (
            f"best {name} " + "  ".join(f"S={stragglers} {value:.4g}" for stragglers, value in values) if values else ""
        )
        self._bar.update(self._task, completed=done, total=budget, best=best)
        if not self._console.is_terminal and (done % _PLAIN_EVERY == 0 or done == budget):
            self._console.print(
                ", ".join(filter(None, (f"{done}/{budget} proposals", best))), highlight=False, soft_wrap=True
            )


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
    error = table.goal.error
    has_designs = any(entry.design != table.reference for entry in table.entries)
    has_waiting = any(entry.waiting is not None for entry in table.entries)
    shown = Table(title=f"{table.study}: tuned codes on held-out queries (95 % intervals)", title_justify="left")
    code, wait = (["code"] if has_designs else []), (["wait"] if has_waiting else [])
    for name in ("S", *wait, *code, "λ_enc", "λ_dec", _ERRORS[error], "to BACC", "to (0, 0)", "RelAcc", "agreement"):
        shown.add_column(name, justify="left" if name == "code" else "right", no_wrap=name != "code")
    for entry in table.entries:
        shown.add_row(
            write_count(entry),
            *([f"{entry.waiting:.3g}" if entry.waiting is not None else "–"] if has_waiting else []),
            *([entry.design.label] if has_designs else []),
            show_smoothing(entry.lambda_enc),
            show_smoothing(entry.lambda_dec),
            _interval(getattr(entry.heldout, error)),
            _change(entry.gains.get("bacc")),
            _change(entry.gains.get("nercc_ag")),
            f"{entry.heldout.rel_acc.mean:.4f}" if entry.heldout.rel_acc else "–",
            f"{entry.heldout.agreement.mean:.4f}",
        )
    return shown


def policy_lines(table: TunedTable) -> str:
    """Return the policy in a line, and what it is worth beside the best single pair in another."""
    policy, error = table.policy, table.goal.error
    pairs = ", ".join(
        f"S={write_count(cell)}: {show_smoothing(entry.lambda_dec)}"
        for cell, entry in zip(table.entries, policy.entries, strict=True)
    )
    single = policy.single
    return "\n".join(
        [
            f"policy: {policy.design.label}, λ_enc {show_smoothing(policy.lambda_enc)} for all, λ_dec by S ({pairs})",
            (
                f"expected over S: policy {_interval(getattr(policy.heldout, error))}, best single pair "
                f"({show_smoothing(single.lambda_enc)}, {show_smoothing(single.lambda_dec)}) "
                f"{_interval(getattr(single.heldout, error))}, difference {_interval(policy.minus_single)}"
            ),
        ]
    )


def warnings_of(table: TunedTable) -> list[str]:
    """Return a line for each baseline that does better somewhere, or may, and for floors that are not kept."""
    lines = []
    missed = [write_count(entry) for entry in table.entries if not entry.is_feasible]
    if missed:
        floors = table.goal.floors
        lines.append(f"S = {', '.join(missed)}: no candidate keeps {floors}; the nearest to it was chosen.")
    replicated: list[str] = []
    for name in ("replication", "uncoded", "bacc", "bacc_same_design", "nercc_ag"):
        found = [(entry, _difference(entry, name, table)) for entry in table.entries]
        better = [write_count(entry) for entry, difference in found if difference and difference.low > 0]
        unsure = [write_count(e) for e, d in found if d and d.low <= 0 <= d.high and not _is_origin(e, table, name)]
        if name == "uncoded":
            better = [count for count in better if count not in replicated]
        replicated = better if name == "replication" else replicated
        if better:
            offer = "" if name == "bacc_same_design" else f'; deploy it there with `load_table(…).baseline("{name}")`'
            lines.append(f"S = {', '.join(better)}: {NAMES[name]} is better than the tuned code{offer}.")
        if unsure:
            lines.append(f"S = {', '.join(unsure)}: the tuned code is not surely better than {NAMES[name]}.")
    return lines


def _difference(entry: TunedEntry, name: str, table: TunedTable) -> Interval | None:
    """Return the paired difference to a baseline in the goal's error, or in probabilities where spaces differ."""
    minus = entry.minus(table.goal.error)
    return minus.get(name, entry.prob_mse_minus.get(name))


def _is_origin(entry: TunedEntry, table: TunedTable, name: str) -> bool:
    """Whether the tuned code is the baseline (0, 0) itself."""
    return name == "nercc_ag" and entry.design == table.reference and entry.lambda_enc == entry.lambda_dec == 0


def table_of_advice(advices: Sequence[Advice]) -> Table:
    """Return which code wins at which straggler count, by the held-out MSE in probabilities."""
    shown = Table(title="MSE in probabilities on held-out queries (95 % intervals)", title_justify="left")
    codes = list(dict.fromkeys(code for advice in advices for code in advice.heldout))
    for name in ("S", *(NAMES[code] for code in codes), "deploy"):
        shown.add_column(name, justify="left" if name == "deploy" else "right", no_wrap=True)
    for advice in advices:
        shown.add_row(
            advice.count,
            *(_interval(advice.heldout[code].prob_mse) if code in advice.heldout else "–" for code in codes),
            NAMES[advice.best] if advice.is_certain else f"{NAMES[advice.best]}, probably",
        )
    return shown


def closing_lines(result: LaunchResult, *, home: Path, wall: float) -> str:
    """Return what was done and what to type next."""
    name = result.table.study
    option = "" if home == Path("nercc-home") else f" --home {home}"
    look = "open" if is_server(result.tracking_url) else "mlflow ui --backend-store-uri"
    return "\n".join(
        [
            (
                f"new forward passes: tuning {result.forwards['tuning']:g}, "
                f"validation {result.forwards['validation']:g}, "
                f"held-out {result.forwards['heldout']:g}; {wall:.0f} s"
            ),
            f"table, figures and report in {result.folder}",
            "next:",
            f"  nercc-tune export {name}{option} -o table.json",
            f"  {look} {redact(result.tracking_url)}",
        ]
    )


def table_of_studies(histories: Mapping[str, StudyHistory]) -> Table:
    """Return the studies of a home with their state and best MSE."""
    shown = Table(title="studies", title_justify="left")
    for name in ("study", "model", "data", "N", "K", "S", "trials", "state", "best", "λ_enc", "λ_dec"):
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
                write_count(cell.cell),
                str(len(cell.trials)),
                "finished" if cell.entry else "not finished",
                f"{cell.goal.value(best.score):.4g}" if best and best.score else "–",
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


def _change(gain: Interval | None) -> str:
    """Return a gain as the change of the error that it is."""
    if gain is None:
        return "–"
    return f"{-gain.mean:+.1%} [{-gain.high:+.1%}, {-gain.low:+.1%}]"
