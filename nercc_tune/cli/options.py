"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from nercc_tune.home.places import given_path, store_url

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or the name of a study.")]
HomeOption = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar="NERCC_TUNE_HOME",
        parser=given_path,
        metavar="DIRECTORY",
        help="Directory of everything that studies leave behind.",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="NERCC_TUNE_DATA",
        parser=given_path,
        metavar="DIRECTORY",
        help="Directory of data sets; by default `data` in the home.",
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the study file.")
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar="NERCC_TUNE_STORAGE",
        parser=store_url,
        metavar="URL",
        help="URL of Optuna's storage, or an SQLite file; by default SQLite in the home.",
    ),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking",
        envvar="NERCC_TUNE_TRACKING",
        parser=store_url,
        metavar="URL",
        help="URL of MLflow's tracking store, or an SQLite file; by default in the home.",
    ),
]
ExportFormat = Literal["json", "csv", "parquet", "markdown", "latex"]
FigureFormat = Literal["png", "svg", "pdf"]
CodeOption = Annotated[
    bool, typer.Option("--allow-code", help="Let the study file name Python code, which is imported and run.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, to the standard output.")]
ProfileOption = Annotated[bool, typer.Option("--profile", help="Show where the time went.")]

DEFAULT_HOME = Path("nercc-home")
