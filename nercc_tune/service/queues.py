"""The tasks that wait for a worker, and the workers that wait for a task."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from nercc_tune.service.scheme import Pool


class PoolQueue:
    """One queue for the workers of a pool. Who has been idle for longest takes the task that has waited for longest."""

    def __init__(self, pool: Pool) -> None:
        self._waiting: deque[tuple[int, int]] = deque()
        self._idle: deque[int] = deque(pool.workers)
        self._away: set[int] = set()

    def add(self, group: int, task: int) -> None:
        """Let a task wait."""
        self._waiting.append((group, task))

    def put_back(self, group: int, task: int) -> None:
        """Let a task that was lost be the next."""
        self._waiting.appendleft((group, task))

    def free(self, worker: int) -> None:
        """Note that a worker is idle, unless it went away."""
        if worker not in self._away:
            self._idle.append(worker)

    def leave(self, worker: int) -> None:
        """Note that a worker went away."""
        self._away.add(worker)
        if worker in self._idle:
            self._idle.remove(worker)

    def come_back(self, worker: int) -> None:
        """Note that a worker is there again, and idle."""
        if worker in self._away:
            self._away.remove(worker)
            self._idle.append(worker)

    def take(self, is_needed: Callable[[int], bool]) -> tuple[list[tuple[int, int, int]], list[int]]:
        """Return which worker now runs which task, as (worker, group, task), and the groups of tasks nobody needs.

        Args:
            is_needed: Whether a group still needs answers.
        """
        taken: list[tuple[int, int, int]] = []
        dropped: list[int] = []
        while (
            self._waiting
        ):  # what nobody needs also goes where no worker is idle: those of a pool may be away for long
            group, task = self._waiting[0]
            if not is_needed(group):
                dropped.append(group)
            elif self._idle:
                taken.append((self._idle.popleft(), group, task))
            else:
                break
            self._waiting.popleft()
        return taken, dropped
