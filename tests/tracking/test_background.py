from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.errors import TrackingError
from nercc_tune.records import StudyHistory
from nercc_tune.tracking.background import BackgroundTracker
from nercc_tune.tracking.backlog import Files
from nercc_tune.tracking.projection import Projection
from tests.builders import cell, finished, searched, study, trial
from tests.tracking.conftest import Store, wait_for


def launch(tracker: BackgroundTracker, history: StudyHistory) -> None:
    tracker.start(study(*(searched(item.cell.stragglers, mses=()) for item in history.cells)))
    for item in history.cells:
        for record in item.trials:
            tracker.log_trial(item.cell, record)


def test_a_study_is_tracked(store: Store) -> None:
    history = finished(study(searched(40)))
    tracker = BackgroundTracker(store.url, store.artifacts)
    table = store.file.parent / "table.json"
    table.write_text("{}")
    launch(tracker, history)
    tracker.log_result(history)
    tracker.log_artifacts([table])
    assert tracker.state == "running"
    tracker.close("FINISHED", timeout_s=20)
    assert (tracker.error, tracker.state, tracker.waiting) == (None, "closed", 0)
    runs = store.runs()
    assert len(runs) == 5
    assert {run.info.status for run in runs.values()} == {"FINISHED", "FAILED"}
    assert runs["S=40"].data.metrics["heldout_mse"] == pytest.approx(0.0412)


def test_an_interruption_leaves_no_run_running(store: Store) -> None:
    tracker = BackgroundTracker(store.url, store.artifacts)
    launch(tracker, study(searched(40)))
    tracker.close("KILLED", timeout_s=20)
    assert store.runs()["S=40"].info.status == "KILLED"
    assert store.runs()["S=40 #3"].info.status == "FINISHED"


def test_a_store_that_fails_from_the_start_does_not_end_the_search(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database")
    tracker = BackgroundTracker(f"sqlite:///{tmp_path}/mlflow.db", None, first_pause_s=0.01)
    launch(tracker, study(searched(40)))
    tracker.close("FINISHED", timeout_s=20)
    assert (tracker.state, tracker.waiting) == ("failed", 4)
    with pytest.raises(
        TrackingError,
        match=r"^tracking is behind: .* not an SQLite database; .*; 4 trial runs wait in the study's own storage; "
        r"run `nercc-tune sync lenet5-mnist` once it works\.$",
    ):
        raise tracker.error or AssertionError


def test_a_store_that_is_mended_is_caught_up_with(store: Store, tmp_path: Path) -> None:
    broken = tmp_path / "mlflow.db"
    broken.write_text("not a database")
    tracker = BackgroundTracker(f"sqlite:///{broken}", store.artifacts, first_pause_s=0.01)
    launch(tracker, study(searched(40)))
    wait_for(lambda: tracker.state == "interrupted")
    assert "4 trial runs wait in the study's own storage; it is tried again" in str(tracker.error)
    store.file.replace(broken)
    wait_for(lambda: tracker.waiting == 0)
    wait_for(lambda: tracker.state == "running")
    assert tracker.error is None
    tracker.close("FINISHED", timeout_s=20)
    assert (tracker.error, tracker.state) == (None, "closed")
    runs = Store(url=f"sqlite:///{broken}", file=broken, artifacts=store.artifacts).runs()
    assert (len(runs), runs["S=40"].info.status) == (5, "FINISHED")


def test_a_file_that_is_not_there_does_not_keep_the_rest_back(store: Store) -> None:
    tracker = BackgroundTracker(store.url, store.artifacts)
    place = cell(40)
    tracker.start(study(searched(40, mses=())))
    tracker.log_trial(place, trial(place, 0, 0.05))
    tracker.log_artifacts([store.file.parent / "none.svg"])
    tracker.log_trial(place, trial(place, 1, 0.04))
    tracker.close("FINISHED", timeout_s=20)
    assert (tracker.state, tracker.waiting) == ("failed", 0)
    assert "none.svg`: there is no such file; run `nercc-tune sync lenet5-mnist` once there is." in str(tracker.error)
    assert {name: run.info.status for name, run in store.runs().items()} == {
        "S=40": "FINISHED",
        "S=40 #0": "FINISHED",
        "S=40 #1": "FINISHED",
    }


def test_a_later_launch_adds_what_an_earlier_one_could_not(store: Store) -> None:
    tracker = BackgroundTracker(store.url, store.artifacts)
    tracker.start(study(searched(40)))
    tracker.close("FINISHED", timeout_s=20)
    assert set(store.runs()) == {"S=40", "S=40 #0", "S=40 #1", "S=40 #2", "S=40 #3"}


def test_a_trial_that_the_store_refuses_keeps_no_other_back(store: Store) -> None:
    tracker = BackgroundTracker(store.url, store.artifacts, first_pause_s=0.01)
    history = finished(study(searched(40)))
    refused = replace(trial(cell(40), 9, 0.05), started_ms=2**70)
    tracker.start(study(searched(40, mses=())))
    for record in (refused, *history.cells[0].trials):
        tracker.log_trial(cell(40), record)
    tracker.log_result(history)
    tracker.close("FINISHED", timeout_s=20)
    assert (tracker.state, tracker.waiting) == ("failed", 1)
    assert "1 trial run waits in the study's own storage" in str(tracker.error)
    assert set(store.runs()) == {"S=40", "S=40 #0", "S=40 #1", "S=40 #2", "S=40 #3"}
    assert store.runs()["S=40"].data.metrics["heldout_mse"] == pytest.approx(0.0412)


def test_a_cell_of_another_study_is_refused(store: Store) -> None:
    tracker = BackgroundTracker(store.url, store.artifacts)
    tracker.start(study(searched(40, mses=())))
    with pytest.raises(ValueError, match="`cell` must be one of the study"):
        tracker.log_trial(cell(60), trial(cell(60), 0, 0.05))
    with pytest.raises(ValueError, match="`cell` must be one of the study"):
        tracker.log_artifacts([], cell=cell(60))
    tracker.close("FINISHED", timeout_s=20)
    assert tracker.error is None


def test_an_error_of_another_kind_is_seen(store: Store) -> None:
    class Wrong(BackgroundTracker):
        def _copy(self, projection: Projection, files: Files) -> None:  # noqa: ARG002 - as in the base class
            raise KeyError("http://ann:secret@host")

    tracker = Wrong(store.url, store.artifacts, first_pause_s=0.01)
    launch(tracker, study(searched(40)))
    tracker.log_artifacts([])
    tracker.close("FINISHED", timeout_s=20)
    assert re.match(
        r"tracking is behind: KeyError: 'http://ann:\*\*\*@host'; the last results wait", str(tracker.error)
    )
    assert len(store.runs()) == 5


def test_a_store_that_does_not_keep_up_is_left_behind(store: Store) -> None:
    lock = threading.Event()

    class Slow(BackgroundTracker):
        def _work(self) -> None:
            lock.wait(20)

    tracker = Slow(store.url, store.artifacts)
    launch(tracker, study(searched(40)))
    start = time.monotonic()
    tracker.close("FINISHED", timeout_s=0.1)
    lock.set()
    assert time.monotonic() - start < 2
    assert "did not keep up within 0.1 s; 4 trial runs wait in the study's own storage" in str(tracker.error)


def test_a_tracker_that_was_not_started_or_is_closed(store: Store) -> None:
    tracker = BackgroundTracker(store.url, store.artifacts)
    tracker.close("FINISHED", timeout_s=1)
    assert (tracker.state, tracker.error) == ("new", None)
    with pytest.raises(ValueError, match="the tracker must be running, but it is new"):
        tracker.log_result(study())
    launch(tracker, study(searched(40, mses=())))
    tracker.close("FINISHED", timeout_s=20)
    tracker.close("FINISHED", timeout_s=20)
    with pytest.raises(ValueError, match="a tracker can be started once"):
        tracker.start(study())
