"""How often a code is right where workers may be late: what erasure codes for inference are compared by."""

from __future__ import annotations

from dataclasses import dataclass

from nercc_tune.records.intervals import Interval
from nercc_tune.records.strict_json import Strict

__all__ = ["LATE_SHARES", "TOLD_SHARE", "Availability", "OverallPoint"]

LATE_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.33)
"""The shares f of late workers for which the overall accuracy is kept with its interval."""

TOLD_SHARE = 0.1
"""The one of them at which tables tell it, and up to which published figures go."""


@dataclass(frozen=True, kw_only=True)
class OverallPoint(Strict):
    """The overall accuracy A_o where each worker is late with probability `late`, independently of the others."""

    late: float
    accuracy: Interval


@dataclass(frozen=True, kw_only=True)
class Availability(Strict):
    """Accuracies against labels: where all answer, of the queries that suffer, and overall.

    A query is *degraded* under a mask if a worker is missing, and none of its *carriers* arrived: those that were sent
    the query as it is, and run the model itself. Without carriers it is so as soon as any worker is missing.

    The overall accuracy `A_o(f) = (1 − φ(f)) A_a + φ(f) A_d` makes codes comparable that send plain queries and codes
    that do not. Its A_d is that of the cell's masks, whatever f is.

    Attributes:
        available: A_a, the accuracy where every worker answers.
        degraded: A_d, the share of degraded queries, over all groups and masks together, whose estimate is right; None
            where no query is ever degraded. The interval is that of the resamples in which some query is.
        carriers: How many queries have 0, 1, 2, … carriers; of all groups together where these differ.
        workers: N.
        overall: A_o at each of `LATE_SHARES`, with A_a and A_d resampled together; empty where A_d is None.

    Reference:
        Kosaian, Rashmi & Venkataraman, arXiv 1806.01259, and IEEE JSAIT 2020, equation 1.
    """

    available: Interval
    degraded: Interval | None
    carriers: tuple[int, ...]
    workers: int
    overall: tuple[OverallPoint, ...] = ()

    def exposure(self, late: float) -> float:
        """Return φ(f), the chance that a query is degraded where each worker is late with probability f.

        It is the mean over the queries of `f^c` for a query with c ≥ 1 carriers, and `1 − (1 − f)^N` for one without.

        Raises:
            ValueError: If f is no probability.
        """
        if not 0 <= late <= 1:
            raise ValueError(f"`late` must be from 0 to 1, but got {late}.")
        without = 1 - (1 - late) ** self.workers
        chances = [late**carriers if carriers else without for carriers in range(len(self.carriers))]
        return sum(chance * count for chance, count in zip(chances, self.carriers, strict=True)) / sum(self.carriers)

    def overall_accuracy(self, late: float) -> float | None:
        """Return A_o(f), without an interval; None where it would need an A_d that there is not.

        Raises:
            ValueError: As for `exposure`.
        """
        exposure = self.exposure(late)
        if exposure == 0:
            return self.available.mean
        if self.degraded is None:
            return None
        return (1 - exposure) * self.available.mean + exposure * self.degraded.mean

    def figures(self) -> dict[str, Interval | None]:
        """Return what is told of it by name: A_a, A_d, and A_o where a tenth of the workers are late."""
        return {
            "available_accuracy": self.available,
            "degraded_accuracy": self.degraded,
            "overall_accuracy": self.overall_at(TOLD_SHARE),
        }

    def overall_at(self, late: float) -> Interval | None:
        """Return A_o(f) with its interval, for f one of those that it was kept for; else None."""
        return next((point.accuracy for point in self.overall if point.late == late), None)
