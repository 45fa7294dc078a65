"""How a running service stands: in figures, in pictures, by worker, and by estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

import streamlit as st

from nercc_tune.dashboard.running_service import RunningService
from nercc_tune.reporting.bench_styles import name_rivals
from nercc_tune.reporting.interactive import plot_live_latency, plot_worker_latencies
from nercc_tune.reporting.pictures.recent_figures import RecentFigures
from nercc_tune.service.commands import Source
from nercc_tune.service.recent_answers import RecentAnswer
from nercc_tune.service.status import ServiceStatus
from nercc_tune.service.worker_statistics import WorkerStatus
from nercc_tune.text.one_line import one_line

from .charts import forget_chart, show_steady_chart
from .tables import show_table
from .wording import write_ms, write_share

_LATENCY, _WORKERS = "live-latency", "live-workers"
_MOST_ESTIMATES = 10
_MOST_WORKERS = 24  # beyond, the table is opened by who wants it


def show_standing(running: RunningService) -> None:
    """Show how a service stands."""
    status = running.status
    st.markdown(_opening(running))
    if status.is_closing:
        st.warning("The service is stopping: it answers those that wait, and takes no more queries.")
    if status.recent:
        _show_recent(status.recent)
    else:
        st.info("Nothing has been asked yet.")
    _show_totals(status)
    _show_workers(status.workers)
    _show_estimates(status.recent)


def begin_standing() -> None:
    """Forget what was shown before, which may have been another service."""
    for key in (_LATENCY, _WORKERS):
        forget_chart(key)


def _opening(running: RunningService) -> str:
    status = running.status
    about = [f"{name} {one_line(value)}" for name, value in running.about.items() if isinstance(value, str | int)]
    parts = [*about, f"{len(status.workers)} workers", f"groups of {status.queries}"]
    (name,) = name_rivals([status.scheme]).values()
    return f"**{name}**: {', '.join(parts)}."


def _show_recent(recent: Sequence[RecentAnswer]) -> None:
    figures = RecentFigures.of(recent)
    span = "" if figures.rate is None else f", {figures.rate:.3g} a second"
    st.markdown(f"The last {figures.queries} queries{span}; one that was refused took forever:")
    shown = {f"p{percent:g}": write_ms(seconds) for percent, seconds in figures.percentiles_s.items()}
    _show_figures({**shown, "estimated": write_share(figures.decoded), "refused": write_share(figures.refused)})
    show_steady_chart(plot_live_latency(recent), key=_LATENCY)


def _show_totals(status: ServiceStatus) -> None:
    tally = status.tally
    answered = sum(tally.replies.values())
    st.markdown("Since the service began:")
    _show_figures(
        {
            "waiting now": str(status.waiting),
            "answered": str(answered),
            "by a copy": write_share(_ratio(tally.replies[Source.COPY.value], answered)),
            "estimated": write_share(_ratio(tally.replies[Source.DECODED.value], answered)),
            "refused": str(tally.refused + status.unread),
            "overload": str(status.overloads),
            "hedges": str(tally.hedges),
            "burned": write_share(_ratio(tally.burned_s, tally.busy_s)),
        },
        notes={
            "refused": "Queries that went without an answer.",
            "overload": "Queries that were not taken, since too many waited.",
            "burned": "Share of the worker-seconds that were spent on what nobody used.",
        },
    )


def _show_figures(figures: Mapping[str, str], notes: Mapping[str, str] | None = None) -> None:
    """Show figures beside each other, in as many rows as the page is narrow."""
    with st.container(horizontal=True, gap="medium"):
        for name, value in figures.items():
            st.metric(name, value, width="content", help=(notes or {}).get(name))


def _show_workers(workers: Sequence[WorkerStatus]) -> None:
    st.subheader("Stragglers by worker", anchor=False)
    show_steady_chart(plot_worker_latencies(workers), key=_WORKERS)
    if len(workers) <= _MOST_WORKERS:
        _show_worker_table(workers)
    else:
        with st.expander(f"All {len(workers)} workers"):
            _show_worker_table(workers)


def _show_worker_table(workers: Sequence[WorkerStatus]) -> None:
    times = [worker.recent_s for worker in workers if worker.recent_s is not None]
    usual = median(times) if times else math.nan
    rows = [
        [
            str(worker.worker),
            "away" if worker.is_away else "busy" if worker.is_busy else "idle",
            str(worker.tasks),
            str(worker.late),
            str(worker.lost),
            str(worker.suspected),
            "–" if worker.recent_s is None else write_ms(worker.recent_s),
            "–" if worker.recent_s is None else f"{_ratio(worker.recent_s, usual):.2f}",
            "–" if worker.mean_s is None else write_ms(worker.mean_s),
        ]
        for worker in workers
    ]
    head = ["worker", "state", "tasks", "late", "lost", "suspected", "lately", "of the median", "mean"]
    show_table("Workers", head, rows)


def _show_estimates(recent: Sequence[RecentAnswer]) -> None:
    """Show which queries were estimated, and how sure that is."""
    st.subheader("Estimated queries", anchor=False)
    estimates = [answer for answer in recent if answer.source == Source.DECODED.value]
    if not estimates:
        st.markdown("None of the last queries was estimated.")
        return
    errors = RecentFigures.of(recent).expected_errors
    sure = ""
    if errors:
        sure = (
            f"; the squared error in probabilities that is expected of them has the median {median(errors):.3g} "
            f"and is at most {errors[-1]:.3g}"
        )
    st.markdown(f"{len(estimates)} of the last {len(recent)} queries were estimated{sure}. The latest:")
    rows = [
        [
            f"{datetime.fromtimestamp(answer.at, tz=UTC):%H:%M:%S.%f}"[:-3],
            write_ms(answer.latency_s),
            *_sureness(answer.expected_error),
        ]
        for answer in reversed(estimates[-_MOST_ESTIMATES:])
    ]
    head = ["answered at (UTC)", "latency", "expected squared error", "expected L2 distance"]
    show_table("The latest estimates", head, rows)


def _sureness(expected: float | None) -> tuple[str, str]:
    return ("–", "–") if expected is None else (f"{expected:.3g}", f"{math.sqrt(expected):.3g}")


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
