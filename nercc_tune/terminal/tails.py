"""What `bench` shows: all rivals at a rate, and what one must know to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from nercc_tune.export.blocks import UNDEFINED
from nercc_tune.records import Interval
from nercc_tune.service.bench_results import BenchResults, Setting

__all__ = ["notes_of_bench", "tables_of_bench"]

_MILLI, _PERCENT = 1e-3, 1e-2
_DIGITS = 3
_REFERENCE = "equal-resources"
_LATE_US = 5000  # of the generator: from here on the machine was too busy to measure on
_COLUMNS: dict[str, tuple[str, float, int | None, bool]] = {
    "p50 ms": ("p50_s", _MILLI, None, True),
    "p95 ms": ("p95_s", _MILLI, None, True),
    "p99 ms": ("p99_s", _MILLI, None, True),
    "p99.9 ms": ("p999_s", _MILLI, None, True),
    "agreement": ("agreement", 1.0, 4, True),
    "accuracy": ("accuracy", 1.0, 4, False),
    "good/s": ("goodput", 1.0, 1, False),
    "dec. %": ("decoded", _PERCENT, 1, False),
    "ref. %": ("refused", _PERCENT, 2, False),
    "burnt %": ("burned", _PERCENT, 1, False),
}
"""Title, figure of `TailSummary`, its unit, decimals or None for three digits, whether its interval is shown."""


def tables_of_bench(results: Mapping[str, BenchResults]) -> list[Table]:
    """Return a table for each rate of each results file, a row for each code.

    Args:
        results: By a name for readers; of one file it is not shown.
    """
    return [
        _table(setting, f"{name}: " if len(results) > 1 else "", each)
        for name, each in results.items()
        for setting in each.at_rates()
    ]


def notes_of_bench(results: BenchResults) -> list[str]:
    """Return what one must know to read the tables, a line each."""
    settings = results.settings
    how = {
        "local": "workers are threads of this machine",
        "ray": "workers are Ray actors",
        "simulated": "simulated, with service times that were measured or stated",
        "service": "asked by HTTP",
    }[settings.engine]
    if settings.service_ms is not None:
        how += f"; each answer takes a stated {settings.service_ms:g} ms, as if the model ran elsewhere"
    notes = [
        (
            f"{how}; {settings.workers} machines for each code; {settings.queries} queries a measurement, the first "
            f"{100 * settings.warm_up:g} % left out; slowness: {settings.slowness or 'none'}"
        ),
        "latencies count from when a query should have been sent, in the mean [95 % interval over the repeats]",
        "good: answered; dec., ref.: decoded, refused; burnt: of the workers' time, what nobody used",
        "a query that was refused took forever: a percentile among those is not known",
    ]
    late = [run for run in results.runs if run.late_us > _LATE_US]
    if late:
        notes.append(
            f"in {len(late)} of {len(results.runs)} measurements the sender itself was late by up to "
            f"{max(run.late_us for run in late) * _MILLI:.0f} ms (p99): this machine was too busy; measure again"
        )
    reasons = dict.fromkeys(reason for run in results.runs for reason in run.refusals)
    return notes + [f"refused: {reason}" for reason in reasons]


def _table(setting: Setting, prefix: str, results: BenchResults) -> Table:
    repeats = max(len(runs) for runs in setting.runs.values())
    title = f"{prefix}{results.settings.target}, {setting.rate:g} queries/s, repeats: {repeats}"
    shown = Table(title=title, title_justify="left")
    shown.add_column("code", min_width=15, overflow="fold")
    has_reference = _REFERENCE in setting.runs and len(setting.runs) > 1
    for name in (*_COLUMNS, *(["p99.9 to equal res."] if has_reference else [])):
        shown.add_column(name, justify="right")
    for code in setting.runs:
        cells = [
            _write(setting.figure(code, figure), _Decimals(unit, decimals), has_interval=has_interval)
            for figure, unit, decimals, has_interval in _COLUMNS.values()
        ]
        if has_reference:
            change = None if code == _REFERENCE else setting.change(code, to=_REFERENCE)
            cells.append(_write(change, "{:+.0%}".format, has_interval=True))
        shown.add_row(Text(code.replace(",", ", ")), *cells)
    return shown


@dataclass(frozen=True)
class _Decimals:
    unit: float
    decimals: int | None  # None for three digits

    def __call__(self, value: float) -> str:
        if self.decimals is not None:
            return f"{value / self.unit:.{self.decimals}f}"
        digits = max(0, _DIGITS - len(f"{value / self.unit:.0f}"))
        return f"{value / self.unit:.{digits}f}"


def _write(figure: Interval | float | None, one: Callable[[float], str], *, has_interval: bool) -> str:
    """Write a figure above its interval."""
    if figure is None:
        return UNDEFINED
    if isinstance(figure, float):
        return one(figure)
    interval = f"\n\\[{one(figure.low)}, {one(figure.high)}]" if has_interval else ""
    return one(figure.mean) + interval
