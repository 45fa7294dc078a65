from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from nercc_tune.errors import TrackingError
from nercc_tune.records import StudyHistory
from nercc_tune.tracking.background import BackgroundTracker
from tests.builders import cell, finished, searched, study, trial
from tests.tracking.conftest import Store


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
    tracker = BackgroundTracker(f"sqlite:///{tmp_path}/mlflow.db", None)
    launch(tracker, study())
    tracker.close("FINISHED", timeout_s=20)
    assert tracker.state == "failed"
    with pytest.raises(TrackingError, match=r"tracking has stopped: .* not an SQLite database; .* `nercc-tune sync`"):
        raise tracker.error or AssertionError


def test_a_store_that_fails_in_the_middle_does_not_end_the_search(store: Store) -> None:
    tracker = BackgroundTracker(store.url, store.artifacts)
    place = cell(40)
    tracker.start(study(searched(40, mses=())))
    tracker.log_trial(place, trial(place, 0, 0.05))
    tracker.log_artifacts([store.file.parent / "none.svg"])
    tracker.log_trial(place, trial(place, 1, 0.04))
    tracker.close("FINISHED", timeout_s=20)
    assert tracker.state == "failed"
    assert tracker.waiting == 0
    assert "there is no such file; the search is not affected; run `nercc-tune sync`" in str(tracker.error)
    assert "S=40 #0" in store.runs()
    assert "S=40 #1" not in store.runs()
    assert store.runs()["S=40"].info.status == "FINISHED"


def test_a_later_launch_adds_what_an_earlier_one_could_not(store: Store) -> None:
    tracker = BackgroundTracker(store.url, store.artifacts)
    tracker.start(study(searched(40)))
    tracker.close("FINISHED", timeout_s=20)
    assert set(store.runs()) == {"S=40", "S=40 #0", "S=40 #1", "S=40 #2", "S=40 #3"}


def test_a_mistake_of_ours_is_seen(store: Store) -> None:
    tracker = BackgroundTracker(store.url, store.artifacts)
    tracker.start(study(searched(40, mses=())))
    tracker.log_trial(cell(60), trial(cell(60), 0, 0.05))
    tracker.close("FINISHED", timeout_s=20)
    assert "tracking has stopped on ValueError: `cell` must be one of the study" in str(tracker.error)


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
    assert "did not keep up: 6 calls were still waiting after 0.1 s; the search is not affected" in str(tracker.error)


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
