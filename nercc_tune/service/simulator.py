"""Runs the front of a service on a clock of its own, where workers are only numbers."""

from __future__ import annotations

import heapq
import math
from typing import Literal

import numpy as np

from nercc_tune.service.commands import Refuse, Reply, Run
from nercc_tune.service.front import Front
from nercc_tune.service.load import Load
from nercc_tune.service.machines import Machines
from nercc_tune.service.measured import SOURCES, Measured
from nercc_tune.service.scheme import Scheme

_Happening = Literal["ends", "returns", "dies"]

_REFUSED = SOURCES.index(None)
_PLACES = {source: place for place, source in enumerate(SOURCES)}


def simulate(
    scheme: Scheme, load: Load, *, machines: Machines, warm_up: float = 0.1, timeout_s: float = math.inf
) -> Measured:
    """Return what a service would measure: it answers all queries of a load, and ends what it began.

    The very `Front` of the service decides, told of arrivals, answers, deaths and its timers in the order of time. All
    chance is in the load and the machines, which draw by worker and number; the result is theirs.

    Args:
        scheme: How the workers are used.
        load: When queries come.
        machines: How long tasks take, and who is killed.
        warm_up: The share of queries, from the first on, that are answered but not measured.
        timeout_s: As of `Front`.

    Raises:
        ValueError: If not 0 ≤ warm_up < 1, or a death is of no worker.
    """
    if not 0 <= warm_up < 1:
        raise ValueError(f"`warm_up` must be in [0, 1), but got {warm_up}.")
    for death in machines.deaths:
        if not 0 <= death.worker < scheme.workers:
            raise ValueError(f"`worker` must be one of {scheme.workers} workers, but got {death.worker}.")
    simulation = _Simulation(Front(scheme, timeout_s=timeout_s), load, machines)
    simulation.run()
    return simulation.measured(first=int(warm_up * len(load.arrivals_s)))


class _Simulation:
    def __init__(self, front: Front, load: Load, machines: Machines) -> None:
        self._front = front
        self._load = load
        self._machines = machines
        self._arrivals: list[float] = load.arrivals_s.tolist()
        self._latency_s = [math.inf] * len(self._arrivals)
        self._sources = [_REFUSED] * len(self._arrivals)
        self._answers = [0] * len(self._arrivals)
        self._begun = [0] * front.scheme.workers  # how many tasks each worker has begun
        self._deaths = [0] * front.scheme.workers  # how often it died: what it ran before never ends
        self._is_dead = [False] * front.scheme.workers
        self._events: list[tuple[float, int, _Happening, int, float]] = []
        self._count = 0
        self._now = 0.0
        self._told_s = self._arrivals[-1]  # when the last query was answered or refused

    def run(self) -> None:
        """Let everything happen that the load brings about."""
        for death in self._machines.deaths:
            self._plan(death.at_s, "dies", death.worker, death.back_s)
        front, events = self._front, self._events
        for query, at in enumerate(self._arrivals):
            while front.next_timer <= at or (events and events[0][0] <= at):
                self._let_next_happen()
            self._now = at
            front.submit(query, at)
            self._obey()
        while front.waiting or front.next_timer < math.inf or events:
            self._let_next_happen()

    def measured(self, *, first: int) -> Measured:
        """Return what was seen of the queries from one on."""
        return Measured(
            scheme=self._front.scheme.name,
            rate=self._load.rate,
            seconds=self._told_s - self._arrivals[first],
            latency_s=np.array(self._latency_s[first:]),
            sources=np.array(self._sources[first:], dtype=np.int8),
            tally=self._front.tally,
            answers=np.array(self._answers[first:], dtype=np.int32),
        )

    def _plan(self, at: float, happening: _Happening, worker: int, value: float) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, happening, worker, value))

    def _let_next_happen(self) -> None:
        front = self._front
        if not self._events or front.next_timer < self._events[0][0]:
            self._now = front.next_timer
            front.tick(self._now)
        else:
            self._now, _, happening, worker, value = heapq.heappop(self._events)
            if happening == "ends":
                if value != self._deaths[worker]:
                    return
                front.finish(worker, self._now)
            elif happening == "returns":
                self._is_dead[worker] = False
                front.come_back(worker, self._now)
            elif not self._is_dead[worker]:
                self._is_dead[worker] = True
                self._deaths[worker] += 1
                self._plan(self._now + value, "returns", worker, 0.0)
                front.leave(worker, self._now)
        self._obey()

    def _obey(self) -> None:
        now = self._now
        for command in self._front.commands():
            if isinstance(command, Run):
                worker = command.worker
                takes_s = self._machines.task_s(worker, self._begun[worker], now)
                self._begun[worker] += 1
                self._plan(now + takes_s, "ends", worker, self._deaths[worker])
            elif isinstance(command, Reply | Refuse):
                self._told_s = max(self._told_s, now)
                self._latency_s[command.query] = now - self._arrivals[command.query]
                if isinstance(command, Reply):
                    self._sources[command.query] = _PLACES[command.source]
                    self._answers[command.query] = len(command.tasks)
