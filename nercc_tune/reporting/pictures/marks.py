"""What is marked on the map of a cell: its trials as one design has them, the path of the search, what was chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

from nercc_tune.records import CellHistory, Design, Policy, Score, TrialRecord

__all__ = ["Marks", "ShownTrial"]

_Pair = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ShownTrial:
    """A trial with the λ_dec and the score that it has under the design that is shown."""

    trial: TrialRecord
    design: Design
    lambda_dec: float
    score: Score | None

    @classmethod
    def own(cls, trial: TrialRecord) -> ShownTrial:
        """Show a trial under its own design."""
        return cls(trial=trial, design=trial.design, lambda_dec=trial.lambda_dec, score=trial.score)

    @property
    def pair(self) -> _Pair:
        """λ_enc and λ_dec."""
        return self.trial.lambda_enc, self.lambda_dec


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The marks of one design; pairs are (λ_enc, λ_dec).

    Attributes:
        trials: The completed trials that were evaluated under the design, in the order of their proposals.
        unscored: Those with its ordering and nodes that failed or were pruned.
        path: Those of `trials` that were better than all before them.
        chosen: The pair that was chosen, or the best so far, where it is of this design.
        policy: The policy's pair for the cell, likewise.
    """

    trials: tuple[ShownTrial, ...]
    unscored: tuple[ShownTrial, ...]
    path: tuple[ShownTrial, ...]
    chosen: _Pair | None
    policy: _Pair | None

    @classmethod
    def of(cls, cell: CellHistory, design: Design, policy: Policy | None) -> Marks:
        """Gather the marks of a cell under a design."""
        encoded = [trial for trial in cell.trials if trial.encoding == design.encoding(trial.lambda_enc)]
        shown = [
            ShownTrial(trial=trial, design=design, lambda_dec=option.lambda_dec, score=option.score)
            for trial in sorted(encoded, key=lambda trial: trial.proposal)
            for option in trial.options
            if option.reading == design.reading
        ]
        ranks = [cell.goal.rank(item.score) for item in shown if item.score]
        before = accumulate(ranks, min, initial=(math.inf, 0.0, 0.0))
        pairs = {entry.stragglers: (policy.lambda_enc, entry.lambda_dec) for entry in policy.entries} if policy else {}
        chosen = cell.chosen
        return cls(
            trials=tuple(shown),
            unscored=tuple(ShownTrial.own(trial) for trial in encoded if trial.score is None),
            path=tuple(item for item, rank, best in zip(shown, ranks, before, strict=False) if rank < best),
            chosen=(chosen.lambda_enc, chosen.lambda_dec) if chosen and chosen.design == design else None,
            policy=pairs.get(cell.cell.stragglers) if policy and policy.design == design else None,
        )

    @property
    def failed(self) -> list[_Pair]:
        """The pairs of the trials that failed."""
        return [item.pair for item in self.unscored if item.trial.reason is not None]

    @property
    def pairs(self) -> list[_Pair]:
        """All pairs that must be in sight."""
        single = [pair for pair in (self.chosen, self.policy) if pair]
        return [*(item.pair for item in (*self.trials, *self.unscored)), *single]
