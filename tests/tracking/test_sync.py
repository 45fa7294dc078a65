from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from nercc_tune.errors import TrackingError
from nercc_tune.records import StudyHistory
from nercc_tune.tracking.content import trial_metrics, trial_tags
from nercc_tune.tracking.silent import Metric
from nercc_tune.tracking.sync import SyncReport, sync
from tests.builders import DIGEST, cell, finished, pruned, searched, study, trial
from tests.tracking.conftest import Store


def rebuild(store: Store, history: StudyHistory) -> SyncReport:
    return sync(history, url=store.url, artifacts=store.artifacts)


def erase(store: Store, run_id: str) -> None:
    """Remove a run from the database itself, as nothing in MLflow does."""
    with closing(sqlite3.connect(store.file)) as connection, connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            if "run_uuid" in columns:
                connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_id,))  # noqa: S608 - from the schema


def leave_running(store: Store, proposal: int, *, parent: str) -> str:
    """Leave the run of a trial as a process that is killed right after `create_run` does."""
    record = trial(cell(40), proposal, 0.04)
    experiment = store.client().get_experiment_by_name("lenet5-mnist")
    assert experiment is not None
    return str(
        store.client()
        .create_run(
            experiment.experiment_id,
            start_time=record.started_ms,
            run_name=f"S=40 #{proposal}",
            tags={"digest": DIGEST, "mlflow.parentRunId": parent, **trial_tags(record)},
        )
        .info.run_id
    )


def store_run(store: Store, name: str) -> str:
    """Return the run of a name that others may bear, too."""
    experiment = store.client().get_experiment_by_name("lenet5-mnist")
    assert experiment is not None
    (run,) = store.client().search_runs([experiment.experiment_id], filter_string=f"attributes.run_name = '{name}'")
    return str(run.info.run_id)


def test_a_new_store_gets_everything(store: Store) -> None:
    history = finished(study())
    assert rebuild(store, history) == SyncReport(added=8, present=0, closed=0)
    runs = store.runs()
    assert {name: run.info.status for name, run in runs.items() if "#" not in name} == {
        "S=40": "FINISHED",
        "S=60": "FINISHED",
    }
    records = history.cells[0].trials
    assert runs["S=40"].info.start_time == records[0].started_ms
    assert runs["S=40"].info.end_time == history.cells[1].trials[-1].finished_ms
    assert runs["S=40"].data.metrics["heldout_mse"] == pytest.approx(0.0412)


def test_a_second_time_changes_nothing(store: Store) -> None:
    history = finished(study(searched(40)))
    rebuild(store, history)
    before = {name: run.to_dictionary() for name, run in store.runs().items()}
    assert rebuild(store, history) == SyncReport(added=0, present=4, closed=0)
    assert {name: run.to_dictionary() for name, run in store.runs().items()} == before


@pytest.mark.parametrize("is_erased", [True, False])
def test_exactly_the_trial_that_is_missing_is_restored(store: Store, is_erased: bool) -> None:
    history = finished(study(searched(40)))
    rebuild(store, history)
    before = store.runs()
    lost = before["S=40 #1"].info.run_id
    if is_erased:
        erase(store, lost)
    else:
        store.client().delete_run(lost)
    assert rebuild(store, history) == SyncReport(added=1, present=3, closed=0)
    after = store.runs()
    assert after["S=40 #1"].data.to_dictionary() == before["S=40 #1"].data.to_dictionary()
    assert {name for name in after if after[name].info.run_id != before[name].info.run_id} == {"S=40 #1"}


def test_the_trials_of_a_lost_cell_hang_below_its_new_run(store: Store) -> None:
    history = study(searched(40))
    rebuild(store, history)
    store.client().delete_run(store.runs()["S=40"].info.run_id)
    assert rebuild(store, history) == SyncReport(added=0, present=4, closed=0)
    runs = store.runs()
    parents = {run.data.tags["mlflow.parentRunId"] for name, run in runs.items() if "#" in name}
    assert parents == {runs["S=40"].info.run_id}
    assert runs["S=40"].data.metrics["best_mse"] == 0.04


def test_a_deleted_experiment_comes_back(store: Store) -> None:
    history = study(searched(40))
    rebuild(store, history)
    experiment = store.client().get_experiment_by_name("lenet5-mnist")
    assert experiment is not None
    store.client().delete_experiment(experiment.experiment_id)
    rebuild(store, history)
    assert set(store.runs()) == {"S=40", "S=40 #0", "S=40 #1", "S=40 #2", "S=40 #3"}


def test_what_a_killed_launch_left_running_is_closed(store: Store) -> None:
    projection = store.projection()
    projection.open_study(study(searched(40, mses=())))
    parent = store.runs()["S=40"].info.run_id
    half_written = leave_running(store, 1, parent=parent)
    record = trial(cell(40), 1, 0.04)
    store.client().log_batch(half_written, [Metric("mse", 0.04, record.finished_ms, 0)])
    leave_running(store, 2, parent=parent)
    assert rebuild(store, study(searched(40))) == SyncReport(added=2, present=2, closed=3)
    runs = store.runs()
    assert {name: run.info.status for name, run in runs.items()} == {
        "S=40": "KILLED",
        "S=40 #0": "FINISHED",
        "S=40 #1": "FINISHED",
        "S=40 #2": "FAILED",
        "S=40 #3": "FINISHED",
    }
    assert runs["S=40 #1"].data.metrics == trial_metrics(record)
    assert len(store.client().get_metric_history(half_written, "mse")) == 1
    assert runs["S=40 #1"].data.params["lambda_enc"] == "1.1e-07"
    assert store.dataset(runs["S=40 #1"]).name == "mnist"


def test_a_pruned_trial_left_running_is_finished(store: Store) -> None:
    history = searched(40)
    projection = store.projection()
    projection.open_study(study(searched(40, mses=())))
    leave_running(store, 1, parent=store.runs()["S=40"].info.run_id)
    trials = (history.trials[0], pruned(history.trials[1]))
    rebuild(store, study(replace(history, trials=trials)))
    assert store.runs()["S=40 #1"].info.status == "FINISHED"
    assert store.runs()["S=40"].data.metrics["failed_trials"] == 0


def test_the_runs_of_an_earlier_storage_are_left_to_themselves(store: Store) -> None:
    """As after `launch --fresh`: the same study file and the same uids, but other trials."""
    projection, place = store.projection(), cell(40)
    projection.open_study(study(searched(40, mses=())))
    old = store.runs()["S=40"].info.run_id
    for proposal, mse in enumerate((0.05, 0.02)):
        projection.log_trial(place, trial(place, proposal, mse))
    child = leave_running(store, 9, parent=old)
    record = trial(place, 0, 0.04)
    later = replace(record, started_ms=record.started_ms + 60_000, finished_ms=record.finished_ms + 60_000)
    history = finished(study(replace(searched(40), trials=(later,))))
    assert rebuild(store, history) == SyncReport(added=1, present=0, closed=2)
    assert rebuild(store, history) == SyncReport(added=0, present=1, closed=0)
    client = store.client()
    assert [client.get_run(run_id).info.status for run_id in (old, child)] == ["KILLED", "KILLED"]
    (new,) = client.search_runs(
        [client.get_run(old).info.experiment_id],
        filter_string=f"tags.`nercc_tune.kind` = 'cell' AND attributes.run_id != '{old}'",
    )
    assert new.data.metrics["best_mse"] == 0.04
    assert client.get_run(old).data.metrics["best_mse"] == 0.02


def test_runs_of_the_dead_are_killed(store: Store) -> None:
    """A worker died before its trial was in the storage, another while it opened a study that has gone on since."""
    history = study(searched(40))
    rebuild(store, history)
    parent = store.runs()["S=40"].info.run_id
    later = trial(cell(40), 7, 0.04)
    dead = leave_running(store, 7, parent=parent)
    store.client().update_run(parent, status="RUNNING")
    assert rebuild(store, history) == SyncReport(added=0, present=4, closed=2)
    assert {name: run.info.status for name, run in store.runs().items() if name in ("S=40", "S=40 #7")} == {
        "S=40": "KILLED",
        "S=40 #7": "KILLED",
    }
    assert rebuild(store, history) == SyncReport(added=0, present=4, closed=0)
    more = replace(history.cells[0], trials=(*history.cells[0].trials, later))
    assert rebuild(store, study(more)) == SyncReport(added=0, present=5, closed=0)
    run = store.client().get_run(dead)
    assert (run.info.status, run.data.metrics["mse"]) == ("FINISHED", 0.04)


def test_doubles_of_trials_are_removed(store: Store) -> None:
    history = finished(study(searched(40)))
    rebuild(store, history)
    before = {name: run.to_dictionary() for name, run in store.runs().items()}
    parent = store.runs()["S=40"].info.run_id
    doubles = {leave_running(store, 1, parent=parent), leave_running(store, 1, parent=parent)}
    complete = leave_running(store, 0, parent=parent)
    store.client().set_terminated(complete, "FINISHED", trial(cell(40), 0, 0.05).finished_ms)
    assert rebuild(store, history) == SyncReport(added=0, present=4, closed=2, removed=3)
    assert {name: run.to_dictionary() for name, run in store.runs().items() if name != "S=40 #0"} == {
        name: run for name, run in before.items() if name != "S=40 #0"
    }
    assert {store.client().get_run(run_id).info.lifecycle_stage for run_id in doubles} == {"deleted"}
    assert rebuild(store, history) == SyncReport(added=0, present=4, closed=0)


def test_half_written_doubles_become_one_run(store: Store) -> None:
    history = study(searched(40))
    projection = store.projection()
    projection.open_study(study(searched(40, mses=())))
    parent = store.runs()["S=40"].info.run_id
    leave_running(store, 1, parent=parent)
    leave_running(store, 1, parent=parent)
    assert rebuild(store, history) == SyncReport(added=3, present=1, closed=3, removed=1)
    assert store.runs()["S=40 #1"].data.metrics["mse"] == 0.04


def test_doubles_of_a_cell_are_removed(store: Store) -> None:
    history = finished(study(searched(40)))
    rebuild(store, history)
    original = store.runs()["S=40"]
    tags = {key: value for key, value in original.data.tags.items() if key != "mlflow.runName"}
    client = store.client()
    empty = client.create_run(original.info.experiment_id, run_name="S=40", tags=tags).info.run_id
    other = client.create_run(original.info.experiment_id, run_name="S=40", tags=tags).info.run_id
    client.set_tag(store_run(store, "S=40 #1"), "mlflow.parentRunId", other)
    assert rebuild(store, history) == SyncReport(added=0, present=4, closed=2, removed=2)
    runs = store.runs()
    assert runs["S=40"].info.run_id == original.info.run_id
    assert runs["S=40 #1"].data.tags["mlflow.parentRunId"] == original.info.run_id
    assert client.get_run(empty).info.lifecycle_stage == "deleted"
    assert rebuild(store, history) == SyncReport(added=0, present=4, closed=0)


def test_a_clock_that_was_set_back_leaves_no_run_that_ends_before_it_starts(store: Store) -> None:
    history = searched(40)
    back = tuple(replace(item, finished_ms=item.started_ms - 3_600_000) for item in history.trials)
    backwards = study(replace(history, trials=back))
    rebuild(store, backwards)
    assert all(run.info.end_time >= run.info.start_time for run in store.runs().values())
    assert rebuild(store, backwards) == SyncReport(added=0, present=4, closed=0)


def test_an_unfinished_study_is_killed_until_it_is_finished(store: Store) -> None:
    rebuild(store, study(searched(40)))
    assert store.runs()["S=40"].info.status == "KILLED"
    rebuild(store, finished(study(searched(40))))
    assert store.runs()["S=40"].info.status == "FINISHED"


def test_files_are_added(store: Store) -> None:
    file = store.file.parent / "table.json"
    file.write_text("{}")
    sync(study(searched(40)), url=store.url, artifacts=store.artifacts, files=[file])
    (kept,) = store.client().list_artifacts(store.runs()["S=40"].info.run_id)
    assert kept.path == "table.json"


def test_a_store_that_is_gone_is_one_line(store: Store) -> None:
    history = study(searched(40))
    rebuild(store, history)
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("DROP TABLE metrics")
    more = replace(history.cells[0], trials=(*history.cells[0].trials, trial(cell(40), 4, 0.03)))
    with pytest.raises(TrackingError, match=r"^the tracking store `sqlite:.*mlflow\.db` failed .*may be written\.$"):
        rebuild(store, study(more))
