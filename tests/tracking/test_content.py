from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.records import Goal, Kernel
from nercc_tune.tracking.content import cell_metrics, trial_metrics, trial_params
from tests.builders import cell, judged, pruned, score, searched, study, trial
from tests.tracking.conftest import Store, curve, project
from tests.variants import DISTRUST, FOUND, availability, wrong_answers


def test_a_pruned_trial_is_finished_and_says_after_how_many_blocks(store: Store) -> None:
    history = searched(40)
    trials = (history.trials[0], pruned(history.trials[1], blocks=3), *history.trials[2:])
    project(store, study(replace(history, trials=trials)))
    runs = store.runs()
    run = runs["S=40 #1"]
    assert (run.info.status, run.info.end_time) == ("FINISHED", trials[1].finished_ms)
    assert (run.data.tags["pruned_after"], run.data.tags["state"]) == ("3", "pruned")
    assert "reason" not in run.data.tags
    assert run.data.metrics == {}
    assert run.data.params["lambda_enc"] == "1.1e-07"
    assert not any("pruned_after" in runs[f"S=40 #{number}"].data.tags for number in (0, 2, 3))
    assert curve(store, runs["S=40"], "best_mse") == [(0, 0.05), (3, 0.045)]


def test_only_real_failures_are_counted_as_such(store: Store) -> None:
    history = searched(40)
    trials = (history.trials[0], pruned(history.trials[1]), *history.trials[2:])
    project(store, study(replace(history, trials=trials)))
    metrics = store.runs()["S=40"].data.metrics
    assert (metrics["failed_trials"], metrics["pruned_trials"]) == (1, 1)


def test_a_range_of_straggler_counts_names_its_runs(store: Store) -> None:
    history = searched(40, mses=(0.05,))
    place = replace(history.cell, fewest=33, weight=0.3)
    entry = judged(history).entry
    assert entry is not None
    entry = replace(entry, waiting=1.5)
    project(store, study(replace(history, cell=place, entry=entry)))
    run = store.runs()["S=33–40"]
    assert set(store.runs()) == {"S=33–40", "S=33–40 #0"}
    assert (run.data.params["S_fewest"], run.data.params["weight"]) == ("33", "0.3")
    assert run.data.metrics["waiting"] == 1.5


def test_the_curve_follows_the_goal_and_shows_its_error(store: Store) -> None:
    goal = Goal(metric="rel_acc", min_agreement=0.5)
    place = cell(40)
    figures = ((0.05, 0.9), (0.02, 0.8), (0.06, 0.95))
    trials = tuple(
        replace(trial(place, proposal, mse), score=score(mse, rel_acc=rel_acc))
        for proposal, (mse, rel_acc) in enumerate(figures)
    )
    project(store, study(replace(searched(40), goal=goal, trials=trials)))
    assert curve(store, store.runs()["S=40"], "best_mse") == [(0, 0.025), (1, 0.025), (2, 0.03)]
    assert store.runs()["S=40"].data.metrics["best_lambda_enc"] == 2.2e-7


def test_figures_that_are_undefined_are_left_out(store: Store) -> None:
    history = study(searched(40))
    record = history.cells[0].trials[0]
    assert record.score is not None
    unlabelled = replace(record, score=replace(record.score, rel_acc=None, rel_acc_p5=None))
    project(store, study(replace(history.cells[0], trials=(unlabelled,))))
    metrics = store.runs()["S=40 #0"].data.metrics
    assert "rel_acc" not in metrics
    assert metrics["mse"] == pytest.approx(0.05)


def test_a_kernel_is_told_in_place_of_a_smoothing_that_there_is_not() -> None:
    plain = trial(cell(40), 3, 0.04)
    kernel = Kernel(range=0.5, nugget=1e-3, weight=0.8)
    kriged = replace(plain, design=replace(plain.design, decoder="calibrated"), lambda_dec=0.0, kernel=kernel)
    assert trial_params(plain)["decoder"] == "spline"
    assert "lambda_dec" in trial_params(plain)
    assert "log10_lambda_dec" in trial_metrics(plain)
    told = trial_params(kriged)
    assert "lambda_dec" not in told
    assert "log10_lambda_dec" not in trial_metrics(kriged)
    assert (told["decoder"], told["range"], told["nugget"], told["weight"]) == ("calibrated", "0.5", "0.001", "0.8")


def test_a_cell_tells_the_accuracies_that_were_measured() -> None:
    history = judged(searched(40))
    assert history.entry is not None
    known, unknown = (availability(degraded, carriers=(0, 50)) for degraded in (0.5, None))
    heldout = replace(history.entry.heldout, availability=known)
    baselines = {"bacc": replace(history.entry.baselines["bacc"], availability=unknown)}
    metrics = cell_metrics(replace(history, entry=replace(history.entry, heldout=heldout, baselines=baselines)), None)
    assert known.degraded is not None
    assert metrics["heldout_available_accuracy"] == known.available.mean
    assert metrics["heldout_degraded_accuracy_high"] == known.degraded.high
    assert metrics["heldout_overall_accuracy"] == pytest.approx(0.9 * 0.98 + 0.1 * 0.5, rel=1e-12)
    assert metrics["heldout_bacc_available_accuracy_low"] == unknown.available.low
    assert "heldout_bacc_degraded_accuracy" not in metrics
    assert not any("accuracy" in name for name in cell_metrics(history, None) if name.startswith("heldout"))


def test_a_trial_that_distrusts_says_how() -> None:
    plain = trial(cell(40), 3, 0.04)
    told = trial_params(replace(plain, distrust=DISTRUST))
    assert (told["distrust_kind"], told["distrust_level"]) == ("residuals", "4.2")
    assert told["lambda_dec"] == repr(plain.lambda_dec)
    assert not any("distrust" in name for name in trial_params(plain))


def test_a_cell_tells_what_came_of_wrong_answers(store: Store) -> None:
    history = judged(searched(40))
    assert history.entry is not None
    found = wrong_answers(0.01)
    first = replace(found.detections[0], ratio=None)
    entry = replace(
        history.entry, distrust=DISTRUST, wrong_answers=replace(found, detections=(first, *found.detections[1:]))
    )
    project(store, study(replace(history, entry=entry)))
    metrics = store.runs()["S=40"].data.metrics
    for item in found.detections:
        assert metrics[f"wrong_found_{item.kind}"] == item.found / item.wrong
        assert metrics[f"wrong_accused_{item.kind}"] == item.accused / item.right
        assert metrics[f"wrong_oracle_prob_mse_{item.kind}_low"] == item.oracle.low
    assert found.cost is not None
    assert metrics["distrust_cost_high"] == found.cost.high
    assert (metrics["false_alarms"], metrics["wrong_bound"]) == (found.false_alarms, 3.0)
    assert metrics["tuned_distrust_level"] == DISTRUST.level
    assert {name for name in metrics if name.startswith("wrong_ratio") and name.endswith("_low")} == {
        f"wrong_ratio_{kind}_low" for kind in FOUND if kind != first.kind
    }
    assert not any("wrong" in name or "distrust" in name for name in cell_metrics(history, None))
