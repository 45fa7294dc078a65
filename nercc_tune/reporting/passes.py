"""Forward passes of the tuning groups: how many trials took, and how many they shared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from nercc_tune.records import Encoding, TrialRecord
from nercc_tune.spec import StudySpec

__all__ = ["PassCount"]


class PassCount:
    """Counts the forward passes of trials as they come: one for each encoder, however many trials it serves.

    A trial that was pruned needs the share of the groups that it came to; of an encoder, the largest share counts.

    Args:
        spec: The study, which says how many groups there are, and how many blocks of them.

    Attributes:
        trials: Trials that were counted.
    """

    def __init__(self, spec: StudySpec) -> None:
        self.trials = 0
        self._groups = spec.evaluation.tuning_groups
        self._blocks = spec.search.blocks
        self._alone = 0.0
        self._shares: dict[Encoding, float] = {}

    @classmethod
    def of(cls, trials: Iterable[TrialRecord], spec: StudySpec) -> Self:
        """Return the count of some trials of a study."""
        count = cls(spec)
        for trial in trials:
            count.add(trial)
        return count

    def add(self, trial: TrialRecord) -> None:
        """Count a trial."""
        share = 1.0 if trial.pruned_after is None else self._groups * trial.pruned_after // self._blocks / self._groups
        self.trials += 1
        self._alone += share
        self._shares[trial.encoding] = max(self._shares.get(trial.encoding, 0.0), share)

    @property
    def made(self) -> float:
        """Passes that the trials took together."""
        return sum(self._shares.values())

    @property
    def saved(self) -> float:
        """Passes that they would have taken besides, had each made its own."""
        return self._alone - self.made

    def __str__(self) -> str:
        passes = "1 forward pass" if self.made == 1 else f"{round(self.made, 1):,g} forward passes"
        return f"{passes} for {self.trials:,} trials ({round(self.saved, 1):,g} saved by reuse)"
