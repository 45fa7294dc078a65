"""Straggler models in which the number of stragglers is itself random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nercc_tune.straggling.arrivals import Arrivals, check_masks
from nercc_tune.straggling.latency import LatencyModel


class RandomCountModel(Protocol):
    """Draws masks whose number of stragglers varies from mask to mask."""

    @property
    def workers(self) -> int:
        """The number N of workers."""

    @property
    def limit(self) -> int | None:
        """The number of masks that there are, or None where any number can be drawn."""

    def draw(self, *, masks: int, seed: int) -> Arrivals:
        """Draw M masks over N workers; in each of them somebody arrives.

        Raises:
            ValueError: If not masks ≥ 1.
        """


@dataclass(frozen=True, kw_only=True)
class Independent:
    """Each worker straggles with probability p on its own, given that not all of them do.

    The set A ≠ ∅ arrives with probability p^(N − |A|) (1 − p)^|A| / (1 − p^N): a mask in which nobody arrives counts as
    not drawn. Workers are drawn one after the other, the chance of each given that somebody must still arrive, so that
    no mask is ever thrown away.

    Raises:
        ValueError: If not 0 ≤ p < 1 or not N ≥ 1.
    """

    workers: int
    probability: float

    def __post_init__(self) -> None:
        if not self.workers >= 1:
            raise ValueError(f"`workers` must be at least 1, but got {self.workers}.")
        if not 0 <= self.probability < 1:
            raise ValueError(
                f"`probability` of straggling must be in [0, 1), so that somebody can arrive, "
                f"but got {self.probability}."
            )

    @property
    def limit(self) -> int | None:
        """Any number of masks can be drawn."""
        return None

    def draw(self, *, masks: int, seed: int) -> Arrivals:  # noqa: D102 - as the protocol says
        check_masks(masks)
        luck = np.random.default_rng(seed).random((masks, self.workers))
        workers = np.arange(self.workers)
        if_nobody_yet = (1 - self.probability) / (1 - self.probability ** (self.workers - workers))
        first = (luck < if_nobody_yet).argmax(axis=1)[:, None]
        return Arrivals(arrived=(workers == first) | (luck < 1 - self.probability))


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """The service waits until a deadline, and beyond it only where nobody has answered: then for the first answer.

    Those with latency ≤ deadline arrive. The waiting time is min(deadline, slowest latency), or the fastest latency
    where that lies beyond the deadline. A latency model with finitely many iterations raises its own error where more
    masks are asked for.

    Raises:
        ValueError: If the deadline, in the unit of the latencies, is not positive and finite.
    """

    latency: LatencyModel
    deadline: float

    def __post_init__(self) -> None:
        if not 0 < self.deadline < math.inf:
            raise ValueError(f"`deadline` must be positive and finite, but got {self.deadline}.")

    @property
    def workers(self) -> int:
        """The number N of workers."""
        return self.latency.workers

    @property
    def limit(self) -> int | None:
        """The number of iterations that the latency model has."""
        return self.latency.limit

    def draw(self, *, masks: int, seed: int) -> Arrivals:  # noqa: D102 - as the protocol says
        check_masks(masks)
        latencies = self.latency.sample(masks, seed=seed)
        is_first = np.arange(self.workers) == latencies.argmin(axis=1)[:, None]
        waiting = np.clip(self.deadline, latencies.min(axis=1), latencies.max(axis=1))
        return Arrivals(arrived=(latencies <= self.deadline) | is_first, waiting=waiting)
