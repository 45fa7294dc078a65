"""A home opened for a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nercc_tune.notebook.opened_home import OpenedHome

__all__ = ["open_home"]


def open_home(path: str | Path = "nercc-home", *, storage: str | None = None) -> OpenedHome:
    """Open what the launches of a home left behind: `open_home().cells()` is a data frame of all that was tuned.

    `studies/notebook.md` shows the rest. Nothing is written, and no connection stays open: each call reads what is
    there at that time, also while a study is being searched.

    Args:
        path: The home, as `--home` of the commands.
        storage: URL of Optuna's storage where that is not in the home.

    Raises:
        HomeError: If there is no home, or nothing was launched in it.
        StorageError: If the storage cannot be read.
    """
    from nercc_tune.notebook.opened_home import OpenedHome  # noqa: PLC0415 - a server needs neither pandas nor Optuna

    return OpenedHome(path, storage=storage)
