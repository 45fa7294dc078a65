"""Confidence intervals for figures over groups and masks, which are crossed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nercc_tune.records import Interval

_LEVEL = 0.95

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossedBootstrap:
    """Resamples groups and masks independently, each with replacement: every mask was applied to every group.

    Resampling single (group, mask) values instead would treat them as independent and give intervals that are far
    too narrow. One object holds one set of draws, so that intervals made with it are of paired figures.

    Attributes:
        groups: [B, G] how often each group was drawn.
        masks: [B, M] how often each mask was drawn.

    Reference:
        Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007).
    """

    groups: Array
    masks: Array

    @classmethod
    def draw(cls, *, groups: int, masks: int, resamples: int, seed: int) -> CrossedBootstrap:
        """Draw the resamples."""
        rng = np.random.default_rng(seed)
        return cls(groups=_counts(rng, groups, resamples), masks=_counts(rng, masks, resamples))

    def mean(self, values: Array) -> Interval:
        """Return the mean of `values` [G, M] with its interval."""
        return interval(float(values.mean()), self.resampled(values))

    def ratio(self, values: Array, base: Array) -> Interval | None:
        """Return the ratio of means of `values` [G, M] and `base` [G]; None where the base is 0 in a resample."""
        bases = self.resampled_groups(base)
        if not bool((bases > 0).all()):
            return None
        return interval(float(values.mean() / base.mean()), self.resampled(values) / bases)

    def resampled(self, values: Array) -> Array:
        """Return the mean of `values` [G, M] in every resample, [B]."""
        means: Array = ((self.groups @ values) * self.masks).sum(-1) / values.size
        return means

    def resampled_groups(self, values: Array) -> Array:
        """Return the mean of `values` [G] in every resample, [B]."""
        means: Array = (self.groups @ values) / len(values)
        return means


def interval(mean: float, resampled: Array) -> Interval:
    """Return a mean with the percentile interval of its resamples [B]."""
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(mean=mean, low=float(low), high=float(high))


def _counts(rng: np.random.Generator, count: int, resamples: int) -> Array:
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
