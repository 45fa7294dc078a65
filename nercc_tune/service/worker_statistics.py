"""How the workers of a service do."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from nercc_tune.records import Strict

__all__ = ["WorkerStatistics", "WorkerStatus"]

_LATELY = 50  # tasks that the recent latency is the mean of


@dataclass(frozen=True, kw_only=True)
class WorkerStatus(Strict):
    """What is known of one worker since the service began.

    Attributes:
        worker: Its number.
        tasks: How many it was given and has ended, those that were lost included.
        lost: How many it died with, or answered with what is no answer.
        suspected: How many of its answers were left out or distrusted by a decoder.
        mean_s: Mean time it took for an answer; None before the first.
        recent_s: The same of its last 50 answers.
        is_busy: Whether it runs a task.
        is_away: Whether it is gone, and awaited back.
    """

    worker: int
    tasks: int
    lost: int
    suspected: int
    mean_s: float | None
    recent_s: float | None
    is_busy: bool
    is_away: bool


@dataclass(slots=True)
class _Counted:
    tasks: int = 0
    lost: int = 0
    suspected: int = 0
    answers: int = 0
    total_s: float = 0.0
    lately: deque[float] = field(default_factory=lambda: deque(maxlen=_LATELY))
    since: float | None = None
    is_away: bool = False


class WorkerStatistics:
    """Counts what N workers do."""

    def __init__(self, workers: int) -> None:
        self._counted = [_Counted() for _ in range(workers)]

    def begin(self, worker: int, now: float) -> None:
        """Note that a worker was given a task."""
        self._counted[worker].since = now

    def end(self, worker: int, now: float, *, is_sound: bool) -> None:
        """Note that a worker ended its task, with an answer or with something that is none."""
        counted = self._counted[worker]
        counted.tasks += 1
        seconds = 0.0 if counted.since is None else now - counted.since
        counted.since = None
        if is_sound:
            counted.answers += 1
            counted.total_s += seconds
            counted.lately.append(seconds)
        else:
            counted.lost += 1

    def suspect(self, workers: Iterable[int]) -> None:
        """Note that a decoder left out or distrusted the answers of some workers."""
        for worker in workers:
            self._counted[worker].suspected += 1

    def leave(self, worker: int) -> None:
        """Note that a worker is gone."""
        self._counted[worker].is_away = True

    def come_back(self, worker: int) -> None:
        """Note that a worker is there again."""
        self._counted[worker].is_away = False

    @property
    def records(self) -> tuple[WorkerStatus, ...]:
        """What is known of each worker, in their order."""
        return tuple(
            WorkerStatus(
                worker=worker,
                tasks=counted.tasks,
                lost=counted.lost,
                suspected=counted.suspected,
                mean_s=counted.total_s / counted.answers if counted.answers else None,
                recent_s=sum(counted.lately) / len(counted.lately) if counted.lately else None,
                is_busy=counted.since is not None,
                is_away=counted.is_away,
            )
            for worker, counted in enumerate(self._counted)
        )
