"""Tracks a study while it is searched, without holding the search up and without ending it when the store fails."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nercc_tune.errors import TrackingError
from nercc_tune.records import Cell, StudyHistory, TrialRecord
from nercc_tune.tracking.reachability import redact

if TYPE_CHECKING:
    from nercc_tune.tracking.projection import Projection, Status

State = Literal["new", "running", "failed", "closed"]

_REMEDY = "the search is not affected; run `nercc-tune sync` when the store is back."


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
        """Open the study; see `Projection.open_study`.

        Raises:
            ValueError: If it was started before.
        """
        if self._state != "new":
            raise ValueError("a tracker can be started once; make another one.")
        self._state = "running"
        self._jobs.put(lambda projection: projection.open_study(history))
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
        self._submit(lambda projection: projection.close(status=status))
        self._state = "closed"
        self._jobs.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive() and self._error is None:
            self._error = TrackingError(
                f"the tracking store `{redact(self._url)}` did not keep up: {self.waiting} records were still waiting "
                f"after {timeout_s:g} s; {_REMEDY}"
            )

    def _submit(self, job: Callable[[Projection], object]) -> None:
        if self._state != "running":
            raise ValueError(f"the tracker must be running, but it is {self._state}.")
        self._jobs.put(job)

    def _work(self) -> None:
        projection: Projection | None = None
        while (job := self._jobs.get()) is not None:
            if self._error is not None:
                continue
            try:
                if projection is None:
                    # Here, not above: importing MLflow takes five seconds of which the search need not wait one.
                    from nercc_tune.tracking.projection import Projection  # noqa: PLC0415

                    projection = Projection(self._url, self._artifacts)
                job(projection)
            except TrackingError as error:
                self._error = TrackingError(f"tracking has stopped: {str(error).rstrip('.')}; {_REMEDY}")
            except Exception as error:  # noqa: BLE001 - an exception must not die with the thread: `error` is where it is seen
                reason = redact(" ".join(str(error).split()))
                self._error = TrackingError(f"tracking has stopped on {type(error).__name__}: {reason}; {_REMEDY}")
