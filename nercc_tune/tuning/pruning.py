"""Giving up on a hopeless encoder after some blocks of the groups, or on a hopeless training after some epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from optuna.trial import Trial

from nercc_tune.errors import OutputError
from nercc_tune.records import Encoding, Epoch, Reading, Training, TrialRecord
from nercc_tune.records.timings import Timings
from nercc_tune.spec import StudySpec

if TYPE_CHECKING:  # reading a study needs no torch
    from nercc_tune.inference import CellEvaluator


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """After how many blocks, or epochs, a trial was given up, and the epochs of its training."""

    after: int
    epochs: tuple[Epoch, ...] = ()

    @classmethod
    def of(cls, record: TrialRecord) -> Pruned | None:
        """Return how the trial of a record was given up; None where it was not."""
        return None if record.pruned_after is None else cls(after=record.pruned_after, epochs=record.epochs)


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Runs an encoder block by block, and asks the pruner of the cell that proposed it after each.

    What is compared is the goal's metric on a block with the λ_dec that is best there: for `wilcoxon` on that block,
    since it pairs blocks with those of the best trial, for `median` averaged over the blocks so far.
    """

    spec: StudySpec
    timings: Timings

    def prune(
        self, trial: Trial, evaluator: CellEvaluator, encoding: Encoding, readings: Sequence[Reading]
    ) -> Pruned | None:
        """Return how a trial was given up, or None where it was not."""
        if self.spec.search.pruner == "none":
            return None
        if encoding.training is not None:
            return self._prune_training(trial, evaluator, encoding.training)
        values: list[float] = []
        for block in range(self.spec.search.blocks):
            try:
                values.append(self._value(evaluator, encoding, readings, block))
            except OutputError:
                return None  # found again with all groups, and recorded as a failure
            trial.report(self._reported(values)[-1], block)
            if block + 1 < self.spec.search.blocks and trial.should_prune():
                return Pruned(after=block + 1)
        return None

    def block_values(
        self, evaluator: CellEvaluator, encoding: Encoding, readings: Sequence[Reading]
    ) -> tuple[float, ...]:
        """Return what the pruner compares of a trial that was evaluated in full; nothing without a pruner."""
        if self.spec.search.pruner == "none":
            return ()
        if encoding.training is not None:
            epochs = evaluator.drawn.trained.train(encoding.training, lambda _epoch, _agreement: False).epochs
            return tuple(self._of_agreement(epoch.agreement) for epoch in epochs)
        blocks = range(self.spec.search.blocks)
        return self._reported([self._value(evaluator, encoding, readings, block) for block in blocks])

    def _prune_training(self, trial: Trial, evaluator: CellEvaluator, training: Training) -> Pruned | None:
        def report(epoch: int, agreement: float) -> bool:
            trial.report(self._of_agreement(agreement), epoch)
            return trial.should_prune()

        try:
            outcome = evaluator.drawn.trained.train(training, report)
        except OutputError:
            return None  # raised again when it is evaluated, and recorded as a failure
        return None if outcome.is_complete else Pruned(after=len(outcome.epochs), epochs=outcome.epochs)

    def _of_agreement(self, agreement: float) -> float:
        """Return a validation accuracy in the direction of the goal."""
        return agreement if self.spec.search.goal.is_maximised else 1 - agreement

    def _reported(self, values: Sequence[float]) -> tuple[float, ...]:
        if self.spec.search.pruner == "wilcoxon":
            return tuple(values)
        return tuple(total / count for count, total in enumerate(accumulate(values), start=1))

    def _value(self, evaluator: CellEvaluator, encoding: Encoding, readings: Sequence[Reading], block: int) -> float:
        return self.spec.search.goal.value(evaluator.best(encoding, readings, block=block)[0].score)
