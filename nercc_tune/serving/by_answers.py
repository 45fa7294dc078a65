"""What a policy's decoder is set to, which goes by the number of answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nercc_tune.errors import TableError
from nercc_tune.records import Parameter, Policy, PolicyEntry

__all__ = ["ByAnswers", "Setting"]


@dataclass(frozen=True, kw_only=True)
class ByAnswers:
    """What a policy's decoder is set to for a number F of answers: that of the next larger straggler count.

    A policy that distrusts answers also reads fewer than its largest count leaves, by as many as it may distrust, since
    answers that hold a NaN or an infinity count as not arrived. It is set to that of the largest count then.

    Attributes:
        policy: The policy.
        workers: N.
        is_open: Whether any number of answers is read, which beyond the largest count is set to that of this.
    """

    policy: Policy
    workers: int
    is_open: bool = False

    def __call__(self, arrived: int) -> Parameter:
        """Return what the decoder is set to for a number of answers.

        Raises:
            TableError: If there are fewer than `fewest`, or more than workers.
        """
        if not self.fewest <= arrived <= self.workers:
            why = "; answers that hold a NaN or an infinity count as not arrived" if self.is_distrusting else ""
            raise TableError(f"`arrived` must be from {self.fewest} to {self.workers} workers, but got {arrived}{why}.")
        fitting = (entry for entry in self._ascending if entry.stragglers >= self.workers - arrived)
        return next(fitting, self._ascending[-1]).parameter

    @cached_property
    def _ascending(self) -> tuple[PolicyEntry, ...]:
        return tuple(sorted(self.policy.entries, key=lambda entry: entry.stragglers))

    @property
    def fewest(self) -> int:
        """The least number of answers that are read."""
        largest = self._ascending[-1]
        spare = largest.distrust.most if largest.distrust else 0
        return 1 if self.is_open else max(1, self.workers - largest.stragglers - spare)

    @property
    def is_distrusting(self) -> bool:
        """Whether the decoder distrusts answers at any number of them."""
        return any(entry.distrust is not None for entry in self.policy.entries)


Setting = Parameter | ByAnswers
"""What a decoder is set to, for all numbers of answers or for each."""
