"""When the last queries of a service were answered, after how long, and from where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from nercc_tune.reporting.interactive.looks import new_figure
from nercc_tune.reporting.interactive.time_axis import LEAST_MS, time_axis
from nercc_tune.service.recent_answers import RecentAnswer

__all__ = ["plot_live_latency"]

_HEIGHT_PX = 400
_KILO = 1e3  # plotly's dates are in milliseconds since 1970, as latencies are in milliseconds
_LOOKS: dict[str | None, tuple[str, str, str]] = {
    "own": ("own answer", "#0072B2", "circle"),
    "copy": ("copy", "#009E73", "square"),
    "decoded": ("estimate", "#E69F00", "diamond"),
    None: ("refused", "#D55E00", "x"),
}


def plot_live_latency(recent: Sequence[RecentAnswer]) -> go.Figure:
    """Draw the latency of each query against when it was answered, by where its answer came from."""
    figure = new_figure([_marks(recent, source) for source in _LOOKS], height=_HEIGHT_PX)
    figure.update_layout(
        xaxis={"title": {"text": "answered at (UTC)"}, "type": "date"},
        yaxis=time_axis((_KILO * answer.latency_s for answer in recent), "latency [ms]"),
        legend={"itemsizing": "constant"},
    )
    return figure


def _marks(recent: Sequence[RecentAnswer], source: str | None) -> go.Scatter:
    name, colour, symbol = _LOOKS[source]
    shown = [answer for answer in recent if answer.source == source]
    hover = f"<b>{name}</b> at %{{x|%H:%M:%S}}<br>%{{y:.4g}} ms"
    if source == "decoded":
        hover += "<br>expected squared error %{customdata}"
    return go.Scatter(
        x=np.array([_KILO * answer.at for answer in shown]),
        y=np.maximum(LEAST_MS, [_KILO * answer.latency_s for answer in shown]),
        customdata=[_error(answer) for answer in shown] if source == "decoded" else None,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 5 if source == "own" else 7},
        hovertemplate=f"{hover}<extra></extra>",
        name=f"{name} ({len(shown)})",
    )


def _error(answer: RecentAnswer) -> str:
    return "not known" if answer.expected_error is None else f"{answer.expected_error:.3g}"
