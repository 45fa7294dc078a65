"""What a study found: `export`, `report`, `studies`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nercc_tune.cli.app import app
from nercc_tune.cli.options import (
    DEFAULT_HOME,
    ExportFormat,
    FigureFormat,
    HomeOption,
    JsonOption,
    StorageOption,
    StudyArgument,
)
from nercc_tune.cli.printing import print_json
from nercc_tune.cli.reading import name_of, read
from nercc_tune.errors import TableError
from nercc_tune.home import Home
from nercc_tune.home.places import given_path
from nercc_tune.home.shipped import bundled_studies
from nercc_tune.text.console import make_console


@app.command()
def export(
    study: StudyArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    storage: StorageOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", parser=given_path, metavar="PATH", help="File to write; by default the terminal."
        ),
    ] = None,
    format_: Annotated[
        ExportFormat | None, typer.Option("--format", "-f", help="By default told by the file's suffix, else json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Export the tuned table of a finished study.

    Example: `nercc-tune export lenet5-digits -o table.json`
    """
    from nercc_tune.export.attachments import Attachments, read_attachments
    from nercc_tune.export.formats import export_table, write_table
    from nercc_tune.export.table import TunedTable

    if as_json and format_ not in (None, "json"):
        raise TableError(f"`--json` contradicts `--format {format_}`; give one of them.")
    format_ = "json" if as_json else format_
    table = TunedTable.from_history(read(study, home, storage))
    kept = Home(home).table(table.study)
    if output is not None:
        is_json = (format_ or output.suffix.lower().removeprefix(".")) == "json"
        attachments = read_attachments(table, beside=kept) if is_json else Attachments()
        try:
            write_table(table, output, format=format_, attachments=attachments)
        except (ValueError, OSError) as error:
            raise TableError(f"cannot write the table: {error}") from error
        make_console(stderr=True).print(f"wrote {output}", highlight=False)
        return
    content = export_table(table, format=format_ or "json")
    needed = {"moments": table.moments, "networks": table.networks, "typical answers": table.typical}
    what = " and ".join(name for name, digests in needed.items() if digests)
    if what and format_ in (None, "json"):
        make_console(stderr=True).print(
            f"the table needs its {what} beside it: write it with -o, or copy {kept.parent}",
            highlight=False,
            soft_wrap=True,
        )
    sys.stdout.buffer.write(content)


@app.command()
def report(
    study: StudyArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    storage: StorageOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", parser=given_path, metavar="PATH", help="Folder; by default the study's, in the home."
        ),
    ] = None,
    format_: Annotated[FigureFormat, typer.Option("--format", "-f")] = "png",
) -> None:
    """Draw the figures of a study, finished or not, and write its report: a page that needs no other file.

    Example: `nercc-tune report lenet5-digits --format pdf -o figures`
    """
    from nercc_tune.reporting.report import write_report

    folder = output or Home(home).study(name_of(study))
    for path in write_report(read(study, home, storage), folder, formats=[format_]):
        make_console().print(f"wrote {path}", highlight=False, soft_wrap=True)


@app.command()
def studies(*, home: HomeOption = DEFAULT_HOME, storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """List the studies of a home with their state, and those that ship.

    A cell that was judged shows its tuned pair, as it is exported; any other one its best trial so far.

    Example: `nercc-tune studies`, or `nercc-tune studies --json | jq '.studies[].cells[].tuned'`
    """
    from nercc_tune.terminal import describe_studies, table_of_studies
    from nercc_tune.tuning import closing_storage, open_existing, read_all

    console = make_console()
    place = Home(home)
    histories = {}
    if storage or place.has_storage:
        with closing_storage(open_existing(storage or place.storage_url)) as opened:
            histories = read_all(opened)
    shipped = list(bundled_studies())
    if as_json:
        print_json({"studies": describe_studies(histories), "shipped": shipped})
        return
    if histories:
        console.print(table_of_studies(histories))
    else:
        console.print(f"no studies in {home} yet", highlight=False)
    console.print(f"shipped: {', '.join(shipped)}", highlight=False)
