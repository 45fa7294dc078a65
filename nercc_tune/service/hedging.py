"""When a query is late, and whether there is something left to send it again."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

from nercc_tune.service.scheme import Hedge

_WINDOW = 1000  # answers: enough for a 99th percentile of ten, and few enough to follow the load
_LEAST = 20  # answers before a quantile means something
_BURST = 10.0  # hedges that may be saved up


class Hedging:
    """Follows how long answers take, and keeps to the budget.

    The delay is the quantile of the times that the last 1000 answers took. A hedge costs one; each query earns
    `budget`, of which ten hedges can be saved.
    """

    def __init__(self, hedge: Hedge) -> None:
        self._hedge = hedge
        self._lately: deque[float] = deque()
        self._sorted: list[float] = []
        self._saved = 0.0

    @property
    def delay_s(self) -> float:
        """How long to wait before a query is sent again; infinity while too little is known."""
        if len(self._sorted) < _LEAST:
            return math.inf
        return self._sorted[min(int(self._hedge.quantile * len(self._sorted)), len(self._sorted) - 1)]

    def see(self, seconds: float) -> None:
        """Note how long an answer took."""
        self._lately.append(seconds)
        insort(self._sorted, seconds)
        if len(self._lately) > _WINDOW:
            oldest = self._lately.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]

    def earn(self) -> None:
        """Note a query."""
        self._saved = min(_BURST, self._saved + self._hedge.budget)

    def spend(self) -> bool:
        """Return whether a query may be sent again, which is then paid for."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
