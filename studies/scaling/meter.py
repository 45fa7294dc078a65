"""The meter of operations on a storage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from statistics import median
from typing import Any

import numpy as np
import sqlalchemy
from optuna.storages import RDBStorage

from .costs import READING, Cost

Moment = tuple[float, float, float]
"""Wall seconds, CPU seconds, round trips."""

PARTS = tuple(item.name for item in fields(Cost))[:-1]


class Meter:
    """Times operations on a storage, counts their round trips, and sees when the lock of a study is held."""

    def __init__(self, storage: RDBStorage) -> None:
        self.samples: dict[str, list[tuple[Moment, Moment]]] = {}
        self._trips = 0
        self._since: Moment | None = None
        self._held: Moment = (0.0, 0.0, 0.0)
        for event in ("begin", "before_cursor_execute"):
            sqlalchemy.event.listen(storage.engine, event, self._count)
        sqlalchemy.event.listen(storage.engine, "after_cursor_execute", self._look)
        dialect = storage.engine.dialect
        for name in ("do_ping", "do_commit", "do_rollback"):
            setattr(dialect, name, self._counted(getattr(dialect, name)))

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add a sample of an operation: the whole, and the part under a lock."""
        self._held, start = (0.0, 0.0, 0.0), self._now()
        yield
        self.samples.setdefault(name, []).append((_minus(self._now(), start), self._held))

    def cost(self, name: str, *, quantile: float = 0.5) -> Cost:
        """Return a quantile of each part of an operation's cost."""
        whole, held = np.moveaxis(np.array(self.samples[name]), 1, 0)
        parts = [values for wall, cpu, trips in (whole.T, held.T) for values in (cpu, wall - cpu, trips)]
        return Cost(**{part: float(np.quantile(values, quantile)) for part, values in zip(PARTS, parts, strict=True)})

    def fitted(self, name: str) -> Cost:
        """Return the median cost; where all proposals are gone through, with the growth of the CPU time in them."""
        cost, each = self.cost(name), [cpu for (_, cpu, _), _ in self.samples[name]]
        half, proposals = len(each) // 2, len(self.samples["take"])
        if name not in READING or half == 0:
            return cost
        growth = max(0.0, (median(each[half:]) - median(each[:half])) / (proposals / 2))
        return replace(cost, cpu_s=cost.cpu_s - growth * proposals / 2, growth_s=growth)

    def _now(self) -> Moment:
        return time.perf_counter(), time.thread_time(), self._trips

    def _count(self, *_: object) -> None:
        self._trips += 1

    def _look(self, *event: Any) -> None:
        if "FROM studies" in event[2] and "FOR UPDATE" in event[2]:
            self._since = self._now()

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self._trips += 1
            answer = call(*arguments)
            if self._since is not None:
                self._held, self._since = _minus(self._now(), self._since), None
            return answer

        return counted


def _minus(later: Moment, earlier: Moment) -> Moment:
    return later[0] - earlier[0], later[1] - earlier[1], later[2] - earlier[2]
