"""Means with their 95 % intervals, as plotly takes them and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nercc_tune.records import Interval
from nercc_tune.reporting.series import reach

__all__ = ["interval_text", "reaches"]

_BAR = {"type": "data", "symmetric": False, "thickness": 1.2, "width": 3}


def interval_text(interval: Interval) -> str:
    """Return a mean and its interval in words."""
    return f"{interval.mean:.4g} [{interval.low:.4g}, {interval.high:.4g}]"


def reaches(intervals: Sequence[Interval]) -> dict[str, Any]:
    """Return the error bars of intervals."""
    below, above = zip(*map(reach, intervals), strict=True)
    return {**_BAR, "array": list(above), "arrayminus": list(below)}
