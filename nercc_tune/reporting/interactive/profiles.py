"""A metric along one smoothing parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from matplotlib.colors import to_rgb

from nercc_tune.records import Axis, Interval, Profile
from nercc_tune.reporting.interactive.lambda_axis import LABELS, LambdaAxis
from nercc_tune.reporting.interactive.looks import new_figure, spread_colours
from nercc_tune.reporting.interactive.series import interval_text, reaches
from nercc_tune.reporting.interactive.value_axis import ValueAxis
from nercc_tune.reporting.pictures.measures import ERRORS, MEASURE_LABELS

__all__ = ["plot_profiles"]

_BAND_ALPHA = 0.18
_STRIP = "rgba(128, 128, 128, 0.12)"
_OTHERS: dict[Axis, Axis] = {"lambda_enc": "lambda_dec", "lambda_dec": "lambda_enc"}


def plot_profiles(profiles: Sequence[Profile]) -> go.Figure:
    """Draw a metric with 95 % bands along λ_enc or λ_dec, a line for each value of the other.

    0 has a grey strip of its own, with a bar in the place of the band. Errors have a logarithmic axis where all are
    positive.

    Raises:
        ValueError: If there is no profile, or they are of several axes or metrics.
    """
    kinds = {(profile.axis, profile.metric) for profile in profiles}
    if len(kinds) != 1:
        raise ValueError(f"`profiles` must be of one axis and one metric, but got {sorted(kinds)}.")
    ((axis, metric),) = kinds
    scale = LambdaAxis.around(value for profile in profiles for value in profile.smoothings)
    traces: list[Any] = []
    values = ValueAxis.of((point for profile in profiles for point in profile.points), is_log=metric in ERRORS)
    for profile, colour in zip(profiles, spread_colours(len(profiles)), strict=True):
        traces += _traces(profile, scale, values, colour=colour)
    figure = new_figure(traces)
    figure.add_vrect(*scale.zero_edges, fillcolor=_STRIP, line_width=0, layer="below")
    figure.update_layout(
        xaxis=scale.layout(LABELS[axis]), yaxis=values.layout(MEASURE_LABELS[metric]), annotations=values.breaks
    )
    return figure


def _traces(profile: Profile, scale: LambdaAxis, values: ValueAxis, *, colour: str) -> list[go.Scatter]:
    """Return the band and the line over the positive λ, and the mark at 0; one entry in the legend shows all."""
    other = f"{LABELS[_OTHERS[profile.axis]]} = {profile.other:.3g}"
    pairs = list(zip(profile.smoothings, profile.points, strict=True))
    positive = [pair for pair in pairs if pair[0] > 0]
    zero = [pair for pair in pairs if pair[0] == 0]
    group = {"legendgroup": f"{profile.axis} {profile.other!r}", "name": other}
    traces = []
    if positive:
        places = scale.places(smoothing for smoothing, _ in positive)
        drawn = values.reach(point for _, point in positive)
        ends = [point.high for point in drawn] + [values.place(point.low) for point in drawn][::-1]
        band = f"rgba({', '.join(str(round(255 * part)) for part in to_rgb(colour))}, {_BAND_ALPHA})"
        traces.append(
            go.Scatter(
                x=[*places, *places[::-1]],
                y=ends,
                fill="toself",
                fillcolor=band,
                line={"width": 0},
                mode="lines",
                hoverinfo="skip",
                showlegend=False,
                **group,
            )
        )
    for part, mode in ((positive, "lines+markers"), (zero, "markers")):
        if part:
            traces.append(
                go.Scatter(
                    x=scale.places(smoothing for smoothing, _ in part),
                    y=[values.place(point.mean) for _, point in part],
                    error_y=None if part is positive else reaches(values.reach(point for _, point in part)),
                    mode=mode,
                    line={"color": colour, "width": 2},
                    marker={"color": colour, "size": 5},
                    hovertext=[_text(profile, smoothing, point) for smoothing, point in part],
                    hoverinfo="text",
                    showlegend=part is positive or not positive,
                    **group,
                )
            )
    return traces


def _text(profile: Profile, smoothing: float, point: Interval) -> str:
    pair = f"{LABELS[profile.axis]} = {smoothing:.3g}, {LABELS[_OTHERS[profile.axis]]} = {profile.other:.3g}"
    return f"{pair}<br>{MEASURE_LABELS[profile.metric]} {interval_text(point)}"
