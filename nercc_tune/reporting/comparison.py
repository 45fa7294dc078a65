"""Several studies' codes in one figure: where workers are late, and how that goes with K."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nercc_tune.export.comparison import Comparison, Setting
from nercc_tune.records import CODE_NAMES
from nercc_tune.reporting.pictures.availability import AvailabilityCurve
from nercc_tune.reporting.pictures.comparison import DegradedPanel, codes_in_order, degraded_panels
from nercc_tune.reporting.series import MARKER_PT
from nercc_tune.reporting.style import CODES, CodeStyle, dress, legend_above, new_figure

__all__ = ["compared_figures", "figure_degraded", "figure_overall"]

_BAND_ALPHA = 0.1
_MARK_EVERY = 24  # steps of a line; the codes' marks take turns, so that lines that coincide are all seen
_PANELS_ABREAST = 3
_PANEL_IN = 2.7
_LEGEND_IN = 0.22  # a line of it
_LEGEND_COLUMNS = 3
_OWN = (
    ("#009E73", "s"),
    ("#56B4E9", "P"),
    ("#A0522D", "<"),
    ("#6A3D9A", "h"),
    ("#8C8C00", "p"),
    ("#B2182B", "d"),
    ("#1B7837", "*"),
)  # of the studies' codes but tuned NeRCC; none of the baselines'

_Styles = Mapping[str, CodeStyle]


def compared_figures(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures that apply, by name: `overall` and, where there are several K, `degraded`."""
    figures = {}
    if any(setting.has_accuracies for setting in comparison.settings):
        figures["overall"] = figure_overall(comparison)
    if degraded_panels(comparison):
        figures["degraded"] = figure_degraded(comparison)
    return figures


def figure_overall(comparison: Comparison) -> Figure:
    """Draw A_o of every code against the share of late workers with bands of 95 %, a panel for each setting.

    The dashed line of a code that degrades no query in a setting is the least that it can be, and its band goes to the
    most.

    Raises:
        ValueError: If no accuracy on degraded queries is known.

    Reference:
        Kosaian, Rashmi & Venkataraman, SOSP 2019, figure 11, and IEEE JSAIT 2020, figure 9.
    """
    settings = [setting for setting in comparison.settings if setting.has_accuracies]
    if not settings:
        raise ValueError("`comparison` must hold an accuracy on degraded queries, but got none.")
    measured = {code.name for setting in settings for code in setting.codes if code.availability is not None}
    styles = _styles(comparison, measured)
    figure, grid = _panels(len(settings), styles)
    for at, (axes, setting) in enumerate(zip(grid, settings, strict=True)):
        label = "overall accuracy" if at % _PANELS_ABREAST == 0 else ""
        dress(axes, x="share of workers that are late", y=label, title=setting.title)
        _draw_overall(axes, setting, styles)
    return figure


def figure_degraded(comparison: Comparison) -> Figure:
    """Draw A_d of every code against K with bands of 95 %, a panel for each N − K and S.

    Raises:
        ValueError: If it is not known for several K.

    Reference:
        Kosaian, Rashmi & Venkataraman, SOSP 2019, figure 9.
    """
    shown = degraded_panels(comparison)
    if not shown:
        raise ValueError("`comparison` must hold accuracies on degraded queries for several K, but got none.")
    styles = _styles(comparison, {name for panel in shown for name in panel.series})
    figure, grid = _panels(len(shown), styles)
    for at, (axes, panel) in enumerate(zip(grid, shown, strict=True)):
        label = "accuracy on degraded queries" if at % _PANELS_ABREAST == 0 else ""
        dress(axes, x="K", y=label, title=panel.title)
        _draw_degraded(axes, panel, styles)
    return figure


def _draw_overall(axes: Axes, setting: Setting, styles: _Styles) -> None:
    for position, code in enumerate(setting.codes):
        if code.availability is None:
            continue
        curve, style = AvailabilityCurve.of(code.availability), styles[code.name]
        axes.fill_between(curve.late, curve.low, curve.high, color=style.colour, alpha=_BAND_ALPHA, linewidth=0)
        axes.plot(
            curve.late,
            curve.mean,
            color=style.colour,
            linestyle="dashed" if curve.is_bound else "solid",
            linewidth=1.2,
            marker=style.marker,
            markersize=MARKER_PT,
            markevery=(position * _MARK_EVERY // len(setting.codes), _MARK_EVERY),
            label=style.label,
            zorder=4 if code.design else 3,
        )
    axes.margins(x=0)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0, symbol=" %"))


def _draw_degraded(axes: Axes, panel: DegradedPanel, styles: _Styles) -> None:
    for name, points in panel.series.items():
        style = styles[name]
        low, high = [[getattr(point, end) for point in points.values()] for end in ("low", "high")]
        axes.fill_between(list(points), low, high, color=style.colour, alpha=_BAND_ALPHA, linewidth=0)
        axes.plot(
            list(points),
            [point.mean for point in points.values()],
            color=style.colour,
            linewidth=1.2,
            marker=style.marker,
            markersize=MARKER_PT,
            label=style.label,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _panels(count: int, styles: _Styles) -> tuple[Figure, list[Axes]]:
    """Return a figure with a legend of all codes and some panels, as many abreast as fit."""
    rows, columns = -(-count // _PANELS_ABREAST), min(count, _PANELS_ABREAST)
    lines = -(-len(styles) // _LEGEND_COLUMNS)
    figure = new_figure(rows * _PANEL_IN + lines * _LEGEND_IN)
    grid = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for axes in grid[count:]:
        axes.remove()
    legend_above(figure, _handles(styles), columns=_LEGEND_COLUMNS)
    return figure, grid[:count]


def _styles(comparison: Comparison, shown: Collection[str]) -> _Styles:
    """Return how each code looks that is shown; baselines and tuned NeRCC as in every other figure."""
    styles, taken = {}, 0
    for name, code in codes_in_order(comparison).items():
        if name == CODE_NAMES[code.code]:
            styles[name] = CODES[code.code]
            continue
        colour, marker = _OWN[taken % len(_OWN)]
        styles[name] = CodeStyle(label=name.replace("$", r"\$"), colour=colour, marker=marker)
        taken += 1
    return {name: style for name, style in styles.items() if name in shown}


def _handles(styles: _Styles) -> Sequence[Line2D]:
    return [
        Line2D([], [], color=style.colour, marker=style.marker, markersize=MARKER_PT, label=style.label)
        for style in styles.values()
    ]
