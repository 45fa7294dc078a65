"""The tables and the figure."""

from __future__ import annotations

from itertools import product

from matplotlib.figure import Figure

from nercc_tune.reporting.style import INK, cell_colours, dress, legend_above, new_figure

from .comparing import CELLS, FORWARDS_S, TRIPS_S, WORKERS, Curves
from .engine import LOSSES
from .meter import Meter

GOAL = 0.9


def efficiency_table(curves: Curves) -> str:
    """Return the efficiencies as a Markdown table, the most workers above the goal, and what the rest is lost by."""
    rows = [
        [
            "cells",
            "forward",
            "round trip",
            *map(str, WORKERS),
            f"≥ {GOAL:.0%} up to",
            "beyond, most is lost by",
            "at the end by",
        ]
    ]
    rows += [["--:"] * (len(rows[0]) - 2) + ["---"] * 2]
    for (cells, forward_s, trip_s), points in curves.items():
        enough = [item.workers for item in points if item.efficiency >= GOAL]
        beyond = next((LOSSES[item.loss] for item in points if item.workers > max(enough)), "–")
        shares = [f"{item.efficiency:.2f}" for item in points]
        last = LOSSES[points[-1].loss]
        rows.append([str(cells), f"{forward_s:g} s", f"{1e3 * trip_s:g} ms", *shares, str(max(enough)), beyond, last])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def cost_table(meter: Meter) -> str:
    """Return the cost of each operation as a Markdown table, in milliseconds: medians, and the 95 % quantile."""
    rows = [["", "client", "p95", "database", "p95", "its share", "round trips", "under the lock"]]
    rows += [["---"] + ["--:"] * (len(rows[0]) - 1)]
    for name in meter.samples:
        usual, seldom = meter.cost(name), meter.cost(name, quantile=0.95)
        cpu, server = (1e3 * usual.cpu_s, 1e3 * seldom.cpu_s), (1e3 * usual.server_s, 1e3 * seldom.server_s)
        held = f"{1e3 * (usual.held_cpu_s + usual.held_server_s):.1f} ms, {usual.held_trips:g} trips"
        times = [f"{value:.2f}" for value in (*cpu, *server)]
        share = f"{server[0] / (cpu[0] + server[0]):.0%}"
        rows.append([name, *times, share, f"{usual.trips:g}", held if usual.held_trips else "–"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def draw(curves: Curves) -> Figure:
    """Draw efficiency against workers, a row for each number of cells and a column for each round trip."""
    figure = new_figure(4.6)
    panels = figure.subplots(len(CELLS), len(TRIPS_S), sharex=True, sharey=True)
    colours = dict(zip(FORWARDS_S, cell_colours(len(FORWARDS_S)), strict=True))
    handles = {}
    for (cells, forward_s, trip_s), points in curves.items():
        axes = panels[CELLS.index(cells), TRIPS_S.index(trip_s)]
        (handles[forward_s],) = axes.plot(
            [item.workers for item in points],
            [item.efficiency for item in points],
            "o-",
            color=colours[forward_s],
            label=f"forward of {forward_s:g} s",
            markersize=3,
            linewidth=1.2,
        )
    for (row, cells), (column, trip_s) in product(enumerate(CELLS), enumerate(TRIPS_S)):
        axes, title = panels[row, column], f"{cells} cell{'s' * (cells > 1)}, round trip {1e3 * trip_s:g} ms"
        is_last, is_first = row == len(CELLS) - 1, column == 0
        dress(axes, x="workers" if is_last else "", y="efficiency" if is_first else "", title=title)
        axes.axhline(GOAL, color=INK, linestyle=":", linewidth=1)
        axes.set_xscale("log", base=2)
        axes.set(ylim=(0, 1.05), xticks=[1, 4, 16, 64, 256], xticklabels=["1", "4", "16", "64", "256"])
    legend_above(figure, list(handles.values()), columns=len(handles))
    return figure
