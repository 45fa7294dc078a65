"""The search: proposals in turn from each cell's sampler, each evaluated for all cells on one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from nercc_tune.errors import OutputError
from nercc_tune.inference import CellEvaluator, Evaluation
from nercc_tune.records import TrialRecord
from nercc_tune.spec import StudySpec
from nercc_tune.timings import Timings
from nercc_tune.tuning.cell_study import CellStudy, now_ms
from nercc_tune.tuning.samplers import LAMBDA_DEC, LAMBDA_ENC, sampler_for, turns_at_most
from nercc_tune.tuning.stopping import proposals_without_improvement

OnTrial = Callable[[CellStudy, TrialRecord], None]


@dataclass(kw_only=True)
class Search:
    """Searches all cells of a study together.

    Proposal 0 is (0, 0), and under strategy `profile` proposal 1 is λ_enc = 0 with the best λ_dec of each cell; both
    share the forward pass of the baseline NeRCC^Ag. The samplers of the cells make the others in turn, and each is
    evaluated for every cell: with the cell's own best λ_dec under `profile`, with the proposed λ_dec under `joint`.

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
        return self._given + turns_at_most(self.spec.search)

    @property
    def _given(self) -> int:
        return 2 if self.spec.search.strategy == "profile" else 1

    def _is_exhausted(self, proposals: int) -> bool:
        patience = self.spec.search.patience
        if patience == 0 or self.spec.search.sampler == "grid":
            return False
        before = [
            [history[proposal] for proposal in sorted(history) if proposal < proposals]
            for history in self._histories.values()
        ]
        return proposals_without_improvement(before, self.spec.search.min_improvement) >= patience

    def _propose(self, proposal: int) -> None:
        """Bring a proposal to every cell that lacks it."""
        done = {s: history[proposal] for s, history in self._histories.items() if proposal in history}
        lacking = [s for s in self.studies if s not in done]
        if not lacking:
            return
        if done:
            first = next(iter(done.values()))
            is_profiled = self.spec.search.strategy == "profile" and proposal > 0
            pair = (first.lambda_enc, None if is_profiled else first.lambda_dec)
            self._evaluate_and_add(lacking, pair, proposal=proposal, proposed_for=first.proposed_for)
        elif proposal < self._given:
            pair = (0.0, 0.0 if proposal == 0 else None)
            self._evaluate_and_add(lacking, pair, proposal=proposal, proposed_for=lacking[0])
        else:
            self._ask(proposal)

    def _ask(self, proposal: int) -> None:
        turn = proposal - self._given
        owner = list(self.studies)[turn % len(self.studies)]
        study = self.studies[owner]
        sampler = sampler_for(self.spec.search, turn)
        with self.timings.measure("sampling"):
            trial = study.ask(sampler)
            lambda_enc = study.suggest(trial, LAMBDA_ENC)
            joint = self.spec.search.strategy == "joint"
            pair = (lambda_enc, study.suggest(trial, LAMBDA_DEC) if joint else None)
        try:
            record = self._record(owner, pair, proposal=proposal, proposed_for=owner)
        except BaseException:
            study.abandon(trial)
            raise
        with self.timings.measure("storage"):
            if not joint:
                sampler.given[LAMBDA_DEC] = study.parameter(LAMBDA_DEC, record.lambda_dec)
                study.suggest(trial, LAMBDA_DEC)
            self._keep(owner, study.tell(trial, record))
        others = [s for s in self.studies if s != owner]
        self._evaluate_and_add(others, pair, proposal=proposal, proposed_for=owner)

    def _evaluate_and_add(
        self, cells: list[int], pair: tuple[float, float | None], *, proposal: int, proposed_for: int
    ) -> None:
        for stragglers in cells:
            record = self._record(stragglers, pair, proposal=proposal, proposed_for=proposed_for)
            with self.timings.measure("storage"):
                added = self.studies[stragglers].add(record)
            self._keep(stragglers, added)

    def _keep(self, stragglers: int, record: TrialRecord) -> None:
        self._histories[stragglers][record.proposal] = record
        self.added += 1
        self.on_trial(self.studies[stragglers], record)

    def _record(
        self, stragglers: int, pair: tuple[float, float | None], *, proposal: int, proposed_for: int
    ) -> TrialRecord:
        """Evaluate a pair in a cell; outputs that are not finite make a failed trial with its reason."""
        started = now_ms()
        base = TrialRecord(
            uid=f"{self.studies[stragglers].cell.name}#{proposal}",
            number=0,
            proposal=proposal,
            proposed_for=proposed_for,
            lambda_enc=pair[0],
            lambda_dec=pair[1] or 0.0,
            score=None,
            started_ms=started,
            finished_ms=started,
        )
        try:
            found: Evaluation = self.evaluators[stragglers].evaluate(pair[0], pair[1], self.spec.decoder_grid)
        except OutputError as error:
            return replace(base, reason=str(error), finished_ms=now_ms())
        return replace(
            base,
            lambda_dec=found.lambda_dec,
            score=found.score,
            profile=found.profile,
            finished_ms=now_ms(),
        )
