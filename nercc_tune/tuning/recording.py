"""From a proposal to its record in a cell."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nercc_tune.errors import OutputError
from nercc_tune.records import Design, Epoch, Option, TrialRecord
from nercc_tune.tuning.proposals import Proposal, Proposals
from nercc_tune.tuning.pruning import Pruned

if TYPE_CHECKING:  # reading a study needs no torch
    from nercc_tune.inference import CellEvaluator


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorder:
    """Evaluates proposals.

    Attributes:
        evaluators: By straggler count.
    """

    proposals: Proposals
    evaluators: Mapping[int, CellEvaluator]

    def pruned(self, stragglers: int, proposal: Proposal, pruned: Pruned) -> TrialRecord:
        """Return the record of a proposal that the pruner gave up."""
        return replace(self._blank(stragglers, proposal), pruned_after=pruned.after, epochs=pruned.epochs)

    def failed(self, stragglers: int, proposal: Proposal, reason: str) -> TrialRecord:
        """Return the record of a proposal that cannot be evaluated."""
        return replace(self._blank(stragglers, proposal), reason=reason)

    def evaluated(self, stragglers: int, proposal: Proposal) -> TrialRecord:
        """Evaluate a proposal in a cell; outputs that are not finite make a failed trial with its reason."""
        blank = self._blank(stragglers, proposal)
        try:
            best, *others = self._options(stragglers, proposal, blank.design)
        except OutputError as error:
            return replace(blank, reason=str(error), finished_ms=_now_ms())
        return replace(
            blank,
            design=blank.design.with_reading(best.reading),
            lambda_dec=best.lambda_dec,
            kernel=best.kernel,
            distrust=best.distrust,
            score=best.score,
            profile=best.profile,
            others=tuple(others),
            epochs=self._epochs(stragglers, proposal),
            finished_ms=max(_now_ms(), blank.started_ms),  # clocks are set back at times
        )

    def _epochs(self, stragglers: int, proposal: Proposal) -> tuple[Epoch, ...]:
        training = proposal.encoding.training
        if training is None:
            return ()
        return self.evaluators[stragglers].drawn.trained.train(training, lambda _epoch, _agreement: False).epochs

    def _blank(self, stragglers: int, proposal: Proposal) -> TrialRecord:
        design = self.proposals.spec.reference.with_reading(proposal.readings[0])
        now = _now_ms()
        return TrialRecord(
            uid=f"{self.proposals.studies[stragglers].cell.name}#{proposal.number}",
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

    def _options(self, stragglers: int, proposal: Proposal, design: Design) -> tuple[Option, ...]:
        evaluator = self.evaluators[stragglers]
        if proposal.lambda_dec is None:
            return evaluator.best(proposal.encoding, proposal.readings)
        return (evaluator.option(design, proposal.encoding.lambda_enc, proposal.lambda_dec),)


def _now_ms() -> int:
    """Return the time as milliseconds since 1970."""
    return time.time_ns() // 1_000_000
