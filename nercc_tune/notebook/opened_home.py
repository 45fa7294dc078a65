"""What a home holds, for a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from optuna.storages import RDBStorage

from nercc_tune.errors import HomeError, StorageError
from nercc_tune.export.blocks import write_count
from nercc_tune.export.frame import table_frame
from nercc_tune.export.table import TunedTable
from nercc_tune.home import Home
from nercc_tune.home.places import given_path, store_url
from nercc_tune.notebook.frames import cells_frame, trials_frame
from nercc_tune.records import CellHistory, Measure, StudyHistory
from nercc_tune.reporting.interactive import plot_history, plot_landscape, plot_stragglers, recorded_surface
from nercc_tune.tuning import closing_storage, is_absent, open_existing, read_history, study_names

__all__ = ["OpenedHome"]


class OpenedHome:
    """The studies of a home, read from Optuna's storage anew with each call; nothing is kept open.

    Args:
        path: The home.
        storage: URL of Optuna's storage; by default the home's own.

    Raises:
        HomeError: If there is no home, or nothing was launched in it.
        StorageError: If the storage cannot be read.
    """

    def __init__(self, path: str | Path, *, storage: str | None = None) -> None:
        self.path = given_path(path)
        self._url = store_url(storage) if storage else Home(self.path).storage_url
        if not self.studies:
            raise HomeError(f"no study was launched in {self._place} yet; run `nercc-tune launch` first.")

    @property
    def studies(self) -> list[str]:
        """The names of the studies, sorted.

        Raises:
            HomeError: If there is no home, or nothing was launched in it.
            StorageError: If the storage cannot be read.
        """
        with self._opened() as storage:
            return study_names(storage)

    def history(self, name: str) -> StudyHistory:
        """Return all that is known of a study, finished or not.

        Raises:
            HomeError: If the home holds no such study.
            StorageError: If the storage cannot be read.
        """
        with self._opened() as storage:
            return self._history(storage, name)

    def cells(self, name: str | None = None) -> pd.DataFrame:
        """Return a row for each cell of a study, by default of all: its state, its best trial and its tuned code.

        The columns are those of `nercc_tune.notebook.frames.cells_frame`.

        Raises:
            HomeError: If the home holds no such study.
            StorageError: If the storage cannot be read.
        """
        with self._opened() as storage:
            names = study_names(storage) if name is None else [name]
            return cells_frame([self._history(storage, each) for each in names])

    def trials(self, name: str) -> pd.DataFrame:
        """Return a row for each trial in each cell of a study, with its pair, design, state, figures and times.

        The columns are those of `nercc_tune.notebook.frames.trials_frame`.

        Raises:
            HomeError: If the home holds no such study.
            StorageError: If the storage cannot be read.
        """
        return trials_frame(self.history(name))

    def table(self, name: str) -> TunedTable:
        """Return the table of a finished study.

        Raises:
            HomeError: If the home holds no such study.
            TableError: If it is not finished.
            StorageError: If the storage cannot be read.
        """
        return TunedTable.from_history(self.history(name))

    def frame(self, name: str) -> pd.DataFrame:
        """Return the table of a finished study as a data frame, a row for each straggler count.

        Raises:
            HomeError: If the home holds no such study.
            TableError: If it is not finished.
            StorageError: If the storage cannot be read.
        """
        return table_frame(self.table(name))

    def plot_landscape(self, name: str, *, stragglers: int | None = None) -> go.Figure:
        """Draw the goal's error over (λ_dec, λ_enc) as the search recorded it, for one straggler count.

        Args:
            name: Of the study.
            stragglers: S, which may lie within a range; by default the least count of the study.

        Raises:
            ValueError: If the study has no such count.
            HomeError: If the home holds no such study, or no trial of it is complete.
            StorageError: If the storage cannot be read.
        """
        history = self.history(name)
        cell = _cell(history, stragglers)
        surface = recorded_surface(cell, grid=history.decoder_grid)
        if surface is None:
            raise HomeError(
                f"study `{name}` has no completed trial with a profile at {cell.cell.title}; let it search on."
            )
        return plot_landscape(surface, cell, policy=history.policy)

    def plot_stragglers(self, name: str, *, measure: Measure = "prob_mse") -> go.Figure:
        """Draw a held-out metric with 95 % intervals against S for every code of a finished study.

        Raises:
            HomeError: If the home holds no such study.
            TableError: If it is not finished.
            StorageError: If the storage cannot be read.
        """
        return plot_stragglers(self.table(name), measure=measure)

    def plot_history(self, name: str) -> go.Figure:
        """Draw the best error so far over the proposals of a study, a line for each straggler count.

        Raises:
            HomeError: If the home holds no such study.
            StorageError: If the storage cannot be read.
        """
        return plot_history(self.history(name).cells)

    def __repr__(self) -> str:
        try:
            studies = ", ".join(self.studies)
        except (HomeError, StorageError):
            studies = "cannot be read now"
        return f"<{type(self).__name__} {self.path}: {studies}>"

    @property
    def _place(self) -> str:
        return f"the home `{self.path}`"

    @contextmanager
    def _opened(self) -> Iterator[RDBStorage]:
        if self._url == Home(self.path).storage_url and is_absent(self._url):
            raise HomeError(f"there is no study in {self._place}; run `nercc-tune launch`, or open another home.")
        with closing_storage(open_existing(self._url)) as storage:
            yield storage

    def _history(self, storage: RDBStorage, name: str) -> StudyHistory:
        known = study_names(storage)
        if name not in known:
            raise HomeError(f"{self._place} holds no study `{name}`; it has: {', '.join(known) or 'none'}.")
        return read_history(storage, name)


def _cell(history: StudyHistory, stragglers: int | None) -> CellHistory:
    if stragglers is None:
        return history.cells[0]
    for cell in history.cells:
        if cell.cell.fewest <= stragglers <= cell.cell.stragglers:
            return cell
    known = ", ".join(write_count(cell.cell) for cell in history.cells)
    raise ValueError(f"`stragglers` must be one of {known}, but got {stragglers}.")
