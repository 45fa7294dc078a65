"""When a worker's answers have been distrusted so often that it should be drained."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nercc_tune.records import Strict

__all__ = ["DrainTest"]

_SHARES = 4  # of faulty workers; more of them find no worker much sooner, and each costs log(4 / 3) of evidence or so


@dataclass(frozen=True, kw_only=True)
class DrainTest(Strict):
    """A test on a stream of answers, each of which is suspected or not, that may be looked at after every one.

    Shiryaev and Roberts' statistic of a worker, after its n-th answer, is `R_n = (1 + R_{n-1}) L_n` with `R_0 = 0`,
    where `L_n` is the likelihood ratio of that answer, p₁ / p₀ if it is suspected, else (1 − p₁) / (1 − p₀). R is
    averaged over four shares p₁, evenly spaced in their logarithms from `faulty` to 1 (which is left out). The worker
    is to be drained once R is at least `gap`.

    *Guarantee.* Where an answer of a healthy worker is suspected with a probability of at most p₀, whatever came before
    it, `R_n − n` is a supermartingale. So the mean number of answers until a healthy worker is drained is at least
    `gap`; and of n answers of healthy workers, who start again at R = 0 when they are drained, at most n / `gap` drain
    one, on average. This adds up over workers however their suspicions depend on each other, and holds for every rule
    by which one looks. It says nothing where `false_alarms` is less than the true share, be it for a while, as where
    faults of other workers mislead the decoder.

    A worker of any share p ≥ `faulty` is found, one of a share p₁ after about log(4 `gap`) / KL(p₁, p₀) answers.

    Attributes:
        false_alarms: p₀, the most that healthy workers' answers are suspected, a share in (0, 1). Where no false alarm
            was seen in n answers, 3 / n is an upper 95 % bound.
        gap: The mean number of answers of healthy workers between two false drains, at least.
        faulty: The least share of suspected answers that must be found; less is found late, or never.

    Raises:
        ValueError: If `0 < false_alarms < faulty < 1` or `1 < gap < inf` does not hold.

    Reference:
        Shin, Ramdas and Rinaldo, E-detectors: a nonparametric framework for sequential change detection, arXiv
        2203.03532 (2022); Pollak, Optimal detection of a change in distribution, Annals of Statistics 13 (1985), for
        the statistic.
    """

    false_alarms: float
    gap: float = 1_000_000
    faulty: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.false_alarms < self.faulty < 1:
            raise ValueError(
                f"`0 < false_alarms < faulty < 1` must hold, but got {self.false_alarms} and {self.faulty}."
            )
        if not 1 < self.gap < math.inf:
            raise ValueError(f"`1 < gap < inf` must hold, but got {self.gap}.")

    @property
    def log_shares(self) -> NDArray[np.float64]:
        """The logarithms of the shares p₁ [4], ascending from that of `faulty`."""
        return math.log(self.faulty) * (1 - np.arange(_SHARES) / _SHARES)

    def start(self, workers: int) -> NDArray[np.float64]:
        """Return what the test knows of workers without answers, log(1 + R) [N, 4] for each share."""
        return np.zeros((workers, _SHARES))

    def advance(self, known: NDArray[np.float64], is_suspected: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Take one answer of each worker, suspected or not [N], into what is known [N, 4]."""
        suspected = self.log_shares - math.log(self.false_alarms)
        clean = np.log(-np.expm1(self.log_shares)) - math.log1p(-self.false_alarms)
        advanced: NDArray[np.float64] = np.logaddexp(0, known + np.where(is_suspected[:, None], suspected, clean))
        return advanced

    def evidence(self, known: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log(1 + R) as a share of log(1 + gap) [N]: 0 without an answer, from 1 on a worker is to drain."""
        highest = known.max(1, keepdims=True)
        mixed: NDArray[np.float64] = highest[:, 0] + np.log(np.exp(known - highest).mean(1))
        return mixed / math.log1p(self.gap)
