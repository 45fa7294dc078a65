"""What is proposed: by the design of a search, and by the samplers of its cells in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from optuna.trial import Trial

from nercc_tune.records import Encoding, Reading, Strict, TrialRecord
from nercc_tune.spec import StudySpec
from nercc_tune.tuning.cell_study import CellStudy
from nercc_tune.tuning.samplers import (
    ASSIGNMENT,
    DECODE_SPACE,
    LAMBDA_DEC,
    LAMBDA_ENC,
    NODES,
    ORDERING,
    GivenSampler,
    sampler_for,
    turns_at_most,
)


@dataclass(frozen=True, kw_only=True)
class Proposal(Strict):
    """What is evaluated in every cell.

    Attributes:
        readings: From which each cell takes its best, with its best λ_dec or kernel.
        lambda_dec: Given λ_dec for the one reading there is then; None where each cell takes its best.
    """

    number: int
    proposed_for: int
    encoding: Encoding
    readings: tuple[Reading, ...]
    lambda_dec: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """A proposal that a cell's sampler made, with the cell's trial of it.

    Attributes:
        sampler: What gives the trial's parameters; those that are found best of are given to it later.
    """

    proposal: Proposal
    trial: Trial
    sampler: GivenSampler


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposals:
    """The proposals of a study, by number.

    Of a trained code the first proposals are trainings at the published rates, one for each mixer. Of any other one,
    proposal 0 is (0, 0), and under strategy `profile` the next ones are λ_enc = 0 in each layout with the best reading
    and λ_dec of each cell; the first of them shares the forward pass of proposal 0. The samplers of the cells make the
    others in turn.

    Attributes:
        studies: By straggler count, ascending.
    """

    spec: StudySpec
    studies: Mapping[int, CellStudy]

    @property
    def budget(self) -> int:
        """How many proposals the study may have in all."""
        return budget_of(self.spec)

    @property
    def given(self) -> int:
        """How many proposals come before those of the samplers."""
        return _given(self.spec)

    @property
    def _is_profiled(self) -> bool:
        return _is_profiled(self.spec)

    def by_design(self, number: int) -> Proposal:
        """Return one of the given proposals."""
        is_trained = self.spec.code.trained_kind is not None
        is_origin = number == 0 and not is_trained
        return Proposal(
            number=number,
            proposed_for=next(iter(self.studies)),
            encoding=self.spec.encodings[number if is_trained else max(number - 1, 0)],
            readings=((*self.spec.readings[0][:2], "spline"),) if is_origin else self.spec.readings,
            lambda_dec=0.0 if is_origin else None,
        )

    def of_record(self, first: TrialRecord) -> Proposal:
        """Return the proposal that a cell's record belongs to, for the cells that lack it."""
        is_profiled = self._is_profiled and (first.proposal > 0 or self.spec.code.trained_kind is not None)
        return Proposal(
            number=first.proposal,
            proposed_for=first.proposed_for,
            encoding=first.encoding,
            readings=self.spec.readings if is_profiled else (first.design.reading,),
            lambda_dec=None if is_profiled else first.lambda_dec,
        )

    def sample(self, number: int, *, planned: Proposal | None) -> Sampled:
        """Start the trial of a proposal in the cell whose turn it is, with what the cell's sampler proposes.

        Args:
            number: The proposal's.
            planned: What an earlier worker sampled for it, which is proposed again.

        Raises:
            SupersededError: If the cell has the proposal.
        """
        turn = number - self.given
        owner = list(self.studies)[turn % len(self.studies)]
        study = self.studies[owner]
        sampler = sampler_for(self.spec, turn)
        if planned is not None:
            sampler.given |= study.encoder_parameters(planned.encoding)
            if planned.lambda_dec is not None:
                sampler.given |= study.decoder_parameters(planned.lambda_dec, planned.readings[0])
        trial = study.ask(sampler, proposal=number)
        return Sampled(proposal=self._suggest(number, owner, trial), trial=trial, sampler=sampler)

    def give_rest(self, sampled: Sampled, record: TrialRecord) -> None:
        """Tell Optuna what was found best of the parameters that were not sampled."""
        if not self._is_profiled:
            return
        study = self.studies[sampled.proposal.proposed_for]
        found = study.decoder_parameters(record.parameter, record.design.reading)
        sampled.sampler.given |= found
        study.fix(sampled.trial, found)

    def _suggest(self, number: int, owner: int, trial: Trial) -> Proposal:
        """Sample what a proposal is made of, in a fixed order."""
        study, code = self.studies[owner], self.spec.encodings[0]
        training = study.suggest_training(trial)
        if training is not None:
            encoding = replace(code, training=training)
            return Proposal(
                number=number, proposed_for=owner, encoding=encoding, readings=self.spec.readings, lambda_dec=None
            )
        encoding = Encoding(
            ordering=study.choose(trial, ORDERING, otherwise=code.ordering),
            nodes=study.choose(trial, NODES, otherwise=code.nodes),
            lambda_enc=study.suggest(trial, LAMBDA_ENC),
        )
        readings, lambda_dec = self.spec.readings, None
        if not self._is_profiled:
            assignment, space, _ = readings[0]
            assignment = study.choose(trial, ASSIGNMENT, otherwise=assignment)
            chosen = study.choose(trial, DECODE_SPACE, otherwise=space)
            readings = tuple(reading for reading in readings if reading[:2] == (assignment, chosen))
            lambda_dec = study.suggest(trial, LAMBDA_DEC)
        return Proposal(number=number, proposed_for=owner, encoding=encoding, readings=readings, lambda_dec=lambda_dec)


def budget_of(spec: StudySpec) -> int:
    """Return how many proposals a study may have in all, those that are given included."""
    return _given(spec) + turns_at_most(spec)


def _given(spec: StudySpec) -> int:
    if spec.code.trained_kind is not None:
        return len(spec.encodings)
    return 1 + (len(spec.encodings) if _is_profiled(spec) else 0)


def _is_profiled(spec: StudySpec) -> bool:
    return spec.search.strategy == "profile"
