"""One scheme that may be chosen, and what simulations say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from nercc_tune.planning.capacity import mean_task_s, overload
from nercc_tune.planning.expected_agreement import ExpectedAgreement
from nercc_tune.planning.kinds import SIZE, Kind, Value
from nercc_tune.service.load import poisson
from nercc_tune.service.machines import ConstantService, Machines
from nercc_tune.service.measured import Measured
from nercc_tune.service.plan_goals import TAILS, Conditions
from nercc_tune.service.plan_record import Tried
from nercc_tune.service.scheme import Scheme
from nercc_tune.service.scheme_settings import SchemeSettings
from nercc_tune.service.simulator import simulate
from nercc_tune.service.slowness_settings import read_slowness

__all__ = ["Candidate", "Draws", "Ground", "Stage"]

_WARM_UP = 0.1  # of the queries
_PREFIX = 0.2  # of them: what is hopeless already is given up
_OVERLOADED = 1.05  # means of a hundred tasks are a few per cent off


class Stage(IntEnum):
    """What draws are for: nothing is promised from those by which it was found or chosen."""

    SEARCH = 0
    CHOICE = 1
    PROMISE = 2


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Which arrivals and which slowness are drawn.

    Attributes:
        stage: What for.
        attempt: How often something was promised before that did not hold; of other stages 0.
        repeat: Which of several.
    """

    stage: Stage
    attempt: int = 0
    repeat: int = 0

    def seeds(self, seed: int) -> tuple[int, int]:
        """Return the seeds of arrivals and slowness."""
        source = np.random.SeedSequence([seed, self.stage, self.attempt, self.repeat])
        arrivals, slowness = source.generate_state(2)
        return int(arrivals), int(slowness)


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A scheme of a kind at a size.

    Attributes:
        kind: Of which kind.
        chosen: The size, and the rest by the parameters of the kind.
        settings: The same as settings.
        scheme: The same as a scheme.
        expected: How often its decoded answers agree; None where nothing is decoded.
    """

    kind: Kind
    chosen: Mapping[str, Value]
    settings: SchemeSettings
    scheme: Scheme
    expected: ExpectedAgreement | None

    @classmethod
    def of(cls, kind: Kind, chosen: Mapping[str, Value]) -> Candidate:
        """Return what was chosen of a kind.

        Raises:
            NerccTuneError: If its table cannot be used for it.
        """
        settings = kind.settings(chosen)
        scheme = kind.scheme(settings)
        return cls(kind=kind, chosen=chosen, settings=settings, scheme=scheme, expected=kind.agreement(scheme))

    @property
    def workers(self) -> int:
        """How many it takes."""
        return self.scheme.workers

    def larger(self) -> Candidate | None:
        """Return the next size; None beyond the largest."""
        size = int(self.chosen[SIZE]) + 1
        return Candidate.of(self.kind, {**self.chosen, SIZE: size}) if size <= self.kind.largest else None

    def agreement(self, measured: Measured, *, bound: str = "mean") -> float:
        """Return how many of the answers agree: `mean`, or the table's bound `low` or `high`."""
        return 1.0 if self.expected is None else self.expected.share_of(measured, bound=bound)

    def as_tried(self, measured: Measured, *, is_cut: bool) -> Tried:
        """Return what a simulation of it saw."""
        tally = measured.tally
        return Tried(
            kind=self.kind.name,
            settings=self.settings,
            workers=self.workers,
            tails_s={name: measured.percentile_s(percent) for name, percent in TAILS.items()},
            agreement=self.agreement(measured),
            worker_s=tally.busy_s / (sum(tally.replies.values()) + tally.refused),
            is_cut=is_cut,
        )


class Ground:
    """Simulates candidates under the conditions of a plan.

    Which worker takes which column of a trace is drawn, too: nobody knows beforehand who will be slow, and few workers
    must not look good since the first columns of a trace happen to be fast.

    Args:
        conditions: What the plan is for.

    Raises:
        SpecError: If the slowness cannot be meant.
        TraceError: If its trace cannot be used.
    """

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self._slowness = read_slowness(conditions.slowness, is_shuffled=True)

    def machines(self, workers: int, draws: Draws) -> Machines:
        """Return what a scheme runs on."""
        _, seed = draws.seeds(self.conditions.seed)
        service = ConstantService(each_s=self.conditions.service_s)
        return Machines(service=service, slowness=self._slowness(workers, seed))

    def overload(self, candidate: Candidate, draws: Draws) -> float:
        """Return how many times more comes than its workers can do, and 1 where that is not sure."""
        rate, workers = self.conditions.rate, candidate.workers
        horizon_s = self.conditions.queries / rate
        task_s = mean_task_s(self.machines(workers, draws), workers=workers, horizon_s=horizon_s)
        found = overload(candidate.scheme, rate, task_s=task_s)
        return found if found > _OVERLOADED else 1.0

    def run(self, candidate: Candidate, draws: Draws, *, queries: int | None = None) -> Measured:
        """Simulate it; fewer queries than the conditions have are the first of them."""
        count = self.conditions.queries if queries is None else queries
        first = int(_WARM_UP * self.conditions.queries)
        seed, _ = draws.seeds(self.conditions.seed)
        load = poisson(self.conditions.rate, count, seed=seed)
        return simulate(candidate.scheme, load, machines=self.machines(candidate.workers, draws), warm_up=first / count)

    def run_unless_hopeless(self, candidate: Candidate, draws: Draws) -> tuple[Measured, bool]:
        """Simulate it, or only its first part if that holds more late queries than all may have; say whether so."""
        begin = self.run(candidate, draws, queries=int(_PREFIX * self.conditions.queries))
        if self._is_hopeless(begin):
            return begin, True
        return self.run(candidate, draws), False

    def _is_hopeless(self, begin: Measured) -> bool:
        """Whether more queries are late than may be of all; what comes after the last ones hardly changes them."""
        in_all = self.conditions.queries - int(_WARM_UP * self.conditions.queries)
        limits = self.conditions.goals.limits_s
        return any(
            (begin.latency_s > limit).sum() > (1 - TAILS[name] / 100) * in_all + 1 for name, limit in limits.items()
        )
