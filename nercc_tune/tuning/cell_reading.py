"""One cell's Optuna study as it is read back."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import optuna
from optuna.trial import FrozenTrial, TrialState

from nercc_tune.records import Cell, CellHistory, Goal, Score, TrialRecord, TunedEntry, from_json

HEADER = "nercc_tune.study"
BASELINES = "nercc_tune.baselines"
RESULT = "nercc_tune.result"
PROPOSAL = "nercc_tune.proposal"
RECORD = "nercc_tune.record"


def read_cell(study: optuna.Study, cell: Cell, goal: Goal) -> CellHistory:
    """Read all that a cell's study holds."""
    with _collecting_no_garbage():
        trials = study.get_trials(deepcopy=False)
        records = one_of_each(record_of(trial) for trial in trials if trial.state.is_finished())
    result = study.user_attrs.get(RESULT)
    return CellHistory(
        cell=cell,
        goal=goal,
        baselines=read_baselines(study),
        trials=records,
        entry=from_json(TunedEntry, result["entry"]) if result else None,
    )


def one_of_each(records: Iterable[TrialRecord | None]) -> tuple[TrialRecord, ...]:
    """Return the first record of each proposal; one that failed only if no other has the proposal.

    Of several trials of a proposal at most one is complete, but two workers may both find that it fails.
    """
    found = [record for record in records if record is not None]
    complete = {record.proposal for record in found if record.reason is None}
    first: dict[int, TrialRecord] = {}
    for record in found:
        if record.reason is None or record.proposal not in complete:
            first.setdefault(record.proposal, record)
    return tuple(first.values())


def read_baselines(study: optuna.Study) -> dict[str, Score]:
    """Return the baselines' scores that a cell's study holds."""
    return {name: from_json(Score, values) for name, values in study.user_attrs.get(BASELINES, {}).items()}


def record_of(trial: FrozenTrial) -> TrialRecord | None:
    """Return the record of a finished trial, or None for one that was failed before it was complete."""
    if RECORD not in trial.user_attrs:
        return None
    record = from_json(TrialRecord, {**trial.user_attrs[RECORD], "number": trial.number})
    return record if trial.state is state_of(record) else None


def proposal_of(trial: FrozenTrial) -> int | None:
    """Return the proposal that a trial of a cell belongs to."""
    record = trial.user_attrs.get(RECORD, {})
    number: int | None = trial.user_attrs.get(PROPOSAL, record.get("proposal"))
    return number


def state_of(record: TrialRecord) -> TrialState:
    """Return the state in which the trial of a record ends."""
    if record.score is not None:
        return TrialState.COMPLETE
    return TrialState.FAIL if record.pruned_after is None else TrialState.PRUNED


@contextmanager
def _collecting_no_garbage() -> Iterator[None]:
    """Keep Python from looking for cycles while thousands of objects are made, none of which is garbage.

    It looks at all objects of the process again and again, which takes as long as the reading itself.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
