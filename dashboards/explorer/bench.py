"""What `nercc-tune bench` measured, as its files in the home say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from nercc_tune.errors import ServiceError
from nercc_tune.home import Home
from nercc_tune.reporting.bench_report import RESULTS
from nercc_tune.reporting.bench_styles import name_rivals
from nercc_tune.reporting.interactive import plot_error_against_tail, plot_latency_tails
from nercc_tune.reporting.pictures.tails import TailPanel, panels_of
from nercc_tune.service.bench_results import BenchResults, Setting, read_results

from .charts import show_chart
from .context import EXAMPLE, Context
from .source import Source
from .tables import show_table
from .wording import write_figure, write_number

_TO = "equal-resources"
_ENGINES = {
    "local": "threads of one process",
    "ray": "Ray Serve",
    "simulated": "simulated",
    "service": "a service that ran",
}
_MILLI = 1e-3
_PERCENT = 0.01


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A figure of `TailSummary`, and how it is written."""

    head: str
    field: str
    unit: float = 1.0
    write: Callable[[float], str] = write_number
    after: str = ""

    def cell(self, setting: Setting, code: str) -> str:
        return write_figure(setting.figure(code, self.field), unit=self.unit, write=self.write, after=self.after)


_LATENCIES = tuple(
    _Column(head=head, field=field, unit=_MILLI)
    for head, field in {"p50": "p50_s", "p95": "p95_s", "p99": "p99_s", "p99.9": "p999_s", "mean": "mean_s"}.items()
)
_ANSWERS = (
    *(_Column(head=field, field=field, write="{:.4g}".format) for field in ("agreement", "accuracy")),
    *(
        _Column(head=head, field=field, unit=_PERCENT, after=" %")
        for head, field in {"estimated": "decoded", "by a copy": "copied", "refused": "refused"}.items()
    ),
    _Column(head="goodput [1/s]", field="goodput"),
    _Column(head="worker time [ms]", field="worker_s", unit=_MILLI),
    _Column(head="burned", field="burned", unit=_PERCENT, after=" %"),
)
_Rows = list[list[str]]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shown:
    """One rate of a results file.

    Attributes:
        panel: What is drawn.
        latencies: The head of the table and its rows.
        answers: Likewise.
    """

    panel: TailPanel
    latencies: tuple[list[str], _Rows]
    answers: tuple[list[str], _Rows]


def show_bench(context: Context) -> None:
    """Show the results files that are chosen, below each other."""
    place = context.source.place
    paths = _results_files(place.home)
    if not paths:
        st.info("Nothing has been measured yet. A terminal measures a study's code and its rivals:")
        st.code(place.bench_command(next(iter(context.finished), EXAMPLE)), language=None, wrap_lines=True)
        return
    for name in st.pills("Results", list(paths), selection_mode="multi", default=list(paths)[:1]):
        st.subheader(name, anchor=False)
        try:
            results, shown = _read(context.source, paths[name])
        except ServiceError as error:
            st.error(str(error))
            continue
        _show_results(name, results, shown)


def _results_files(home: Home) -> dict[str, Path]:
    """Return the results of benches by study and time, the latest first."""
    found = sorted((home.root / "studies").glob(f"*/bench-*/{RESULTS}"), key=_age)
    return {f"{path.parents[1].name}, {path.parent.name.removeprefix('bench-')}": path for path in found}


def _age(path: Path) -> float:
    """Return what sorts the latest first."""
    return -path.stat().st_mtime if path.exists() else 0.0


def _read(source: Source, path: Path) -> tuple[BenchResults, tuple[_Shown, ...]]:
    try:
        state = path.stat()
    except OSError as error:
        raise ServiceError(f"`{path}` cannot be read ({error.strerror}); choose another one.") from error
    return source.computed(("bench", path, state.st_mtime_ns, state.st_size), partial(_prepare, path))


def _prepare(path: Path) -> tuple[BenchResults, tuple[_Shown, ...]]:
    results = read_results(path)
    panels = panels_of({"": results})
    return results, tuple(
        _Shown(panel=panel, latencies=_latencies(setting), answers=_answers(setting))
        for panel, setting in zip(panels, results.at_rates(), strict=True)
    )


def _show_results(name: str, results: BenchResults, shown: tuple[_Shown, ...]) -> None:
    st.markdown(_opening(results))
    if not shown:
        st.info("No measurement of it is finished yet.")
    for each in shown:
        title = each.panel.title
        st.markdown(f"**{title}**")
        show_chart(plot_latency_tails(each.panel), key=f"tails-{name}-{title}")
        show_table(f"Latency, {name}, {title}", *each.latencies)
        if each.panel.points:
            show_chart(plot_error_against_tail(each.panel), key=f"errors-{name}-{title}")
        show_table(f"Answers, {name}, {title}", *each.answers)


def _opening(results: BenchResults) -> str:
    settings = results.settings
    measured = settings.queries - round(settings.warm_up * settings.queries)
    took = "" if settings.service_ms is None else f", each waiting {settings.service_ms:g} ms in place of computing"
    arrivals = "Poisson arrivals" if settings.arrivals == "poisson" else f"arrivals of `{settings.arrivals}`"
    return (
        f"`{settings.target}` ({settings.model}, {settings.data}) on {settings.workers} workers{took}; "
        f"{_ENGINES[settings.engine]}, {arrivals}, {measured} queries in each of {settings.repeats} repeats after a "
        f"warm-up. Measured {results.created[:16].replace('T', ' ')} (UTC)."
    )


def _latencies(setting: Setting) -> tuple[list[str], _Rows]:
    names = name_rivals(setting.runs)
    head = ["latency [ms]", *(column.head for column in _LATENCIES)]
    rows = [[names[code], *(column.cell(setting, code) for column in _LATENCIES)] for code in setting.runs]
    if _TO in setting.runs:
        head.append(f"p99.9 against {names[_TO]}")
        for code, row in zip(setting.runs, rows, strict=True):
            row.append(_change(setting, code))
    return head, rows


def _change(setting: Setting, code: str) -> str:
    if code == _TO:
        return "–"
    return write_figure(setting.change(code, to=_TO), unit=_PERCENT, write="{:+.1f}".format, after=" %")


def _answers(setting: Setting) -> tuple[list[str], _Rows]:
    names = name_rivals(setting.runs)
    head = ["answers", *(column.head for column in _ANSWERS)]
    return head, [[names[code], *(column.cell(setting, code) for column in _ANSWERS)] for code in setting.runs]
