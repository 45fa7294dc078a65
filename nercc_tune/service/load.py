"""When queries come."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Load:
    """An open loop of queries: they come when they come, whether or not those before are answered.

    Attributes:
        rate: Queries per second that are meant.
        arrivals_s: [Q] when each comes, ascending, in seconds since the measurement began.

    Raises:
        ValueError: If not rate > 0, or there are no arrivals, or they do not ascend from 0 or later.
    """

    rate: float
    arrivals_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise ValueError(f"`rate` must be positive and finite, but got {self.rate}.")
        times = self.arrivals_s
        is_ascending = times.ndim == 1 and len(times) and times[0] >= 0 and np.all(np.diff(times) >= 0)
        if not (is_ascending and np.isfinite(times[-1])):
            raise ValueError(f"`arrivals_s` must be finite times that ascend from 0, but got {times}.")


def poisson(rate: float, queries: int, *, seed: int) -> Load:
    """Return queries that come independently of each other; fewer are the first of more.

    Raises:
        ValueError: If not rate > 0 and queries ≥ 1.
    """
    if not queries >= 1:
        raise ValueError(f"`queries` must be at least 1, but got {queries}.")
    if not 0 < rate < math.inf:
        raise ValueError(f"`rate` must be positive and finite, but got {rate}.")
    gaps = np.random.default_rng(seed).standard_exponential(queries)
    return Load(rate=rate, arrivals_s=np.cumsum(gaps) / rate)
