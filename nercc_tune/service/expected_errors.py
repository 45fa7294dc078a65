"""What an estimate is expected to err, by the number of answers it was made from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExpectedErrors"]


@dataclass(frozen=True, kw_only=True)
class ExpectedErrors:
    """The squared error in probabilities that the estimates of a code make on average, by what was held out of tuning.

    A table's error is a mean over all queries of a group, those included of which an exact copy arrived and that need
    no estimate. Where these are answered with the copy, the whole error is that of the others: it is divided by their
    share, on average over who arrives.

    Attributes:
        queries: K.
        by_answers: [N + 1] for F = 0, …, N answers: that of the next larger number of stragglers in the table, and
            infinity for fewer answers than it was tuned for.
    """

    queries: int
    by_answers: tuple[float, ...]

    @classmethod
    def of(
        cls, errors: Mapping[int, float], bears: Sequence[int | None], *, queries: int, gives_own: bool = True
    ) -> ExpectedErrors:
        """Return what a table's errors mean.

        Args:
            errors: By the number of stragglers, the mean squared error over all queries of a group.
            bears: Of each of N workers, the query that it is sent an exact copy of; None for a mix.
            queries: K.
            gives_own: Whether a query is answered with a copy where there is one.
        """
        workers = len(bears)
        copies = [sum(query == borne for borne in bears) for query in range(queries)]
        found = []
        for answers in range(workers + 1):
            tuned = [stragglers for stragglers in errors if stragglers >= workers - answers]
            error = errors[min(tuned)] if tuned else math.inf
            missing = [_chance_of_none(count, answers=answers, workers=workers) for count in copies]
            share = sum(missing) / queries if gives_own else 1.0
            found.append(error / share if share else 0.0)
        return cls(queries=queries, by_answers=tuple(found))

    def __call__(self, arrived: AbstractSet[int]) -> NDArray[np.float64]:
        """Return the error [K] to expect of each estimate from the answers to some tasks."""
        return np.full(self.queries, self.by_answers[len(arrived)])


def _chance_of_none(copies: int, *, answers: int, workers: int) -> float:
    """Return how likely it is that none of a query's copies is among the answers."""
    return math.comb(workers - copies, answers) / math.comb(workers, answers)
