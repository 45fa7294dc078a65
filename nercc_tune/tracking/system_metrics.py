"""Records what a launch asks of its host: CPU, memory, disk, network and GPU, as MLflow's own system metrics.

Importing this module does not import MLflow, which takes seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

from nercc_tune.spec import StudySpec
from nercc_tune.text.redaction import redact
from nercc_tune.tracking.content import KIND

if TYPE_CHECKING:
    from nercc_tune.tracking.silent import MlflowClient

RUN_NAME = "system metrics"

_INTERVAL_S = 10.0
_POLL_S = 1.0
_PATIENCE_S = 5.0
"""Seconds that the end of a launch waits for the last figures."""


class _Opening(Protocol):
    """What is opening the study in its store: a `BackgroundTracker`."""

    @property
    def url(self) -> str: ...

    @property
    def opened(self) -> threading.Event: ...


class _Sensor(Protocol):
    def clear_metrics(self) -> object: ...


class _Host(Protocol):
    """What is used of MLflow's monitor."""

    @property
    def monitors(self) -> Sequence[_Sensor]: ...

    def collect_metrics(self) -> object: ...

    def aggregate_metrics(self) -> dict[str, float]: ...


@contextmanager
def recorded_system(
    tracker: _Opening, spec: StudySpec, *, notify: Callable[[str], None], interval_s: float = _INTERVAL_S
) -> Iterator[None]:
    """Record the host's figures while the block runs, where the study file asks for it.

    They go into a run of their own, of kind `system`, in the study's experiment. It is not part of the projection:
    nothing rebuilds it. What goes wrong costs figures and nothing else.

    Args:
        tracker: Is waited for: two threads that open a new store at a time would both make its tables.
        spec: The study.
        notify: Called once, with a line, when the block has ended and the recording failed.
        interval_s: Seconds between two samples.
    """
    if not spec.tracking.system_metrics:
        yield
        return
    recorder = _Recorder(tracker, spec, interval_s)
    recorder.start()
    status: Literal["FINISHED", "KILLED"] = "KILLED"
    try:
        yield
        status = "FINISHED"
    finally:
        trouble = recorder.close(status)
        if trouble is not None:
            notify(f"the system metrics are incomplete: {trouble}")


class _Recorder:
    """A thread that samples the host once the study's tracker has opened its store."""

    def __init__(self, tracker: _Opening, spec: StudySpec, interval_s: float) -> None:
        self._url = tracker.url
        self._opened = tracker.opened
        self._tags = {"study": spec.name, "digest": spec.digest, KIND: "system", "mlflow.source.name": "nercc-tune"}
        self._interval_s = interval_s
        self._closing = threading.Event()
        self._begun = threading.Event()
        self._status: Literal["FINISHED", "KILLED"] = "KILLED"
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._work, name="nercc-tune-system-metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, status: Literal["FINISHED", "KILLED"]) -> str | None:
        """End the recording, and return what went wrong; one that has not begun by now never does."""
        self._status = status
        self._closing.set()
        self._thread.join(_PATIENCE_S if self._begun.is_set() else 0.0)
        if self._thread.is_alive() and self._begun.is_set():
            return f"the store `{redact(self._url)}` did not answer within {_PATIENCE_S:g} s."
        return self._trouble

    def _work(self) -> None:
        try:
            self._record()
        except Exception as error:  # noqa: BLE001 - it would die with the thread unseen
            self._note(error)

    def _record(self) -> None:
        while not self._opened.wait(_POLL_S):
            if self._closing.is_set():
                return
        # Here, not above: importing MLflow takes seconds, which the search need not wait.
        from nercc_tune.tracking.store import open_client  # noqa: PLC0415

        client = open_client(self._url, None)
        experiment = client.get_experiment_by_name(self._tags["study"])
        if experiment is None or self._closing.is_set():
            return
        experiment_id = str(experiment.experiment_id)
        self._end_abandoned(client, experiment_id)
        self._begun.set()
        run_id = client.create_run(experiment_id, run_name=RUN_NAME, tags=self._tags).info.run_id
        try:
            self._sample(client, run_id)
        finally:
            client.set_terminated(run_id, self._status)

    def _end_abandoned(self, client: MlflowClient, experiment_id: str) -> None:
        """Terminate what a launch that was killed left running; no other launch of the study runs beside this one."""
        condition = f"tags.`{KIND}` = 'system' AND attributes.status = 'RUNNING'"
        for run in client.search_runs([experiment_id], filter_string=condition):
            client.set_terminated(run.info.run_id, "KILLED")

    def _sample(self, client: MlflowClient, run_id: str) -> None:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor  # noqa: PLC0415 - as above

        from nercc_tune.tracking.silent import Metric  # noqa: PLC0415 - as above

        # Its sensors alone: its own thread asks the store for the run after every sample, and ends where that fails.
        host: _Host = SystemMetricsMonitor(run_id, tracking_uri=self._url)  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
        host.collect_metrics()  # the use of the CPU is that since the reading before
        step, is_last = 0, False
        while not is_last:
            is_last = self._closing.wait(self._interval_s)
            for monitor in host.monitors:
                monitor.clear_metrics()
            host.collect_metrics()
            now_ms = time.time_ns() // 1_000_000
            values = host.aggregate_metrics()
            metrics = [Metric(f"system/{name}", value, now_ms, step) for name, value in values.items()]
            try:
                client.log_batch(run_id, metrics, synchronous=True)
            except Exception as error:  # noqa: BLE001 - a store that is away for a while costs these figures alone
                self._note(error)
            step += 1

    def _note(self, error: Exception) -> None:
        """Keep the first thing that went wrong, in one line and without passwords."""
        self._trouble = self._trouble or redact(" ".join(f"{type(error).__name__}: {error}".split()))
