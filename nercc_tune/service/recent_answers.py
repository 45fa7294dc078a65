"""What queries were answered with lately."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from nercc_tune.records import Strict
from nercc_tune.service.answered import Answered

__all__ = ["RecentAnswer", "RecentAnswers"]

_MOST = 2000


@dataclass(frozen=True, kw_only=True)
class RecentAnswer(Strict):
    """One query that was answered, or was not.

    Attributes:
        at: When, in seconds since 1970.
        latency_s: From the query's coming to its answer or refusal.
        source: Where the answer came from, a value of `Source`; None where there was none.
        expected_error: As of `Answered`.
    """

    at: float
    latency_s: float
    source: str | None
    expected_error: float | None


class RecentAnswers:
    """The last 2000 queries that were answered or refused."""

    def __init__(self) -> None:
        self._kept: deque[RecentAnswer] = deque(maxlen=_MOST)

    def add(self, answered: Answered) -> None:
        """Note an answer."""
        self._keep(answered.seconds, answered.source.value, answered.expected_error)

    def add_refusal(self, seconds: float) -> None:
        """Note that a query went without an answer, and after how long."""
        self._keep(seconds, None, None)

    @property
    def records(self) -> tuple[RecentAnswer, ...]:
        """Them, oldest first."""
        return tuple(self._kept)

    def _keep(self, seconds: float, source: str | None, expected_error: float | None) -> None:
        self._kept.append(RecentAnswer(at=time.time(), latency_s=seconds, source=source, expected_error=expected_error))
