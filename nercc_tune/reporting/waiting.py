"""What waiting for more answers buys."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from nercc_tune.export.table import TunedTable
from nercc_tune.records import Heldout, TunedEntry
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS, measures_of
from nercc_tune.reporting.scales import set_mse_scale
from nercc_tune.reporting.series import code_handles, draw_series, series_points
from nercc_tune.reporting.style import INK, TEXT_PT, TICK_PT, dress, legend_above, new_figure

__all__ = ["figure_waiting", "has_waiting"]

_RIVALS = ("bacc", "replication")


def has_waiting(table: TunedTable) -> bool:
    """Whether waiting times are known and the number of answers is chosen, not left to a deadline."""
    return any(entry.waiting is not None and entry.fewest == entry.stragglers for entry in table.entries)


def figure_waiting(table: TunedTable) -> Figure:
    """Draw the goal's error and RelAcc with 95 % intervals against the mean time until F = N − S answers are there.

    A point for each straggler count, labelled at the top with its F: the curve from which to pick how many answers to
    wait for. BACC and replication wait as long. RelAcc is left out where it is not defined.

    Raises:
        ValueError: If no entry with a fixed straggler count has a waiting time.
    """
    if not has_waiting(table):
        raise ValueError("`table` must hold a waiting time for a fixed straggler count, but got none.")
    entries = [entry for entry in table.entries if entry.waiting is not None]
    series = _series(entries)
    measures = measures_of(table.goal)
    metrics = [name for name in measures if name != "agreement" and series_points(series["tuned"], name)]
    figure = new_figure(3.2)
    row = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(row, metrics, strict=True):
        dress(axes, x=f"mean {table.wait.replace('wait', 'waiting time')}", y=MEASURE_LABELS[metric])
        for code, heldouts in series.items():
            draw_series(axes, series_points(heldouts, metric), code=code)
        set_mse_scale(axes, series["tuned"], which="x")
        _label_answers(axes, entries)
    set_mse_scale(
        row[0], [point.mean for item in series.values() for point in series_points(item, metrics[0]).values()]
    )
    legend_above(figure, code_handles(series), columns=len(series))
    return figure


def _series(entries: list[TunedEntry]) -> dict[str, dict[float, Heldout]]:
    series = {"tuned": {entry.waiting or 0.0: entry.heldout for entry in entries}}
    for name in _RIVALS:
        series[name] = {entry.waiting or 0.0: entry.baselines[name] for entry in entries if name in entry.baselines}
    return {name: heldouts for name, heldouts in series.items() if heldouts}


def _label_answers(axes: Axes, entries: list[TunedEntry]) -> None:
    """Write at the top how many answers each point waits for."""
    top = axes.secondary_xaxis("top")
    top.set_xticks([entry.waiting or 0.0 for entry in entries])
    top.xaxis.set_minor_locator(NullLocator())
    top.set_xticklabels([str(entry.workers - entry.stragglers) for entry in entries], rotation=90)
    top.tick_params(labelsize=TICK_PT, colors=INK)
    top.spines["top"].set_visible(False)
    top.set_xlabel("answers waited for, F = N − S", fontsize=TEXT_PT, color=INK)
    for entry in entries:
        axes.axvline(entry.waiting or 0.0, color=INK, linewidth=0.3, alpha=0.3, zorder=0)
