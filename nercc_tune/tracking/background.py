"""Tracks a study while it is searched, without holding the search up and without ending it when the store fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nercc_tune.errors import TrackingError
from nercc_tune.records import Cell, StudyHistory, TrialRecord
from nercc_tune.text.redaction import redact
from nercc_tune.tracking.backlog import Backlog, Files
from nercc_tune.tracking.retries import FIRST_PAUSE_S, Retries

if TYPE_CHECKING:
    from nercc_tune.tracking.projection import Projection, Status

State = Literal["new", "running", "interrupted", "failed", "closed"]

_SETTLING_PAUSES = 3
"""First pauses after a failure in which a request whose answer was lost may still be carried out."""


class BackgroundTracker:
    """A thread that keeps a store level with a study, whatever happens to the store meanwhile.

    Every method returns at once, except `close`. The tracker knows all that the store should hold. When a call fails,
    it waits, up to half a minute, looks anew what is there (by uid, since the call may have
    been carried out nevertheless), and adds the rest. So nothing is lost in an outage, and nothing is added twice.

    Args:
        url: The tracking store.
        artifacts: Folder of the files that belong to runs.
        first_pause_s: How long to wait after a first failure; after each further one twice as long.
        notify: Called with a line, from the tracker's thread, when the store goes away and when it is back.
    """

    def __init__(
        self,
        url: str,
        artifacts: Path | None,
        *,
        first_pause_s: float = FIRST_PAUSE_S,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._url = url
        self._artifacts = artifacts
        self._notify = notify
        self._thread = threading.Thread(target=self._work, name="nercc-tune-tracking", daemon=True)
        self._opened = threading.Event()
        self._told = threading.Event()
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self._stage: Literal["new", "running", "closed"] = "new"
        self._status: Status = "KILLED"
        self._backlog: Backlog | None = None
        self._retries = Retries(first_pause_s)
        self._settling_s = _SETTLING_PAUSES * first_pause_s
        self._runs: dict[str, str] = {}
        self._sent = 0
        self._step_started = time.monotonic()
        self._last_failure: float | None = None
        self._trouble: str | None = None
        self._absent: Path | None = None
        self._verdict: TrackingError | None = None

    @property
    def url(self) -> str:
        """The tracking store."""
        return self._url

    @property
    def opened(self) -> threading.Event:
        """Set once the store is known to have the study; until then MLflow may still be making its tables."""
        return self._opened

    @property
    def error(self) -> TrackingError | None:
        """What the store lacks and why; None while it keeps up, and again once it has caught up."""
        return self._verdict if self._stage == "closed" else self._explain()

    @property
    def state(self) -> State:
        """`new`, `running`, `interrupted` by an outage; `closed` when everything was written, else `failed`."""
        if self._stage == "closed":
            return "closed" if self._verdict is None else "failed"
        return "interrupted" if self._trouble is not None else self._stage

    @property
    def waiting(self) -> int:
        """The number of trials, results and deliveries of files that are not known to be in the store."""
        return 0 if self._backlog is None else self._backlog.waiting

    def start(self, history: StudyHistory) -> None:
        """Open the study, and add what an earlier tracker could not; see `Projection.open_study`.

        Raises:
            ValueError: If it was started before.
        """
        if self._stage != "new":
            raise ValueError("a tracker can be started once; make another one.")
        self._backlog = Backlog(history)
        self._stage = "running"
        self._thread.start()

    def log_trial(self, cell: Cell, record: TrialRecord) -> None:
        """Add the run of a trial; see `Projection.log_trial`.

        Raises:
            ValueError: If the study does not have the cell, or the tracker does not run; so does every method.
        """
        self._running().tell_trial(cell, record)
        self._told.set()

    def log_result(self, history: StudyHistory) -> None:
        """Bring the cells' runs up to date; see `Projection.log_result`."""
        self._running().tell_result(history)
        self._told.set()

    def log_artifacts(self, paths: Sequence[Path], *, cell: Cell | None = None) -> None:
        """Copy files and folders to the cells' runs; see `Projection.log_artifacts`."""
        self._running().tell_files(paths, cell)
        self._told.set()

    def close(self, status: Status, *, timeout_s: float) -> None:
        """Terminate the cells' runs once everything before is written, and wait for that.

        A tracker that was never started, or is closed, is left as it is. A store that works gets `timeout_s`, however
        slow it is; one that turns down every attempt is given up within seconds, and one that answers nothing within a
        minute. `error` then says what to do.
        """
        if self._stage != "running":
            return
        self._status = status
        self._closing.set()
        self._told.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._abandoned.set()
            self._told.set()
            self._trouble = self._trouble or f"the store `{redact(self._url)}` did not keep up within {timeout_s:g} s"
        self._verdict = self._explain()
        self._stage = "closed"

    def _running(self) -> Backlog:
        if self._backlog is None or self._stage != "running":
            raise ValueError(f"the tracker must be running, but it is {self._stage}.")
        return self._backlog

    def _work(self) -> None:
        backlog = self._running()
        while not self._abandoned.is_set():
            self._step_started = time.monotonic()
            try:
                self._track(backlog)
            except Exception as error:  # noqa: BLE001 - it would die with the thread unseen
                if not self._is_worth_another(error):
                    return
            else:
                return

    def _is_worth_another(self, error: Exception) -> bool:
        """Take note of a failure, and wait until it is time for the next attempt, or return that there is none."""
        self._last_failure = time.monotonic()
        if self._trouble is None:
            self._notify(f"MLflow is away ({_reason(error)}); the search goes on, and what it tells waits")
        self._trouble = _reason(error)
        is_closing = self._closing.is_set()
        self._retries.failed(sent=self._sent, took_s=self._last_failure - self._step_started, is_closing=is_closing)
        if is_closing and self._retries.are_exhausted:
            return False
        (self._abandoned if is_closing else self._closing).wait(self._retries.pause_s)
        return True

    def _track(self, backlog: Backlog) -> None:
        """Keep the store level until the tracker is closed, or something fails."""
        projection = self._open(backlog)
        while not self._abandoned.is_set():
            self._told.clear()
            is_last = self._closing.is_set()
            self._send_all(projection, backlog)
            if is_last:
                self._finish(projection, backlog)
                return
            self._recover()
            self._told.wait()
            self._step_started = time.monotonic()

    def _open(self, backlog: Backlog) -> Projection:
        # Here, not above: importing MLflow takes five seconds, of which the search need not wait one.
        from nercc_tune.tracking.projection import Projection  # noqa: PLC0415

        self._step_started = time.monotonic()
        projection = Projection(self._url, self._artifacts)
        history, results = backlog.whole()
        projection.open_study(history)
        backlog.confirm(projection.trials, results)
        if projection.cell_runs != self._runs:
            backlog.resend_files()
        self._runs = projection.cell_runs
        self._opened.set()
        return projection

    def _send_all(self, projection: Projection, backlog: Backlog) -> None:
        while not self._abandoned.is_set() and self._send_one(projection, backlog):
            self._sent += 1
            self._step_started = time.monotonic()

    def _send_one(self, projection: Projection, backlog: Backlog) -> bool:
        """Send what is next: trials, the result, files, trials that failed before; return whether any was left."""
        if (trial := backlog.next_trial()) is not None:
            _send_trial(projection, backlog, *trial)
        elif (result := backlog.next_result()) is not None:
            history, number = result
            projection.log_result(history)
            backlog.sent_result(number)
        elif (files := backlog.next_files()) is not None:
            self._copy(projection, files)
            backlog.sent_files()
        elif (trial := backlog.next_trial(is_postponed=True)) is not None:
            _send_trial(projection, backlog, *trial)
        else:
            return False
        return True

    def _copy(self, projection: Projection, files: Files) -> None:
        """Send the files that exist; to try again would not make the others."""
        present = [path for path in files.paths if path.exists()]
        self._absent = next((path for path in files.paths if path not in present), self._absent)
        projection.log_artifacts(present, cell=files.cell)

    def _finish(self, projection: Projection, backlog: Backlog) -> None:
        """Terminate the cells' runs; after an outage only once it was seen that nothing came late."""
        if self._last_failure is not None:
            self._abandoned.wait(max(0.0, self._last_failure + self._settling_s - time.monotonic()))
            projection = self._open(backlog)
            self._send_all(projection, backlog)
        if not self._abandoned.is_set():
            self._step_started = time.monotonic()
            projection.close(status=self._status)
            self._recover()

    def _recover(self) -> None:
        if self._trouble is not None:
            self._notify("MLflow is back, and has all that waited")
        self._trouble = None

    def _explain(self) -> TrackingError | None:
        if self._backlog is None or (self._trouble is None and self._absent is None):
            return None
        remedy = f"run `nercc-tune sync {self._backlog.name}`"
        if self._trouble is None:
            return TrackingError(
                f"cannot store the artifact `{self._absent}`: there is no such file; {remedy} once there is."
            )
        count = self._backlog.trials
        what = f"{count} trial runs wait" if count > 1 else "1 trial run waits" if count else "the last results wait"
        hope = f"{remedy} once it works" if self._closing.is_set() else "it is tried again"
        return TrackingError(f"tracking is behind: {self._trouble}; {what} in the study's own storage; {hope}.")


def _send_trial(projection: Projection, backlog: Backlog, cell: Cell, record: TrialRecord) -> None:
    try:
        projection.log_trial(cell, record)
    except Exception:
        backlog.postpone(record)
        raise
    backlog.sent_trial(record)


def _reason(error: Exception) -> str:
    """Return what went wrong in one line, without passwords."""
    reason = redact(" ".join(str(error).split())).rstrip(".")
    return reason if isinstance(error, TrackingError) else f"{type(error).__name__}: {reason}"
