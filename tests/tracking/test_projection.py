from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.errors import TrackingError
from nercc_tune.tracking.links import point_to_explorer
from nercc_tune.tracking.runs import find_runs
from tests.builders import DIGEST, cell, finished, searched, study, trial
from tests.tracking.conftest import Store, copy_of, curve, project


@pytest.fixture(scope="module")
def tracked(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store with a finished study, for tests that only look."""
    store = copy_of(migrated, tmp_path_factory.mktemp("tracked"))
    project(store, finished(study())).close(status="FINISHED")
    return store


def test_a_trial_is_a_run_below_that_of_its_cell(tracked: Store) -> None:
    runs = tracked.runs()
    assert set(runs) == {f"S={s}{end}" for s in (40, 60) for end in ("", " #0", " #1", " #2", " #3")}
    run, record = runs["S=40 #1"], trial(cell(40), 1, 0.04)
    assert run.data.params == {
        "lambda_enc": "1.1e-07",
        "lambda_dec": "3e-09",
        "ordering": "arrival",
        "nodes": "chebyshev",
        "assignment": "identity",
        "decode_space": "probabilities",
        "decoder": "spline",
    }
    assert record.score is not None
    logarithms = {"log10_lambda_enc": math.log10(1.1e-7), "log10_lambda_dec": math.log10(3e-9)}
    assert run.data.metrics == record.score.metrics() | logarithms
    assert runs["S=40 #0"].data.metrics["log10_lambda_enc"] == -20.0
    assert (run.info.status, run.info.start_time, run.info.end_time) == (
        "FINISHED",
        record.started_ms,
        record.finished_ms,
    )
    expected = {
        "study": "lenet5-mnist",
        "digest": DIGEST,
        "model": "lenet5",
        "data": "mnist",
        "K": "50",
        "N": "200",
        "S": "40",
        "strategy": "profile",
        "state": "complete",
        "proposal": "1",
        "proposed_for": "40",
        "nercc_tune.uid": "lenet5-mnist/K50-N200-S40#1",
        "mlflow.parentRunId": runs["S=40"].info.run_id,
    }
    assert expected.items() <= run.data.tags.items()


def test_a_failed_trial_says_why(tracked: Store) -> None:
    run = tracked.runs()["S=40 #2"]
    assert (run.info.status, run.data.metrics) == ("FAILED", {})
    assert run.data.tags["reason"] == "OutputError: outputs are not finite"
    assert (run.data.tags["proposal"], run.data.tags["state"]) == ("2", "failed")


def test_the_cell_holds_the_study_file_without_passwords(store: Store) -> None:
    store.projection().open_study(study())
    run = store.runs()["S=60"]
    expected = {
        "S": "60",
        "search.lambda_enc.low": "1e-14",
        "code.stragglers": "[40, 60]",
        "storage.url": "postgresql://ann:***@db/optuna",
        "weights_source": "trained, seed 0",
    }
    assert expected.items() <= run.data.params.items()
    assert "workload.checkpoint" not in run.data.params
    assert run.info.status == "RUNNING"
    assert run.data.tags["nercc_tune.uid"] == "lenet5-mnist/K50-N200-S60"


def test_the_best_so_far_is_a_curve_over_the_proposals(tracked: Store) -> None:
    run = tracked.runs()["S=40"]
    assert curve(tracked, run, "best_mse") == [(0, 0.05), (1, 0.04), (3, 0.04)]
    assert curve(tracked, run, "best_lambda_enc") == [(0, 0.0), (1, 1.1e-7), (3, 1.1e-7)]
    assert run.data.metrics["best_mse"] == 0.04
    assert run.data.metrics["baseline_bacc_mse"] == 0.06
    assert "baseline_uncoded_rel_acc" not in run.data.metrics
    assert run.data.metrics["failed_trials"] == 1


def test_the_curve_is_seen_before_the_search_ends(store: Store) -> None:
    projection, place = store.projection(), cell(40)
    projection.open_study(study(searched(40, mses=())))
    for proposal, mse in enumerate((0.05, 0.06, 0.04)):
        projection.log_trial(place, trial(place, proposal, mse))
    assert curve(store, store.runs()["S=40"], "best_mse") == [(0, 0.05), (2, 0.04)]


def test_a_point_that_was_overtaken_is_corrected(store: Store) -> None:
    projection, place = store.projection(), cell(40)
    projection.open_study(study(searched(40, mses=())))
    projection.log_trial(place, trial(place, 1, 0.05))
    projection.log_trial(place, trial(place, 0, 0.04))
    history = study(searched(40, mses=(0.04, 0.05)))
    projection.log_result(history)
    assert store.runs()["S=40"].data.metrics["best_mse"] == 0.04
    before = curve(store, store.runs()["S=40"], "best_mse")
    projection.log_result(history)
    assert curve(store, store.runs()["S=40"], "best_mse") == before


def test_the_choice_stands_on_the_cell(tracked: Store) -> None:
    run = tracked.runs()["S=40"]
    expected = {
        "heldout_mse": 0.0412,
        "heldout_mse_low": 0.03708,
        "heldout_mse_high": 0.046144,
        "heldout_prob_mse": 0.0206,
        "heldout_rel_acc": 1 / 1.0824,
        "heldout_agreement": 0.99 / 1.0824,
        "heldout_bacc_mse": 0.0612,
        "mse_minus_bacc": -0.02,
        "mse_minus_bacc_high": -0.0176,
        "prob_mse_minus_bacc": -0.01,
        "prob_mse_minus_bacc_low": -0.011,
        "prob_mse_minus_uncoded": -0.0814,
        "df_enc": 31.4,
        "df_dec": 58.2,
        "tuned_lambda_enc": 1.1e-7,
        "tuned_lambda_dec": 3e-9,
        "policy_lambda_enc": 4e-7,
        "policy_lambda_dec": 10**-7.5,
    }
    found = {name: run.data.metrics[name] for name in expected}
    assert found == pytest.approx(expected)
    assert "heldout_uncoded_rel_acc" not in run.data.metrics
    assert run.data.tags["git_commit"] == "abc1234def5678"
    note = run.data.tags["mlflow.note.content"]
    assert "### λ_enc = 1.1e-07, λ_dec = 3e-09" in note
    assert (
        "| **tuned** | 0.0412 [0.03708, 0.04614] | 0.0206 [0.01854, 0.02307] "
        "| 0.9239 [0.9146, 0.935] | 0.9146 [0.9055, 0.9256] |" in note
    )
    assert "| uncoded | 0.204 [0.1836, 0.2285] | 0.102 [0.0918, 0.1142] | – |" in note
    assert "MSE in probabilities (negative: the tuned code is better)" in note
    assert "- -0.01 [-0.011, -0.0088] to BACC\n" in note
    assert "of which S=40 straggle" in note
    assert "code: chebyshev, probabilities" in note
    assert "nercc-tune launch lenet5-mnist.toml" in note


def test_a_second_result_adds_nothing(store: Store) -> None:
    history = finished(study(searched(40)))
    projection = project(store, history)
    before = store.runs()["S=40"]
    projection.log_result(history)
    projection.log_result(history)
    after = store.runs()["S=40"]
    assert after.data.to_dictionary() == before.data.to_dictionary()
    for name in ("heldout_mse", "best_mse", "baseline_bacc_mse"):
        points = curve(store, after, name)
        assert len(points) == len(set(points))


def test_another_result_replaces_the_figures(store: Store) -> None:
    history = finished(study(searched(40)))
    projection = project(store, history)
    entry = history.cells[0].entry
    assert entry is not None
    better = replace(history.cells[0], entry=replace(entry, df_enc=12.0))
    projection.log_result(replace(history, cells=(better,)))
    assert store.runs()["S=40"].data.metrics["df_enc"] == 12.0


def test_a_trial_told_twice_is_one_run(store: Store) -> None:
    projection = project(store, study(searched(40)))
    place = cell(40)
    projection.log_trial(place, trial(place, 0, 0.05))
    assert len(store.runs()) == 5


def test_the_data_set_is_recorded_on_cells_and_trials(tracked: Store) -> None:
    runs = tracked.runs()
    for name in ("S=40", "S=40 #1", "S=40 #2"):
        dataset = tracked.dataset(runs[name])
        assert (dataset.name, dataset.digest) == ("mnist", "f1" * 18)
        (feature,) = json.loads(json.loads(str(dataset.schema))["mlflow_tensorspec"]["features"])
        assert feature["tensor-spec"] == {"dtype": "float32", "shape": [-1, 1, 32, 32]}


@pytest.mark.parametrize("status", ["FINISHED", "KILLED"])
def test_no_run_is_left_running(store: Store, status: str) -> None:
    projection = store.projection()
    projection.open_study(study())
    assert store.runs()["S=40"].info.status == "RUNNING"
    projection.close(status="FINISHED" if status == "FINISHED" else "KILLED")
    assert [store.runs()[name].info.status for name in ("S=40", "S=60")] == [status, status]


def test_two_studies_share_a_store(store: Store) -> None:
    project(store, study(searched(40, mses=(0.05,))))
    project(store, study(searched(40, study="other", mses=(0.05,)), name="other"))
    assert set(store.runs()) == set(store.runs("other"))
    assert store.runs("other")["S=40 #0"].data.tags["nercc_tune.uid"] == "other/K50-N200-S40#0"


def test_runs_are_found_page_by_page(tracked: Store) -> None:
    experiment = tracked.client().get_experiment_by_name("lenet5-mnist")
    assert experiment is not None
    found = list(find_runs(tracked.client(), experiment.experiment_id, DIGEST, page=3))
    assert len({run.run_id for run in found}) == len(found) == 10
    assert list(find_runs(tracked.client(), experiment.experiment_id, "0" * 64)) == []


def test_files_and_folders_are_kept_with_every_cell(store: Store, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mse.svg").write_text("<svg/>")
    (tmp_path / "table.json").write_text("{}")
    projection = store.projection()
    projection.open_study(study())
    paths: Sequence[Path] = (tmp_path / "figures", tmp_path / "table.json")
    projection.log_artifacts(paths)
    projection.log_artifacts(paths)
    for name in ("S=40", "S=60"):
        run = store.runs()[name].info
        listed = store.client().list_artifacts(run.run_id)
        assert [item.path for item in listed] == ["figures", "table.json"]
        kept = store.artifacts / "lenet5-mnist" / run.run_id / "artifacts"
        assert (kept / "figures" / "mse.svg").read_text() == "<svg/>"


def test_a_file_can_belong_to_one_cell(store: Store, tmp_path: Path) -> None:
    (tmp_path / "map.svg").write_text("<svg/>")
    projection = store.projection()
    projection.open_study(study())
    projection.log_artifacts([tmp_path / "map.svg"], cell=cell(60))
    assert store.client().list_artifacts(store.runs()["S=40"].info.run_id) == []


def test_a_file_that_is_not_there_is_refused(store: Store, tmp_path: Path) -> None:
    projection = store.projection()
    with pytest.raises(TrackingError, match=r"cannot store the artifact `.*none\.svg`: there is no such file"):
        projection.log_artifacts([tmp_path / "none.svg"])


def test_a_cell_that_was_not_opened_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="`cell` must be one of the study that was opened, but got `lenet5-mnist/K50"):
        store.projection().log_trial(cell(40), trial(cell(40), 0, 0.05))


def test_the_experiment_has_its_views(tracked: Store) -> None:
    experiment = tracked.client().get_experiment_by_name("lenet5-mnist")
    assert experiment is not None
    assert {"mlflow.sharedViewState.nercc-tune-trials", "mlflow.sharedViewState.nercc-tune-cells"} <= set(
        experiment.tags
    )
    page = f"#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=nercc-tune-trials"
    assert page in experiment.tags["mlflow.note.content"]


def test_nothing_is_printed(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    project(store, finished(study(searched(40)))).close(status="FINISHED")
    assert capfd.readouterr() == ("", "")


def test_more_than_a_call_may_hold_is_written_whole(store: Store) -> None:
    """MLflow takes 100 parameters and 1000 figures at a time."""
    history = study(searched(40, mses=tuple(0.05 - 1e-5 * index for index in range(400))))
    history = replace(history, spec={**history.spec, "more": {f"p{index}": index for index in range(130)}})
    store.projection().open_study(history)
    run = store.runs()["S=40"]
    assert {f"more.p{index}" for index in range(130)} <= set(run.data.params)
    assert [step for step, _ in curve(store, run, "best_mse")] == list(range(400))


def test_nothing_is_left_to_a_thread_that_drops_what_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "true")
    history = finished(study(searched(40)))
    project(store, history).close(status="FINISHED")
    point_to_explorer(store.url, "http://127.0.0.1:8501")
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("MLflowAsync")]
    assert store.runs()["S=40"].data.metrics["heldout_mse"] == pytest.approx(0.0412)
