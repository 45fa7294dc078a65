from __future__ import annotations

import time
from dataclasses import replace

from nercc_tune.tracking.content import trial_tags
from tests.builders import START_MS, cell, searched, study, trial
from tests.tracking.conftest import Store, project


def test_a_resumed_study_goes_on_in_the_same_runs(store: Store) -> None:
    first = study(searched(40, mses=(0.05, 0.04)))
    project(store, first).close(status="KILLED")
    again = store.projection()
    again.open_study(first)
    assert store.runs()["S=40"].info.status == "RUNNING"
    place = cell(40)
    for proposal in range(4):
        again.log_trial(place, trial(place, proposal, 0.04))
    again.close(status="FINISHED")
    assert set(store.runs()) == {"S=40", "S=40 #0", "S=40 #1", "S=40 #2", "S=40 #3"}
    assert store.runs()["S=40"].info.status == "FINISHED"


def test_another_storage_with_the_same_uids_is_not_taken_for_this_one(store: Store) -> None:
    place = cell(40)
    project(store, study(searched(40, mses=(0.05,)))).close(status="KILLED")
    later = replace(trial(place, 0, 0.03), started_ms=START_MS + 10**6, finished_ms=START_MS + 10**6 + 1)
    projection = store.projection()
    projection.open_study(study(searched(40, mses=())))
    projection.log_trial(place, later)
    assert len(projection.trials) == 2


def test_what_another_worker_is_about_to_complete_goes_on_running(store: Store) -> None:
    projection = project(store, study(searched(40, mses=(0.05,))))
    theirs = trial(cell(40), 1, 0.04)
    run = store.client().create_run(
        store.runs()["S=40"].info.experiment_id,
        start_time=theirs.started_ms,
        run_name="S=40 #1",
        tags={**store.runs()["S=40 #0"].data.tags, **trial_tags(theirs), "mlflow.runName": "S=40 #1"},
    )
    again = store.projection()
    again.open_study(study(searched(40, mses=(0.05,))))
    assert again.cell_runs == projection.cell_runs
    assert store.client().get_run(run.info.run_id).info.status == "RUNNING"


def test_a_study_that_ends_before_it_started_ends_at_once(store: Store) -> None:
    """The machine's clock was set back in the middle of a launch."""
    ahead = int(time.time() * 1000) + 3_600_000
    record = replace(trial(cell(40), 0, 0.05), started_ms=ahead, finished_ms=ahead - 10)
    projection = store.projection()
    projection.open_study(study(replace(searched(40), trials=(record,))))
    projection.log_trial(cell(40), record)
    projection.close(status="KILLED")
    for run in store.runs().values():
        assert run.info.start_time == run.info.end_time == ahead
