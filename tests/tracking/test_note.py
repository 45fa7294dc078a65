from __future__ import annotations

from dataclasses import replace

from nercc_tune.records import Goal
from nercc_tune.tracking.note import cell_note, experiment_note
from tests.builders import cell, finished, score, searched, study, trial
from tests.tracking.conftest import Store, project
from tests.variants import DISTRUST

NOTE = "mlflow.note.content"
LINK = "[λ explorer](http://127.0.0.1:5001/?study=lenet5-mnist&cell=lenet5-mnist%2FK50-N200-S40)"


def test_a_search_says_how_far_it_is_and_how_to_go_on() -> None:
    history = study(searched(40))
    note = cell_note(history, cell(40), None, trial(cell(40), 1, 0.04))
    assert note.startswith("### Search not judged yet\n")
    assert "Best so far: **λ_enc = 1.1e-07, λ_dec = 3e-09** (proposal #1; chebyshev, probabilities)" in note
    assert "with MSE 0.04, RelAcc 0.98 and agreement 0.97 on the tuning draws" in note
    assert "`nercc-tune launch lenet5-mnist.toml` goes on from there" in note
    assert note.splitlines()[2] == LINK


def test_a_search_without_a_complete_trial_says_so() -> None:
    assert "No trial is complete yet." in cell_note(study(), cell(40), None, None)
    assert "No trial is complete yet." in cell_note(study(), cell(40), None, trial(cell(40), 0, None))


def test_the_error_is_that_of_the_goal_and_an_undefined_rel_acc_is_left_out() -> None:
    best = replace(trial(cell(40), 1, 0.04), score=score(0.04, rel_acc=None))
    history = study(replace(searched(40), goal=Goal(metric="agreement")))
    note = cell_note(history, cell(40), None, best)
    assert "with MSE in probabilities 0.02 and agreement 0.97" in note


def test_a_result_says_what_was_chosen_and_how_to_get_it_again() -> None:
    history = finished(study(searched(40)))
    note = cell_note(history, cell(40), history.cells[0].entry, None)
    assert note.startswith("### λ_enc = 1.1e-07, λ_dec = 3e-09\n")
    assert "Again: `nercc-tune launch lenet5-mnist.toml` (study file `d1d1d1d1d1d1`, commit `abc1234def56`)." in note
    assert note.splitlines()[2] == LINK


def test_a_code_that_distrusts_says_how() -> None:
    history = finished(study(searched(40)))
    entry = history.cells[0].entry
    assert entry is not None
    note = cell_note(history, cell(40), replace(entry, distrust=DISTRUST), None)
    assert note.startswith("### λ_enc = 1.1e-07, λ_dec = 3e-09, residuals beyond 4.2\n")
    note = cell_note(history, cell(40), None, replace(trial(cell(40), 1, 0.04), distrust=DISTRUST))
    assert "**λ_enc = 1.1e-07, λ_dec = 3e-09, residuals beyond 4.2** (proposal #1" in note


def test_an_experiment_says_what_it_is_and_fits_into_its_tag() -> None:
    note = experiment_note(study(searched(40), searched(60)), "7")
    first = note.splitlines()[0]
    assert first.startswith(
        "**lenet5 on mnist**: K = 50 queries coded for N = 200 workers, of which S = 40, 60 straggle."
    )
    assert "(#/experiments/7/runs?viewStateShareKey=nercc-tune-trials)" in first
    assert len(note) <= 5000


def test_the_glossary_covers_what_is_logged(store: Store) -> None:
    history = finished(study(searched(40)))
    project(store, history)
    note = experiment_note(history, "1")
    for name in {*store.runs()["S=40 #0"].data.metrics, *store.runs()["S=40 #0"].data.params} - {"accuracy"}:
        stem = name.removesuffix("_p95").removesuffix("_p5")
        assert f"`{stem}`" in note or "`log10_lambda_…`" in note


def test_the_note_follows_the_search(store: Store) -> None:
    projection, place = store.projection(), cell(40)
    projection.open_study(study(searched(40, mses=())))
    assert "No trial is complete yet." in store.runs()["S=40"].data.tags[NOTE]
    for proposal, mse, best in ((0, 0.05, 0), (1, 0.06, 0), (2, None, 0), (3, 0.04, 3)):
        projection.log_trial(place, trial(place, proposal, mse))
        assert f"(proposal #{best};" in store.runs()["S=40"].data.tags[NOTE]
    history = finished(study(searched(40)))
    projection.log_result(history)
    judged = store.runs()["S=40"].data.tags[NOTE]
    assert judged.startswith("### λ_enc")
    projection.log_trial(place, trial(place, 9, 0.001))
    assert store.runs()["S=40"].data.tags[NOTE] == judged


def test_implausible_outputs_are_told_in_every_note() -> None:
    history = study(searched(40))
    warned = replace(history, workload=replace(history.workload, warning="the plain outputs are implausible."))
    paragraph = "\n\n**Warning**: the plain outputs are implausible.\n\n"
    assert experiment_note(warned, "1").count(paragraph) == 1
    assert cell_note(warned, cell(40), None, None).count(paragraph) == 1
    assert cell_note(finished(warned), cell(40), finished(warned).cells[0].entry, None).count(paragraph) == 1
    assert "Warning" not in experiment_note(history, "1") + cell_note(history, cell(40), None, None)
