"""The MSE over both smoothing parameters."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CellHistory, Design, StudyHistory, TrialRecord
from nercc_tune.reporting.lambda_scale import LambdaScale, log_edges
from nercc_tune.reporting.style import (
    CHOSEN,
    CODES,
    INK,
    Mark,
    dress,
    error_label,
    legend_above,
    new_figure,
    write_inside,
)
from nercc_tune.spec import StudySpec

__all__ = ["figure_landscape"]

_COLUMNS = 3  # at most
_TITLE_WIDTH = 40  # characters, over a panel of two
_DECADES_SHOWN = 1.0  # above the least MSE: the valley is shallow, and vanishes beside what over-smoothing costs
_CONTOURS = (1.02, 1.1, 1.5)  # times the least MSE
_CONTOUR_PT = (1.2, 0.9, 0.6)
_CONTOUR_COLOUR = "#d0d0d0"
_MARKS = {
    "nercc_ag": Mark(marker=CODES["nercc_ag"].marker, colour=CODES["nercc_ag"].colour, size=6),
    "trial": Mark(marker=".", colour="white", size=5, edge=INK, edge_width=0.5),
    "failed": Mark(marker="x", colour="#ffffff", size=5, edge=INK, edge_width=1.2),
    "tuned": CHOSEN,
    "policy": Mark(marker="s", colour=CODES["policy"].colour, size=12, edge_width=1.8, is_hollow=True),
}


def figure_landscape(history: StudyHistory) -> Figure:
    """Draw log10 of the error on the tuning draws over (λ_dec, λ_enc), a panel for each cell, with the design chosen.

    A row of colour is a λ_enc that was tried, as wide as it is nearer to it than to others; a column is a λ_dec of the
    decoder grid. 0 has a row and a column of its own, apart from the logarithmic part. Colours end at ten times the
    least MSE of the cell, or at that of (0, 0) where it is more; lines are drawn at 2 %, 10 % and 50 % above it.
    """
    columns = 2 if len(history.cells) in (2, 4) else min(_COLUMNS, len(history.cells))
    rows = math.ceil(len(history.cells) / columns)
    figure = new_figure(0.7 + 2.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    decoder, encoder = _scales(history)
    for axes, cell in zip(panels, history.cells, strict=False):
        decoder.apply(axes, "x", most_ticks=3)
        encoder.apply(axes, "y")
        dress(axes, x="λ$_{dec}$", y="λ$_{enc}$", title=_title(cell))
        axes.grid(visible=False)
        mesh = _draw_mesh(axes, cell, grid=history.decoder_grid, decoder=decoder, encoder=encoder)
        if mesh is not None:
            bar = figure.colorbar(mesh, ax=axes, extend=_extension(mesh), pad=0.02)
            bar.set_label(f"log$_{{10}}$ {error_label(cell.goal)}", fontsize=7, color=INK)
            bar.ax.tick_params(labelsize=6, colors=INK)
            bar.locator = MaxNLocator(5)
        else:
            write_inside(axes, "no completed trial")
        _draw_marks(axes, cell, history=history)
    for axes in panels[len(history.cells) :]:
        axes.remove()
    legend_above(figure, _handles(history), columns=3)
    return figure


def _scales(history: StudyHistory) -> tuple[LambdaScale, LambdaScale]:
    trials = [trial for cell in history.cells for trial in cell.trials]
    marked = [trial.lambda_dec for trial in trials]
    encoders = [trial.lambda_enc for trial in trials]
    if history.policy:
        marked += [entry.lambda_dec for entry in history.policy.entries]
        encoders.append(history.policy.lambda_enc)
    return LambdaScale.around((*history.decoder_grid, *marked)), LambdaScale.around(encoders)


def _draw_mesh(
    axes: Axes, cell: CellHistory, *, grid: tuple[float, ...], decoder: LambdaScale, encoder: LambdaScale
) -> QuadMesh | None:
    profiles = cell.profiles
    if not profiles:
        return None
    encoders = sorted(profiles)
    mse = np.array([profiles[encoder] for encoder in encoders])
    mse = np.maximum(mse, mse[mse > 0].min(initial=1.0))
    values = np.log10(mse)
    x_edges, x_index = _cells(grid, scale=decoder)
    y_edges, y_index = _cells(encoders, scale=encoder)
    cells = np.full((len(y_edges) - 1, len(x_edges) - 1), np.nan)
    cells[np.ix_(y_index, x_index)] = values
    least = float(values.min())
    highest = min(float(values.max()), max(least + _DECADES_SHOWN, _log10_of_origin(cell)))
    shown = np.ma.masked_invalid(cells)
    mesh = axes.pcolormesh(
        x_edges, y_edges, shown, cmap="viridis", vmin=least, vmax=highest, rasterized=True, linewidth=0
    )
    _draw_contours(axes, x=np.array(grid), y=np.array(encoders), ratios=mse / mse.min())
    return mesh


def _log10_of_origin(cell: CellHistory) -> float:
    origin = cell.baselines.get("nercc_ag")
    error = cell.goal.error_of(origin) if origin else 0.0
    return math.log10(error) if error > 0 else -math.inf


def _extension(mesh: QuadMesh) -> Literal["max", "neither"]:
    _, highest = mesh.get_clim()
    greatest = float(np.ma.asarray(mesh.get_array()).max())
    return "max" if highest is not None and greatest > highest else "neither"


def _cells(values: Sequence[float], *, scale: LambdaScale) -> tuple[list[float], list[int]]:
    """Return the edges of cells around ascending values, and the cell of each value; a gap parts 0 from the rest."""
    positive = [value for value in values if value > 0]
    edges = log_edges(positive) if positive else []
    if len(positive) == len(values):
        return edges, list(range(len(values)))
    return [*scale.zero_edges, *edges], [0, *range(2, len(positive) + 2)]


def _draw_contours(axes: Axes, *, x: NDArray[np.float64], y: NDArray[np.float64], ratios: NDArray[np.float64]) -> None:
    inner = ratios[np.ix_(y > 0, x > 0)]
    if min(inner.shape) < 2 or not inner.min() < _CONTOURS[-1] < inner.max():
        return
    axes.contour(x[x > 0], y[y > 0], inner, levels=_CONTOURS, colors=_CONTOUR_COLOUR, linewidths=_CONTOUR_PT)


def _title(cell: CellHistory) -> str:
    """Return the straggler count, with the design where it is not that of the paper."""
    title, chosen = f"S = {write_count(cell.cell)}", cell.entry or cell.best
    if chosen is None or chosen.design == Design(decode_space=chosen.design.decode_space):
        return title
    return "\n".join([title, *textwrap.wrap(chosen.design.label, _TITLE_WIDTH, break_on_hyphens=False)])


def _has_layout(trial: TrialRecord, cell: CellHistory) -> bool:
    """Whether a trial has the ordering and the nodes of the design that is shown."""
    chosen = cell.entry or cell.best
    return chosen is not None and trial.encoding == chosen.design.encoding(trial.lambda_enc)


def _draw_marks(axes: Axes, cell: CellHistory, *, history: StudyHistory) -> None:
    shown = [trial for trial in cell.trials if _has_layout(trial, cell)]
    complete = [(trial.lambda_dec, trial.lambda_enc) for trial in shown if trial.is_complete]
    failed = [(trial.lambda_dec, trial.lambda_enc) for trial in cell.trials if trial.reason is not None]
    entries = {entry.stragglers: entry for entry in history.policy.entries} if history.policy else {}
    policy = entries.get(cell.cell.stragglers)
    chosen = cell.entry or cell.best
    design = chosen.design if chosen else None
    reference = StudySpec.model_validate(history.spec, strict=False).reference
    is_policy = history.policy is not None and history.policy.design == design
    pairs = {
        "nercc_ag": [(0.0, 0.0)] if 0.0 in cell.profiles and design == reference else [],
        "trial": complete,
        "failed": failed,
        "policy": [(policy.lambda_dec, history.policy.lambda_enc)] if is_policy and policy and history.policy else [],
        "tuned": [(chosen.lambda_dec, chosen.lambda_enc)] if chosen else [],
    }
    for name, points in pairs.items():
        if points:
            axes.add_line(_MARKS[name].at(points, label=name))


def _handles(history: StudyHistory) -> list[Line2D]:
    labels = {
        "nercc_ag": CODES["nercc_ag"].label,
        "tuned": CODES["tuned"].label if history.is_finished else "best so far",
        "policy": CODES["policy"].label,
        "trial": "trial",
        "failed": "failed trial",
    }
    if history.policy is None:
        labels.pop("policy")
    if not any(trial.reason is not None for cell in history.cells for trial in cell.trials):
        labels.pop("failed")
    percents = ", ".join(f"{100 * (level - 1):.0f}" for level in _CONTOURS)
    contours = Line2D([], [], color=_CONTOUR_COLOUR, label=f"{percents} % above the least")
    return [*(_MARKS[name].at([], label=label) for name, label in labels.items()), contours]
