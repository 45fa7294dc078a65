"""The axis of a metric: logarithmic for an error, with a place for 0."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nercc_tune.records import Interval

__all__ = ["ValueAxis"]

_DUST = 1e-9  # of the greatest value: squared rounding of float32, where a copy is exact; drawn as 0
_ZERO_DECADES = 0.5  # from 0 to the least value
_INTERVAL_DECADES = 1.0  # below the least mean: an interval that reaches to 0 would squeeze the rest
_FEW_DECADES = 4  # that have ticks between them
_MARGIN = 0.06  # above and below what is shown, of its length


@dataclass(frozen=True, kw_only=True)
class ValueAxis:
    """An axis on which all means can be seen, and their intervals as far as they do not squeeze them.

    Attributes:
        low: The least value that is shown; for a logarithmic axis the least that is not 0, and None for a linear one.
        high: The greatest.
        has_zero: Whether a logarithmic axis has a place for 0.
    """

    low: float | None
    high: float
    has_zero: bool = False

    @classmethod
    def of(cls, points: Iterable[Interval], *, is_log: bool) -> ValueAxis:
        """Build the axis for points; it stays linear where none is positive, and where one is negative."""
        points = list(points)
        means = [point.mean for point in points]
        high = max((max(point.mean, point.high) for point in points), default=1.0)
        positive = [mean for mean in means if mean > _DUST * high]
        if not is_log or not positive or min(means) < 0:
            return cls(low=None, high=high)
        floor = min(positive) / 10**_INTERVAL_DECADES
        ends = [max(point.low, floor) for point in points if point.mean > _DUST * high]
        return cls(low=min(*positive, *ends), high=high, has_zero=len(positive) < len(means))

    def place(self, value: float) -> float:
        """Return where a value is drawn: 0, and what is nothing but rounding, below all others."""
        if self.low is None or value > _DUST * self.high:
            return value
        return self._zero

    def reach(self, points: Iterable[Interval]) -> list[Interval]:
        """Return the points as they are drawn; where the mean is drawn as 0 there is no interval."""
        drawn = []
        for point in points:
            place = self.place(point.mean)
            moved = Interval(mean=place, low=place, high=place)
            drawn.append(point if place == point.mean else moved)
        return drawn

    def layout(self, title: str) -> dict[str, Any]:
        """Return the settings of the axis."""
        settings: dict[str, Any] = {"title": {"text": title}}
        if self.low is None:
            return settings
        bottom = math.log10(self._zero if self.has_zero else self.low)
        top = math.log10(self.high)
        room = _MARGIN * ((top - bottom) or 1.0)
        settings |= {"type": "log", "range": [bottom - room, top + room]}
        powers = range(math.floor(math.log10(self.low)), math.floor(top) + 1)
        steps = (1, 2, 5) if len(powers) <= _FEW_DECADES else (1,)
        ticks = [tick for power in powers for step in steps if (tick := step * 10.0**power) >= 0.99 * 10**bottom]
        shown = {tick: f"{tick:.2g}" for tick in ticks if not self.has_zero or tick >= self.low}
        zero = {self._zero: "0"} if self.has_zero else {}
        settings |= {"tickvals": [*zero, *shown], "ticktext": [*zero.values(), *shown.values()]}
        return settings

    @property
    def breaks(self) -> list[dict[str, Any]]:
        """Return the mark that breaks a logarithmic axis between 0 and the least value, as annotations."""
        if self.low is None or not self.has_zero:
            return []
        middle = math.log10(self.low) - _ZERO_DECADES / 2
        place = {"xref": "paper", "x": 0, "xanchor": "center", "yref": "y", "y": middle, "yanchor": "middle"}
        return [{**place, "text": "//", "textangle": 90, "font": {"size": 14}, "showarrow": False}]

    @property
    def _zero(self) -> float:
        return (self.low or 1.0) / 10**_ZERO_DECADES
