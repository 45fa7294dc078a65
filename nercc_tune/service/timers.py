"""What is due when."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator


class Timers:
    """Timers in the order of time; of those at the same time the first that was set is the first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, int]] = []
        self._count = 0

    @property
    def next(self) -> float:
        """When something is due; infinity if nothing is waited for."""
        return self._heap[0][0] if self._heap else math.inf

    def set(self, at: float, kind: str, subject: int) -> None:
        """Let something be due at a time; never, if that is infinite."""
        if at < math.inf:
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, kind, subject))

    def due(self, now: float) -> Iterator[tuple[str, int]]:
        """Go through what is due, and what becomes due meanwhile."""
        while self._heap and self._heap[0][0] <= now:
            _, _, kind, subject = heapq.heappop(self._heap)
            yield kind, subject
