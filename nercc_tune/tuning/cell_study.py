"""One cell's Optuna study: what is written into it, and how it is read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, get_storage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from nercc_tune.records import (
    Cell,
    Encoding,
    Kernel,
    Parameter,
    Policy,
    Provenance,
    Reading,
    Score,
    Training,
    TrialRecord,
    TunedEntry,
    to_json,
    trusting_of,
)
from nercc_tune.spec import StudySpec
from nercc_tune.tuning.cell_reading import (
    BASELINES,
    HEADER,
    PROPOSAL,
    RECORD,
    RESULT,
    one_of_each,
    proposal_of,
    read_baselines,
    record_of,
    state_of,
)
from nercc_tune.tuning.samplers import (
    ASSIGNMENT,
    DECODE_SPACE,
    DECODER,
    KERNEL,
    LAMBDA_DEC,
    LAMBDA_ENC,
    LEARNING_RATE,
    NODES,
    ORDERING,
    WEIGHT_DECAY,
    Value,
)
from nercc_tune.tuning.space import distributions, pruner

_DIRECTION = {False: StudyDirection.MINIMIZE, True: StudyDirection.MAXIMIZE}


class SupersededError(Exception):
    """Another worker has the proposal: what this one found of it is not needed."""


class CellStudy:
    """An Optuna study of one cell, in λ_enc, λ_dec and whatever else the study file lists several choices of.

    Both λ are log-uniform, a scale on which 0 has no place: the low end of a range stands for 0 there. The values that
    were meant are in each trial's record (user attribute `nercc_tune.record`). Floors are constraints of the trials.
    """

    def __init__(self, storage: BaseStorage, study: optuna.Study, cell: Cell, spec: StudySpec) -> None:
        self.cell = cell
        self._study = study
        self._storage = get_storage(storage)
        self._study_id = self._storage.get_study_id_from_name(cell.name)
        self._known: dict[int, TrialRecord | None] = {}
        self._goal = spec.search.goal
        self._ranges = {LAMBDA_ENC: spec.search.lambda_enc, LAMBDA_DEC: spec.search.lambda_dec}
        self._kind, self._training = spec.code.trained_kind, spec.training
        self._distributions = distributions(spec)

    @classmethod
    def open(cls, storage: BaseStorage, cell: Cell, spec: StudySpec, header: Mapping[str, Any]) -> CellStudy:
        """Open the cell's study, or create it with the header of what it belongs to."""
        goal = spec.search.goal
        directions = [_DIRECTION[goal.is_maximised]]
        if goal.metric == "pareto":
            directions = [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
        storage = get_storage(storage)
        study = optuna.create_study(
            storage=storage, study_name=cell.name, directions=directions, load_if_exists=True, pruner=pruner(spec)
        )
        if HEADER not in study.user_attrs:
            study.set_user_attr(HEADER, dict(header))
        return cls(storage, study, cell, spec)

    def records(self) -> tuple[TrialRecord, ...]:
        """Return the records of all finished trials, in Optuna's order; one for each proposal."""
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._known:
                self._known[trial.number] = record_of(trial)
        return one_of_each(self._known[trial.number] for trial in trials if trial.state.is_finished())

    def ask(self, sampler: BaseSampler, *, proposal: int) -> Trial:
        """Start the trial of a proposal, whose parameters come from a sampler.

        Raises:
            SupersededError: If the cell has the proposal.
        """
        started = self._start(create_trial(state=TrialState.RUNNING, user_attrs={PROPOSAL: proposal}))
        # Of its own, since a study remembers the trials that it saw last.
        study = optuna.load_study(
            study_name=self.cell.name, storage=self._storage, sampler=sampler, pruner=self._study.pruner
        )
        return Trial(study, started._trial_id)  # noqa: SLF001 - see nercc_tune.tuning.leases

    def suggest(self, trial: Trial, name: str) -> float:
        """Sample a λ of a started trial: the low end of its range means 0."""
        span = self._ranges[name]
        value = trial.suggest_float(name, span.low, span.high, log=True)
        return 0.0 if value == span.low else value

    def suggest_training(self, trial: Trial) -> Training | None:
        """Sample how the networks of a code are trained; None for a code that has none."""
        if self._kind is None:
            return None
        values: dict[str, Any] = {}
        for name, listed in self._training.choices(self._kind).items():
            values[name] = trial.suggest_categorical(name, listed) if name in self._distributions else listed[0]
        for name in (LEARNING_RATE, WEIGHT_DECAY):
            span = getattr(self._training, name)
            values[name] = trial.suggest_float(name, span.low, span.high, log=True)
        return self._training.training(self._kind, values)

    def choose(self, trial: Trial, name: str, *, otherwise: str) -> str:
        """Sample one of several choices of a started trial; what has one choice is no parameter."""
        distribution = self._distributions.get(name)
        if not isinstance(distribution, CategoricalDistribution):
            return otherwise
        return str(trial.suggest_categorical(name, distribution.choices))

    def fix(self, trial: Trial, values: Mapping[str, Value]) -> None:
        """Give a started trial the values of parameters that were not sampled; its sampler must be given them, too."""
        for name in values:
            distribution = self._distributions[name]
            if isinstance(distribution, CategoricalDistribution):
                trial.suggest_categorical(name, distribution.choices)
            elif isinstance(distribution, FloatDistribution):
                trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)

    def encoder_parameters(self, encoding: Encoding) -> dict[str, Value]:
        """Return the parameters that stand for an encoding: `suggest` and `choose` read them back."""
        if encoding.training is not None:
            return self._searched(vars(encoding.training))
        smoothing = self._within(LAMBDA_ENC, encoding.lambda_enc)
        return self._searched({LAMBDA_ENC: smoothing, ORDERING: encoding.ordering, NODES: encoding.nodes})

    def decoder_parameters(self, parameter: Parameter, reading: Reading) -> dict[str, Value]:
        """Return the parameters that stand for how answers are read."""
        if self._kind is not None:
            return {}
        assignment, decode_space, decoder = reading
        values: dict[str, Value] = {ASSIGNMENT: assignment, DECODE_SPACE: decode_space, DECODER: decoder}
        trusting = trusting_of(parameter)
        if isinstance(trusting, Kernel):
            values |= {name: getattr(trusting, name) for name in KERNEL[: None if decoder == "calibrated" else 4]}
        else:
            values[LAMBDA_DEC] = self._within(LAMBDA_DEC, trusting)
        return self._searched(values)

    def parameters(self, record: TrialRecord) -> dict[str, Value]:
        """Return the parameters that stand for a record."""
        decoder = self.decoder_parameters(record.parameter, record.design.reading)
        return self.encoder_parameters(record.encoding) | decoder

    def _searched(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return those that are parameters of the study: what has one choice is none."""
        return {name: value for name, value in values.items() if name in self._distributions}

    def tell(self, trial: Trial, record: TrialRecord) -> TrialRecord:
        """Finish a started trial with its record, which gets the trial's number.

        Raises:
            SupersededError: If another worker has taken the proposal over.
        """
        record = replace(record, number=trial.number)
        with self._finishing(trial._trial_id):  # noqa: SLF001 - see nercc_tune.tuning.leases
            if record.score is not None:
                for name, shortfall in self._goal.shortfalls(record.score).items():
                    trial.set_constraint(name, shortfall)
            trial.set_user_attr(RECORD, _attribute(record))
            self._finish(trial._trial_id, record)  # noqa: SLF001 - see nercc_tune.tuning.leases
        return record

    def abandon(self, trial: Trial) -> None:
        """Fail a started trial that was interrupted; it leaves no record."""
        self._fail(trial._trial_id)  # noqa: SLF001 - see nercc_tune.tuning.leases

    def give_up(self, proposal: int) -> None:
        """Fail what runs of a proposal that this worker holds and gives back."""
        for trial in self._running():
            if proposal_of(trial) == proposal:
                self._fail(trial._trial_id)  # noqa: SLF001 - see nercc_tune.tuning.leases

    def close(self) -> None:
        """Fail whatever still runs, when all proposals are done: the leftovers of workers that died."""
        for trial in self._running():
            self._fail(trial._trial_id)  # noqa: SLF001 - see nercc_tune.tuning.leases

    def add(self, record: TrialRecord, *, block_values: Sequence[float] = ()) -> TrialRecord:
        """Add a trial that was proposed for another cell and evaluated for this one too.

        Args:
            record: Its record; the number is given here.
            block_values: What a pruner compares, one for each block.

        Raises:
            SupersededError: If another worker has taken the proposal over, or the cell has it.
        """
        score, params = record.score, self.parameters(record)
        started = self._start(
            create_trial(
                state=TrialState.RUNNING,
                params=params,
                distributions={name: self._distributions[name] for name in params},
                user_attrs={PROPOSAL: record.proposal, RECORD: _attribute(record)},
                intermediate_values=dict(enumerate(block_values)),
                constraints=self._goal.shortfalls(score) if score and self._goal.has_floor else None,
            )
        )
        with self._finishing(started._trial_id):  # noqa: SLF001 - see nercc_tune.tuning.leases
            self._finish(started._trial_id, record)  # noqa: SLF001 - see nercc_tune.tuning.leases
        return replace(record, number=started.number)

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

    def _start(self, template: FrozenTrial) -> FrozenTrial:
        """Make a running trial of a proposal, and fail every other one that runs.

        Two workers may hold one proposal where one of them seemed dead. Each makes its trial, then fails the other's,
        then finishes its own; whichever is made last sees the other one, so that never both are finished.
        """
        proposal = template.user_attrs[PROPOSAL]
        trial_id = self._storage.create_new_trial(self._study_id, template_trial=template)
        mine, others = self._trials_of(proposal, trial_id)
        if others:
            for other in others:
                self._fail(other._trial_id)  # noqa: SLF001 - see nercc_tune.tuning.leases
            mine, others = self._trials_of(proposal, trial_id)
        if any(other.state.is_finished() and record_of(other) is not None for other in others):
            self._fail(trial_id)
            raise SupersededError
        return mine

    def _trials_of(self, proposal: int, trial_id: int) -> tuple[FrozenTrial, list[FrozenTrial]]:
        """Return one trial of a proposal, and all others of it."""
        trials = {
            trial._trial_id: trial  # noqa: SLF001 - see nercc_tune.tuning.leases
            for trial in self._study.get_trials(deepcopy=False)
            if proposal_of(trial) == proposal
        }
        return trials.pop(trial_id), list(trials.values())

    def _running(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _fail(self, trial_id: int) -> None:
        with suppress(UpdateFinishedTrialError):
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def _finish(self, trial_id: int, record: TrialRecord) -> None:
        self._storage.set_trial_state_values(trial_id, state_of(record), self._values(record))

    @contextmanager
    def _finishing(self, trial_id: int) -> Iterator[None]:
        """Take it that a trial which has its end got it from a call whose answer was lost, if its record is there.

        Raises:
            SupersededError: If another worker has failed it.
        """
        try:
            yield
        except UpdateFinishedTrialError:
            if record_of(self._storage.get_trial(trial_id)) is None:
                raise SupersededError from None

    def _values(self, record: TrialRecord) -> list[float] | None:
        """Return what Optuna optimises; None for a trial without a score."""
        if record.score is None:
            return None
        value = self._goal.value(record.score)
        return [value, record.score.rel_acc or 0.0] if self._goal.metric == "pareto" else [value]

    def _within(self, name: str, smoothing: float) -> float:
        span = self._ranges[name]
        return min(max(smoothing, span.low), span.high)


def _attribute(record: TrialRecord) -> dict[str, Any]:
    values: dict[str, Any] = to_json(record)
    del values["number"]
    return values
