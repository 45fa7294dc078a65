"""How often the codes are right where workers are late."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nercc_tune.export.availability import compare_availability
from nercc_tune.export.table import TunedTable
from nercc_tune.records import DEFAULT_PREDICTION
from nercc_tune.reporting.pictures.availability import AvailabilityCurve
from nercc_tune.reporting.series import MARKER_PT, code_handles
from nercc_tune.reporting.style import CODES, INK, TEXT_PT, dress, legend_above, new_figure

__all__ = ["figure_availability", "has_availability"]

_BARE = ("uncoded", DEFAULT_PREDICTION)
_BAND_ALPHA = 0.14
_MARK_EVERY = 24  # steps of a line; the codes' marks take turns, so that lines that coincide are all seen


def has_availability(table: TunedTable) -> bool:
    """Whether some code's accuracy on degraded queries is known."""
    return compare_availability(table) is not None


def figure_availability(table: TunedTable) -> Figure:
    """Draw the overall accuracy of every code against the share of late workers, with bands of 95 %.

    The second panel is without those that have no redundancy, which are so much worse that the rest is hard to tell
    apart beside them. The accuracy is that of the table's least S ≥ 1 at which some query of some code is degraded. The
    dashed line of a code that degrades none there is the least that it can be, and its band goes to the most.

    Raises:
        ValueError: If no accuracy on degraded queries is known.

    Reference:
        Kosaian, Rashmi & Venkataraman, IEEE JSAIT 2020, figure 9.
    """
    compared = compare_availability(table)
    if compared is None:
        raise ValueError("`table` must hold an accuracy on degraded queries, but got none.")
    curves = {code: AvailabilityCurve.of(availability) for code, availability in compared.codes.items()}
    redundant = {code: curve for code, curve in curves.items() if code not in _BARE}
    figure = new_figure(3.2)
    whole, closer = figure.subplots(1, 2)
    _draw(whole, curves, title=f"degraded queries as at S = {compared.count}")
    _draw(closer, redundant, title="the same, of codes with redundancy")
    whole.set_ylabel("overall accuracy", fontsize=TEXT_PT, color=INK)
    legend_above(figure, code_handles(compared.codes), columns=-(-len(compared.codes) // 2))
    return figure


def _draw(axes: Axes, curves: Mapping[str, AvailabilityCurve], *, title: str) -> None:
    dress(axes, x="share of workers that are late", title=title)
    for position, (code, curve) in enumerate(curves.items()):
        style = CODES[code]
        axes.fill_between(curve.late, curve.low, curve.high, color=style.colour, alpha=_BAND_ALPHA, linewidth=0)
        axes.plot(
            curve.late,
            curve.mean,
            color=style.colour,
            linestyle="dashed" if curve.is_bound else "solid",
            linewidth=1.2,
            marker=style.marker,
            markersize=MARKER_PT,
            markevery=(position * _MARK_EVERY // len(curves), _MARK_EVERY),
            label=style.label,
            zorder=4 if code == "tuned" else 3,
        )
    axes.margins(x=0)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0, symbol=" %"))
