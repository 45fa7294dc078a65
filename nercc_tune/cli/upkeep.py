"""What a study needs: `train`, `sync`, `doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from nercc_tune.cli.app import app
from nercc_tune.cli.options import (
    DEFAULT_HOME,
    DataOption,
    HomeOption,
    JsonOption,
    StorageOption,
    StudyArgument,
    TrackingOption,
)
from nercc_tune.cli.printing import print_json
from nercc_tune.cli.reading import name_of, own_url, storage_of
from nercc_tune.home import Home
from nercc_tune.text.console import make_console
from nercc_tune.text.redaction import redact


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

    console = make_console()
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

    Not while the study is being launched, which does the same.

    Example: `nercc-tune sync lenet5-digits`
    """
    from nercc_tune.terminal import adding_progress
    from nercc_tune.tracking.sync import sync as sync_study
    from nercc_tune.tuning import Ledger, closing_storage, hush, open_existing, read_history

    hush()
    console = make_console()
    place = Home(home)
    with closing_storage(open_existing(storage_of(study, home, storage))) as opened:
        history = read_history(opened, name_of(study))
        folder = place.study(history.name)
        files = sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
        url = tracking or own_url(study, "tracking") or place.tracking_url
        trials = sum(len(cell.trials) for cell in history.cells)
        with Ledger(opened, history.name).conducted():  # a launch would add the same runs
            console.print(f"comparing {trials} trials with {redact(url)}", highlight=False, soft_wrap=True)
            with adding_progress(console) as on_added:
                found = sync_study(history, url=url, artifacts=place.artifacts, files=files, on_added=on_added)
    console.print(
        f"{history.name}: added {found.added} runs, {found.present} were there, closed {found.closed}, "
        f"removed {found.removed} duplicates",
        highlight=False,
    )


@app.command()
def doctor(
    *,
    home: HomeOption = DEFAULT_HOME,
    data_dir: DataOption = None,
    storage: StorageOption = None,
    tracking: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what works on this machine and what is missing: device, stores, weights, data.

    Exit code 1 if the home or a store cannot be used, without which nothing can be launched.

    Example: `nercc-tune doctor --data-dir data`
    """
    from nercc_tune.doctor import examine
    from nercc_tune.terminal.findings import describe_findings, is_usable, table_of_findings

    place = Home(home)
    findings = list(
        examine(
            place,
            data_dir=data_dir or place.data,
            storage=storage or place.storage_url,
            tracking=tracking or place.tracking_url,
        )
    )
    if as_json:
        print_json(describe_findings(findings))
    else:
        make_console().print(table_of_findings(findings))
    if not is_usable(findings):
        raise typer.Exit(1)
