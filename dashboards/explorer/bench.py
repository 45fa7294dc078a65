"""What `nercc-tune bench` measured, as its files in the home say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from nercc_tune.errors import ServiceError
from nercc_tune.reporting.bench_styles import name_rivals
from nercc_tune.reporting.interactive import plot_error_against_tail, plot_latency_tails
from nercc_tune.reporting.pictures.tails import TailPanel, panels_of
from nercc_tune.service.bench_results import BenchResults, Setting, read_results

from .charts import show_chart
from .context import Context
from .source import Source
from .wording import to_table, write_figure

_TO = "equal-resources"
_TIMES = {"p50": "p50_s", "p95": "p95_s", "p99": "p99_s", "p99.9": "p999_s", "mean": "mean_s"}
_SHARES = {"estimated": "decoded", "by a copy": "copied", "refused": "refused"}
_WORTH = {"agreement": "agreement", "accuracy": "accuracy"}
_ENGINES = {
    "local": "threads of one process",
    "ray": "Ray Serve",
    "simulated": "simulated",
    "service": "a service that ran",
}
_MILLI = 1e-3
_PERCENT = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shown:
    """A results file as it is shown: a panel with its setting and its tables for each rate."""

    results: BenchResults
    panels: tuple[tuple[TailPanel, str, str], ...]


def show_bench(context: Context) -> None:
    """Show the results files that were chosen, each rate of them below the other."""
    folder = context.source.place.home.benches
    paths = {path.stem: path for path in sorted(folder.glob("*.json"), key=_age)}
    if not paths:
        st.info(f"Nothing was measured yet: `nercc-tune bench` writes its results to {folder}.")
        return
    chosen = st.multiselect("Results", list(paths), default=list(paths)[:1])
    for name in chosen:
        try:
            shown = _read(context.source, paths[name])
        except ServiceError as error:
            st.error(str(error))
            continue
        _show_results(name, shown)


def _age(path: Path) -> float:
    """Return what sorts the latest first."""
    return -path.stat().st_mtime if path.exists() else 0.0


def _read(source: Source, path: Path) -> _Shown:
    try:
        state = path.stat()
    except OSError as error:
        raise ServiceError(f"`{path}` cannot be read ({error.strerror}); choose another one.") from error
    key = ("bench", path, state.st_mtime_ns, state.st_size)
    return source.computed(key, partial(_prepare, path))


def _prepare(path: Path) -> _Shown:
    results = read_results(path)
    panels = panels_of({path.stem: results})
    tables = ((_latency_table(setting), _worth_table(setting)) for setting in results.at_rates())
    return _Shown(results=results, panels=tuple((panel, *pair) for panel, pair in zip(panels, tables, strict=True)))


def _show_results(name: str, shown: _Shown) -> None:
    st.subheader(name, anchor=False)
    st.markdown(_opening(shown.results))
    if not shown.panels:
        st.info("No measurement of it is finished yet.")
    for panel, latency, worth in shown.panels:
        st.markdown(f"**{panel.title}**")
        show_chart(plot_latency_tails(panel), key=f"tails-{name}-{panel.title}")
        st.markdown(latency)
        if panel.points:
            show_chart(plot_error_against_tail(panel), key=f"errors-{name}-{panel.title}")
        st.markdown(worth)


def _opening(results: BenchResults) -> str:
    settings = results.settings
    measured = settings.queries - round(settings.warm_up * settings.queries)
    took = "" if settings.service_ms is None else f", each waiting {settings.service_ms:g} ms in place of computing"
    return (
        f"`{settings.target}` ({settings.model}, {settings.data}) on {settings.workers} workers{took}; "
        f"{_ENGINES[settings.engine]}, {settings.arrivals} arrivals, {measured} queries in each of "
        f"{settings.repeats} repeats after a warm-up; {results.created}."
    )


def _latency_table(setting: Setting) -> str:
    """Return the latencies in milliseconds, and how p99.9 compares."""
    names = name_rivals(setting.runs)
    is_compared = _TO in setting.runs
    head = ["latency [ms]", *_TIMES, *([f"p99.9 to {names[_TO]}"] if is_compared else [])]
    rows = [
        [
            names[code],
            *(write_figure(setting.figure(code, field), unit=_MILLI) for field in _TIMES.values()),
            *([_change(setting, code)] if is_compared else []),
        ]
        for code in setting.runs
    ]
    return to_table(head, rows)


def _change(setting: Setting, code: str) -> str:
    if code == _TO:
        return "–"
    change = setting.change(code, to=_TO)
    return write_figure(change, unit=_PERCENT, write="{:+.1f}".format, after=" %")


def _worth_table(setting: Setting) -> str:
    """Return what came of the queries, and what it cost."""
    names = name_rivals(setting.runs)
    head = ["answers", *_WORTH, *_SHARES, "goodput [1/s]", "worker time [ms]", "burned"]
    rows = [
        [
            names[code],
            *(write_figure(setting.figure(code, field), write="{:.4g}".format) for field in _WORTH.values()),
            *(write_figure(setting.figure(code, field), unit=_PERCENT, after=" %") for field in _SHARES.values()),
            write_figure(setting.figure(code, "goodput")),
            write_figure(setting.figure(code, "worker_s"), unit=_MILLI),
            write_figure(setting.figure(code, "burned"), unit=_PERCENT, after=" %"),
        ]
        for code in setting.runs
    ]
    return to_table(head, rows)
