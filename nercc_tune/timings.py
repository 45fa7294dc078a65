"""How long each stage took, and how to say it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_MINUTE, _HOUR = 60, 3600


class Timings:
    """Seconds by stage, added up; stages do not nest."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def describe_seconds(seconds: float) -> str:
    """Return a time for a reader.

    >>> [describe_seconds(value) for value in (0.42, 12.5, 130, 7500)]
    ['0.42 s', '12 s', '2 min 10 s', '2 h 05 min']
    """
    whole = round(seconds)
    if whole >= _HOUR:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    if whole >= _MINUTE:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == 0 else f"{seconds:.2g} s"
