"""How long each worker of a service takes."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from nercc_tune.reporting.interactive.looks import new_figure
from nercc_tune.service.worker_statistics import WorkerStatus

__all__ = ["plot_worker_latencies"]

_HEIGHT_PX = 340
_FEW_WORKERS = 24  # that all have their number below


def plot_worker_latencies(workers: Sequence[WorkerStatus]) -> go.Figure:
    """Draw what each worker took lately as a bar, and its mean since the service began as a dash.

    A worker that is gone is marked; one that has not answered yet has no bar.
    """
    timed = [worker for worker in workers if worker.recent_s is not None]
    meant = [worker for worker in workers if worker.mean_s is not None]
    away = [worker for worker in workers if worker.is_away]
    traces: list[go.Bar | go.Scatter] = [
        go.Bar(
            x=[worker.worker for worker in timed],
            y=[1e3 * (worker.recent_s or 0.0) for worker in timed],
            marker={"color": "#56B4E9"},
            hovertext=[_words(worker) for worker in timed],
            hoverinfo="text",
            name="last 50 answers",
        ),
        go.Scatter(
            x=[worker.worker for worker in meant],
            y=[1e3 * (worker.mean_s or 0.0) for worker in meant],
            mode="markers",
            marker={"symbol": "line-ew", "size": 12, "line": {"width": 3, "color": "#D55E00"}},
            hovertext=[_words(worker) for worker in meant],
            hoverinfo="text",
            name="since the service began",
        ),
    ]
    if away:
        traces.append(
            go.Scatter(
                x=[worker.worker for worker in away],
                y=[0.0] * len(away),
                mode="markers",
                marker={"symbol": "x", "size": 11, "color": "#CC79A7"},
                hovertext=[_words(worker) for worker in away],
                hoverinfo="text",
                cliponaxis=False,
                name="away",
            )
        )
    figure = new_figure(traces, height=_HEIGHT_PX)
    ticks = {"dtick": 1} if len(workers) <= _FEW_WORKERS else {}
    figure.update_layout(
        xaxis={"title": {"text": "worker"}, "range": [-0.6, len(workers) - 0.4], **ticks},
        yaxis={"title": {"text": "mean time of an answer [ms]"}, "rangemode": "tozero"},
    )
    return figure


def _words(worker: WorkerStatus) -> str:
    times = [
        f"{what} {1e3 * seconds:.4g} ms"
        for what, seconds in (("lately", worker.recent_s), ("since it began", worker.mean_s))
        if seconds is not None
    ]
    counts = f"{worker.tasks} tasks, {worker.late} late, {worker.lost} lost, {worker.suspected} suspected"
    return "<br>".join([f"<b>worker {worker.worker}</b>{', away' if worker.is_away else ''}", *times, counts])
