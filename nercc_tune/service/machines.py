"""What a simulated service runs on: how long tasks take, and what slows workers down or kills them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nercc_tune.service.drawn import Stream, drawn_by, drawn_from
from nercc_tune.service.slowness import Slowness, Undisturbed
from nercc_tune.straggling import LatencyModel


class Service(Protocol):
    """Says how long tasks take undisturbed, the same wherever it is asked."""

    def seconds(self, worker: int, number: int) -> float:
        """Return how long a worker's task takes, the number of which says how many it has run before."""


@dataclass(frozen=True, kw_only=True)
class ConstantService:
    """Every task takes as long.

    Raises:
        ValueError: If not each_s > 0.
    """

    each_s: float

    def __post_init__(self) -> None:
        if not 0 < self.each_s < math.inf:
            raise ValueError(f"`each_s` must be positive and finite, but got {self.each_s}.")

    def seconds(self, worker: int, number: int) -> float:  # noqa: D102, ARG002
        return self.each_s


class MeasuredService:
    """Each task takes as long as one of those that were measured, drawn independently.

    Args:
        measured_s: [n] how long they took.
        seed: Decides which.

    Raises:
        ValueError: If there are none, or one is not positive and finite.
    """

    def __init__(self, measured_s: NDArray[np.float64], *, seed: int) -> None:
        if not (measured_s.ndim == 1 and len(measured_s) and np.all((measured_s > 0) & np.isfinite(measured_s))):
            raise ValueError(f"`measured_s` must be positive and finite times, but got {measured_s}.")
        self._drawn = drawn_by(lambda rng, count: rng.choice(measured_s, count), seed=seed, stream=Stream.SERVICE)

    def seconds(self, worker: int, number: int) -> float:  # noqa: D102
        return self._drawn.at(worker, number)


class LawService:
    """Each task takes as long as a latency model says, such as a law or a part of a trace, in seconds.

    Args:
        model: Of the latencies.
        seed: Decides all draws.
        unit_s: How many seconds its unit has.

    Raises:
        ValueError: If not unit_s > 0.
    """

    def __init__(self, model: LatencyModel, *, seed: int, unit_s: float = 1.0) -> None:
        if not 0 < unit_s < math.inf:
            raise ValueError(f"`unit_s` must be positive and finite, but got {unit_s}.")
        self._drawn = drawn_from(model, seed=seed, stream=Stream.SERVICE)
        self._unit_s = unit_s

    def seconds(self, worker: int, number: int) -> float:  # noqa: D102
        return self._drawn.at(worker, number) * self._unit_s


@dataclass(frozen=True, kw_only=True)
class Death:
    """A worker that is killed, and started again.

    Attributes:
        worker: Which.
        at_s: When it is killed; nothing happens if it is dead then.
        back_s: How long it takes until it is there again.

    Raises:
        ValueError: If not at_s ≥ 0 and back_s > 0.
    """

    worker: int
    at_s: float
    back_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.at_s < math.inf:
            raise ValueError(f"`at_s` must be at least 0 and finite, but got {self.at_s}.")
        if not 0 < self.back_s < math.inf:
            raise ValueError(f"`back_s` must be positive and finite, but got {self.back_s}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Machines:
    """What a service runs on.

    Attributes:
        service: How long tasks take undisturbed.
        slowness: What makes them longer.
        overhead_s: How long a worker is not free for each task beside running it: front and transport.
        deaths: Who is killed when.

    Raises:
        ValueError: If not overhead_s ≥ 0.
    """

    service: Service
    slowness: Slowness = field(default_factory=Undisturbed)
    overhead_s: float = 0.0
    deaths: Sequence[Death] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.overhead_s < math.inf:
            raise ValueError(f"`overhead_s` must be at least 0 and finite, but got {self.overhead_s}.")

    def task_s(self, worker: int, number: int, now_s: float) -> float:
        """Return how long a task takes in all that a worker begins now."""
        service_s = self.service.seconds(worker, number)
        return self.overhead_s + service_s + self.slowness.extra_s(worker, number, now_s, service_s)
