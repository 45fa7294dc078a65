"""The search: proposals in turn from each cell's sampler, each evaluated for all cells on one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from optuna.trial import Trial

from nercc_tune.errors import OutputError
from nercc_tune.inference import CellEvaluator, Reading
from nercc_tune.records import Design, Encoding, Option, TrialRecord
from nercc_tune.spec import StudySpec
from nercc_tune.timings import Timings
from nercc_tune.tuning.cell_study import CellStudy, now_ms
from nercc_tune.tuning.pruning import Pruning
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
from nercc_tune.tuning.stopping import proposals_without_improvement

OnTrial = Callable[[CellStudy, TrialRecord], None]


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What is evaluated in every cell.

    Attributes:
        readings: From which each cell takes its best, with its best λ_dec.
        lambda_dec: Given λ_dec for the one reading there is then; None where each cell takes its best.
    """

    number: int
    proposed_for: int
    encoding: Encoding
    readings: tuple[Reading, ...]
    lambda_dec: float | None


@dataclass(kw_only=True)
class Search:
    """Searches all cells of a study together.

    Proposal 0 is (0, 0), and under strategy `profile` the next ones are λ_enc = 0 in each layout with the best reading
    and λ_dec of each cell; the first of them shares the forward pass of proposal 0. The samplers of the cells make the
    others in turn, and each is evaluated for every cell: with the cell's own best reading and λ_dec under `profile`,
    with the proposed ones under `joint`.

    Attributes:
        studies: By straggler count, ascending.
        evaluators: For the same straggler counts.
        on_trial: Called with each finished trial of each cell.
        on_proposal: Called with the number of proposals done and the most there may be.
        added: Trials that `run` added to what was there.
    """

    spec: StudySpec
    studies: Mapping[int, CellStudy]
    evaluators: Mapping[int, CellEvaluator]
    timings: Timings
    on_trial: OnTrial
    on_proposal: Callable[[int, int], None] = lambda _done, _budget: None
    added: int = 0
    _histories: dict[int, dict[int, TrialRecord]] = field(default_factory=dict)

    def run(self) -> int:
        """Search until the budget is used or nothing improves any more; return how many proposals the study has.

        What is already in the storage is not done again; a proposal that reached only some cells is completed first.
        """
        with self.timings.measure("storage"):
            for stragglers, study in self.studies.items():
                study.abandon_stale()
                self._histories[stragglers] = {record.proposal: record for record in study.records()}
        proposal = 0
        while proposal < self.budget and not self._is_exhausted(proposal):
            self._propose(proposal)
            proposal += 1
            self.on_proposal(proposal, self.budget)
        return proposal

    @property
    def budget(self) -> int:
        """How many proposals the study may have in all."""
        return self._given + turns_at_most(self.spec)

    @property
    def _given(self) -> int:
        return 1 + (len(self.spec.encodings) if self._is_profiled else 0)

    @property
    def _is_profiled(self) -> bool:
        return self.spec.search.strategy == "profile"

    def _is_exhausted(self, proposals: int) -> bool:
        patience = self.spec.search.patience
        has_no_end = self.spec.search.sampler == "grid" or self.spec.search.objective == "pareto"
        if patience == 0 or has_no_end or proposals < self._given:
            return False
        before = [
            [history[proposal] for proposal in sorted(history) if proposal < proposals]
            for history in self._histories.values()
        ]
        latest = proposals_without_improvement(
            before, goal=self.spec.search.goal, min_improvement=self.spec.search.min_improvement
        )
        return latest >= patience

    def _propose(self, number: int) -> None:
        """Bring a proposal to every cell that lacks it."""
        done = [history[number] for history in self._histories.values() if number in history]
        lacking = [s for s in self.studies if number not in self._histories[s]]
        if not lacking:
            return
        if done:
            self._complete(number, done[0], lacking)
        elif number < self._given:
            encoding = self.spec.encodings[max(number - 1, 0)]
            is_origin = number == 0
            readings = self.spec.readings[:1] if is_origin else self.spec.readings
            proposal = Proposal(
                number=number,
                proposed_for=lacking[0],
                encoding=encoding,
                readings=readings,
                lambda_dec=0.0 if is_origin else None,
            )
            self._evaluate_and_add(lacking, proposal)
        else:
            self._ask(number)

    def _complete(self, number: int, first: TrialRecord, lacking: list[int]) -> None:
        """Bring a proposal that an interrupted search evaluated for some cells to the others."""
        is_profiled = self._is_profiled and number > 0
        proposal = Proposal(
            number=number,
            proposed_for=first.proposed_for,
            encoding=first.encoding,
            readings=self.spec.readings if is_profiled else ((first.design.assignment, first.design.decode_space),),
            lambda_dec=None if is_profiled else first.lambda_dec,
        )
        if first.pruned_after is None:
            self._evaluate_and_add(lacking, proposal)
        else:
            self._add_pruned(lacking, proposal, first.pruned_after)

    def _ask(self, number: int) -> None:
        turn = number - self._given
        owner = list(self.studies)[turn % len(self.studies)]
        study = self.studies[owner]
        sampler = sampler_for(self.spec, turn)
        with self.timings.measure("sampling"):
            trial = study.ask(sampler)
            proposal = self._sampled(number, owner, trial)
        others = [s for s in self.studies if s != owner]
        try:
            pruned_after = self._pruning.prune(trial, self.evaluators[owner], proposal.encoding, proposal.readings)
            record = self._pruned(owner, proposal, pruned_after) if pruned_after else self._record(owner, proposal)
        except BaseException:
            study.abandon(trial)
            raise
        with self.timings.measure("storage"):
            self._give_rest(study, trial, sampler, record)
            self._keep(owner, study.tell(trial, record))
        if pruned_after:
            self._add_pruned(others, proposal, pruned_after)
        else:
            self._evaluate_and_add(others, proposal)

    def _sampled(self, number: int, owner: int, trial: Trial) -> Proposal:
        """Sample what a proposal is made of, in a fixed order."""
        study, code = self.studies[owner], self.spec.encodings[0]
        encoding = Encoding(
            ordering=study.choose(trial, ORDERING, otherwise=code.ordering),
            nodes=study.choose(trial, NODES, otherwise=code.nodes),
            lambda_enc=study.suggest(trial, LAMBDA_ENC),
        )
        readings, lambda_dec = self.spec.readings, None
        if not self._is_profiled:
            assignment, space = readings[0]
            assignment = study.choose(trial, ASSIGNMENT, otherwise=assignment)
            chosen = study.choose(trial, DECODE_SPACE, otherwise=space)
            readings = tuple(reading for reading in readings if reading == (assignment, chosen))
            lambda_dec = study.suggest(trial, LAMBDA_DEC)
        return Proposal(number=number, proposed_for=owner, encoding=encoding, readings=readings, lambda_dec=lambda_dec)

    def _give_rest(self, study: CellStudy, trial: Trial, sampler: GivenSampler, record: TrialRecord) -> None:
        """Tell Optuna what was found best of the parameters that were not sampled."""
        if not self._is_profiled:
            return
        sampler.given |= study.parameters(record)
        study.suggest(trial, LAMBDA_DEC)
        study.choose(trial, ASSIGNMENT, otherwise=record.design.assignment)
        study.choose(trial, DECODE_SPACE, otherwise=record.design.decode_space)

    @property
    def _pruning(self) -> Pruning:
        return Pruning(spec=self.spec, timings=self.timings)

    def _evaluate_and_add(self, cells: list[int], proposal: Proposal) -> None:
        for stragglers in cells:
            record = self._record(stragglers, proposal)
            values: Sequence[float] = ()
            if record.score is not None:
                values = self._pruning.block_values(self.evaluators[stragglers], proposal.encoding, proposal.readings)
            with self.timings.measure("storage"):
                added = self.studies[stragglers].add(record, block_values=values)
            self._keep(stragglers, added)

    def _add_pruned(self, cells: list[int], proposal: Proposal, pruned_after: int) -> None:
        for stragglers in cells:
            with self.timings.measure("storage"):
                added = self.studies[stragglers].add(self._pruned(stragglers, proposal, pruned_after))
            self._keep(stragglers, added)

    def _keep(self, stragglers: int, record: TrialRecord) -> None:
        self._histories[stragglers][record.proposal] = record
        self.added += 1
        self.on_trial(self.studies[stragglers], record)

    def _blank(self, stragglers: int, proposal: Proposal) -> TrialRecord:
        assignment, space = proposal.readings[0]
        design = replace(self.spec.reference, assignment=assignment, decode_space=space)
        now = now_ms()
        return TrialRecord(
            uid=f"{self.studies[stragglers].cell.name}#{proposal.number}",
            number=0,
            proposal=proposal.number,
            proposed_for=proposal.proposed_for,
            design=design.with_encoding(proposal.encoding),
            lambda_enc=proposal.encoding.lambda_enc,
            lambda_dec=proposal.lambda_dec or 0.0,
            score=None,
            started_ms=now,
            finished_ms=now,
        )

    def _pruned(self, stragglers: int, proposal: Proposal, pruned_after: int) -> TrialRecord:
        return replace(self._blank(stragglers, proposal), pruned_after=pruned_after)

    def _record(self, stragglers: int, proposal: Proposal) -> TrialRecord:
        """Evaluate a proposal in a cell; outputs that are not finite make a failed trial with its reason."""
        blank = self._blank(stragglers, proposal)
        try:
            best, *others = self._options(stragglers, proposal, blank.design)
        except OutputError as error:
            return replace(blank, reason=str(error), finished_ms=now_ms())
        return replace(
            blank,
            design=replace(blank.design, assignment=best.assignment, decode_space=best.decode_space),
            lambda_dec=best.lambda_dec,
            score=best.score,
            profile=best.profile,
            others=tuple(others),
            finished_ms=now_ms(),
        )

    def _options(self, stragglers: int, proposal: Proposal, design: Design) -> tuple[Option, ...]:
        evaluator = self.evaluators[stragglers]
        if proposal.lambda_dec is None:
            return evaluator.best(proposal.encoding, proposal.readings)
        return (evaluator.option(design, proposal.encoding.lambda_enc, proposal.lambda_dec),)
