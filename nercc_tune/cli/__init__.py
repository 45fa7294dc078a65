"""The command line, `nercc-tune`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from nercc_tune import __version__
from nercc_tune.cli import launching, results, upkeep  # noqa: F401 - each adds its commands
from nercc_tune.cli.app import app
from nercc_tune.errors import NerccTuneError

__all__ = ["app", "main"]

_INTERRUPTED = 130  # what Typer ends with after Ctrl-C, without a word


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
