"""A code's held-out figures along an axis, with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from nercc_tune.export.table import TunedTable
from nercc_tune.records import RIVALS, Heldout, Interval
from nercc_tune.reporting.style import CODES

__all__ = ["code_handles", "code_series", "draw_series", "reach", "series_points"]

MARKER_PT = 4


def code_series(table: TunedTable) -> dict[str, dict[float, Heldout]]:
    """Return the held-out figures by S of each code of a table that it has some of, by name of `CODES`."""
    series: dict[str, dict[float, Heldout]] = {
        "tuned": {entry.stragglers: entry.heldout for entry in table.entries},
        "policy": {entry.stragglers: entry.heldout for entry in table.policy.entries},
    }
    for name in RIVALS:
        series[name] = {entry.stragglers: entry.baselines[name] for entry in table.entries if name in entry.baselines}
    return {name: heldouts for name, heldouts in series.items() if heldouts}


def series_points(heldouts: Mapping[float, Heldout], metric: str) -> dict[float, Interval]:
    """Return a metric by place, ascending; what is not defined is left out."""
    points = {place: getattr(heldout, metric) for place, heldout in sorted(heldouts.items())}
    return {place: point for place, point in points.items() if point is not None}


def reach(interval: Interval) -> tuple[float, float]:
    """Return how far an interval reaches below and above its mean.

    A percentile interval need not hold the mean: rounding alone can put it outside where all figures are equal.
    """
    return max(interval.mean - interval.low, 0.0), max(interval.high - interval.mean, 0.0)


def draw_series(axes: Axes, points: Mapping[float, Interval], *, code: str, offset_pt: float = 0.0) -> None:
    """Draw points with their intervals and a line between them, moved aside so that several can be told apart."""
    if not points:
        return
    style = CODES[code]
    drawn = axes.errorbar(
        list(points),
        [point.mean for point in points.values()],
        yerr=list(zip(*map(reach, points.values()), strict=True)),
        label=style.label,
        color=style.colour,
        marker=style.marker,
        markersize=MARKER_PT,
        linewidth=1.1,
        elinewidth=0.9,
        capsize=1.5,
        zorder=4 if code == "tuned" else 3,
    )
    dodged = axes.transData + ScaledTranslation(offset_pt / 72, 0, axes.figure.dpi_scale_trans)
    for artist in drawn.get_children():
        artist.set_transform(dodged)


def code_handles(codes: Iterable[str]) -> list[Line2D]:
    """Return what a legend shows of codes."""
    return [
        Line2D([], [], color=style.colour, marker=style.marker, markersize=MARKER_PT, label=style.label)
        for style in (CODES[code] for code in codes)
    ]
