"""Held-out figures against the number of stragglers."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import ScaledTranslation

from nercc_tune.export.table import TunedTable
from nercc_tune.records import BASELINES, Heldout, Interval
from nercc_tune.reporting.mse_scale import set_mse_scale
from nercc_tune.reporting.style import CODES, CodeStyle, dress, error_label, legend_above, new_figure

__all__ = ["figure_stragglers"]

_DODGE_PT = 1.2  # between two codes at one S, so that their intervals can be told apart
_ALONE_DODGE_PT = 12.0  # the same where there is but one S
_METRICS = {"rel_acc": "RelAcc", "agreement": "agreement"}
_MOST_TICKS = 8
_MARKER_PT = 4


def figure_stragglers(table: TunedTable) -> Figure:
    """Draw MSE, RelAcc and agreement against S with 95 % intervals, for every code on the same held-out draws.

    RelAcc is left out where it is not defined. At each S the codes stand side by side.

    Reference:
        Moradi & Maddah-Ali 2024, figures 2, 3 and 6.
    """
    series = _series(table)
    error = table.goal.error
    metrics = [name for name in (error, *_METRICS) if any(_points(heldouts, name) for heldouts in series.values())]
    dodge_pt = _DODGE_PT if len(table.entries) > 1 else _ALONE_DODGE_PT
    middle = (len(series) - 1) / 2
    figure = new_figure(2.7)
    row = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(row, metrics, strict=True):
        dress(axes, x="stragglers S", y=error_label(table.goal) if metric == error else _METRICS[metric])
        for position, (code, heldouts) in enumerate(series.items()):
            _draw(axes, _points(heldouts, metric), style=CODES[code], offset_pt=dodge_pt * (position - middle))
        axes.xaxis.set_major_locator(FixedLocator([entry.stragglers for entry in table.entries], nbins=_MOST_TICKS))
    means = [point.mean for heldouts in series.values() for point in _points(heldouts, error).values()]
    set_mse_scale(row[0], means)
    styles = [CODES[code] for code in series]
    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, markersize=_MARKER_PT, label=style.label)
        for style in styles
    ]
    legend_above(figure, handles, columns=len(handles))
    return figure


def _series(table: TunedTable) -> dict[str, dict[int, Heldout]]:
    series = {
        "tuned": {entry.stragglers: entry.heldout for entry in table.entries},
        "policy": {entry.stragglers: entry.heldout for entry in table.policy.entries},
    }
    for name in (*BASELINES, "frozen"):
        series[name] = {entry.stragglers: entry.baselines[name] for entry in table.entries if name in entry.baselines}
    return {name: heldouts for name, heldouts in series.items() if heldouts}


def _points(heldouts: dict[int, Heldout], metric: str) -> dict[int, Interval]:
    points = {count: getattr(heldout, metric) for count, heldout in sorted(heldouts.items())}
    return {count: point for count, point in points.items() if point is not None}


def _draw(axes: Axes, points: dict[int, Interval], *, style: CodeStyle, offset_pt: float) -> None:
    if not points:
        return
    means = [point.mean for point in points.values()]
    # A percentile interval need not hold the mean: rounding alone can put it outside where all figures are equal.
    below = [max(point.mean - point.low, 0.0) for point in points.values()]
    above = [max(point.high - point.mean, 0.0) for point in points.values()]
    drawn = axes.errorbar(
        list(points),
        means,
        yerr=[below, above],
        label=style.label,
        color=style.colour,
        marker=style.marker,
        markersize=_MARKER_PT,
        linewidth=1.1,
        elinewidth=0.9,
        capsize=1.5,
        zorder=4 if style is CODES["tuned"] else 3,
    )
    dodged = axes.transData + ScaledTranslation(offset_pt / 72, 0, axes.figure.dpi_scale_trans)
    for artist in drawn.get_children():
        artist.set_transform(dodged)
