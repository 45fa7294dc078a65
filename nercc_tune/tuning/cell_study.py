"""One cell's Optuna study: what is written into it, and how it is read back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from nercc_tune.records import (
    Cell,
    CellHistory,
    Policy,
    Provenance,
    Score,
    TrialRecord,
    TunedEntry,
    from_json,
    to_json,
)
from nercc_tune.spec import LambdaRange, SearchSettings
from nercc_tune.tuning.samplers import LAMBDA_DEC, LAMBDA_ENC, GivenSampler

RECORD = "nercc_tune.record"
BASELINES = "nercc_tune.baselines"
RESULT = "nercc_tune.result"
HEADER = "nercc_tune.study"


class CellStudy:
    """An Optuna study with the parameters `lambda_enc` and `lambda_dec`, minimising the MSE on the tuning draws.

    Both parameters are log-uniform, a scale on which 0 has no place: the low end of a range stands for 0 there. The
    values that were meant are in each trial's record (user attribute `nercc_tune.record`).
    """

    def __init__(self, study: optuna.Study, cell: Cell, search: SearchSettings) -> None:
        self.cell = cell
        self._study = study
        self._ranges = {LAMBDA_ENC: search.lambda_enc, LAMBDA_DEC: search.lambda_dec}

    @classmethod
    def open(cls, storage: BaseStorage, cell: Cell, search: SearchSettings, header: Mapping[str, Any]) -> CellStudy:
        """Open the cell's study, or create it with the header of what it belongs to."""
        study = optuna.create_study(storage=storage, study_name=cell.name, direction="minimize", load_if_exists=True)
        if HEADER not in study.user_attrs:
            study.set_user_attr(HEADER, dict(header))
        return cls(study, cell, search)

    def records(self) -> tuple[TrialRecord, ...]:
        """Return all finished trials that carry a record, in Optuna's order."""
        return tuple(
            read_record(trial) for trial in self._study.get_trials(deepcopy=False) if RECORD in trial.user_attrs
        )

    def ask(self, sampler: GivenSampler) -> Trial:
        """Start a trial whose parameters come from a sampler."""
        self._study.sampler = sampler
        return self._study.ask()

    def suggest(self, trial: Trial, name: str) -> float:
        """Sample a parameter of a started trial: the low end of its range means 0."""
        span = self._ranges[name]
        value = trial.suggest_float(name, span.low, span.high, log=True)
        return 0.0 if value == span.low else value

    def parameter(self, name: str, smoothing: float) -> float:
        """Return the parameter value that stands for a smoothing: `suggest` reads it back."""
        span = self._ranges[name]
        return min(max(smoothing, span.low), span.high)

    def tell(self, trial: Trial, record: TrialRecord) -> TrialRecord:
        """Finish a started trial with its record, which gets the trial's number."""
        record = _numbered(record, trial.number)
        trial.set_user_attr(RECORD, _attribute(record))
        if record.score is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, record.score.mse)
        return record

    def abandon(self, trial: Trial) -> None:
        """Fail a started trial that was interrupted; it leaves no record and will be proposed again."""
        self._study.tell(trial, state=TrialState.FAIL)

    def abandon_stale(self) -> None:
        """Finish the trials that a process which died left running: they failed, unless their record has a score."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            score = read_record(trial).score if RECORD in trial.user_attrs else None
            if score is None:
                self._study.tell(trial.number, state=TrialState.FAIL)
            else:
                self._study.tell(trial.number, score.mse)

    def add(self, record: TrialRecord) -> TrialRecord:
        """Add a trial that was proposed for another cell and evaluated for this one too."""
        number = len(self._study.get_trials(deepcopy=False))
        record = _numbered(record, number)
        self._study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if record.score else TrialState.FAIL,
                value=record.score.mse if record.score else None,
                params={
                    LAMBDA_ENC: self.parameter(LAMBDA_ENC, record.lambda_enc),
                    LAMBDA_DEC: self.parameter(LAMBDA_DEC, record.lambda_dec),
                },
                distributions={name: _distribution(span) for name, span in self._ranges.items()},
                user_attrs={RECORD: _attribute(record)},
            )
        )
        return record

    def baselines(self) -> dict[str, Score]:
        """Return the baselines' scores on the tuning draws, empty where they were not measured yet."""
        return read_baselines(self._study)

    def set_baselines(self, scores: Mapping[str, Score]) -> None:
        """Record the baselines' scores."""
        self._study.set_user_attr(BASELINES, {name: to_json(score) for name, score in scores.items()})

    def set_result(self, entry: TunedEntry, policy: Policy, provenance: Provenance) -> None:
        """Record the choice and what it is worth."""
        values = {"entry": to_json(entry), "policy": to_json(policy), "provenance": to_json(provenance)}
        self._study.set_user_attr(RESULT, values)


def read_cell(study: optuna.Study, cell: Cell) -> CellHistory:
    """Read all that a cell's study holds."""
    trials = study.get_trials(deepcopy=False)
    result = study.user_attrs.get(RESULT)
    return CellHistory(
        cell=cell,
        baselines=read_baselines(study),
        trials=tuple(read_record(trial) for trial in trials if RECORD in trial.user_attrs),
        entry=from_json(TunedEntry, result["entry"]) if result else None,
    )


def read_record(trial: FrozenTrial) -> TrialRecord:
    """Return the record of a trial that has one."""
    return from_json(TrialRecord, {**trial.user_attrs[RECORD], "number": trial.number})


def read_baselines(study: optuna.Study) -> dict[str, Score]:
    """Return the baselines' scores that a cell's study holds."""
    return {name: from_json(Score, values) for name, values in study.user_attrs.get(BASELINES, {}).items()}


def now_ms() -> int:
    """Return the time as milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _attribute(record: TrialRecord) -> dict[str, Any]:
    values: dict[str, Any] = to_json(record)
    del values["number"]
    return values


def _numbered(record: TrialRecord, number: int) -> TrialRecord:
    return replace(record, number=number)


def _distribution(span: LambdaRange) -> BaseDistribution:
    return FloatDistribution(span.low, span.high, log=True)
