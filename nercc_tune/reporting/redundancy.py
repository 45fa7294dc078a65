"""Held-out figures against the redundancy N / K."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from nercc_tune.export.redundancy import Redundancy
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS
from nercc_tune.reporting.pictures.redundancy import RedundancyPanel, redundancy_rows
from nercc_tune.reporting.scales import keep_means_in_sight, set_mse_scale
from nercc_tune.reporting.series import code_handles, draw_series
from nercc_tune.reporting.style import dress, legend_above, new_figure

__all__ = ["figure_redundancy"]

_MOST_LEVELS = 4
_MOST_TICKS = 6
_DODGE_PT = 1.0  # between two codes at one N / K, so that their intervals can be told apart


def figure_redundancy(redundancy: Redundancy) -> Figure:
    """Draw the MSE in probabilities and the agreement against N / K with 95 % intervals, for every code.

    A column for each count or share of stragglers, four at most; the codes of a panel are judged on the same draws.
    """
    rows = redundancy_rows(redundancy, most=_MOST_LEVELS)
    figure = new_figure(4.6)
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False, sharex=True, sharey="row")
    grid[0, 0].set_xscale("log")  # or the small ones, which are of most interest, lie too near to each other
    places = sorted({place for row in rows for panel in row for points in panel.series.values() for place in points})
    for line, row in zip(grid, rows, strict=True):
        for axes, panel in zip(line, row, strict=True):
            _draw(axes, panel, is_first=panel is row[0], is_top=row is rows[0], is_bottom=row is rows[-1])
            axes.xaxis.set_major_locator(FixedLocator(places, nbins=_MOST_TICKS))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:.3g}"))
    means = [mean for panel in rows[0] for mean in panel.means]
    set_mse_scale(grid[0, 0], means)
    keep_means_in_sight(grid[0, 0], means)
    codes = list(dict.fromkeys(code for panel in rows[0] for code in panel.series))
    legend_above(figure, code_handles(codes), columns=len(codes))
    return figure


def _draw(axes: Axes, panel: RedundancyPanel, *, is_first: bool, is_top: bool, is_bottom: bool) -> None:
    dress(
        axes,
        x="N / K" if is_bottom else "",
        y=MEASURE_LABELS[panel.measure] if is_first else "",
        title=panel.title if is_top else "",
    )
    middle = (len(panel.series) - 1) / 2
    for position, (code, points) in enumerate(panel.series.items()):
        draw_series(axes, points, code=code, offset_pt=_DODGE_PT * (position - middle))
