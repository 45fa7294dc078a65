"""A held-out metric against the number of stragglers."""

from __future__ import annotations

from itertools import pairwise

import plotly.graph_objects as go

from nercc_tune.export.blocks import write_count
from nercc_tune.export.table import TunedTable
from nercc_tune.records import CODE_NAMES, Measure
from nercc_tune.reporting.interactive.hover import pair_text
from nercc_tune.reporting.interactive.looks import marker_of, new_figure
from nercc_tune.reporting.interactive.series import interval_text, reaches
from nercc_tune.reporting.interactive.value_axis import ValueAxis
from nercc_tune.reporting.pictures.measures import ERRORS, MEASURE_LABELS
from nercc_tune.reporting.series import code_series, series_points

__all__ = ["plot_stragglers"]

_DODGE = 0.04  # of the least distance between two counts: at each S the codes stand side by side


def plot_stragglers(table: TunedTable, *, measure: Measure) -> go.Figure:
    """Draw a held-out metric with 95 % intervals against S, for every code on the same draws.

    Where the number of stragglers is random, a range of S stands at its upper end. A code for which the metric is not
    defined is left out. Errors have a logarithmic axis where all are positive.

    Reference:
        Moradi & Maddah-Ali 2024, figures 2, 3 and 6.
    """
    series = {code: series_points(heldouts, measure) for code, heldouts in code_series(table).items()}
    series = {code: points for code, points in series.items() if points}
    titles = {entry.stragglers: write_count(entry) for entry in table.entries}
    pairs = _pairs(table)
    step = _DODGE * min((high - low for low, high in pairwise(titles)), default=1)
    values = ValueAxis.of((point for points in series.values() for point in points.values()), is_log=measure in ERRORS)
    traces = []
    for position, (code, points) in enumerate(series.items()):
        aside = step * (position - (len(series) - 1) / 2)
        colour = marker_of(code)["color"]
        said = [
            f"<b>{CODE_NAMES[code]}</b>, S = {titles[round(count)]}{pairs.get((code, count), '')}"
            f"<br>{MEASURE_LABELS[measure]} {interval_text(point)}"
            for count, point in points.items()
        ]
        traces.append(
            go.Scatter(
                x=[count + aside for count in points],
                y=[values.place(point.mean) for point in points.values()],
                error_y=reaches(values.reach(points.values())),
                mode="lines+markers",
                marker=marker_of(code),
                line={"color": colour, "width": 1.8},
                hovertext=said,
                hoverinfo="text",
                name=CODE_NAMES[code],
            )
        )
    has_ranges = any(entry.fewest < entry.stragglers for entry in table.entries)
    figure = new_figure(traces)
    figure.update_layout(
        xaxis={
            "title": {"text": "stragglers S (a range at its end)" if has_ranges else "stragglers S"},
            "tickvals": list(titles),
            "ticktext": list(titles.values()),
        },
        yaxis=values.layout(MEASURE_LABELS[measure]),
        annotations=values.breaks,
    )
    return figure


def _pairs(table: TunedTable) -> dict[tuple[str, float], str]:
    """Return the pairs of the codes that are tuned, in words."""
    policy = table.policy
    tuned = {("tuned", entry.stragglers): (entry.lambda_enc, entry.lambda_dec) for entry in table.entries}
    tuned |= {("policy", entry.stragglers): (policy.lambda_enc, entry.lambda_dec) for entry in policy.entries}
    return {key: f"<br>{pair_text(*pair)}" for key, pair in tuned.items()}
