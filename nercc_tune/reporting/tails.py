"""The figures of a bench: latency distributions, and error against the 99.9th percentile, of all rivals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from nercc_tune.records import Interval
from nercc_tune.reporting.bench_styles import bench_styles
from nercc_tune.reporting.pictures.tails import TailPanel, panels_of, rate_series
from nercc_tune.reporting.scales import set_mse_scale
from nercc_tune.reporting.series import MARKER_PT, reach
from nercc_tune.reporting.style import CodeStyle, Mark, dress, legend_above, new_figure, write_inside
from nercc_tune.service.bench_results import BenchResults

__all__ = ["bench_figures", "figure_error_tail", "figure_rates", "figure_tails"]

_PANELS_ABREAST = 2
_PANEL_IN = 2.9
_LEGEND_IN = 0.22
_LEGEND_COLUMNS = 4
_BAND_ALPHA = 0.15
_MARKED = (0.5, 0.1, 0.01, 0.001)  # shares of queries: p50, p90, p99, p99.9
_ROOM_MS = 1.15  # beside the least and the greatest time
_POINT_PT = 6
_DECADE = 10
_BELOW = 2.0  # the least mean, in sight of an interval


def bench_figures(results: Mapping[str, BenchResults]) -> dict[str, Figure]:
    """Return the figures that apply, by name: `tails`, `error_tail` where answers are known, `rates` of several rates.

    Args:
        results: By a name for readers, with at least one run.
    """
    panels = panels_of(results)
    figures = {"tails": figure_tails(panels)}
    if any(panel.points for panel in panels):
        figures["error_tail"] = figure_error_tail(panels)
    if len(results) == 1 and len(next(iter(results.values())).at_rates()) > 1:
        figures["rates"] = figure_rates(next(iter(results.values())))
    return figures


def figure_tails(panels: Sequence[TailPanel]) -> Figure:
    """Draw the share of queries that take longer than a time; bands go from the best to the worst repeat.

    Marks are at p50, p90, p99 and p99.9. Further left is better, at the height that one cares about.
    """
    styles = _styles(code for panel in panels for code in panel.tails)
    figure, grid = _panels(len(panels), styles)
    for at, (axes, panel) in enumerate(zip(grid, panels, strict=True)):
        dress(axes, x="latency in ms", y="share of queries that take longer" if _is_left(at) else "", title=panel.title)
        for code, tail in panel.tails.items():
            style = styles[code]
            axes.fill_betweenx(
                tail.share, tail.low_ms, tail.high_ms, color=style.colour, alpha=_BAND_ALPHA, linewidth=0
            )
            axes.plot(tail.mean_ms, tail.share, color=style.colour, linewidth=1.2)
            marked = [int(abs(tail.share - share).argmin()) for share in _MARKED if tail.share[-1] <= share * 1.05]
            axes.plot(
                tail.mean_ms[marked],
                tail.share[marked],
                linestyle="none",
                marker=style.marker,
                markersize=MARKER_PT,
                color=style.colour,
                label=style.label,
            )
        axes.set_yscale("log")
        _set_milliseconds(axes, (time for tail in panel.tails.values() for time in (tail.low_ms[0], tail.high_ms[-1])))
        axes.yaxis.set_major_formatter(FuncFormatter(_write_share))
        axes.set_ylim(top=1.15)
    return figure


def figure_error_tail(panels: Sequence[TailPanel]) -> Figure:
    """Draw what share of the answers differ from the model's against p99.9, with 95 % intervals over the repeats.

    Down and left is better.

    Raises:
        ValueError: If neither is known of any code.
    """
    if not any(panel.points for panel in panels):
        raise ValueError("`panels` must hold a code of which error and p99.9 are known, but got none.")
    styles = _styles(code for panel in panels for code in panel.points)
    figure, grid = _panels(len(panels), styles)
    for at, (axes, panel) in enumerate(zip(grid, panels, strict=True)):
        label = "1 − agreement with the model" if _is_left(at) else ""
        dress(axes, x="99.9th percentile of the latency in ms", y=label, title=panel.title)
        for code, point in panel.points.items():
            axes.errorbar(
                point.p999_ms.mean,
                point.error.mean,
                xerr=[[side] for side in reach(point.p999_ms)],
                yerr=[[side] for side in reach(point.error)],
                color=styles[code].colour,
                fmt="none",
                elinewidth=1.0,
                capsize=2,
            )
            mark = Mark(marker=styles[code].marker, colour=styles[code].colour, size=_POINT_PT)
            axes.add_line(mark.at([(point.p999_ms.mean, point.error.mean)], label=styles[code].label))
        errors = [point.error.mean for point in panel.points.values()]
        set_mse_scale(axes, errors)
        _set_milliseconds(axes, _ends_in_sight(point.p999_ms for point in panel.points.values()))
    return figure


def figure_rates(results: BenchResults) -> Figure:
    """Draw p50 and p99.9 of all codes against the rate, with 95 % intervals over the repeats."""
    named = {"p50_s": "median", "p999_s": "99.9th percentile"}
    series = {title: rate_series(results, name) for name, title in named.items()}
    styles = _styles(code for each in series.values() for code in each)
    figure, grid = _panels(len(series), styles)
    for axes, (title, codes) in zip(grid, series.items(), strict=True):
        dress(axes, x="queries per second", y="latency in ms", title=title)
        for code, points in codes.items():
            rates, spans = [point.rate for point in points], [point.latency_ms for point in points]
            style = styles[code]
            axes.fill_between(
                rates, [each.low for each in spans], [each.high for each in spans],
                color=style.colour, alpha=_BAND_ALPHA, linewidth=0,
            )  # fmt: skip
            axes.plot(
                rates,
                [each.mean for each in spans],
                color=style.colour,
                linewidth=1.2,
                marker=style.marker,
                markersize=MARKER_PT,
                label=style.label,
            )
        if not codes:
            write_inside(axes, "too many queries were refused")
            continue
        axes.set_xticks([setting.rate for setting in results.at_rates()])
        axes.set_yscale("log")
        ends = _ends_in_sight(point.latency_ms for points in codes.values() for point in points)
        axes.set_ylim(min(ends) / _ROOM_MS, max(ends) * _ROOM_MS)
        axes.yaxis.set_major_locator(LogLocator(_DECADE, subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(_write_ms))
        axes.yaxis.set_minor_formatter(NullFormatter())
    return figure


def _is_left(at: int) -> bool:
    return at % _PANELS_ABREAST == 0


def _panels(count: int, styles: Mapping[str, CodeStyle]) -> tuple[Figure, list[Axes]]:
    rows, columns = -(-count // _PANELS_ABREAST), min(count, _PANELS_ABREAST)
    lines = -(-len(styles) // _LEGEND_COLUMNS)
    figure = new_figure(rows * _PANEL_IN + lines * _LEGEND_IN)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid[count:]:
        axes.remove()
    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, markersize=MARKER_PT, label=style.label)
        for style in styles.values()
    ]
    legend_above(figure, handles, columns=_LEGEND_COLUMNS)
    return figure, grid[:count]


def _styles(codes: Iterable[str]) -> dict[str, CodeStyle]:
    """Return how each code looks, with labels that nobody takes for formulas."""
    styles = bench_styles(codes)
    return {code: replace(style, label=style.label.replace("$", r"\$")) for code, style in styles.items()}


def _ends_in_sight(intervals: Iterable[Interval]) -> list[float]:
    """Return between what times a logarithmic axis goes: an interval that reaches to 0 would squeeze the rest."""
    shown = list(intervals)
    floor = min(each.mean for each in shown) / _BELOW
    return [max(floor, end) for each in shown for end in (each.low, each.mean, each.high)]


def _set_milliseconds(axes: Axes, times: Iterable[float]) -> None:
    """Set a logarithmic axis of times with readable ticks, all times in sight."""
    shown = [time for time in times if 0 < time < math.inf]
    axes.set_xscale("log")
    low, high = min(shown) / _ROOM_MS, max(shown) * _ROOM_MS
    axes.set_xlim(low, high)
    steps = (1.0, 2.0, 5.0) if high / low > 3 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    axes.xaxis.set_major_locator(LogLocator(_DECADE, subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(_write_ms))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _write_ms(value: float, _position: int | None = None) -> str:
    return f"{value:g}"


def _write_share(value: float, _position: int | None = None) -> str:
    return f"{100 * value:g} %"
