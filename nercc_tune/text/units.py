"""Units of time, by the names that people give them."""

from __future__ import annotations

from typing import Literal

__all__ = ["NANOSECONDS", "UNIT_NAMES", "Unit"]

Unit = Literal["ns", "us", "ms", "s", "min", "h"]

NANOSECONDS: dict[str, int] = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
"""How long each unit is."""

UNIT_NAMES: dict[str, str] = {
    name: unit
    for unit, names in {
        "ns": "ns nsec nsecs nanos nanosecond nanoseconds nanosekunden nanosecondes",
        "us": "us µs μs usec usecs micros microsecond microseconds mikrosekunden microsecondes",
        "ms": "ms msec msecs millis millisecond milliseconds millisekunden millisecondes",
        "s": "s sec secs second seconds sek sekunde sekunden seconde secondes segundos",
        "min": "min mins minute minutes minuten",
        "h": "h hr hrs hour hours stunden heures",
    }.items()
    for name in names.split()
}
"""The unit that each name stands for."""
