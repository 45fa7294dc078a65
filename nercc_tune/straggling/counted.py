"""Straggler models for a given number S of stragglers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nercc_tune.straggling.arrivals import Arrivals, check_masks
from nercc_tune.straggling.latency import LatencyModel


class CountedModel(Protocol):
    """Draws masks in which exactly S workers straggle."""

    @property
    def workers(self) -> int:
        """The number N of workers."""

    def draw(self, stragglers: int, *, masks: int, seed: int) -> Arrivals:
        """Draw M masks over N workers with S stragglers each.

        Unless the model says otherwise, the masks of one seed are nested in S: mask m with a larger S loses the same
        workers and more. Curves over S are then compared on the same luck.

        Raises:
            ValueError: If not 0 ≤ S < N or not masks ≥ 1.
        """


def _check_workers(workers: int) -> None:
    if not workers >= 1:
        raise ValueError(f"`workers` must be at least 1, but got {workers}.")


def _check_draw(stragglers: int, *, workers: int, masks: int) -> None:
    if not 0 <= stragglers < workers:
        raise ValueError(f"`0 <= stragglers < workers` must hold, but got {stragglers} of {workers}.")
    check_masks(masks)


def _lose(lost: NDArray[np.int64], *, workers: int) -> NDArray[np.bool_]:
    """Turn the numbers of the lost workers [M, S] into masks [M, N]."""
    arrived = np.ones((len(lost), workers), dtype=np.bool_)
    np.put_along_axis(arrived, lost, values=False, axis=1)
    return arrived


@dataclass(frozen=True, kw_only=True)
class Exactly:
    """Every set of S workers is equally likely to straggle.

    Raises:
        ValueError: If not N ≥ 1.
    """

    workers: int

    def __post_init__(self) -> None:
        _check_workers(self.workers)

    def draw(self, stragglers: int, *, masks: int, seed: int) -> Arrivals:  # noqa: D102 - as the protocol says
        _check_draw(stragglers, workers=self.workers, masks=masks)
        rng = np.random.default_rng(seed)
        lost = np.stack([rng.permutation(self.workers)[:stragglers] for _ in range(masks)])
        return Arrivals(arrived=_lose(lost, workers=self.workers))


@dataclass(frozen=True, kw_only=True)
class Bursts:
    """Racks fail together: r workers with consecutive numbers share a rack, and racks are lost one after the other.

    Racks are lost in a random order, the workers of a rack in ascending order, so that only the last rack to be hit is
    lost in part. Where r does not divide N the last rack is smaller. Racks of one worker give the masks of `Exactly`.

    Raises:
        ValueError: If not 1 ≤ r ≤ N.
    """

    workers: int
    rack: int

    def __post_init__(self) -> None:
        if not 1 <= self.rack <= self.workers:
            raise ValueError(f"`1 <= rack <= workers` must hold, but got racks of {self.rack} of {self.workers}.")

    def draw(self, stragglers: int, *, masks: int, seed: int) -> Arrivals:  # noqa: D102 - as the protocol says
        _check_draw(stragglers, workers=self.workers, masks=masks)
        rng = np.random.default_rng(seed)
        racks = np.split(np.arange(self.workers), range(self.rack, self.workers, self.rack))
        orders = (rng.permutation(len(racks)) for _ in range(masks))
        lost = np.stack([np.concatenate([racks[number] for number in order])[:stragglers] for order in orders])
        return Arrivals(arrived=_lose(lost, workers=self.workers))


@dataclass(frozen=True, kw_only=True)
class WorstOf:
    """Bad luck: of a sample of uniform masks, the one with the longest run of consecutive stragglers.

    Each mask is chosen from a sample of its own; of equally long runs the first wins. The masks of one seed are not
    nested in S, because another mask of the sample may be the worst for another S.

    Raises:
        ValueError: If not N ≥ 1 or not sample ≥ 1.
    """

    workers: int
    sample: int

    def __post_init__(self) -> None:
        _check_workers(self.workers)
        if not self.sample >= 1:
            raise ValueError(f"`sample` must be at least 1, but got {self.sample}.")

    def draw(self, stragglers: int, *, masks: int, seed: int) -> Arrivals:  # noqa: D102 - as the protocol says
        _check_draw(stragglers, workers=self.workers, masks=masks)
        rng = np.random.default_rng(seed)
        return Arrivals(arrived=np.stack([self._draw_worst(stragglers, rng=rng) for _ in range(masks)]))

    def _draw_worst(self, stragglers: int, *, rng: np.random.Generator) -> NDArray[np.bool_]:
        orders = rng.permuted(np.tile(np.arange(self.workers), (self.sample, 1)), axis=1)
        sample = Arrivals(arrived=_lose(orders[:, :stragglers], workers=self.workers))
        worst: NDArray[np.bool_] = sample.arrived[sample.longest_runs.argmax()]
        return worst


@dataclass(frozen=True, kw_only=True)
class FirstArrivals:
    """The service waits for the first N − S answers; the waiting time is the latency of the last of them.

    Of equal latencies the smaller worker number counts as the earlier one. Where fewer answers ever come, all of them
    are waited for and the others have not arrived; how long the service waits is then unknown, and so is the mean. A
    latency model with finitely many iterations raises its own error where more masks are asked for.
    """

    latency: LatencyModel

    @property
    def workers(self) -> int:
        """The number N of workers."""
        return self.latency.workers

    def draw(self, stragglers: int, *, masks: int, seed: int) -> Arrivals:  # noqa: D102 - as the protocol says
        _check_draw(stragglers, workers=self.workers, masks=masks)
        latencies = self.latency.sample(masks, seed=seed)
        order = latencies.argsort(axis=1, kind="stable")
        arrivals = self.workers - stragglers
        waiting = np.take_along_axis(latencies, order[:, arrivals - 1 : arrivals], axis=1)[:, 0]
        arrived = _lose(order[:, arrivals:], workers=self.workers) & np.isfinite(latencies)
        return Arrivals(arrived=arrived, waiting=waiting if np.isfinite(waiting).all() else None)
