"""How the search of each cell converged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CODE_NAMES, CellHistory, Interval, TrialRecord
from nercc_tune.reporting.interactive.hover import trial_text
from nercc_tune.reporting.interactive.looks import new_figure, spread_colours
from nercc_tune.reporting.interactive.value_axis import ValueAxis
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
    paths = [_path(cell) for cell in cells]
    shown = [1.0, *(step.ratio for path in paths for step in path)]
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
    for cell, path, colour in zip(cells, paths, spread_colours(len(cells)), strict=True):
        if path:
            traces.append(_line(cell, path, values, last=last, colour=colour))
            traces += _crosses(cell, path, values, colour=colour)
    figure = new_figure(traces)
    figure.update_layout(
        xaxis={"title": {"text": "proposal"}, "range": [-0.02 * last - 0.5, 1.02 * last + 0.5]},
        yaxis=values.layout(_TITLE),
        annotations=values.breaks,
    )
    return figure


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A trial that was better than all before it, with its error relative to that of (0, 0)."""

    trial: TrialRecord
    ratio: float


def _path(cell: CellHistory) -> list[_Step]:
    """Return the steps of a cell, none where the error of (0, 0) is not known or 0."""
    origin = _error_of_origin(cell)
    best = math.inf
    path: list[_Step] = []
    for trial in sorted(cell.trials, key=lambda trial: trial.proposal) if origin > 0 else ():
        error = cell.goal.error_of(trial.score) if trial.score else math.inf
        if error < best:
            best = error
            path.append(_Step(trial=trial, ratio=error / origin))
    return path


def _error_of_origin(cell: CellHistory) -> float:
    """Return the error of (0, 0), 0 where it is not known."""
    baseline = cell.baselines.get("nercc_ag")
    if baseline:
        return cell.goal.error_of(baseline)
    origins = [trial.score for trial in cell.trials if trial.score and trial.lambda_enc == trial.lambda_dec == 0]
    return min(map(cell.goal.error_of, origins), default=0.0)


def _line(cell: CellHistory, path: list[_Step], values: ValueAxis, *, last: int, colour: str) -> go.Scatter:
    name, least = _name(cell), path[-1].ratio
    texts = [f"<b>{name}</b>: {step.ratio:.4g} of (0, 0)<br>{_text(step.trial)}" for step in path]
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


def _crosses(cell: CellHistory, path: list[_Step], values: ValueAxis, *, colour: str) -> list[go.Scatter]:
    failed = [trial for trial in cell.trials if trial.reason is not None]
    if not failed:
        return []
    name = _name(cell)
    cross = go.Scatter(
        x=[trial.proposal for trial in failed],
        y=[values.place(_height(trial, path)) for trial in failed],
        mode="markers",
        marker={"color": colour, "symbol": "x-thin", "size": 8, "line": {"color": colour, "width": 2}},
        hovertext=[f"<b>{name}</b><br>{_text(trial)}" for trial in failed],
        hoverinfo="text",
        name=f"{name}, failed",
        legendgroup=name,
        showlegend=False,
    )
    return [cross]


def _name(cell: CellHistory) -> str:
    return f"S = {write_count(cell.cell)}"


def _text(trial: TrialRecord) -> str:
    return trial_text(trial, lambda_dec=trial.lambda_dec, design=trial.design, score=trial.score)


def _height(trial: TrialRecord, path: list[_Step]) -> float:
    """Return how high the line is where a trial stands."""
    before = [step.ratio for step in path if step.trial.proposal < trial.proposal]
    return before[-1] if before else path[0].ratio
