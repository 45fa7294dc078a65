"""Which of several studies' codes to deploy: `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nercc_tune.cli.app import app
from nercc_tune.cli.options import DEFAULT_HOME, FigureFormat, HomeOption, JsonOption, StorageOption
from nercc_tune.cli.printing import print_json
from nercc_tune.cli.reading import read_family
from nercc_tune.home.places import given_path
from nercc_tune.text.console import make_console

if TYPE_CHECKING:
    from nercc_tune.export.comparison import Comparison
    from nercc_tune.export.table import TunedTable


@app.command()
def compare(
    studies: Annotated[
        list[str], typer.Argument(metavar="STUDY...", help="Names or files of studies, or tables that end in .json.")
    ],
    *,
    home: HomeOption = DEFAULT_HOME,
    storage: StorageOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", parser=given_path, metavar="FOLDER", help="Write a page, a table and figures."),
    ] = None,
    format_: Annotated[FigureFormat, typer.Option("--format", "-f", help="Of the figures.")] = "png",
    as_json: JsonOption = False,
) -> None:
    """Put finished studies of one workload side by side, and say which code to deploy when how many workers are late.

    The codes of all of them are compared at each K, N and S that they have. A family stands for all its studies.

    Example: `nercc-tune compare lenet5-mnist parity-mnist learned.json -o comparison`
    """
    from nercc_tune.export.comparison import Comparison

    tables = [table for study in studies for table in _tables(study, home, storage)]
    comparison = Comparison.of(tables)
    _show(comparison, as_json=as_json)
    if output is not None:
        from nercc_tune.reporting.comparison_report import write_comparison

        for path in write_comparison(comparison, output, format=format_):
            make_console(stderr=True).print(f"wrote {path}", highlight=False, soft_wrap=True, markup=False)


def _tables(study: str, home: Path, storage: str | None) -> list[TunedTable]:
    """Return the table in a file, or those of a study or a family."""
    from nercc_tune.export.table import TunedTable, read_table

    if study.endswith(".json"):
        return [read_table(given_path(study))]
    return list(map(TunedTable.from_history, read_family(study, home, storage)[1]))


def _show(comparison: Comparison, *, as_json: bool) -> None:
    from nercc_tune.export.compared_json import describe_comparison
    from nercc_tune.export.stretches import note_of_draws, sentence_of
    from nercc_tune.terminal import COMPARISON_KEY, table_of_setting

    if as_json:
        print_json(describe_comparison(comparison))
        return
    console = make_console()
    for setting in comparison.settings:
        console.print(table_of_setting(setting))
    lines = [*map(sentence_of, comparison.settings), *map(note_of_draws, comparison.settings)]
    for line in (COMPARISON_KEY, *filter(None, lines)):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
