"""Held-out figures against the number of stragglers."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from nercc_tune.export.blocks import write_count
from nercc_tune.export.table import TunedTable
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS, measures_of
from nercc_tune.reporting.scales import keep_means_in_sight, set_mse_scale
from nercc_tune.reporting.series import code_handles, code_series, draw_series, series_points
from nercc_tune.reporting.style import dress, legend_above, new_figure

__all__ = ["figure_stragglers"]

_DODGE_PT = 1.2  # between two codes at one S, so that their intervals can be told apart
_ALONE_DODGE_PT = 12.0  # the same where there is but one S
_MOST_TICKS = 8
_MOST_HANDLES = 6  # in a row of the legend


def figure_stragglers(table: TunedTable) -> Figure:
    """Draw the goal's error, RelAcc and agreement against S with 95 % intervals, for every code on the same draws.

    RelAcc is left out where it is not defined. At each S the codes stand side by side. Where the number of stragglers
    is random, a range of S stands at its upper end.

    Reference:
        Moradi & Maddah-Ali 2024, figures 2, 3 and 6.
    """
    series = code_series(table)
    measures = measures_of(table.goal)
    metrics = [name for name in measures if any(series_points(item, name) for item in series.values())]
    has_ranges = any(entry.fewest < entry.stragglers for entry in table.entries)
    counts = {entry.stragglers: write_count(entry) for entry in table.entries}
    dodge_pt = _DODGE_PT if len(table.entries) > 1 else _ALONE_DODGE_PT
    middle = (len(series) - 1) / 2
    figure = new_figure(2.7)
    row = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(row, metrics, strict=True):
        title = "stragglers S (a range at its end)" if has_ranges else "stragglers S"
        dress(axes, x=title, y=MEASURE_LABELS[metric])
        for position, (code, heldouts) in enumerate(series.items()):
            points = series_points(heldouts, metric)
            draw_series(axes, points, code=code, offset_pt=dodge_pt * (position - middle))
        axes.xaxis.set_major_locator(FixedLocator(list(counts), nbins=_MOST_TICKS))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: counts.get(round(place), "")))
        if has_ranges:
            axes.tick_params(axis="x", labelrotation=45)
    means = [point.mean for heldouts in series.values() for point in series_points(heldouts, table.goal.error).values()]
    set_mse_scale(row[0], means)
    keep_means_in_sight(row[0], means)
    rows = 1 if len(series) <= _MOST_HANDLES else 2
    legend_above(figure, code_handles(series), columns=-(-len(series) // rows))
    return figure
