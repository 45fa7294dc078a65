"""What the answers of rivals are worth against how long their slowest ones take."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from nercc_tune.records import Interval
from nercc_tune.reporting.bench_styles import bench_styles
from nercc_tune.reporting.interactive.looks import marker_of_style, new_figure
from nercc_tune.reporting.interactive.series import interval_text, reaches
from nercc_tune.reporting.interactive.value_axis import ValueAxis
from nercc_tune.reporting.pictures.tails import ErrorPoint, TailPanel
from nercc_tune.reporting.style import CodeStyle

__all__ = ["plot_error_against_tail"]


def plot_error_against_tail(panel: TailPanel) -> go.Figure:
    """Draw the share of answers that differ from the model's against p99.9: further down and left is better.

    With 95 % intervals of both where there are repeats.
    """
    styles = bench_styles(panel.tails)
    values = ValueAxis.of((point.error for point in panel.points.values()), is_log=True)
    figure = new_figure([_mark(styles[code], point, values) for code, point in panel.points.items()])
    figure.update_layout(
        xaxis={"title": {"text": "99.9th percentile of the latency [ms]"}, "rangemode": "tozero"},
        yaxis={"rangemode": "tozero", **values.layout("1 − agreement with the model")},
        annotations=values.breaks,
    )
    return figure


def _mark(style: CodeStyle, point: ErrorPoint, values: ValueAxis) -> go.Scatter:
    name = escape(style.label)
    return go.Scatter(
        x=[point.p999_ms.mean],
        y=[values.place(point.error.mean)],
        error_x=reaches([point.p999_ms]),
        error_y=reaches(values.reach([point.error])),
        mode="markers",
        cliponaxis=False,
        marker=marker_of_style(style, size=11),
        hovertext=[f"<b>{name}</b><br>p99.9 {_written(point.p999_ms)} ms<br>1 − agreement {_written(point.error)}"],
        hoverinfo="text",
        name=name,
    )


def _written(interval: Interval) -> str:
    return interval_text(interval) if interval.low < interval.high else f"{interval.mean:.4g}"
