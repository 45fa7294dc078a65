"""The program: its commands are in the modules beside this one."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="nercc-tune",
    help="Tune the smoothing parameters of coded inference: launch a study, look at it in MLflow, export the table.",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
