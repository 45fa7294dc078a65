"""How a search converged."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nercc_tune.records import StudyHistory
from nercc_tune.reporting.pictures.descent import Descent
from nercc_tune.reporting.scales import set_mse_scale
from nercc_tune.reporting.style import CODES, INK, cell_colours, dress, legend_above, new_figure

__all__ = ["figure_history"]


def figure_history(history: StudyHistory) -> Figure:
    """Draw the least MSE so far against the proposal, relative to the MSE of (0, 0), a line for each cell.

    All of it on the tuning draws. A cross marks a proposal that failed. A cell whose (0, 0) has an MSE of 0, or was
    not evaluated yet, has no line.
    """
    figure = new_figure(2.9)
    axes = figure.subplots()
    dress(axes, x="proposal", y="best MSE so far / MSE of (0, 0)")
    ag = CODES["nercc_ag"]
    axes.axhline(1.0, color=ag.colour, linestyle="--", linewidth=1.4)
    handles = [Line2D([], [], color=ag.colour, linestyle="--", label=ag.label)]
    descents = [Descent.of(cell) for cell in history.cells]
    for descent, colour in zip(descents, cell_colours(len(descents)), strict=True):
        line, crosses = (
            ([step.trial.proposal for step in steps], [step.ratio for step in steps])
            for steps in (descent.steps, descent.failed)
        )
        axes.plot(*line, color=colour, drawstyle="steps-post", marker=".", markersize=4, linewidth=1.2)
        axes.plot(*crosses, color=colour, marker="x", markersize=5, linestyle="none")
        handles.append(Line2D([], [], color=colour, marker=".", label=descent.name))
    set_mse_scale(axes, [1.0, *(step.ratio for descent in descents for step in descent.steps)])
    last = max((trial.proposal for cell in history.cells for trial in cell.trials), default=0)
    axes.set_xlim(-0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if any(descent.failed for descent in descents):
        handles.append(Line2D([], [], color=INK, marker="x", linestyle="none", label="failed"))
    legend_above(figure, handles, columns=min(len(handles), 6))
    return figure
