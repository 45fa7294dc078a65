"""Laws of the time that each worker takes to answer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray
from scipy import special
from typing_extensions import override

# Keeps the stream of the workers' speeds apart from that of an iteration drawn with the same seed.
_SPEED_STREAM = 1
_DOUBLES = np.finfo(np.float64)


class LatencyModel(Protocol):
    """Draws the latencies of all workers, iteration by iteration."""

    @property
    def workers(self) -> int:
        """The number N of workers."""

    @property
    def limit(self) -> int | None:
        """The number of iterations that there are, or None where any number can be sampled."""

    def sample(self, iterations: int, *, seed: int) -> NDArray[np.float64]:
        """Sample latencies [iterations, N]; fewer iterations are the first of more.

        They are positive, and infinite where an answer never comes; in each iteration one comes.

        Raises:
            ValueError: If not iterations ≥ 1.
            TraceError: If there are not so many.
        """


def check_iterations(iterations: int) -> None:
    """Refuse a number of iterations that is no number of iterations.

    Raises:
        ValueError: If not iterations ≥ 1.
    """
    if not iterations >= 1:
        raise ValueError(f"`iterations` must be at least 1, but got {iterations}.")


def _check_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"`{name}` must be positive and finite, but got {number}.")


@dataclass(frozen=True, kw_only=True)
class Law(ABC):
    """A law in closed form, of which any number of iterations can be sampled.

    Latencies beyond the range of float64 become the smallest or largest of its normal numbers.

    Raises:
        ValueError: If not N ≥ 1, or a parameter is out of its range.
    """

    workers: int

    def __post_init__(self) -> None:
        if not self.workers >= 1:
            raise ValueError(f"`workers` must be at least 1, but got {self.workers}.")

    @property
    def limit(self) -> int | None:
        """Any number of iterations can be sampled."""
        return None

    @final
    def sample(self, iterations: int, *, seed: int) -> NDArray[np.float64]:  # noqa: D102 - as the protocol says
        check_iterations(iterations)
        with np.errstate(over="ignore"):
            latencies = self._draw(iterations, rng=np.random.default_rng(seed))
        return np.clip(latencies, _DOUBLES.tiny, _DOUBLES.max)

    @abstractmethod
    def _draw(self, iterations: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw [iterations, N]."""


@dataclass(frozen=True, kw_only=True)
class ShiftedExponential(Law):
    """T = shift + E / rate with E ~ Exp(1), equal and independent for all workers: P(T > t) = exp(−rate (t − shift)).

    Reference:
        Lee et al. 2018, Speeding Up Distributed Machine Learning Using Codes, arXiv 1512.02673.
    """

    shift: float
    rate: float

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(shift=self.shift, rate=self.rate)

    @override
    def _draw(self, iterations: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
        return self.shift + rng.standard_exponential((iterations, self.workers)) / self.rate


@dataclass(frozen=True, kw_only=True)
class Pareto(Law):
    """P(T > t) = (scale / t)^shape for t ≥ scale, equal and independent for all workers: a heavy tail.

    The mean is infinite for shape ≤ 1, the variance for shape ≤ 2.

    Reference:
        Wang, Joshi and Wornell 2015, Using Straggler Replication to Reduce Latency in Large-scale Parallel Computing,
        arXiv 1503.03128.
    """

    scale: float
    shape: float

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(scale=self.scale, shape=self.shape)

    @override
    def _draw(self, iterations: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
        return self.scale * np.exp(rng.standard_exponential((iterations, self.workers)) / self.shape)


@dataclass(frozen=True, kw_only=True)
class WorkerGamma(Law):
    """Slow and fast workers, and slow and fast iterations: T_n ~ Gamma(shape, scale_n), correlated over the workers.

    scale_n = scale · exp(spread · z_n) with z_n ~ N(0, 1) drawn from `speed_seed`, so that the same workers are slow in
    every sample. Within an iteration, u_n = Φ(√ρ x₀ + √(1 − ρ) x_n) with independent x ~ N(0, 1) and ρ = `correlation`
    (a normal copula), and T_n = scale_n · F⁻¹(u_n) with F the distribution function of Gamma(shape, 1). The mean is
    shape · scale_n.

    Reference:
        Nelsen 2006, An Introduction to Copulas, section 2.9, for sampling through a copula.
    """

    shape: float
    scale: float
    spread: float
    correlation: float
    speed_seed: int = 0

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(shape=self.shape, scale=self.scale)
        if not 0 <= self.spread < math.inf:
            raise ValueError(f"`spread` must be at least 0 and finite, but got {self.spread}.")
        if not 0 <= self.correlation < 1:
            raise ValueError(f"`correlation` must be in [0, 1), but got {self.correlation}.")
        if not self.speed_seed >= 0:
            raise ValueError(f"`speed_seed` must be at least 0, but got {self.speed_seed}.")

    @property
    def scales(self) -> NDArray[np.float64]:
        """[N] the scale of each worker, in the unit of the latencies."""
        speeds = np.random.default_rng([self.speed_seed, _SPEED_STREAM]).standard_normal(self.workers)
        with np.errstate(over="ignore"):
            scales = self.scale * np.exp(self.spread * speeds)
        return np.clip(scales, _DOUBLES.tiny, _DOUBLES.max)

    @override
    def _draw(self, iterations: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
        normals = rng.standard_normal((iterations, 1 + self.workers))
        mixed = math.sqrt(self.correlation) * normals[:, :1] + math.sqrt(1 - self.correlation) * normals[:, 1:]
        return self.scales * special.gammaincinv(self.shape, special.ndtr(mixed))


LAWS: dict[str, type[Law]] = {
    "shifted-exponential": ShiftedExponential,
    "pareto": Pareto,
    "gamma": WorkerGamma,
}
