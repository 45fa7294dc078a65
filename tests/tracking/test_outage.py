"""A real MLflow server that is stopped, stalled or out of reach while a study is tracked."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from nercc_tune.records import StudyHistory
from nercc_tune.tracking.background import BackgroundTracker
from nercc_tune.tracking.sync import SyncReport, sync
from tests.builders import finished, searched, study
from tests.services.mlflow_server import MlflowServer
from tests.tracking.conftest import Store, wait_for
from tests.tracking.proxy import proxy_to

pytestmark = pytest.mark.slow

MSES = (0.05, 0.04, None, 0.045, 0.03, 0.06)


def whole(name: str) -> StudyHistory:
    return finished(study(searched(40, study=name, mses=MSES), searched(60, study=name, mses=MSES), name=name))


def begun(history: StudyHistory, *, trials: int = 0) -> StudyHistory:
    """Return the study as it was when so many trials of each cell were over."""
    cells = tuple(replace(item, trials=item.trials[:trials], entry=None) for item in history.cells)
    return replace(history, cells=cells, policy=None, provenance=None)


def tell(tracker: BackgroundTracker, history: StudyHistory, *proposals: int) -> None:
    """Tell a tracker some trials of each cell, which takes no time whatever the server does."""
    start = time.monotonic()
    for proposal in proposals:
        for item in history.cells:
            tracker.log_trial(item.cell, item.trials[proposal])
    assert time.monotonic() - start < 0.5


def started(url: str, history: StudyHistory) -> BackgroundTracker:
    """Return a tracker of a new study that has found its server."""
    tracker = BackgroundTracker(url, None)
    tracker.start(begun(history))
    tell(tracker, history, 0)
    wait_for(lambda: tracker.waiting == 0)
    return tracker


def check_everything_once(store: Store, history: StudyHistory) -> None:
    """Check that each run is there once and terminated, and that a `sync` finds nothing to do."""
    runs = store.runs(history.name)
    assert len(runs) == len(history.cells) + sum(len(item.trials) for item in history.cells)
    assert {run.info.status for name, run in runs.items() if "#" not in name} == {"FINISHED"}
    assert {run.info.status for name, run in runs.items()} == {"FINISHED", "FAILED"}
    assert runs["S=40"].data.metrics["heldout_mse"] > 0
    parents = {run.data.tags["mlflow.parentRunId"] for name, run in runs.items() if name.startswith("S=60 #")}
    assert parents == {runs["S=60"].info.run_id}
    count = sum(len(item.trials) for item in history.cells)
    assert sync(history, url=store.url, artifacts=None) == SyncReport(added=0, present=count, closed=0)


def test_a_server_that_comes_back_gets_everything_once(served: Store, mlflow_server: MlflowServer) -> None:
    history = whole("stopped")
    tracker = started(served.url, history)
    mlflow_server.stop()
    start = time.monotonic()
    tell(tracker, history, 1, 2)
    wait_for(lambda: tracker.state == "interrupted")
    assert time.monotonic() - start < 3
    assert "4 trial runs wait in the study's own storage; it is tried again" in str(tracker.error)
    tell(tracker, history, 3)
    mlflow_server.start()
    tell(tracker, history, 4, 5)
    tracker.log_result(history)
    tracker.log_artifacts([mlflow_server.folder / "server.log"])
    tracker.close("FINISHED", timeout_s=60)
    assert (tracker.error, tracker.state, tracker.waiting) == (None, "closed", 0)
    check_everything_once(served, history)
    (kept,) = served.client().list_artifacts(served.runs("stopped")["S=40"].info.run_id)
    assert kept.path == "server.log"


def test_a_server_that_stays_away_is_left_soon_and_mended_by_sync(served: Store, mlflow_server: MlflowServer) -> None:
    history = whole("away")
    tracker = started(served.url, history)
    mlflow_server.stop()
    tell(tracker, history, 1, 2, 3, 4, 5)
    tracker.log_result(history)
    start = time.monotonic()
    tracker.close("FINISHED", timeout_s=300)
    assert time.monotonic() - start < 12
    assert tracker.state == "failed"
    message = str(tracker.error)
    assert "10 trial runs wait in the study's own storage; run `nercc-tune sync away` once it works." in message
    assert "\n" not in message
    mlflow_server.start()
    assert served.runs("away")["S=40"].info.status == "RUNNING"
    assert sync(history, url=served.url, artifacts=None) == SyncReport(added=10, present=2, closed=2)
    check_everything_once(served, history)


def test_a_server_that_is_away_at_the_start_and_at_the_end(served: Store, mlflow_server: MlflowServer) -> None:
    history = whole("unseen")
    mlflow_server.stop()
    tracker = BackgroundTracker(served.url, None)
    tracker.start(begun(history, trials=2))
    tell(tracker, history, 2)
    start = time.monotonic()
    tracker.close("KILLED", timeout_s=30)
    assert time.monotonic() - start < 15  # a half of it to import MLflow
    assert "6 trial runs wait in the study's own storage; run `nercc-tune sync unseen`" in str(tracker.error)


def test_a_server_that_stalls_in_the_middle_of_a_creation(served: Store, mlflow_server: MlflowServer) -> None:
    history = whole("stalled")
    tracker = started(served.url, history)
    mlflow_server.pause()
    try:
        start = time.monotonic()
        tell(tracker, history, 1, 2)
        wait_for(lambda: tracker.state == "interrupted")
        assert 10 < time.monotonic() - start < 18
        time.sleep(max(0.0, 20 - (time.monotonic() - start)))
    finally:
        mlflow_server.resume()
    tell(tracker, history, 3, 4, 5)
    tracker.log_result(history)
    tracker.close("FINISHED", timeout_s=60)
    assert tracker.error is None
    check_everything_once(served, history)


def test_a_server_that_stalls_while_the_study_ends(served: Store, mlflow_server: MlflowServer) -> None:
    history = whole("stalled-at-the-end")
    tracker = started(served.url, history)
    tell(tracker, history, 1, 2, 3, 4, 5)
    tracker.log_result(history)
    mlflow_server.pause()
    try:
        start = time.monotonic()
        tracker.close("FINISHED", timeout_s=4)
        assert 3 < time.monotonic() - start < 6
    finally:
        mlflow_server.resume()
    assert "did not keep up within 4 s" in str(tracker.error)
    wait_for(lambda: served.client().get_experiment_by_name(history.name) is not None)
    time.sleep(1)  # what the server was asked before is done now
    sync(history, url=served.url, artifacts=None)
    check_everything_once(served, history)


@pytest.mark.parametrize("late_s", [None, 1.5])
def test_a_creation_whose_answer_is_lost_is_no_second_run(served: Store, late_s: float | None) -> None:
    """The run is there when the tracker looks anew, or comes only after the tracker has made another."""
    history = whole(f"lost-{late_s}")
    with proxy_to(served.url) as proxy:
        tracker = started(proxy.url, history)
        proxy.spoil(1, late_s=late_s)
        tell(tracker, history, 1)
        wait_for(lambda: proxy.spoilt == 1)
        wait_for(lambda: tracker.waiting == 0)
        tell(tracker, history, 2, 3, 4, 5)
        tracker.log_result(history)
        tracker.close("FINISHED", timeout_s=60)
    assert tracker.error is None
    check_everything_once(served, history)


@pytest.mark.parametrize("late_s", [None, 1.5])
def test_a_cell_whose_answer_is_lost_is_no_second_run(served: Store, late_s: float | None) -> None:
    history = whole(f"lost-cell-{late_s}")
    with proxy_to(served.url) as proxy:
        proxy.spoil(1, late_s=late_s)
        tracker = started(proxy.url, history)
        tell(tracker, history, 1, 2, 3, 4, 5)
        tracker.log_result(history)
        tracker.close("FINISHED", timeout_s=60)
    assert (tracker.error, proxy.spoilt) == (None, 1)
    check_everything_once(served, history)


def test_no_password_is_told(served: Store, caplog: pytest.LogCaptureFixture) -> None:
    history = whole("secret")
    with proxy_to(served.url) as proxy:
        tracker = started(proxy.url.replace("://", "://ann:secret@"), history)
    tell(tracker, history, 1)
    wait_for(lambda: tracker.state == "interrupted")
    assert "://ann:***@127.0.0.1" in str(tracker.error)
    tracker.close("KILLED", timeout_s=30)
    assert "tracking is behind: the tracking store `http://ann:***@127.0.0.1" in str(tracker.error)
    assert "secret@" not in str(tracker.error) + caplog.text
    assert set(served.runs("secret")) == {"S=40", "S=60", "S=40 #0", "S=60 #0"}
