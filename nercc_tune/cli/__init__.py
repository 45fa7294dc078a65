"""The command line, `nercc-tune`."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn, cast

import typer

from nercc_tune import __version__
from nercc_tune.cli import (  # noqa: F401 - each adds its commands
    advising,
    benching,
    comparing,
    launching,
    looking,
    planning,
    promoting,
    results,
    serving,
    upkeep,
)
from nercc_tune.cli.app import app
from nercc_tune.errors import NerccTuneError
from nercc_tune.text.console import make_console
from nercc_tune.text.one_line import one_line
from nercc_tune.text.readable import make_readable

__all__ = ["app", "main"]

_NAME = "nercc-tune"
_INTERRUPTED = 130  # what Typer ends with after Ctrl-C, without a word
_UNUSABLE = 2
_LONGEST = 400
# Click's or, in later versions of Typer, its own.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(_UNUSABLE)


def main() -> None:
    """Run the command line: an error that has a remedy is one line and exit code 2."""
    make_readable()
    try:
        code: int | None = app(prog_name=_NAME, standalone_mode=False)
    except NerccTuneError as error:
        _complain(str(error))
    except _UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else _NAME
        _complain(f"{_plain_words(error.format_message())}; see `{where} --help`.")
    if code == _INTERRUPTED:
        make_console(stderr=True).print("interrupted; the same command goes on from here", style="yellow")
    sys.exit(code)


def _plain_words(message: str) -> str:
    """Return Typer's message in one line, without the words of the library that checks values for it."""
    words = message.replace("Value error, ", "").replace("Input should be", "it must be")
    return one_line(words, longest=_LONGEST).rstrip(".")


def _complain(message: str) -> NoReturn:
    make_console(stderr=True).print(f"error: {message}", style="red", highlight=False, soft_wrap=True, markup=False)
    sys.exit(_UNUSABLE)
