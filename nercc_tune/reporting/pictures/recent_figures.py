"""What the last queries of a running service say in figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nercc_tune.service.commands import Source
from nercc_tune.service.measured import percentile_of
from nercc_tune.service.recent_answers import RecentAnswer

__all__ = ["PERCENTS", "RecentFigures"]

PERCENTS = (50.0, 95.0, 99.0, 99.9)


@dataclass(frozen=True, kw_only=True)
class RecentFigures:
    """Figures of some queries that were answered or refused.

    Attributes:
        queries: How many.
        seconds: From the first answer to the last.
        percentiles_s: Of the latency, by percent; a query that was refused took forever, which may make it infinite.
        decoded: The share that were estimates.
        refused: The share that were refused.
        expected_errors: Of the estimates of which it is known, ascending.
    """

    queries: int
    seconds: float
    percentiles_s: dict[float, float]
    decoded: float
    refused: float
    expected_errors: tuple[float, ...]

    @classmethod
    def of(cls, recent: Sequence[RecentAnswer]) -> RecentFigures:
        """Build the figures.

        Raises:
            ValueError: If there is no query.
        """
        if not recent:
            raise ValueError("`recent` must hold a query, but got none.")
        times = [math.inf if answer.source is None else answer.latency_s for answer in recent]
        errors = (answer.expected_error for answer in recent if answer.source == Source.DECODED.value)
        at = [answer.at for answer in recent]
        return cls(
            queries=len(recent),
            seconds=max(at) - min(at),
            percentiles_s={percent: percentile_of(times, percent) for percent in PERCENTS},
            decoded=sum(answer.source == Source.DECODED.value for answer in recent) / len(recent),
            refused=sum(answer.source is None for answer in recent) / len(recent),
            expected_errors=tuple(sorted(error for error in errors if error is not None)),
        )

    @property
    def rate(self) -> float | None:
        """Queries per second; None where all came at one moment."""
        return (self.queries - 1) / self.seconds if self.seconds > 0 else None
