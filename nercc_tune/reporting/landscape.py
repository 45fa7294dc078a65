"""The MSE over both smoothing parameters."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nercc_tune.export.blocks import write_count
from nercc_tune.records import CellHistory, Design, StudyHistory
from nercc_tune.reporting.pictures.lambda_scale import LambdaScale
from nercc_tune.reporting.pictures.marks import Marks
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS
from nercc_tune.reporting.pictures.recorded_surface import recorded_surface
from nercc_tune.reporting.pictures.surface_map import CONTOUR_COLOUR, CONTOURS, SurfaceMap, with_gaps
from nercc_tune.reporting.scales import set_lambda_scale
from nercc_tune.reporting.style import CHOSEN, CODES, INK, Mark, dress, legend_above, new_figure, write_inside
from nercc_tune.spec import StudySpec

__all__ = ["figure_landscape"]

_COLUMNS = 3  # at most
_TITLE_WIDTH = 40  # characters, over a panel of two
_CONTOUR_PT = (1.2, 0.9, 0.6)
_MARKS = {
    "nercc_ag": Mark(marker=CODES["nercc_ag"].marker, colour=CODES["nercc_ag"].colour, size=6),
    "trial": Mark(marker=".", colour="white", size=5, edge=INK, edge_width=0.5),
    "failed": Mark(marker="x", colour="#ffffff", size=5, edge=INK, edge_width=1.2),
    "tuned": CHOSEN,
    "policy": Mark(marker="s", colour=CODES["policy"].colour, size=12, edge_width=1.8, is_hollow=True),
}


def figure_landscape(history: StudyHistory) -> Figure:
    """Draw log10 of the error on the tuning draws over (λ_dec, λ_enc), a panel for each cell.

    The design is the one chosen, or the best one that a spline decodes. A row of colour is a λ_enc that was tried, as
    wide as it is nearer to it than to others; a column is a λ_dec of the decoder grid. 0 has a row and a column of its
    own, apart from the logarithmic part. Colours end at ten times the least MSE of the cell, or at that of (0, 0) where
    it is more; lines are drawn at 2 %, 10 % and 50 % above it.
    """
    columns = 2 if len(history.cells) in (2, 4) else min(_COLUMNS, len(history.cells))
    rows = math.ceil(len(history.cells) / columns)
    figure = new_figure(0.7 + 2.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    reference = StudySpec.model_validate(history.spec, strict=False).reference
    designs = [cell.smoothed.design if cell.smoothed else reference for cell in history.cells]
    marks = [Marks.of(cell, design, history.policy) for cell, design in zip(history.cells, designs, strict=True)]
    pairs = [pair for item in marks for pair in item.pairs]
    decoder = LambdaScale.around((*history.decoder_grid, *(lambda_dec for _, lambda_dec in pairs)))
    encoder = LambdaScale.around(lambda_enc for lambda_enc, _ in pairs)
    for axes, cell, shown in zip(panels, history.cells, marks, strict=False):
        set_lambda_scale(axes, decoder, "x", most_ticks=3)
        set_lambda_scale(axes, encoder, "y")
        dress(axes, x="λ$_{dec}$", y="λ$_{enc}$", title=_title(cell))
        axes.grid(visible=False)
        surface = recorded_surface(cell, grid=history.decoder_grid)
        if surface is not None:
            colours = SurfaceMap.of(surface, cell)
            mesh = _draw_map(axes, colours, decoder=decoder, encoder=encoder)
            is_cut = colours.shown.max() > colours.high
            bar = figure.colorbar(mesh, ax=axes, extend="max" if is_cut else "neither", pad=0.02)
            bar.set_label(f"log$_{{10}}$ {MEASURE_LABELS[surface.metric]}", fontsize=7, color=INK)
            bar.ax.tick_params(labelsize=6, colors=INK)
            bar.locator = MaxNLocator(5)
        else:
            write_inside(axes, "no completed trial")
        _draw_marks(
            axes, shown, has_origin=0.0 in cell.profiles and surface is not None and surface.design == reference
        )
    for axes in panels[len(history.cells) :]:
        axes.remove()
    legend_above(figure, _handles(history, has_failed=any(item.failed for item in marks)), columns=3)
    return figure


def _draw_map(axes: Axes, colours: SurfaceMap, *, decoder: LambdaScale, encoder: LambdaScale) -> QuadMesh:
    surface = colours.surface
    mesh = axes.pcolormesh(
        decoder.edges(surface.lambda_decs),
        encoder.edges(surface.lambda_encs),
        np.ma.masked_invalid(with_gaps(surface, colours.shown)),
        cmap="viridis",
        vmin=colours.low,
        vmax=colours.high,
        rasterized=True,
        linewidth=0,
    )
    if colours.has_contours:
        x, y = ([value for value in values if value > 0] for values in (surface.lambda_decs, surface.lambda_encs))
        axes.contour(x, y, colours.ratios, levels=CONTOURS, colors=CONTOUR_COLOUR, linewidths=_CONTOUR_PT)
    return mesh


def _title(cell: CellHistory) -> str:
    """Return the straggler count, with the design where it is not that of the paper."""
    title, chosen = f"S = {write_count(cell.cell)}", cell.smoothed
    if chosen is None or chosen.design == Design(decode_space=chosen.design.decode_space):
        return title
    return "\n".join([title, *textwrap.wrap(chosen.design.label, _TITLE_WIDTH, break_on_hyphens=False)])


def _draw_marks(axes: Axes, marks: Marks, *, has_origin: bool) -> None:
    pairs = {
        "nercc_ag": [(0.0, 0.0)] if has_origin else [],
        "trial": [item.pair for item in marks.trials],
        "failed": marks.failed,
        "policy": [marks.policy] if marks.policy else [],
        "tuned": [marks.chosen] if marks.chosen else [],
    }
    for name, found in pairs.items():
        if found:
            points = [(lambda_dec, lambda_enc) for lambda_enc, lambda_dec in found]
            axes.add_line(_MARKS[name].at(points, label=name))


def _handles(history: StudyHistory, *, has_failed: bool) -> list[Line2D]:
    labels = {
        "nercc_ag": CODES["nercc_ag"].label,
        "tuned": CODES["tuned"].label if history.is_finished else "best so far",
        "policy": CODES["policy"].label,
        "trial": "trial",
        "failed": "failed trial",
    }
    if history.policy is None:
        labels.pop("policy")
    if not has_failed:
        labels.pop("failed")
    percents = ", ".join(f"{100 * (level - 1):.0f}" for level in CONTOURS)
    contours = Line2D([], [], color=CONTOUR_COLOUR, label=f"{percents} % above the least")
    return [*(_MARKS[name].at([], label=label) for name, label in labels.items()), contours]
