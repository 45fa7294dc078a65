"""How the search of each cell converged."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from nercc_tune.records import CODE_NAMES, CellHistory, Interval
from nercc_tune.reporting.interactive.hover import trial_text
from nercc_tune.reporting.interactive.looks import new_figure, spread_colours
from nercc_tune.reporting.interactive.value_axis import ValueAxis
from nercc_tune.reporting.pictures.descent import Descent
from nercc_tune.reporting.pictures.marks import ShownTrial
from nercc_tune.reporting.style import CODES

__all__ = ["plot_history"]

_LOG_FROM = 5.0  # ratio of the greatest to the least value from which the small ones cannot be read on a linear axis
_TITLE = "best error so far / error of (0, 0)"


def plot_history(cells: Sequence[CellHistory]) -> go.Figure:
    """Draw the least error so far against the proposal, relative to the error of (0, 0), a line for each cell.

    All of it on the tuning draws. A mark stands where a proposal was better than all before; a cross marks one that
    failed, at the height of the line. A cell whose (0, 0) has an error of 0, or was not evaluated yet, has no line.
    """
    last = max((trial.proposal for cell in cells for trial in cell.trials), default=0)
    descents = [Descent.of(cell) for cell in cells]
    shown = [1.0, *(step.ratio for descent in descents for step in descent.steps)]
    is_log = min(shown) * _LOG_FROM < max(shown)
    values = ValueAxis.of((Interval(mean=ratio, low=ratio, high=ratio) for ratio in shown), is_log=is_log)
    ag = CODES["nercc_ag"]
    traces = [
        go.Scatter(
            x=[0, last],
            y=[1.0, 1.0],
            mode="lines",
            line={"color": ag.colour, "dash": "dash", "width": 1.8},
            hoverinfo="skip",
            name=CODE_NAMES["nercc_ag"],
        )
    ]
    for descent, colour in zip(descents, spread_colours(len(cells)), strict=True):
        if descent.steps:
            traces.append(_line(descent, values, last=last, colour=colour))
        if descent.failed:
            traces.append(_crosses(descent, values, colour=colour))
    figure = new_figure(traces)
    figure.update_layout(
        xaxis={"title": {"text": "proposal"}, "range": [-0.02 * last - 0.5, 1.02 * last + 0.5]},
        yaxis=values.layout(_TITLE),
        annotations=values.breaks,
    )
    return figure


def _line(descent: Descent, values: ValueAxis, *, last: int, colour: str) -> go.Scatter:
    name, path = descent.name, [step for step in descent.steps if step.is_better]
    least = path[-1].ratio
    texts = [f"<b>{name}</b>: {step.ratio:.4g} of (0, 0)<br>{trial_text(ShownTrial.own(step.trial))}" for step in path]
    end = f"<b>{name}</b>: {least:.4g} of (0, 0)<br>nothing better until proposal {last}"
    return go.Scatter(
        x=[*(step.trial.proposal for step in path), last],
        y=[*(values.place(step.ratio) for step in path), values.place(least)],
        mode="lines+markers",
        line={"color": colour, "shape": "hv", "width": 2},
        marker={"color": colour, "size": [6] * len(path) + [0]},
        hovertext=[*texts, end],
        hoverinfo="text",
        name=name,
        legendgroup=name,
    )


def _crosses(descent: Descent, values: ValueAxis, *, colour: str) -> go.Scatter:
    return go.Scatter(
        x=[step.trial.proposal for step in descent.failed],
        y=[values.place(step.ratio) for step in descent.failed],
        mode="markers",
        marker={"color": colour, "symbol": "x-thin", "size": 8, "line": {"color": colour, "width": 2}},
        hovertext=[f"<b>{descent.name}</b><br>{trial_text(ShownTrial.own(step.trial))}" for step in descent.failed],
        hoverinfo="text",
        name=f"{descent.name}, failed",
        legendgroup=descent.name,
        showlegend=False,
    )
