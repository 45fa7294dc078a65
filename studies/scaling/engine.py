"""A simulation of workers that search one study."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .clock import Clock, Process, Resource
from .costs import DESIGNED, READING, Costs

SPREAD = 0.1  # of the logarithm of a forward
SWEEP_S, PAUSES_S = 10.0, (0.02, 1.0)  # default of `storage.heartbeat_s`, and the pauses of nercc_tune.tuning.search
USUAL = 2  # trials that a lone worker reads each time: its last one and the new one
BEGINNING, ENDING = ("take", "sample", "add"), ("tell", "add", "finish")
LOSSES = {
    "lock": "waiting for the lock of a study",
    "queue": "waiting for the database",
    "reading": "reading what others did",
    "growth": "going through all proposals",
    "plan": "waiting for the plans of others",
    "client": "client",
    "database": "database",
    "network": "network",
    "decoding": "decoding",
    "forward": "forward",
    "end": "waiting for the last one",
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A study, and the machines that search it.

    Attributes:
        forward_s: Mean time of a forward; `decode_s` is that of decoding one cell.
        trip_s: Round trip to the database.
        cores: Those of the database; with `is_shared` the workers have no others.
    """

    workers: int
    proposals: int
    forward_s: float
    trip_s: float = 0.0002  # in a rack
    cells: int = 1
    cores: int = 4
    decode_s: float = 0.08  # studies/README.md, "What a search costs"
    seed: int = 0
    is_shared: bool = False


@dataclass(eq=False)
class Trials:
    """The trials of an Optuna study and its lock; what a worker saw of it last is how many were begun and ended."""

    lock: Resource
    begun: int = 0
    ended: int = 0
    seen: dict[int, tuple[int, int]] = field(default_factory=dict)

    def read(self, worker: int) -> int:
        """Return how many trials a worker reads beyond those that a lone one reads."""
        _, ended = self.seen.get(worker, (0, 0))
        self.seen[worker] = self.begun, self.ended
        return max(0, self.begun - ended - USUAL)  # new ones, and those that were unfinished


class Simulation:
    """Workers that search one study.

    Attributes:
        ends: When the proposals were finished.
        spent: Worker seconds by what they went into.
    """

    def __init__(self, setting: Setting, costs: Costs, *, spread: float = SPREAD) -> None:
        self.setting, self.ends = setting, list[float]()
        self.spent = dict.fromkeys(LOSSES, 0.0)
        self._costs, self._clock = costs, Clock()
        self._database = Resource(self._clock, servers=setting.cores)
        self._ledger, *self._cells = (Trials(Resource(self._clock)) for _ in range(setting.cells + 1))
        self._unplanned, self._running = set[int](), set[int]()
        drawn = np.random.default_rng(setting.seed).lognormal(-(spread**2) / 2, spread, setting.proposals)
        self._forwards: list[float] = (setting.forward_s * drawn).tolist()
        for worker in range(setting.workers):
            self._clock.wake(self._work(worker))
        self._clock.run()
        self.total_s = self.ends[-1]
        self.spent["end"] = setting.workers * self.total_s - sum(self.spent.values())

    def _work(self, worker: int) -> Process:
        """Take proposals until none is left."""
        swept = 0.0
        while self._ledger.begun < self.setting.proposals:
            if self._clock.now - swept >= SWEEP_S:
                swept = self._clock.now
                yield from self._do("sweep", self._ledger, worker)
            for cell in self._cells if self.setting.workers > 1 else ():
                yield from self._do("refresh", cell, worker)
            number = yield from self._do("take", self._ledger, worker)
            if number < self.setting.proposals:
                yield from self._evaluate(number, worker)
        return 0

    def _evaluate(self, number: int, worker: int) -> Process:
        is_sampled, owner = number >= DESIGNED, self._cells[number % len(self._cells)]
        if is_sampled:
            yield from self._do("sample", owner, worker)
        yield from self._do("plan", self._ledger, worker)
        self._unplanned.discard(number)
        yield from self._settle(number, worker)
        if number != 1:  # whose outputs are those of proposal 0
            yield from self._pass("forward", self._forwards[number])
        for cell in self._cells:
            yield from self._compute("decoding", self.setting.decode_s)
            yield from self._do("tell" if is_sampled and cell is owner else "add", cell, worker)
        yield from self._do("finish", self._ledger, worker)
        self._running.discard(number)
        self.ends.append(self._clock.now)
        return number

    def _settle(self, number: int, worker: int) -> Process:
        """Wait until all that was begun before has its plan, and for the outputs of an equal one."""
        pause = PAUSES_S[0]
        while True:
            if min(self._running) < number:
                yield from self._do("look", self._ledger, worker)
            if min(self._unplanned, default=number) >= number and not (number == 1 and 0 in self._running):
                return number
            yield from self._pass("plan", pause)
            pause = min(2 * pause, PAUSES_S[1])
            yield from self._do("sweep", self._ledger, worker)

    def _do(self, name: str, trials: Trials, worker: int) -> Process:
        """Do an operation; return the number of the trial that it begins."""
        cost, number = self._costs[name], trials.begun
        if name in READING:
            extra = trials.read(worker)
            yield from self._read(extra, "lease" if trials is self._ledger else "trial")
            yield from self._read(extra if name == "refresh" else 0, "record")
        yield from self._compute("growth", cost.growth_s * trials.begun)
        held = (cost.held_cpu_s, cost.held_server_s, cost.held_trips)
        yield from self._call(cost.cpu_s - held[0], cost.server_s - held[1], cost.trips - held[2])
        if name in BEGINNING:
            yield from self._wait("lock", trials.lock)
            yield from self._call(*held)
            number, trials.begun = trials.begun, trials.begun + 1
            if trials is self._ledger and number < self.setting.proposals:
                self._running.add(number)
                self._unplanned.add(number)
            trials.lock.release()
        trials.ended += name in ENDING
        return number

    def _read(self, extra: int, kind: str) -> Process:
        yield from self._compute("reading", extra * self._costs[kind].cpu_s)
        return (yield from self._serve("reading", extra * self._costs[kind].server_s))

    def _call(self, cpu_s: float, server_s: float, trips: float) -> Process:
        yield from self._compute("client", cpu_s)
        yield from self._pass("network", trips * self.setting.trip_s)
        return (yield from self._serve("database", server_s))

    def _compute(self, what: str, seconds: float) -> Process:
        return (yield from (self._serve if self.setting.is_shared else self._pass)(what, seconds))

    def _serve(self, what: str, seconds: float) -> Process:
        if seconds > 0:
            yield from self._wait("queue", self._database)
            yield from self._pass(what, seconds)
            self._database.release()
        return 0

    def _wait(self, what: str, resource: Resource) -> Process:
        since = self._clock.now
        yield resource
        self.spent[what] += self._clock.now - since
        return 0

    def _pass(self, what: str, seconds: float) -> Process:
        if seconds > 0:
            self.spent[what] += seconds
            yield seconds
        return 0
