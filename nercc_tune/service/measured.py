"""What a measurement or a simulation of a service saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nercc_tune.service.commands import Source, Tally

SOURCES = (*Source, None)
"""What `Measured.sources` counts through; None is a query that was refused."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """One run of a scheme under load, warm-up left out.

    Attributes:
        scheme: Its name.
        rate: Queries per second that were offered.
        seconds: How long it was measured.
        latency_s: [Q] from the moment a query should have been sent, to its answer or refusal.
        sources: [Q] where the answer came from, as a place in `SOURCES`.
        tally: What the front did, warm-up included.
        is_right: [Q] whether the answer was the label; None where nothing was answered but times.
        agrees: [Q] whether the answer was what the model says without coding; None likewise.
        answers: [Q] how many tasks' answers it was made from, 0 if it was refused; None where nobody counted.
    """

    scheme: str
    rate: float
    seconds: float
    latency_s: NDArray[np.float64]
    sources: NDArray[np.int8]
    tally: Tally
    is_right: NDArray[np.bool_] | None = None
    agrees: NDArray[np.bool_] | None = None
    answers: NDArray[np.int32] | None = None

    @property
    def is_answered(self) -> NDArray[np.bool_]:
        """[Q] whether it was answered, and not refused."""
        answered: NDArray[np.bool_] = self.sources != SOURCES.index(None)
        return answered

    def percentile_s(self, percent: float) -> float:
        """Return a percentile of the latency; a query that was refused took forever."""
        return percentile_of(np.where(self.is_answered, self.latency_s, np.inf), percent)

    @property
    def goodput(self) -> float:
        """Queries answered per second."""
        return float(self.is_answered.sum()) / self.seconds

    def share(self, source: Source) -> float:
        """Return the share of queries that were answered from a source."""
        return float((self.sources == SOURCES.index(source)).mean())


def percentile_of(times_s: NDArray[np.float64] | Sequence[float], percent: float) -> float:
    """Return a percentile of times, one of them; those that never came are infinite."""
    return float(np.quantile(times_s, percent / 100, method="higher"))
