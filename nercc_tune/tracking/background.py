"""Tracks a study while it is searched, without holding the search up and without ending it when the store fails."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nercc_tune.errors import TrackingError
from nercc_tune.records import Cell, StudyHistory, TrialRecord
from nercc_tune.tracking.reachability import redact

if TYPE_CHECKING:
    from nercc_tune.tracking.projection import Projection, Status

State = Literal["new", "running", "failed", "closed"]

_REMEDY = "the search is not affected; run `nercc-tune sync` once it works."


class BackgroundTracker:
    """A thread that projects a study, in the order in which it is told.

    Every method returns at once, except `close`. When the store fails, the error is kept, everything after it is let go
    (it stays in Optuna's storage) and the search goes on.

    Args:
        url: The tracking store.
        artifacts: Folder of the files that belong to runs.
    """

    def __init__(self, url: str, artifacts: Path | None) -> None:
        self._url = url
        self._artifacts = artifacts
        self._jobs: queue.Queue[Callable[[Projection], object] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="nercc-tune-tracking", daemon=True)
        self._error: TrackingError | None = None
        self._state: State = "new"
        self._status: Status = "KILLED"

    @property
    def error(self) -> TrackingError | None:
        """What went wrong with the store, if anything did."""
        return self._error

    @property
    def state(self) -> State:
        """`new`, `running`, `failed`, or `closed` when everything was written."""
        return "failed" if self._error is not None else self._state

    @property
    def waiting(self) -> int:
        """The number of calls that are not carried out yet."""
        return self._jobs.qsize()

    def start(self, history: StudyHistory) -> None:
        """Open the study, and add what an earlier tracker could not; see `Projection.open_study`.

        Raises:
            ValueError: If it was started before.
        """
        if self._state != "new":
            raise ValueError("a tracker can be started once; make another one.")
        self._state = "running"
        self._submit(lambda projection: _catch_up(projection, history))
        self._thread.start()

    def log_trial(self, cell: Cell, record: TrialRecord) -> None:
        """Add the run of a trial; see `Projection.log_trial`."""
        self._submit(lambda projection: projection.log_trial(cell, record))

    def log_result(self, history: StudyHistory) -> None:
        """Bring the cells' runs up to date; see `Projection.log_result`."""
        self._submit(lambda projection: projection.log_result(history))

    def log_artifacts(self, paths: Sequence[Path], *, cell: Cell | None = None) -> None:
        """Copy files and folders to the cells' runs; see `Projection.log_artifacts`."""
        self._submit(lambda projection: projection.log_artifacts(paths, cell=cell))

    def close(self, status: Status, *, timeout_s: float) -> None:
        """Terminate the cells' runs once everything before is written, and wait for that.

        A tracker that was never started, or is closed, is left as it is. After `timeout_s` the thread is left to
        itself; it ends with the process, and `error` says what to do.
        """
        if self._state != "running":
            return
        self._status = status
        self._state = "closed"
        self._jobs.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive() and self._error is None:
            self._error = TrackingError(
                f"the tracking store `{redact(self._url)}` did not keep up: {self.waiting} calls were still waiting "
                f"after {timeout_s:g} s; {_REMEDY}"
            )

    def _submit(self, job: Callable[[Projection], object]) -> None:
        if self._state != "running":
            raise ValueError(f"the tracker must be running, but it is {self._state}.")
        self._jobs.put(job)

    def _work(self) -> None:
        projection: Projection | None = None
        while (job := self._jobs.get()) is not None:
            if self._error is None:
                with self._remembered():
                    if projection is None:
                        # Here, not above: importing MLflow takes five seconds, of which the search need not wait one.
                        from nercc_tune.tracking.projection import Projection  # noqa: PLC0415

                        projection = Projection(self._url, self._artifacts)
                    job(projection)
        if projection is not None:
            with self._remembered():
                projection.close(status=self._status)

    @contextmanager
    def _remembered(self) -> Iterator[None]:
        """Keep the first error of the block's, which would die with the thread unseen."""
        try:
            yield
        except TrackingError as error:
            reason = str(error).rstrip(".")
            self._error = self._error or TrackingError(f"tracking has stopped: {reason}; {_REMEDY}")
        except Exception as error:  # noqa: BLE001 - see above
            reason = redact(" ".join(str(error).split()))
            self._error = self._error or TrackingError(
                f"tracking has stopped on {type(error).__name__}: {reason}; {_REMEDY}"
            )


def _catch_up(projection: Projection, history: StudyHistory) -> None:
    projection.open_study(history)
    for cell in history.cells:
        for record in cell.trials:
            projection.log_trial(cell.cell, record)
