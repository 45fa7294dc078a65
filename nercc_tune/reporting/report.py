"""The figures and the report of a study as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from nercc_tune.export.table import TunedTable
from nercc_tune.home import write_whole
from nercc_tune.records import StudyHistory
from nercc_tune.reporting.figures import CodedQueries, FigureFormat, write_figures
from nercc_tune.reporting.interactive import write_interactive
from nercc_tune.reporting.page import Image, render_page
from nercc_tune.reporting.summary import summarise

__all__ = ["write_report"]

_FIGURES = "figures"
_CODED = "coded_queries"
_INLINED: tuple[FigureFormat, ...] = ("png", "svg")


def write_report(
    history: StudyHistory,
    folder: Path,
    *,
    formats: Sequence[FigureFormat] = ("png",),
    coded: CodedQueries | None = None,
) -> list[Path]:
    """Draw the figures of a study, finished or not, into `folder/figures`; write `report.html` and `report.md` there.

    The page holds its figures; the Markdown links to those of the first format; `figures/interactive.html` holds those
    to look into. Returns the files, the page first.

    Raises:
        ValueError: If a format is not one that figures are written in.
    """
    table = TunedTable.from_history(history) if history.is_finished else None
    with TemporaryDirectory() as scratch:
        drawn = write_figures(
            history, table, Path(scratch), coded=coded, formats=tuple(dict.fromkeys((*formats, *_INLINED)))
        )
        contents = {path.name: path.read_bytes() for path in drawn}
    figures = [folder / _FIGURES / name for name in contents if name.rpartition(".")[2] in formats]
    for path in figures:
        write_whole(path, contents[path.name])
    interactive = write_interactive(history, table, folder / _FIGURES)
    if coded is None:  # the launch drew it, with queries that are not at hand here
        kept = [folder / _FIGURES / f"{_CODED}.{suffix}" for suffix in dict.fromkeys((formats[0], "png"))]
        contents |= {path.name: path.read_bytes() for path in kept if path.is_file()}
        figures += [path for path in kept[:1] if path.is_file()]
    links = [f"{_FIGURES}/{path.name}" for path in figures if path.suffix == f".{formats[0]}"]
    text = summarise(history, table, figures=links)
    page = render_page(
        text,
        title=f"{history.name} – coded inference tuned by nercc_tune",
        images={link: image for link in links if (image := _image(Path(link).stem, contents)) is not None},
    )
    write_whole(folder / "report.html", page.encode())
    write_whole(folder / "report.md", text.encode())
    return [folder / "report.html", folder / "report.md", *figures, *interactive]


def _image(name: str, contents: dict[str, bytes]) -> Image | None:
    """Return a figure for the page: its lines as such, pictures of queries as pixels."""
    kinds = ("png",) if name == _CODED else ("svg", "png")
    found = (Image(kind=kind, content=contents[f"{name}.{kind}"]) for kind in kinds if f"{name}.{kind}" in contents)
    return next(found, None)
