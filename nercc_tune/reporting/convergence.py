"""How a search converged."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CellHistory, StudyHistory
from nercc_tune.reporting.mse_scale import set_mse_scale
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
    shown = [1.0]
    has_failed = False
    for cell, colour in zip(history.cells, cell_colours(len(history.cells)), strict=True):
        proposals, ratios = _best_so_far(cell)
        label = f"S = {write_count(cell.cell)}"
        axes.plot(proposals, ratios, color=colour, drawstyle="steps-post", marker=".", markersize=4, linewidth=1.2)
        failed = _failed_at(cell, proposals, ratios)
        axes.plot(list(failed), list(failed.values()), color=colour, marker="x", markersize=5, linestyle="none")
        has_failed = has_failed or bool(failed)
        shown += ratios
        handles.append(Line2D([], [], color=colour, marker=".", label=label))
    set_mse_scale(axes, shown)
    last = max((trial.proposal for cell in history.cells for trial in cell.trials), default=0)
    axes.set_xlim(-0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if has_failed:
        handles.append(Line2D([], [], color=INK, marker="x", linestyle="none", label="failed"))
    legend_above(figure, handles, columns=min(len(handles), 6))
    return figure


def _best_so_far(cell: CellHistory) -> tuple[list[int], list[float]]:
    scored = sorted(
        (trial.proposal, cell.goal.error_of(trial.score), trial.lambda_enc == trial.lambda_dec == 0)
        for trial in cell.trials
        if trial.score is not None
    )
    origins = [mse for _, mse, is_origin in scored if is_origin]
    baseline = cell.baselines.get("nercc_ag")
    origin = cell.goal.error_of(baseline) if baseline else min(origins, default=0.0)
    if not origin > 0:
        return [], []
    best, ratios = math.inf, []
    for _, mse, _ in scored:
        best = min(best, mse)
        ratios.append(best / origin)
    return [proposal for proposal, _, _ in scored], ratios


def _failed_at(cell: CellHistory, proposals: list[int], ratios: list[float]) -> dict[int, float]:
    """Return the proposals that failed, each at the height of the line there."""
    failed = {}
    for trial in cell.trials:
        before = [ratio for proposal, ratio in zip(proposals, ratios, strict=True) if proposal < trial.proposal]
        if trial.reason is not None and ratios:
            failed[trial.proposal] = before[-1] if before else ratios[0]
    return failed
