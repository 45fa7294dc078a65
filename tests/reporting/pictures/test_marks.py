from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.records import Design, Option
from nercc_tune.reporting.pictures.marks import Marks, ShownTrial
from tests.builders import cell_history, pruned, score, study_history
from tests.variants import SORTED

PLAIN = Design()
LOGITS = Design(decode_space="logits")


def test_trials_come_by_proposal_and_the_path_goes_through_the_best_so_far() -> None:
    cell = cell_history(40)
    marks = Marks.of(replace(cell, trials=cell.trials[::-1]), PLAIN, None)
    assert [item.trial.proposal for item in marks.trials] == list(range(10))
    mses = [item.score.mse for item in marks.trials if item.score]
    expected = [index for index, mse in enumerate(mses) if mse < min(mses[:index], default=1.0)]
    assert 1 < len(expected) < len(mses)
    assert [item.trial.proposal for item in marks.path] == expected


def test_of_another_design_only_what_was_evaluated_under_it_is_there() -> None:
    history = study_history(stragglers=(40,))
    cell = history.cells[0]
    option = Option(assignment="identity", decode_space="logits", lambda_dec=1e-5, score=score(0.02), profile=())
    trial = replace(cell.trials[1], others=(option,))
    cell = replace(cell, trials=(cell.trials[0], trial, *cell.trials[2:]))
    marks = Marks.of(cell, LOGITS, history.policy)
    assert marks.trials == (ShownTrial(trial=trial, design=LOGITS, lambda_dec=1e-5, score=option.score),)
    assert (marks.chosen, marks.policy) == (None, None)
    assert marks.trials == marks.path


def test_what_failed_is_told_from_what_was_pruned() -> None:
    cell = cell_history(40)
    lost = pruned(replace(cell.trials[3], number=20, proposal=20))
    elsewhere = replace(cell.trials[-1], design=SORTED)
    marks = Marks.of(replace(cell, trials=(*cell.trials, lost, elsewhere)), PLAIN, None)
    assert [item.trial for item in marks.unscored] == [cell.trials[-1], lost]
    assert marks.failed == [(5e-3, 1e-8)]


@pytest.mark.parametrize("is_judged", [True, False])
def test_all_that_is_marked_is_in_sight(is_judged: bool) -> None:
    history = study_history(stragglers=(40,), is_judged=is_judged)
    cell = history.cells[0]
    marks = Marks.of(cell, PLAIN, history.policy)
    assert marks.chosen is not None
    assert (marks.policy is None) == (history.policy is None)
    single = [pair for pair in (marks.chosen, marks.policy) if pair]
    assert set(marks.pairs) == {(trial.lambda_enc, trial.lambda_dec) for trial in cell.trials} | set(single)
