"""A logarithmic axis of milliseconds whose ticks are written out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

__all__ = ["LEAST_MS", "time_axis"]

LEAST_MS = 1e-3
"""The least time that is drawn: a logarithmic axis has no place for none."""

_STEPS = (1, 2, 5)
_FEW_DECADES = 3  # that have ticks between them
_LEAST_DECADES = 0.5  # that are shown: there is a tick among them
_MARGIN = 0.05  # below and above what is shown, of its length


def time_axis(times_ms: Iterable[float], title: str) -> dict[str, Any]:
    """Return the settings of an axis on which all times can be seen; without any, of one from 1 to 100 ms."""
    shown = [max(LEAST_MS, time) for time in times_ms] or [1.0, 100.0]
    low, high = math.log10(min(shown)), math.log10(max(shown))
    room = max(_MARGIN * (high - low), (_LEAST_DECADES - (high - low)) / 2)
    low, high = low - room, high + room
    steps = _STEPS if high - low <= _FEW_DECADES else (1,)
    ticks = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return {
        "title": {"text": title},
        "type": "log",
        "range": [low, high],
        "tickvals": ticks,
        "ticktext": [f"{tick:.12g}" for tick in ticks],
    }
