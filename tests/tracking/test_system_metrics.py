from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from nercc_tune.spec import StudySpec
from nercc_tune.tracking.background import BackgroundTracker
from nercc_tune.tracking.system_metrics import recorded_system
from tests.builders import searched, study
from tests.tracking.conftest import Store, project, wait_for


class Opened:
    """A tracker that has opened its store."""

    def __init__(self, url: str, *, opened: threading.Event | None = None) -> None:
        self.url = url
        self.opened = opened or threading.Event()
        if opened is None:
            self.opened.set()


def spec(*, system_metrics: bool) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "lenet5-mnist",
            "workload": {"model": "lenet5", "data": "digits"},
            "code": {"queries": 8, "workers": 24, "stragglers": [4]},
            "tracking": {"system_metrics": system_metrics},
        }
    )


def figures(store: Store, step: int) -> dict[str, float]:
    """Return the figures of a step, by name; empty before it was taken."""
    run = store.runs().get("system metrics")
    return (
        {}
        if run is None or run.data.metrics.get("system/cpu_utilization_percentage") is None
        else {
            name: metric.value
            for name in run.data.metrics
            for metric in store.client().get_metric_history(run.info.run_id, name)
            if metric.step == step
        }
    )


def test_it_is_off_by_default_and_decides_no_result() -> None:
    assert not StudySpec.model_validate(
        spec(system_metrics=False).model_dump(exclude={"tracking"})
    ).tracking.system_metrics
    assert spec(system_metrics=True).digest == spec(system_metrics=False).digest


def test_nothing_is_recorded_unless_it_is_asked_for(tmp_path: Path) -> None:
    with recorded_system(Opened(f"sqlite:///{tmp_path}/mlflow.db"), spec(system_metrics=False), notify=pytest.fail):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_host_is_recorded_while_the_block_runs(store: Store) -> None:
    project(store, study(searched(40)))
    with recorded_system(Opened(store.url), spec(system_metrics=True), notify=pytest.fail, interval_s=0.05):
        wait_for(lambda: figures(store, 1) != {})
    run = store.runs()["system metrics"]
    assert run.info.status == "FINISHED"
    assert run.data.tags["nercc_tune.kind"] == "system"
    assert "nercc_tune.uid" not in run.data.tags
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(figures(store, 1))


def test_it_waits_until_the_tracker_has_made_the_store(tmp_path: Path) -> None:
    """Let both find no store: MLflow's migrations may not run twice at a time in one process."""
    file = tmp_path / "mlflow.db"
    fresh = Store(url=f"sqlite:///{file}", file=file, artifacts=tmp_path / "mlartifacts")
    tracker = BackgroundTracker(fresh.url, fresh.artifacts)
    with recorded_system(tracker, spec(system_metrics=True), notify=pytest.fail, interval_s=0.05):
        time.sleep(0.2)
        assert not file.exists()
        tracker.start(study(searched(40)))
        assert tracker.opened.wait(60)
        wait_for(lambda: "system metrics" in fresh.runs())
    tracker.close("FINISHED", timeout_s=60)
    assert tracker.error is None


def test_a_launch_that_ends_before_the_store_is_open_waits_for_nothing(tmp_path: Path) -> None:
    tracker = Opened(f"sqlite:///{tmp_path}/mlflow.db", opened=threading.Event())
    started = time.monotonic()
    with recorded_system(tracker, spec(system_metrics=True), notify=pytest.fail):
        pass
    assert time.monotonic() - started < 1
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_block_ends_it_as_killed(store: Store) -> None:
    project(store, study(searched(40)))

    def interrupted() -> None:
        with recorded_system(Opened(store.url), spec(system_metrics=True), notify=pytest.fail, interval_s=0.05):
            wait_for(lambda: "system metrics" in store.runs())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.runs()["system metrics"].info.status == "KILLED"


def test_what_a_killed_launch_left_running_is_ended(store: Store) -> None:
    project(store, study(searched(40)))
    store.client().create_run("1", run_name="abandoned", tags={"nercc_tune.kind": "system"})
    with recorded_system(Opened(store.url), spec(system_metrics=True), notify=pytest.fail, interval_s=0.05):
        wait_for(lambda: "system metrics" in store.runs())
    assert store.runs()["abandoned"].info.status == "KILLED"


def test_the_projection_takes_no_notice_of_it(store: Store) -> None:
    project(store, study(searched(40)))
    store.client().create_run("1", run_name="system metrics", tags={"nercc_tune.kind": "system", "digest": "d1" * 32})
    projection = store.projection()
    assert projection.open_study(study(searched(40)), resume=False) == 1  # the cell's own
    assert projection.removed == 0
    assert store.runs()["system metrics"].info.status == "RUNNING"


def test_a_store_that_fails_is_reported_once_and_ends_nothing() -> None:
    told: list[str] = []
    with recorded_system(Opened("http://127.0.0.1:9"), spec(system_metrics=True), notify=told.append):
        time.sleep(1.0)  # the connection is refused at once
    assert len(told) <= 1
    assert all(line.startswith("the system metrics are incomplete: TrackingError: the tracking store") for line in told)


def test_figures_that_cannot_be_written_are_reported_once(store: Store) -> None:
    told: list[str] = []
    project(store, study(searched(40)))
    with recorded_system(Opened(store.url), spec(system_metrics=True), notify=told.append, interval_s=0.05):
        wait_for(lambda: figures(store, 0) != {})
        store.client().delete_run(store.runs()["system metrics"].info.run_id)
        time.sleep(0.5)
    assert len(told) == 1
    assert told[0].startswith("the system metrics are incomplete: MlflowException: ")
