"""The commands: `nercc-tune launch`, `export`, `advise`, `report`, `train`, `sync`, `studies`, `doctor`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from nercc_tune import __version__
from nercc_tune.errors import NerccTuneError, TableError
from nercc_tune.home import Home
from nercc_tune.library import bundled_studies, find_study
from nercc_tune.records import StudyHistory

app = typer.Typer(
    name="nercc-tune",
    help="Tune the smoothing parameters of coded inference: launch a study, look at it in MLflow, export the table.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or the name of a study.")]
HomeOption = Annotated[
    Path, typer.Option("--home", envvar="NERCC_TUNE_HOME", help="Directory of everything that studies leave behind.")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="NERCC_TUNE_DATA", help="Directory of data sets; by default `data` in the home."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the study file.")
]
StorageOption = Annotated[
    str | None, typer.Option("--storage", help="URL of Optuna's storage; by default SQLite in the home.")
]
TrackingOption = Annotated[
    str | None, typer.Option("--tracking", help="URL of MLflow's tracking store; by default SQLite in the home.")
]
ExportFormat = Literal["json", "csv", "parquet", "markdown", "latex"]
FigureFormat = Literal["png", "svg", "pdf"]

DEFAULT_HOME = Path("nercc-home")
_INTERRUPTED = 130  # what Typer ends with after Ctrl-C, without a word


@app.command()
def launch(
    study: StudyArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    data_dir: DataOption = None,
    overrides: SetOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier results of this study.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Show where the time went.")] = False,
) -> None:
    """Tune a study: search, judge on held-out queries, track in MLflow, write the table.

    Launching again goes on where the last launch stopped.

    Example: `nercc-tune launch lenet5-digits --set search.trials=20`
    """
    from nercc_tune import terminal
    from nercc_tune.pipeline import launch as launch_study
    from nercc_tune.spec import load_study
    from nercc_tune.tuning import hush

    hush()
    console = terminal.make_console()
    spec = load_study(find_study(study), overrides=overrides or ())
    place = Home(home)
    started = time.perf_counter()
    with terminal.LaunchProgress(console, spec.search.goal) as progress:
        result = launch_study(spec, place, data_dir=data_dir, fresh=fresh, events=progress.events)
    wall = time.perf_counter() - started
    console.print(terminal.table_of_results(result.table))
    console.print(terminal.policy_lines(result.table), highlight=False)
    for line in terminal.warnings_of(result.table):
        console.print(line, style="yellow", highlight=False)
    if profile:
        console.print(terminal.table_of_times(result.timings.seconds, wall))
    if result.tracking_error is not None:
        console.print(str(result.tracking_error), style="yellow", highlight=False)
    console.print(terminal.closing_lines(result, home=home, wall=wall), highlight=False, soft_wrap=True)


@app.command()
def export(
    study: StudyArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    storage: StorageOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; by default the terminal.")
    ] = None,
    format_: Annotated[
        ExportFormat | None, typer.Option("--format", "-f", help="By default told by the file's suffix, else json.")
    ] = None,
) -> None:
    """Export the tuned table of a finished study.

    Example: `nercc-tune export lenet5-digits -o table.json`
    """
    from nercc_tune.export.formats import export_table, write_table
    from nercc_tune.export.table import TunedTable

    table = TunedTable.from_history(_read(study, home, storage))
    if output is not None:
        try:
            write_table(table, output, format=format_)
        except (ValueError, OSError) as error:
            raise TableError(f"cannot write the table: {error}") from error
        Console(stderr=True).print(f"wrote {output}", highlight=False)
        return
    content = export_table(table, format=format_ or "json")
    sys.stdout.buffer.write(content)


@app.command()
def advise(study: StudyArgument, *, home: HomeOption = DEFAULT_HOME, storage: StorageOption = None) -> None:
    """Say where to deploy the tuned code, BACC or plain replication on the same workers.

    Example: `nercc-tune advise lenet5-digits`
    """
    from nercc_tune.export.advice import advise as advise_on
    from nercc_tune.export.table import TunedTable
    from nercc_tune.terminal import make_console, table_of_advice

    table = TunedTable.from_history(_read(study, home, storage))
    make_console().print(table_of_advice(advise_on(table)))


@app.command()
def report(
    study: StudyArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    storage: StorageOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; by default the study's, in the home.")
    ] = None,
    format_: Annotated[FigureFormat, typer.Option("--format", "-f")] = "png",
) -> None:
    """Draw the figures of a study and write its report, finished or not.

    Example: `nercc-tune report lenet5-digits --format pdf -o figures`
    """
    from nercc_tune.reporting.report import write_report

    folder = output or Home(home).study(_name(study))
    for path in write_report(_read(study, home, storage), folder, formats=[format_]):
        Console().print(f"wrote {path}", highlight=False, soft_wrap=True)


@app.command()
def train(
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help="For example lenet5-mnist or repvgg-cifar10.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    data_dir: DataOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same weights.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda …")] = "auto",
) -> None:
    """Train the model of a workload, and keep its weights in the home.

    Example: `nercc-tune train lenet5-mnist --data-dir data`
    """
    from nercc_tune.terminal import training_progress
    from nercc_tune.workloads import train as train_workload

    console = Console()
    place = Home(home)
    with training_progress(console) as progress:
        result = train_workload(
            workload, home=home, data_dir=data_dir or place.data, progress=progress, seed=seed, device=device
        )
    console.print(
        f"{workload}: test accuracy {result.test_accuracy:.2%} after {result.epochs} epochs in {result.seconds:.0f} s; "
        f"weights in {result.checkpoint}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def sync(
    study: StudyArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    storage: StorageOption = None,
    tracking: TrackingOption = None,
) -> None:
    """Rebuild MLflow from Optuna's storage: add what is missing, close what was left running.

    Example: `nercc-tune sync lenet5-digits`
    """
    from nercc_tune.tracking.sync import sync as sync_study

    place = Home(home)
    history = _read(study, home, storage)
    folder = place.study(history.name)
    files = sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
    url = tracking or _own_url(study, "tracking") or place.tracking_url
    found = sync_study(history, url=url, artifacts=place.artifacts, files=files)
    Console().print(
        f"{history.name}: added {found.added} runs, {found.present} were there, closed {found.closed}", highlight=False
    )


@app.command()
def studies(*, home: HomeOption = DEFAULT_HOME, storage: StorageOption = None) -> None:
    """List the studies of a home with their state and best pair, and those that ship.

    Example: `nercc-tune studies`
    """
    from nercc_tune.terminal import make_console, table_of_studies
    from nercc_tune.tuning import open_existing, read_all

    console = make_console()
    place = Home(home)
    histories = read_all(open_existing(storage or place.storage_url)) if storage or place.has_storage else {}
    if histories:
        console.print(table_of_studies(histories))
    else:
        console.print(f"no studies in {home} yet", highlight=False)
    console.print(f"shipped: {', '.join(bundled_studies())}", highlight=False)


@app.command()
def doctor(
    *,
    home: HomeOption = DEFAULT_HOME,
    data_dir: DataOption = None,
    storage: StorageOption = None,
    tracking: TrackingOption = None,
) -> None:
    """Say what works on this machine and what is missing: device, stores, weights, data.

    Example: `nercc-tune doctor --data-dir data`
    """
    from nercc_tune.doctor import examine
    from nercc_tune.terminal import make_console

    place = Home(home)
    shown = Table("", "what", "found", box=None)
    for finding in examine(
        place,
        data_dir=data_dir or place.data,
        storage=storage or place.storage_url,
        tracking=tracking or place.tracking_url,
    ):
        shown.add_row("[green]ok[/]" if finding.is_ok else "[yellow]missing[/]", finding.what, finding.text)
    make_console().print(shown)


@app.callback(invoke_without_command=True)
def _root(*, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line: an error that has a remedy is one line and exit code 2."""
    try:
        app()
    except NerccTuneError as error:
        Console(stderr=True).print(f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        sys.exit(2)
    except SystemExit as done:
        if done.code == _INTERRUPTED:
            Console(stderr=True).print("interrupted; the same command goes on from here", style="yellow")
        raise


def _name(study: str) -> str:
    """Return the name of a study that is given by its file or its name."""
    from nercc_tune.spec import load_study

    return load_study(study).name if Path(study).is_file() else study


def _own_url(study: str, section: Literal["storage", "tracking"]) -> str | None:
    """Return the URL that a study file sets, if a file was given and it sets one."""
    from nercc_tune.spec import load_study

    settings = getattr(load_study(study), section) if Path(study).is_file() else None
    return settings.url if settings else None


def _read(study: str, home: Path, storage: str | None) -> StudyHistory:
    from nercc_tune.tuning import open_existing, read_history

    url = storage or _own_url(study, "storage") or Home(home).storage_url
    return read_history(open_existing(url), _name(study))
