"""All interactive figures of a study as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from nercc_tune.export.blocks import setting
from nercc_tune.export.table import TunedTable
from nercc_tune.home import write_whole
from nercc_tune.records import StudyHistory
from nercc_tune.reporting.interactive.history import plot_history
from nercc_tune.reporting.interactive.landscape import plot_landscape
from nercc_tune.reporting.interactive.stragglers import plot_stragglers
from nercc_tune.reporting.pictures.measures import measures_of
from nercc_tune.reporting.pictures.recorded_surface import recorded_surface
from nercc_tune.reporting.trainings import has_trainings

__all__ = ["write_interactive"]

_NAME = "interactive.html"
_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,  # would hand the data to a company
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
}

# A figure is drawn in an ink that can be read on any ground; a page that knows its ground has a better one.
_STYLE = """
:root { color-scheme: light dark; --ink: #333333; --ground: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #d8d8d8; --ground: #14161a; } }
body { margin: 2rem auto; max-width: 68rem; padding: 0 1rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.js-plotly-plot .infolayer text, .js-plotly-plot .xaxislayer-above text, .js-plotly-plot .yaxislayer-above text,
.js-plotly-plot .xaxislayer-below text, .js-plotly-plot .yaxislayer-below text { fill: var(--ink) !important; }
"""
_NOTES = {
    "landscape": "The goal's error on the tuning draws over both smoothing parameters, with the design that was "
    "chosen, or is the best so far. Dark is good; the lines are 2 %, 10 % and 50 % above the least.",
    "stragglers": "On held-out queries, with 95 % intervals, all codes on the same draws.",
    "history": "The least error so far on the tuning draws, relative to (0, 0), which smooths nothing.",
}


def write_interactive(history: StudyHistory, table: TunedTable | None, folder: Path) -> list[Path]:
    """Write `interactive.html`: the figures of a study below each other, with all that a browser needs.

    The page asks no other host for anything, and is light or dark as the reader has it. Equal results give equal bytes.

    Args:
        history: The study, finished or not.
        table: Its table; None for an unfinished study, which then has no figures against S.
        folder: Made where it does not exist; a file of this name is replaced.

    Raises:
        HomeError: If the file cannot be written.
    """
    path = folder / _NAME
    write_whole(path, _page(history, table).encode())
    return [path]


def _page(history: StudyHistory, table: TunedTable | None) -> str:
    title = escape(f"Study {history.name}")
    opening = setting(table) if table else f"{history.workload.model} on {history.workload.data}, not finished"
    body = [f"<h1>{title}</h1>", f"<p>{escape(opening)}</p>"]
    for heading, kind, figures in _sections(history, table):
        body += [f"<h2>{heading}</h2>", f"<p>{_NOTES[kind]}</p>"]
        body += [_html(figure, div_id=f"{kind}-{number}") for number, figure in enumerate(figures)]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style><script>{get_plotlyjs()}</script>'
    lines = ["<!DOCTYPE html>", '<html lang="en">', f"<head>{head}</head>", "<body>", *body, "</body>", "</html>"]
    return "\n".join(lines) + "\n"


def _sections(history: StudyHistory, table: TunedTable | None) -> Iterator[tuple[str, str, list[go.Figure]]]:
    landscapes = [
        plot_landscape(surface, cell, policy=history.policy)
        for cell in history.cells
        if not has_trainings(history) and (surface := recorded_surface(cell, grid=history.decoder_grid))
    ]
    if landscapes:
        yield "Landscape", "landscape", landscapes
    if table:
        figures = [plot_stragglers(table, measure=name) for name in measures_of(table.goal)]
        yield "Stragglers", "stragglers", [figure for figure in figures if figure.data]
    if any(cell.best for cell in history.cells):
        yield "History", "history", [plot_history(history.cells)]


def _html(figure: go.Figure, *, div_id: str) -> str:
    html = figure.to_html(full_html=False, include_plotlyjs=False, div_id=div_id, config=_CONFIG)
    return str(html)
