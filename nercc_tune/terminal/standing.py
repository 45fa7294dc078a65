"""How a search stands: how far it is, how long it will take, the best of each cell, and what reuse has saved."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nercc_tune.export.blocks import write_count
from nercc_tune.records import StudyHistory, TrialRecord
from nercc_tune.reporting.passes import PassCount
from nercc_tune.spec import StudySpec

__all__ = ["Standing"]


class Standing:
    """What a launch or a worker has told so far; it may be told and read by several threads.

    Args:
        spec: The study.
        clock: Seconds, from any point on.

    Attributes:
        stage: What is being done.
        done: Proposals that all cells have.
        budget: The most proposals there may be; None before the first word of it.
    """

    def __init__(self, spec: StudySpec, clock: Callable[[], float]) -> None:
        self.goal = spec.search.goal
        self.has_designs = len(spec.encodings) * len(spec.readings) > 1
        self.stage = "starting"
        self.done = 0
        self.budget: int | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._best: dict[int, TrialRecord] = {}
        self._titles: dict[int, str] = {}
        self._passes = PassCount(spec)
        self._first: tuple[int, float] | None = None
        self._last = 0.0

    def enter(self, stage: str) -> None:
        """Take note of a new stage; the time left is told again once it is seen how fast it goes."""
        with self._lock:
            self.stage = stage
            self._first = None

    def begin(self, history: StudyHistory) -> None:
        """Take note of what earlier launches found."""
        with self._lock:
            self._titles = {cell.cell.stragglers: write_count(cell.cell) for cell in history.cells}
        self.add(*(trial for cell in history.cells for trial in cell.trials))

    def add(self, *records: TrialRecord) -> None:
        """Take note of finished trials."""
        with self._lock:
            for record in records:
                self._passes.add(record)
                stragglers = int(record.uid.rpartition("#")[0].rpartition("-S")[2])
                if record.score is not None and self._is_better(record, self._best.get(stragglers)):
                    self._best[stragglers] = record

    def count(self, done: int, budget: int) -> None:
        """Take note of how many proposals are done, of the most there may be."""
        with self._lock:
            self.done, self.budget, self._last = done, budget, self._clock()
            self._first = self._first or (done, self._last)

    @property
    def best(self) -> list[tuple[str, TrialRecord]]:
        """The best trial of each cell that has one, by its straggler count or the range of them."""
        with self._lock:
            return [(self._titles.get(count, str(count)), self._best[count]) for count in sorted(self._best)]

    @property
    def passes(self) -> str:
        """What the trials cost, in words; empty before the first one."""
        with self._lock:
            return str(self._passes) if self._passes.trials else ""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the budget is used, by what was done since the stage began; None while that tells nothing.

        The proposal that is being worked on counts as nearly done once it takes longer than others did.
        """
        with self._lock:
            if self._first is None or self.budget is None or self.done <= self._first[0]:
                return None
            first, since = self._first
            each = (self._last - since) / (self.done - first)
            left = (self.budget - self.done) * each
            return max(left - min(self._clock() - self._last, each), 0.0)

    def value(self, record: TrialRecord) -> float:
        """Return what is optimised, of a trial that has a score."""
        assert record.score is not None  # noqa: S101 - for the type checker; `best` holds no others
        return self.goal.value(record.score)

    def _is_better(self, record: TrialRecord, other: TrialRecord | None) -> bool:
        scores = [item.score for item in (record, other) if item is not None and item.score is not None]
        return len(scores) == 1 or self.goal.rank(scores[0]) < self.goal.rank(scores[1])
