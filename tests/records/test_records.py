from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from nercc_tune.records import (
    CellHistory,
    Goal,
    Option,
    Score,
    StudyHistory,
    TrialRecord,
    TunedEntry,
    from_json,
    to_json,
)
from tests.builders import cell, pruned, score, study_history, tuned_table
from tests.variants import INTERLEAVED, SORTED, pareto_study, random_table

CELL = cell(2)


def _trial(number: int, mse: float | None) -> TrialRecord:
    return TrialRecord(
        uid=f"{CELL.name}#{number}",
        number=number,
        proposal=number,
        proposed_for=2,
        lambda_enc=0.0,
        lambda_dec=1e-7,
        score=None if mse is None else score(mse),
        started_ms=1,
        finished_ms=2,
    )


@pytest.mark.parametrize("history", [study_history(), pareto_study()], ids=["one goal", "two goals"])
def test_a_history_survives_text(history: StudyHistory) -> None:
    assert from_json(StudyHistory, json.loads(json.dumps(to_json(history)))) == history


def test_an_entry_with_everything_survives_text() -> None:
    for entry in random_table().entries:
        assert from_json(TunedEntry, json.loads(json.dumps(to_json(entry)))) == entry


def test_a_trial_with_everything_survives_text() -> None:
    option = Option(assignment="interleaved", decode_space="logits", lambda_dec=1e-7, score=score(0.2), profile=(0.1,))
    for trial in (replace(_trial(0, 0.5), design=INTERLEAVED, others=(option,)), pruned(_trial(0, 0.5))):
        assert from_json(TrialRecord, json.loads(json.dumps(to_json(trial)))) == trial


@pytest.mark.parametrize("value", [0.1 + 0.2, 1e-300, 5e-324, 1 / 3, 0.0])
def test_numbers_survive_text_exactly(value: float) -> None:
    trial = replace(_trial(0, 0.5), lambda_dec=value)
    assert from_json(TrialRecord, json.loads(json.dumps(to_json(trial)))).lambda_dec == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "Unexpected keyword argument"),
        ({"mse": float("nan")}, "finite number"),
        ({"mse": float("inf")}, "finite number"),
        ({"mse": "much"}, "valid number"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        from_json(Score, {**to_json(score(0.5)), **change})


def test_a_missing_field_is_refused() -> None:
    values = to_json(tuned_table().entries[0])
    del values["heldout"]
    with pytest.raises(ValidationError, match="heldout"):
        from_json(TunedEntry, values)


def test_only_metrics_that_are_defined_are_listed() -> None:
    undefined = score(0.5, rel_acc=None)
    assert "rel_acc" not in undefined.metrics()
    assert undefined.metrics()["mse"] == 0.5


def test_the_best_trial_has_the_least_mse() -> None:
    cell = CellHistory(cell=CELL, baselines={}, trials=(_trial(0, 0.3), _trial(1, None), _trial(2, 0.1)))
    assert cell.best == cell.trials[2]


def test_the_earliest_of_equals_is_the_best() -> None:
    cell = CellHistory(cell=CELL, baselines={}, trials=(_trial(0, 0.3), _trial(1, 0.1), _trial(2, 0.1)))
    assert cell.best == cell.trials[1]


def test_a_cell_is_named_by_its_count_and_titled_by_its_range() -> None:
    assert (CELL.name, CELL.title) == ("lenet5-mnist/K50-N200-S2", "S=2")
    ranged = replace(CELL, fewest=0)
    assert (ranged.name, ranged.title) == ("lenet5-mnist/K50-N200-S2", "S=0–2")


def test_floors_come_before_the_metric_and_the_error_after_it() -> None:
    goal = Goal(metric="rel_acc", min_agreement=0.95)
    figures = ((0.1, 0.99, 0.90), (0.3, 0.98, 0.96), (0.2, 0.98, 0.97), (0.1, 0.97, 0.96))
    trials = tuple(
        replace(_trial(number, mse), score=replace(score(mse, rel_acc=rel_acc), agreement=agreement))
        for number, (mse, rel_acc, agreement) in enumerate(figures)
    )
    history = CellHistory(cell=CELL, goal=goal, baselines={}, trials=(*trials, _trial(4, None)))
    assert [trial.number for trial in history.ranked] == [2, 1, 3, 0]
    assert history.best == trials[2]


@pytest.mark.parametrize(
    ("goal", "value", "error"),
    [
        (Goal(), 0.4, "mse"),
        (Goal(metric="prob_mse"), 0.2, "prob_mse"),
        (Goal(metric="pareto"), 0.2, "prob_mse"),
        (Goal(metric="agreement"), 0.97, "prob_mse"),
        (Goal(metric="rel_acc"), 0.98, "prob_mse"),
    ],
)
def test_a_goal_has_a_value_and_an_error(goal: Goal, value: float, error: str) -> None:
    assert (goal.value(score(0.4)), goal.error) == (value, error)
    assert goal.error_of(score(0.4)) == getattr(score(0.4), error)


def test_a_floor_is_missed_by_what_is_lacking() -> None:
    goal = Goal(min_rel_acc=0.99, min_agreement=0.9)
    assert goal.has_floor
    assert goal.shortfalls(score(0.1)) == pytest.approx({"rel_acc": 0.01, "agreement": -0.07})
    assert goal.shortfall(score(0.1)) == pytest.approx(0.01)
    assert goal.shortfall(score(0.1, rel_acc=None)) == pytest.approx(0.99)
    assert Goal().shortfall(score(9.0)) == 0.0


def test_profiles_are_those_of_the_chosen_design() -> None:
    own, other = (0.1, 0.2), (0.3, 0.4)
    option = Option(assignment="identity", decode_space="logits", lambda_dec=0.0, score=score(0.5), profile=other)
    first = replace(_trial(0, 0.1), profile=own, others=(option,))
    second = replace(_trial(1, 0.2), design=SORTED, lambda_enc=1e-5, profile=(0.9, 0.9))
    history = CellHistory(cell=CELL, baselines={}, trials=(first, second))
    assert history.profiles == {0.0: own}
    in_logits = replace(
        _trial(2, 0.01), design=replace(first.design, decode_space="logits"), lambda_enc=1e-3, profile=own
    )
    history = replace(history, trials=(*history.trials, in_logits))
    assert history.profiles == {0.0: other, 1e-3: own}
    assert replace(history, trials=()).profiles == {}


def test_a_trial_offers_its_own_reading_first_and_none_without_a_score() -> None:
    option = Option(assignment="identity", decode_space="logits", lambda_dec=0.0, score=score(0.5), profile=())
    trial = replace(_trial(0, 0.1), others=(option,))
    own, rest = trial.options
    assert (own.score, own.lambda_dec, own.decode_space) == (trial.score, trial.lambda_dec, "probabilities")
    assert rest == option
    assert pruned(trial).options == ()
    assert not pruned(trial).is_complete


def test_a_cell_without_a_score_has_no_best() -> None:
    assert CellHistory(cell=CELL, baselines={}, trials=(_trial(0, None),)).best is None


def test_a_study_is_finished_when_every_cell_is() -> None:
    history = study_history()
    assert history.is_finished == all(cell.entry is not None for cell in history.cells)
    first = replace(history.cells[0], entry=None)
    assert not replace(history, cells=(first, *history.cells[1:])).is_finished
    assert not replace(history, cells=()).is_finished
