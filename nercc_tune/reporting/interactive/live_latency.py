"""When the last queries of a service were answered, after how long, and from where."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import plotly.graph_objects as go

from nercc_tune.reporting.interactive.looks import new_figure
from nercc_tune.service.recent_answers import RecentAnswer

__all__ = ["plot_live_latency"]

_HEIGHT_PX = 400
_LEAST_MS = 1e-3
_LOOKS: dict[str | None, tuple[str, str, str]] = {
    "own": ("own answer", "#0072B2", "circle"),
    "copy": ("copy", "#009E73", "square"),
    "decoded": ("estimate", "#E69F00", "diamond"),
    None: ("refused", "#D55E00", "x"),
}


def plot_live_latency(recent: Sequence[RecentAnswer]) -> go.Figure:
    """Draw the latency of each query against when it was answered, by where its answer came from.

    A view that the reader has zoomed into is kept when the figure is drawn anew.
    """
    traces = []
    for source, (name, colour, symbol) in _LOOKS.items():
        shown = [answer for answer in recent if answer.source == source]
        times = [_utc(answer.at) for answer in shown]
        traces.append(
            go.Scatter(
                x=times,
                y=[max(_LEAST_MS, 1e3 * answer.latency_s) for answer in shown],
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 5 if source == "own" else 7},
                hovertext=[_words(answer, name) for answer in shown],
                hoverinfo="text",
                name=f"{name} ({len(shown)})",
            )
        )
    figure = new_figure(traces, height=_HEIGHT_PX)
    figure.update_layout(
        xaxis={"title": {"text": "answered at (UTC)"}, "type": "date"},
        yaxis={"title": {"text": "latency [ms]"}, "type": "log", "dtick": "D2", "exponentformat": "none"},
        legend={"itemsizing": "constant"},
        uirevision="live",
    )
    return figure


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, tz=UTC).replace(tzinfo=None)


def _words(answer: RecentAnswer, name: str) -> str:
    lines = [f"<b>{name}</b> at {_utc(answer.at):%H:%M:%S}", f"{1e3 * answer.latency_s:.4g} ms"]
    if answer.source == "decoded" and answer.expected_error is not None:
        lines.append(f"expected squared error {answer.expected_error:.3g}")
    return "<br>".join(lines)
