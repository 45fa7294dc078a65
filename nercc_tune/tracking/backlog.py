"""What a tracking store should hold of a study, and what of it is not known to be there."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nercc_tune.records import Cell, StudyHistory, TrialRecord

_Key = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files and folders for the run of a cell, or for those of all cells."""

    paths: tuple[Path, ...]
    cell: Cell | None


class Backlog:
    """All that was told of a study, and how much of it still has to be sent; safe for several threads.

    To tell a trial takes the same short time however much waits.

    Args:
        history: The study as the storage had it.
    """

    def __init__(self, history: StudyHistory) -> None:
        self._lock = threading.Lock()
        self._history = history
        self._cells = {cell.cell.name: cell.cell for cell in history.cells}
        self._told: dict[_Key, tuple[Cell, TrialRecord]] = {}
        self._trials: dict[_Key, tuple[Cell, TrialRecord]] = dict(self._known())
        self._postponed: set[_Key] = set()
        self._results = 0
        self._results_sent = 0
        self._files: list[Files] = []
        self._files_sent = 0

    @property
    def trials(self) -> int:
        """The number of trials that are not known to have their runs."""
        return len(self._trials)

    @property
    def waiting(self) -> int:
        """The number of trials, results and deliveries of files that wait."""
        with self._lock:
            return len(self._trials) + (self._results > self._results_sent) + len(self._files) - self._files_sent

    @property
    def name(self) -> str:
        """Name of the study."""
        return self._history.name

    def tell_trial(self, cell: Cell, record: TrialRecord) -> None:
        """Take note of a trial.

        Raises:
            ValueError: If the study does not have the cell.
        """
        self._check(cell)
        key = (record.uid, record.started_ms)
        with self._lock:
            if key not in self._told:
                self._told[key] = self._trials[key] = (cell, record)

    def tell_result(self, history: StudyHistory) -> None:
        """Take note of how far the study has come."""
        with self._lock:
            before = dict(self._known()) | self._told
            self._history = history
            self._trials |= {key: trial for key, trial in self._known() if key not in before}
            self._results += 1

    def tell_files(self, paths: Sequence[Path], cell: Cell | None) -> None:
        """Take note of files.

        Raises:
            ValueError: If the study does not have the cell.
        """
        if cell is not None:
            self._check(cell)
        with self._lock:
            self._files.append(Files(paths=tuple(paths), cell=cell))

    def whole(self) -> tuple[StudyHistory, int]:
        """Return the study with every trial that was told, and the number of the latest result in it."""
        with self._lock:
            history, told, results = self._history, dict(self._told), self._results
            for key, _ in self._known():
                told.pop(key, None)
        more: dict[str, list[TrialRecord]] = {}
        for cell, record in told.values():
            more.setdefault(cell.name, []).append(record)
        cells = tuple(
            replace(item, trials=(*item.trials, *more[item.cell.name])) if item.cell.name in more else item
            for item in history.cells
        )
        return replace(history, cells=cells), results

    def confirm(self, present: Collection[_Key], results: int) -> None:
        """Take note of the trials and of the result that the store was found to hold; all other trials wait."""
        with self._lock:
            everything = dict(self._known()) | self._told
            self._trials = {key: trial for key, trial in everything.items() if key not in present}
            self._results_sent = results

    def next_trial(self, *, is_postponed: bool = False) -> tuple[Cell, TrialRecord] | None:
        """Return the trial that is to be sent next, if any waits; of those that were postponed, or of the others."""
        with self._lock:
            kind = (trial for key, trial in self._trials.items() if (key in self._postponed) == is_postponed)
            return next(kind, None)

    def sent_trial(self, record: TrialRecord) -> None:
        """Take note that a trial was sent."""
        with self._lock:
            self._trials.pop((record.uid, record.started_ms), None)

    def postpone(self, record: TrialRecord) -> None:
        """Let everything else go before a trial that the store did not take."""
        with self._lock:
            self._postponed.add((record.uid, record.started_ms))

    def next_result(self) -> tuple[StudyHistory, int] | None:
        """Return the latest result with its number, if it waits."""
        return self.whole() if self._results > self._results_sent else None

    def sent_result(self, number: int) -> None:
        """Take note that a result was sent."""
        self._results_sent = number

    def next_files(self) -> Files | None:
        """Return the files that are to be sent next, if any wait."""
        with self._lock:
            return self._files[self._files_sent] if self._files_sent < len(self._files) else None

    def sent_files(self) -> None:
        """Take note that the files of `next_files` were sent."""
        self._files_sent += 1

    def resend_files(self) -> None:
        """Let all files wait again."""
        self._files_sent = 0

    def _known(self) -> Iterator[tuple[_Key, tuple[Cell, TrialRecord]]]:
        for cell in self._history.cells:
            for record in cell.trials:
                yield (record.uid, record.started_ms), (cell.cell, record)

    def _check(self, cell: Cell) -> None:
        if cell.name not in self._cells:
            raise ValueError(f"`cell` must be one of the study that was opened, but got `{cell.name}`.")
