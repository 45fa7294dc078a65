"""The figures and the report of a study as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nercc_tune.export.table import TunedTable
from nercc_tune.home import write_whole
from nercc_tune.records import StudyHistory
from nercc_tune.reporting.figures import CodedQueries, FigureFormat, write_figures
from nercc_tune.reporting.summary import summarise

__all__ = ["write_report"]


def write_report(
    history: StudyHistory,
    folder: Path,
    *,
    formats: Sequence[FigureFormat] = ("png",),
    coded: CodedQueries | None = None,
) -> list[Path]:
    """Draw the figures of a study, finished or not, into `folder/figures` and write `folder/report.md`.

    Raises:
        ValueError: If a format is not one that figures are written in.
    """
    table = TunedTable.from_history(history) if history.is_finished else None
    figures = write_figures(history, table, folder / "figures", coded=coded, formats=formats)
    kept = folder / "figures" / f"coded_queries.{formats[0]}"
    if coded is None and kept.is_file():
        figures.append(kept)  # the launch drew it, with queries that are not at hand here
    links = [f"figures/{path.name}" for path in figures if path.suffix == f".{formats[0]}"]
    write_whole(folder / "report.md", summarise(history, table, figures=links).encode())
    return [folder / "report.md", *figures]
