"""One cell's Optuna study: what is written into it, and how it is read back."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner, WilcoxonPruner
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from nercc_tune.records import (
    Cell,
    CellHistory,
    Goal,
    Policy,
    Provenance,
    Score,
    TrialRecord,
    TunedEntry,
    from_json,
    to_json,
)
from nercc_tune.spec import StudySpec
from nercc_tune.tuning.samplers import (
    ASSIGNMENT,
    DECODE_SPACE,
    LAMBDA_DEC,
    LAMBDA_ENC,
    NODES,
    ORDERING,
    GivenSampler,
    Value,
)

RECORD = "nercc_tune.record"
BASELINES = "nercc_tune.baselines"
RESULT = "nercc_tune.result"
HEADER = "nercc_tune.study"

_DIRECTION = {False: StudyDirection.MINIMIZE, True: StudyDirection.MAXIMIZE}
_PRUNER_STARTUP = 4
# Of five blocks all must be worse than the best trial's: 2⁻⁵ = 0.03 of p, and four give 0.06.
_WILCOXON_P = 0.1


class CellStudy:
    """An Optuna study of one cell, in λ_enc, λ_dec and whatever else the study file lists several choices of.

    Both λ are log-uniform, a scale on which 0 has no place: the low end of a range stands for 0 there. The values that
    were meant are in each trial's record (user attribute `nercc_tune.record`). Floors are constraints of the trials.
    """

    def __init__(self, storage: BaseStorage, study: optuna.Study, cell: Cell, spec: StudySpec) -> None:
        self.cell = cell
        self._study = study
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(cell.name)
        self._goal = spec.search.goal
        self._ranges = {LAMBDA_ENC: spec.search.lambda_enc, LAMBDA_DEC: spec.search.lambda_dec}
        self._distributions = _distributions(spec)

    @classmethod
    def open(cls, storage: BaseStorage, cell: Cell, spec: StudySpec, header: Mapping[str, Any]) -> CellStudy:
        """Open the cell's study, or create it with the header of what it belongs to."""
        goal = spec.search.goal
        directions = [_DIRECTION[goal.is_maximised]]
        if goal.metric == "pareto":
            directions = [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
        study = optuna.create_study(
            storage=storage, study_name=cell.name, directions=directions, load_if_exists=True, pruner=_pruner(spec)
        )
        if HEADER not in study.user_attrs:
            study.set_user_attr(HEADER, dict(header))
        return cls(storage, study, cell, spec)

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
        """Sample a λ of a started trial: the low end of its range means 0."""
        span = self._ranges[name]
        value = trial.suggest_float(name, span.low, span.high, log=True)
        return 0.0 if value == span.low else value

    def choose(self, trial: Trial, name: str, *, otherwise: str) -> str:
        """Sample one of several choices of a started trial; what has one choice is no parameter."""
        distribution = self._distributions.get(name)
        if not isinstance(distribution, CategoricalDistribution):
            return otherwise
        return str(trial.suggest_categorical(name, distribution.choices))

    def parameters(self, record: TrialRecord) -> dict[str, Value]:
        """Return the parameters that stand for a record: `suggest` and `choose` read them back."""
        design = record.design
        values: dict[str, Value] = {
            LAMBDA_ENC: self._within(LAMBDA_ENC, record.lambda_enc),
            LAMBDA_DEC: self._within(LAMBDA_DEC, record.lambda_dec),
            ORDERING: design.ordering,
            NODES: design.nodes,
            ASSIGNMENT: design.assignment,
            DECODE_SPACE: design.decode_space,
        }
        return {name: values[name] for name in self._distributions}

    def tell(self, trial: Trial, record: TrialRecord) -> TrialRecord:
        """Finish a started trial with its record, which gets the trial's number."""
        record = replace(record, number=trial.number)
        if record.score is not None:
            for name, shortfall in self._goal.shortfalls(record.score).items():
                trial.set_constraint(name, shortfall)
        trial.set_user_attr(RECORD, _attribute(record))  # last: what has a record is complete
        self._study.tell(trial, self._values(record), state=_state(record))
        return record

    def abandon(self, trial: Trial) -> None:
        """Fail a started trial that was interrupted; it leaves no record and will be proposed again."""
        self._study.tell(trial, state=TrialState.FAIL)

    def abandon_stale(self) -> None:
        """Finish the trials that a process which died left running: they failed, unless their record has a score."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            record = read_record(trial) if RECORD in trial.user_attrs else None
            if record is None:
                self._study.tell(trial.number, state=TrialState.FAIL)
            else:
                self._study.tell(trial.number, self._values(record), state=_state(record))

    def add(self, record: TrialRecord, *, block_values: Sequence[float] = ()) -> TrialRecord:
        """Add a trial that was proposed for another cell and evaluated for this one too.

        Args:
            record: Its record; the number is given here.
            block_values: What a pruner compares, one for each block.
        """
        record = replace(record, number=self._storage.get_n_trials(self._study_id))
        score = record.score
        self._study.add_trial(
            create_trial(
                state=_state(record),
                values=self._values(record),
                params=self.parameters(record),
                distributions=self._distributions,
                user_attrs={RECORD: _attribute(record)},
                intermediate_values=dict(enumerate(block_values)),
                constraints=self._goal.shortfalls(score) if score and self._goal.has_floor else None,
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

    def _values(self, record: TrialRecord) -> list[float] | None:
        """Return what Optuna optimises; None for a trial without a score."""
        if record.score is None:
            return None
        value = self._goal.value(record.score)
        return [value, record.score.rel_acc or 0.0] if self._goal.metric == "pareto" else [value]

    def _within(self, name: str, smoothing: float) -> float:
        span = self._ranges[name]
        return min(max(smoothing, span.low), span.high)


def read_cell(study: optuna.Study, cell: Cell, goal: Goal) -> CellHistory:
    """Read all that a cell's study holds."""
    trials = study.get_trials(deepcopy=False)
    result = study.user_attrs.get(RESULT)
    return CellHistory(
        cell=cell,
        goal=goal,
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


def _state(record: TrialRecord) -> TrialState:
    if record.score is not None:
        return TrialState.COMPLETE
    return TrialState.FAIL if record.pruned_after is None else TrialState.PRUNED


def _distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """Return the parameters of a study: both λ, and whatever has several choices."""
    search = spec.search
    ranges = {LAMBDA_ENC: search.lambda_enc, LAMBDA_DEC: search.lambda_dec}
    choices = {
        ORDERING: search.orderings,
        NODES: search.nodes,
        ASSIGNMENT: search.assignments,
        DECODE_SPACE: search.decode_spaces,
    }
    found: dict[str, BaseDistribution] = {
        name: FloatDistribution(span.low, span.high, log=True) for name, span in ranges.items()
    }
    return found | {name: CategoricalDistribution(listed) for name, listed in choices.items() if len(listed) > 1}


def _pruner(spec: StudySpec) -> BasePruner:
    if spec.search.pruner == "median":
        return MedianPruner(n_startup_trials=_PRUNER_STARTUP, n_warmup_steps=0)
    if spec.search.pruner == "wilcoxon":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # stated in the README
            return WilcoxonPruner(p_threshold=_WILCOXON_P)
    return NopPruner()
