"""A figure with what is known of its luck."""

from __future__ import annotations

from dataclasses import dataclass

from nercc_tune.records.strict_json import Strict

__all__ = ["Interval"]


@dataclass(frozen=True, kw_only=True)
class Interval(Strict):
    """A mean with its 95 % confidence interval."""

    mean: float
    low: float
    high: float
