from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from nercc_tune.records import CellHistory, Score, StudyHistory, TrialRecord, TunedEntry, from_json, to_json
from tests.fakes import tiny_spec
from tests.reporting.builders import score, study_history, tuned_table

CELL = tiny_spec().cells[0]


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


def test_a_history_survives_text() -> None:
    history = study_history()
    assert from_json(StudyHistory, json.loads(json.dumps(to_json(history)))) == history


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


def test_a_cell_without_a_score_has_no_best() -> None:
    assert CellHistory(cell=CELL, baselines={}, trials=(_trial(0, None),)).best is None


def test_a_study_is_finished_when_every_cell_is() -> None:
    history = study_history()
    assert history.is_finished == all(cell.entry is not None for cell in history.cells)
    first = replace(history.cells[0], entry=None)
    assert not replace(history, cells=(first, *history.cells[1:])).is_finished
    assert not replace(history, cells=()).is_finished
