"""Measures schemes one after the other, each on workers of its own, under the same arrivals and the same slowness."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from nercc_tune.service.asking import Questions, Seen, Session, measured, send, stretched
from nercc_tune.service.bench_results import BenchRun, BenchSettings
from nercc_tune.service.commands import Source, Tally
from nercc_tune.service.engine import Engine
from nercc_tune.service.http_service import http_service
from nercc_tune.service.load import Load, poisson
from nercc_tune.service.local_workers import LocalWorkers
from nercc_tune.service.machines import Machines, MeasuredService
from nercc_tune.service.measured import SOURCES
from nercc_tune.service.rivals import Rival
from nercc_tune.service.simulator import simulate
from nercc_tune.service.slowness import Slowness, Undisturbed
from nercc_tune.service.slowness_settings import make_slowness
from nercc_tune.service.status import TallyStatus
from nercc_tune.service.workers import Workers

__all__ = [
    "BenchPlan",
    "EngineBench",
    "Measure",
    "ServiceBench",
    "SimulatedBench",
    "StatedTime",
    "Trial",
    "local_workers",
    "measure_service",
    "run_bench",
    "trials",
]

_TIMEOUT_S = 30.0
_DRAIN_S = 35.0
_LIMIT = 10_000  # queries may wait: what cannot keep up shows it in its latencies
_LATE_PERCENT = 99
_UNTIMED = 10  # passes before service times count


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One measurement that is to be made.

    Attributes:
        seed: Of arrivals, questions and slowness; the same for all codes of a repeat.
    """

    code: str
    rate: float
    repeat: int
    seed: int


class Measure(Protocol):
    """Makes one measurement."""

    def __call__(self, trial: Trial) -> BenchRun:
        """Return what was measured.

        Raises:
            ServiceError: If it cannot be measured.
        """


def trials(settings: BenchSettings) -> Iterator[Trial]:
    """Yield all measurements, the repeats outermost: what drifts meanwhile meets all codes alike."""
    for repeat in range(settings.repeats):
        for rate in settings.rates:
            for code in settings.codes:
                yield Trial(code=code, rate=rate, repeat=repeat, seed=settings.seed + repeat)


def run_bench(settings: BenchSettings, measure: Measure) -> Iterator[BenchRun]:
    """Yield each measurement when it is finished."""
    return map(measure, trials(settings))


class StatedTime:
    """Lets an answer take a stated time, as if the model ran on a device elsewhere that this machine waits for.

    Workers that are made slow take as many times longer as they would, of the stated time.

    Args:
        slowness: What makes workers slow.
        seconds: From a worker's beginning to its answer; a network that takes longer itself is not made faster.
    """

    def __init__(self, slowness: Slowness, seconds: float) -> None:
        self._slowness = slowness
        self._seconds = seconds

    def extra_s(self, worker: int, number: int, now_s: float, service_s: float) -> float:
        """Return what is left of the stated time, and what the slowness adds to it."""
        left_s = max(0.0, self._seconds - service_s)
        return left_s + self._slowness.extra_s(worker, number, now_s, self._seconds)


OpenWorkers = Callable[[Sequence[nn.Module], Slowness], AbstractAsyncContextManager[Workers]]
"""Starts a worker for each network, made slow, and ends them all when the context ends."""


@asynccontextmanager
async def local_workers(networks: Sequence[nn.Module], slowness: Slowness) -> AsyncIterator[Workers]:
    """Start workers that are threads of this process; the engine that has them ends them."""
    yield LocalWorkers(networks, slowness=slowness)


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchPlan:
    """What is measured, however it is measured.

    Attributes:
        settings: What was asked for.
        rivals: By name of the code.
        questions: What is asked.
        arrivals_s: Of a trace that is stretched to each rate; None for Poisson arrivals.
        slow_by: What makes workers slow, as `make_slowness` reads it; the settings name a trace without its place.
    """

    settings: BenchSettings
    rivals: Mapping[str, Rival]
    questions: Questions
    arrivals_s: NDArray[np.float64] | None = None
    slow_by: str = "none"

    def load(self, trial: Trial) -> Load:
        """Return the arrivals of a measurement."""
        if self.arrivals_s is not None:
            return stretched(self.arrivals_s[: self.settings.queries], trial.rate)
        return poisson(trial.rate, self.settings.queries, seed=trial.seed)

    def session(self, trial: Trial) -> Session:
        """Return the arrivals of a measurement with what is asked."""
        questions, warm_up = len(self.questions.queries), self.settings.warm_up
        return Session.drawn(self.load(trial), questions=questions, seed=trial.seed, warm_up=warm_up)

    def keep(self, trial: Trial, seen: Seen, session: Session, *, scheme: str, tally: Tally) -> BenchRun:
        """Return what was seen as a run."""
        found = measured(seen, session, self.questions, scheme=scheme, tally=tally)
        late_s = float(np.percentile(seen.late_s[session.first :], _LATE_PERCENT))
        return BenchRun.of(
            found, code=trial.code, repeat=trial.repeat, seed=trial.seed, late_s=late_s, refusals=seen.refusals
        )

    def slowness(self, trial: Trial) -> Slowness:
        """Return what makes the workers slow in a measurement.

        Raises:
            SpecError: If it cannot be meant, or not for so many workers.
            TraceError: If its trace cannot be used.
        """
        workers = self.rivals[trial.code].scheme.workers
        return make_slowness(self.slow_by, workers=workers, seed=trial.seed)


@dataclass(frozen=True, kw_only=True, eq=False)
class EngineBench:
    """Measures an engine with workers that are really there.

    Attributes:
        open_workers: Starts them, new ones for each measurement.
    """

    plan: BenchPlan
    open_workers: OpenWorkers = local_workers

    def __call__(self, trial: Trial) -> BenchRun:
        """Return what was measured."""
        return asyncio.run(self._measure(trial))

    async def _measure(self, trial: Trial) -> BenchRun:
        rival = self.plan.rivals[trial.code]
        session = self.plan.session(trial)
        async with self.open_workers(
            rival.networks, _with_time(self.plan.slowness(trial), self.plan.settings.service_ms)
        ) as workers:
            engine = Engine(rival.scheme, rival.codec, workers, timeout_s=_TIMEOUT_S, limit=_LIMIT)
            try:
                seen = await send(engine, session, self.plan.questions)
            finally:
                await engine.close(_DRAIN_S)
            tally = _tally(engine.status.tally)
        return self.plan.keep(trial, seen, session, scheme=rival.scheme.name, tally=tally)


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceBench:
    """Measures a service that runs already, over HTTP; what its workers burn is not known here.

    Attributes:
        url: Of its entrance.
    """

    plan: BenchPlan
    url: str

    def __call__(self, trial: Trial) -> BenchRun:
        """Return what was measured."""
        return asyncio.run(self._measure(trial))

    async def _measure(self, trial: Trial) -> BenchRun:
        session = self.plan.session(trial)
        async with http_service(self.url) as service:
            seen = await send(service, session, self.plan.questions)
        answered = {source: int((seen.sources == SOURCES.index(source)).sum()) for source in Source}
        tally = Tally(replies=answered, refused=int((seen.sources == SOURCES.index(None)).sum()))
        return self.plan.keep(trial, seen, session, scheme=trial.code, tally=tally)


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedBench:
    """Simulates what an engine would do: the same front, arrivals and slowness, on a clock of its own.

    Attributes:
        service_s: [n] how long tasks take undisturbed, measured or stated.
    """

    plan: BenchPlan
    service_s: NDArray[np.float64]

    def __call__(self, trial: Trial) -> BenchRun:
        """Return what was simulated; nothing is answered but times."""
        machines = Machines(
            service=MeasuredService(self.service_s, seed=trial.seed), slowness=self.plan.slowness(trial)
        )
        found = simulate(
            self.plan.rivals[trial.code].scheme,
            self.plan.load(trial),
            machines=machines,
            warm_up=self.plan.settings.warm_up,
            timeout_s=_TIMEOUT_S,
        )
        return BenchRun.of(found, code=trial.code, repeat=trial.repeat, seed=trial.seed)


def measure_service(network: nn.Module, queries: Tensor, *, service_ms: float | None = None) -> NDArray[np.float64]:
    """Return how long a worker of this process takes for each of some queries [n, …], one after the other.

    Args:
        network: What it runs.
        queries: Some of them are sent before, and not timed.
        service_ms: As of `BenchSettings`.
    """

    async def measure() -> list[float]:
        workers, untimed, taken = (
            LocalWorkers([network], slowness=_with_time(Undisturbed(), service_ms)),
            queries[:_UNTIMED],
            [],
        )
        try:
            for query in (*untimed, *queries):
                begun = time.perf_counter()
                await workers.run(0, query)
                taken.append(time.perf_counter() - begun)
        finally:
            await workers.close()
        return taken[len(untimed) :]

    return np.array(asyncio.run(measure()))


def _with_time(slowness: Slowness, service_ms: float | None) -> Slowness:
    return slowness if service_ms is None else StatedTime(slowness, service_ms / 1e3)


def _tally(status: TallyStatus) -> Tally:
    counts = {name: value for name, value in vars(status).items() if name != "replies"}
    return replace(Tally(**counts), replies={source: status.replies[source.value] for source in Source})
