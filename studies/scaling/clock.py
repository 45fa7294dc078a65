"""Discrete events: processes, and the resources that they wait for."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from itertools import count


class Clock:
    """Runs processes: each yields the seconds that it takes, or the resource that it needs."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Process]] = []
        self._order = count()

    def wake(self, process: Process, delay_s: float = 0.0) -> None:
        """Go on with a process later."""
        heapq.heappush(self._due, (self.now + delay_s, next(self._order), process))

    def run(self) -> None:
        """Go on until all processes have ended."""
        while self._due:
            self.now, _, process = heapq.heappop(self._due)
            request = next(process, None)
            if isinstance(request, Resource):
                request.give(process)
            elif request is not None:
                self.wake(process, request)


class Resource:
    """Servers that processes queue for, first come, first served."""

    def __init__(self, clock: Clock, *, servers: int = 1) -> None:
        self._free, self._clock = servers, clock
        self._queue: deque[Process] = deque()

    def give(self, process: Process) -> None:
        """Let a process go on once a server is free."""
        if self._free > 0:
            self._free -= 1
            self._clock.wake(process)
        else:
            self._queue.append(process)

    def release(self) -> None:
        """Give a server back, or to the next in the queue."""
        if self._queue:
            self._clock.wake(self._queue.popleft())
        else:
            self._free += 1


Process = Generator[float | Resource, None, int]
