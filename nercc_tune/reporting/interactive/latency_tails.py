"""How many queries take longer than a time, for rivals beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from nercc_tune.reporting.bench_styles import bench_styles
from nercc_tune.reporting.interactive.looks import new_figure
from nercc_tune.reporting.interactive.time_axis import time_axis
from nercc_tune.reporting.pictures.tails import Tail, TailPanel
from nercc_tune.reporting.style import CodeStyle

__all__ = ["plot_latency_tails"]

_SHARES = (1.0, 0.5, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6)
_ROOM = 0.7  # of the least share that is shown, below it
_BAND_ALPHA = 0.15


def plot_latency_tails(panel: TailPanel) -> go.Figure:
    """Draw the share of queries that take longer against the time, both logarithmic: the tail is what one sees.

    Lines are means over the repeats, bands go from the best to the worst. A line ends at the share of queries that were
    refused, or where a single one is left.
    """
    styles = bench_styles(panel.tails)
    figure = new_figure([trace for code, tail in panel.tails.items() for trace in _traces(styles[code], tail)])
    bottom = _ROOM * min((tail.share[-1] for tail in panel.tails.values() if len(tail.share)), default=0.01)
    ticks = [share for share in _SHARES if share >= bottom]
    times = (time for tail in panel.tails.values() for time in (*tail.low_ms, *tail.high_ms))
    figure.update_layout(
        xaxis=time_axis(times, "latency [ms]"),
        yaxis={
            "title": {"text": "share of queries that take longer"},
            "type": "log",
            "range": [math.log10(bottom), 0.04],
            "tickvals": ticks,
            "ticktext": [f"{100 * share:.10g} %" for share in ticks],
        },
    )
    return figure


def _traces(style: CodeStyle, tail: Tail) -> Iterator[go.Scatter]:
    name, shares = escape(style.label), tail.share.tolist()
    has_band = bool((tail.high_ms > tail.low_ms).any())
    if has_band:
        red, green, blue = hex_to_rgb(style.colour)
        yield go.Scatter(
            x=[*tail.low_ms.tolist(), *reversed(tail.high_ms.tolist())],
            y=[*shares, *reversed(shares)],
            fill="toself",
            fillcolor=f"rgba({red}, {green}, {blue}, {_BAND_ALPHA})",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
            name=name,
        )
    spans = zip(shares, tail.mean_ms.tolist(), tail.low_ms.tolist(), tail.high_ms.tolist(), strict=True)
    yield go.Scatter(
        x=tail.mean_ms.tolist(),
        y=shares,
        mode="lines",
        line={"color": style.colour, "width": 2},
        hovertext=[
            f"<b>{name}</b><br>{100 * (1 - share):.6g} % within {mean:.4g} ms"
            + (f"<br>repeats from {low:.4g} to {high:.4g} ms" if has_band else "")
            for share, mean, low, high in spans
        ],
        hoverinfo="text",
        legendgroup=name,
        name=name,
    )
