"""What a query is answered with."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nercc_tune.service.commands import Source


@dataclass(frozen=True, kw_only=True, eq=False)
class Answered:
    """An answer, and how it came about.

    Attributes:
        probabilities: [c].
        source: The query's own answer, that of a copy, or an estimate.
        waited_for: How many workers' answers were there when it was given.
        workers: How many were asked.
        seconds: From the query's coming to its answer.
        suspects: Workers whose answers were left out or distrusted; only where something was decoded.
        is_padded: Whether the group was not full.
        expected_error: The squared error that an estimate is expected to make, as the table says; 0 for an own answer,
            None where nothing is known of it.
    """

    probabilities: Tensor
    source: Source
    waited_for: int
    workers: int
    seconds: float
    suspects: tuple[int, ...] = ()
    is_padded: bool = False
    expected_error: float | None = None

    @property
    def label(self) -> int:
        """The class of the largest probability."""
        return int(self.probabilities.argmax())
