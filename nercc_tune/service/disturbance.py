"""Pairs of workers that disturb each other for a while, as when they send each other data."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nercc_tune.service.drawn import Drawn, Stream, drawn_by, generator


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """How many workers are disturbed, for how long and how much.

    At any time 2 · `pairs` random workers are; a pair that is done is followed at once by another one of workers that
    are free. A disturbed worker's task takes 1 + (factor − 1) · G times as long, with G ~ Gamma of mean 1 and standard
    deviation `variation`, independent from task to task; a variation of 0 is G = 1, of 1 an exponential G.

    ParM's experiments gave four pairs, and 128 to 256 MB sent to the other one and back (MB of 2²⁰ bytes). The times
    are those at 1 Gbit/s; the factor depends on network and inputs, and has no default.

    Attributes:
        pairs: How many pairs there are at any time.
        factor: How many times as long a disturbed task takes on average.
        variation: The standard deviation of G.
        shortest_s: A disturbance lasts from this time…
        longest_s: …to this, uniformly.

    Raises:
        ValueError: If not pairs ≥ 1, factor ≥ 1, variation ≥ 0 and 0 < shortest_s ≤ longest_s < ∞.

    Reference:
        Kosaian, Rashmi and Venkataraman 2019, Parity Models, SOSP, section 5.1, and the shuffles of its public code.
    """

    pairs: int
    factor: float
    variation: float = 1.0
    shortest_s: float = 2.1
    longest_s: float = 4.3

    def __post_init__(self) -> None:
        if not self.pairs >= 1:
            raise ValueError(f"`pairs` must be at least 1, but got {self.pairs}.")
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"`factor` must be at least 1 and finite, but got {self.factor}.")
        if not 0 <= self.variation < math.inf:
            raise ValueError(f"`variation` must be at least 0 and finite, but got {self.variation}.")
        if not 0 < self.shortest_s <= self.longest_s < math.inf:
            raise ValueError(
                f"`0 < shortest_s <= longest_s` must hold, but got {self.shortest_s} and {self.longest_s}."
            )


class DisturbedPairs:
    """The disturbances of a measurement, which began before it.

    Args:
        disturbance: How many there are, for how long and how much.
        workers: How many there are in all.
        seed: Decides who is disturbed when, and each task's G.

    Raises:
        ValueError: If there are too few workers for so many pairs.
    """

    def __init__(self, disturbance: Disturbance, *, workers: int, seed: int) -> None:
        if not 2 * disturbance.pairs <= workers:
            raise ValueError(f"`2 * pairs <= workers` must hold, but got {disturbance.pairs} pairs of {workers}.")
        self._disturbance = disturbance
        self._rng = generator(seed, Stream.PAIRS)
        self._extra = _extra(disturbance.variation, seed=seed)
        self._free = list(range(workers))
        self._since: list[list[float]] = [[] for _ in range(workers)]
        self._until: list[list[float]] = [[] for _ in range(workers)]
        self._going_on: list[tuple[float, int, int]] = []
        for _ in range(disturbance.pairs):
            self._begin(0.0, share=self._rng.random())

    def is_disturbed(self, worker: int, now_s: float) -> bool:
        """Whether a worker is disturbed at a time."""
        while self._going_on[0][0] <= now_s:
            until, *pair = heapq.heappop(self._going_on)
            self._free += pair
            self._begin(until, share=1.0)
        at = bisect_right(self._since[worker], now_s) - 1
        return at >= 0 and now_s < self._until[worker][at]

    def extra_s(self, worker: int, number: int, now_s: float, service_s: float) -> float:  # noqa: D102
        if not self.is_disturbed(worker, now_s):
            return 0.0
        return (self._disturbance.factor - 1) * self._extra.at(worker, number) * service_s

    def _begin(self, since: float, *, share: float) -> None:
        """Disturb two free workers for a share of the time that is drawn."""
        lasts = self._rng.uniform(self._disturbance.shortest_s, self._disturbance.longest_s)
        until = since + lasts * share
        pair = [self._free.pop(self._rng.integers(len(self._free))) for _ in range(2)]
        for worker in pair:
            self._since[worker].append(since)
            self._until[worker].append(until)
        heapq.heappush(self._going_on, (until, pair[0], pair[1]))


def _extra(variation: float, *, seed: int) -> Drawn:
    """Return each task's G."""

    def draw(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        if variation == 0:
            return np.ones(count)
        shape = variation**-2
        return rng.standard_gamma(shape, count) / shape

    return drawn_by(draw, seed=seed, stream=Stream.EXTRA)
