"""All figures of a study, as files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nercc_tune.export.table import TunedTable
from nercc_tune.records import StudyHistory
from nercc_tune.reporting.availability import figure_availability, has_availability
from nercc_tune.reporting.coded_queries import figure_coded_queries
from nercc_tune.reporting.convergence import figure_history
from nercc_tune.reporting.decoders import figure_decoders, has_decoders
from nercc_tune.reporting.front import figure_front, has_front
from nercc_tune.reporting.landscape import figure_landscape
from nercc_tune.reporting.smoothing import figure_smoothing
from nercc_tune.reporting.stragglers import figure_stragglers
from nercc_tune.reporting.trainings import figure_trainings, has_trainings
from nercc_tune.reporting.waiting import figure_waiting, has_waiting
from nercc_tune.reporting.wrong_answers import figure_wrong_answers, has_wrong_answers

__all__ = ["CodedQueries", "FigureFormat", "draw_figures", "figure_bytes", "write_figures"]

FigureFormat = Literal["png", "svg", "pdf"]

CodedQueries = tuple[NDArray[np.floating], Mapping[str, NDArray[np.floating]]]
"""The arguments of `figure_coded_queries`."""

# Nothing that differs between two runs: no dates, no versions.
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_HASH_SALT = "nercc_tune"  # without one the identifiers in an SVG are random


def draw_figures(
    history: StudyHistory, table: TunedTable | None, *, coded: CodedQueries | None = None
) -> dict[str, Callable[[], Figure]]:
    """Return the figures that apply, by name, each as a function that draws it.

    Without a table, which an unfinished study has not, there is no `stragglers`, without waiting times for fixed counts
    no `waiting`, without an accuracy on degraded queries no `availability`, and without wrong answers no
    `wrong_answers`; without a trial that has a score no `smoothing`, `landscape` and `history`; but for the goal
    `pareto` no `front`; without a decoder that is no spline no `decoders`; without `coded` no `coded_queries`. A study
    of trained codes has `trainings` in place of `smoothing` and `landscape`.
    """
    figures: dict[str, Callable[[], Figure]] = {}
    if table is not None and table.entries:
        figures["stragglers"] = lambda: figure_stragglers(table)
    if table is not None and has_waiting(table):
        figures["waiting"] = lambda: figure_waiting(table)
    if table is not None and has_availability(table):
        figures["availability"] = lambda: figure_availability(table)
    if table is not None and has_wrong_answers(table):
        figures["wrong_answers"] = lambda: figure_wrong_answers(table)
    if has_front(history):
        figures["front"] = lambda: figure_front(history)
    if has_decoders(history):
        figures["decoders"] = lambda: figure_decoders(history)
    if has_trainings(history):
        figures["trainings"] = lambda: figure_trainings(history)
    if any(cell.best is not None for cell in history.cells):
        if not has_trainings(history):
            figures["smoothing"] = lambda: figure_smoothing(history)
            figures["landscape"] = lambda: figure_landscape(history)
        figures["history"] = lambda: figure_history(history)
    if coded is not None:
        figures["coded_queries"] = lambda: figure_coded_queries(*coded)
    return figures


def _lay_out(figure: Figure) -> None:
    """Lay a figure out once and for all: it takes longer than drawing, and else is done again in every format."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def figure_bytes(figure: Figure, suffix: FigureFormat) -> bytes:
    """Return a figure as the content of a file: equal figures give equal bytes."""
    content = io.BytesIO()
    _lay_out(figure)
    _save(figure, content, suffix)
    return content.getvalue()


def _save(figure: Figure, path: Path | io.BytesIO, suffix: FigureFormat) -> None:
    """Draw a figure once into a file; `Figure.savefig` draws twice, the first time to learn where all comes to lie."""
    dpi, metadata = figure.dpi, _METADATA[suffix]
    with mpl.rc_context({"svg.hashsalt": _HASH_SALT}):
        if suffix == "png":
            FigureCanvasAgg(figure).print_png(path, metadata=metadata)
        elif suffix == "svg":
            FigureCanvasSVG(figure).print_svg(path, metadata=metadata)
        else:
            FigureCanvasPdf(figure).print_pdf(path, metadata=metadata)
    figure.set_dpi(dpi)  # those that hold lines count in points


def write_figures(
    history: StudyHistory,
    table: TunedTable | None,
    folder: str | Path,
    *,
    coded: CodedQueries | None = None,
    formats: Sequence[FigureFormat] = ("png",),
) -> list[Path]:
    """Write all figures that apply into a folder, and return the files: equal results give equal bytes.

    Args:
        history: The study, finished or not.
        table: Its table; None for an unfinished study.
        folder: Made where it does not exist; files of the same names are replaced.
        coded: The queries of one group, and by name of the code what is sent to the workers.
        formats: `png`, `svg` or `pdf`.

    Raises:
        ValueError: If a format is none of them, or as for `figure_coded_queries`.
    """
    for suffix in formats:
        if suffix not in _METADATA:
            raise ValueError(f"`formats` must be of {', '.join(_METADATA)}, but got {suffix!r}.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in draw_figures(history, table, coded=coded).items():
        figure = draw()
        _lay_out(figure)
        for suffix in formats:
            written.append(folder / f"{name}.{suffix}")
            _save(figure, written[-1], suffix)
    return written
