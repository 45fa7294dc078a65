"""Times for a reader."""

from __future__ import annotations

_MINUTE, _HOUR = 60, 3600


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
