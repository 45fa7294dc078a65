"""When a group's queries may be estimated from the answers that are there."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Rule(Protocol):
    """Says which queries may be estimated."""

    @property
    def deadline_s(self) -> float:
        """When to ask again though nothing arrived, in seconds after the group was sent; infinity for never."""

    def readable(self, arrived: AbstractSet[int], unanswered: AbstractSet[int], waited_s: float) -> AbstractSet[int]:
        """Return which of the unanswered queries may be estimated now.

        Args:
            arrived: The tasks whose answers are there.
            unanswered: The queries of the group without an answer.
            waited_s: How long ago the group was sent; infinity where nothing more will come.
        """


def _check_count(**counts: int) -> None:
    for name, count in counts.items():
        if not count >= 1:
            raise ValueError(f"`{name}` must be at least 1, but got {count}.")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Decode as soon as F answers are there; with parity models F = K, since each gives one answer that is missing.

    Raises:
        ValueError: If not count ≥ 1.
    """

    count: int

    def __post_init__(self) -> None:
        _check_count(count=self.count)

    @property
    def deadline_s(self) -> float:  # noqa: D102 - as the protocol says
        return math.inf

    def readable(self, arrived: AbstractSet[int], unanswered: AbstractSet[int], waited_s: float) -> AbstractSet[int]:  # noqa: D102, ARG002
        return unanswered if len(arrived) >= self.count else frozenset()


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """Decode at a time with what is there, once that is enough; or sooner when `count` answers are there.

    Attributes:
        seconds: After the group was sent.
        least: How many answers are enough.
        count: How many are so many that nobody waits for the deadline.

    Raises:
        ValueError: If not seconds > 0 or 1 ≤ least ≤ count.
    """

    seconds: float
    least: int
    count: int

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"`seconds` must be positive and finite, but got {self.seconds}.")
        _check_count(least=self.least)
        if not self.count >= self.least:
            raise ValueError(f"`count` must be at least `least` = {self.least}, but got {self.count}.")

    @property
    def deadline_s(self) -> float:  # noqa: D102 - as the protocol says
        return self.seconds

    def readable(self, arrived: AbstractSet[int], unanswered: AbstractSet[int], waited_s: float) -> AbstractSet[int]:  # noqa: D102
        enough = self.least if waited_s >= self.seconds else self.count
        return unanswered if len(arrived) >= enough else frozenset()


@dataclass(frozen=True, kw_only=True, eq=False)
class ErrorBound:
    """Estimate each query as soon as its expected error is within a bound, or when nothing more will come.

    Attributes:
        expected: Makes [K] the expected squared error of each query's estimate from the tasks that arrived.
        bound: The most that an estimate may be expected to err.
        least: How many answers a decoder needs; below nobody is asked.

    Raises:
        ValueError: If not bound > 0 and least ≥ 1.
    """

    expected: Callable[[AbstractSet[int]], NDArray[np.float64]]
    bound: float
    least: int = 1

    def __post_init__(self) -> None:
        if not self.bound > 0:
            raise ValueError(f"`bound` must be positive, but got {self.bound}.")
        _check_count(least=self.least)

    @property
    def deadline_s(self) -> float:  # noqa: D102 - as the protocol says
        return math.inf

    def readable(self, arrived: AbstractSet[int], unanswered: AbstractSet[int], waited_s: float) -> AbstractSet[int]:  # noqa: D102
        if len(arrived) < self.least:
            return frozenset()
        if waited_s == math.inf:
            return unanswered
        errors = self.expected(arrived)
        return {query for query in unanswered if errors[query] <= self.bound}
