"""Looking at studies in a browser: `dashboard`."""

from __future__ import annotations

from typing import Annotated

import typer

from nercc_tune.cli.app import app
from nercc_tune.cli.options import DEFAULT_HOME, CodeOption, DataOption, HomeOption, StorageOption, TrackingOption
from nercc_tune.cli.stopping import end_like_ctrl_c
from nercc_tune.home import Home
from nercc_tune.text.console import make_console


@app.command()
def dashboard(
    *,
    home: HomeOption = DEFAULT_HOME,
    data_dir: DataOption = None,
    storage: StorageOption = None,
    tracking: TrackingOption = None,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65534, help="Of MLflow's page; the explorer takes the next one.")
    ] = 5000,
    mlflow_only: Annotated[bool, typer.Option("--mlflow-only", help="Leave the λ explorer out.")] = False,
    allow_code: CodeOption = False,
) -> None:
    """Open MLflow's page and the λ explorer on this machine, until Ctrl-C.

    A tracking server (`--tracking http://…`) is used as it runs; a database is given a server of its own.

    Example: `nercc-tune dashboard --data-dir data`
    """
    from nercc_tune.dashboard import Dashboard

    end_like_ctrl_c()
    console = make_console()
    place = Home(home, data_dir)
    shown = Dashboard(
        home=place,
        storage=storage or place.storage_url,
        tracking=tracking or place.tracking_url,
        port=port,
        is_mlflow_only=mlflow_only,
        allow_code=allow_code,
    )
    with shown.running(notify=lambda text: console.print(text, highlight=False, soft_wrap=True)) as (links, wait):
        console.print(f"MLflow      {links.mlflow}", highlight=False, soft_wrap=True)
        if links.explorer is not None:
            console.print(f"λ explorer  {links.explorer}", highlight=False, soft_wrap=True)
        console.print("Ctrl-C stops both.", highlight=False)
        try:
            wait()
        except KeyboardInterrupt:
            console.print("stopping", highlight=False)
