"""What the picture of availability shows: every code's overall accuracy against the share of late workers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nercc_tune.records import LATE_SHARES, Availability

__all__ = ["AvailabilityCurve"]

_STEPS = 132  # a quarter of a percent each

_Line = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class AvailabilityCurve:
    """One code's line with its band.

    Attributes:
        late: The shares of late workers, from 0 to the largest of `LATE_SHARES`.
        mean: The overall accuracy there; for a bound the least that it can be.
        low: Lower end of the interval; for a bound that of the least accuracy.
        high: Upper end likewise; for a bound that of the greatest accuracy.
        is_bound: Whether no query was degraded, so that the accuracy of those that are may be anything.
    """

    late: _Line
    mean: _Line
    low: _Line
    high: _Line
    is_bound: bool

    @classmethod
    def of(cls, availability: Availability) -> AvailabilityCurve:
        """Draw the line of a code.

        The mean is exact. An interval depends on f by the exposure φ(f) alone, and its ends are drawn straight between
        the exposures at which they are known: 0, where A_o is A_a, those that were kept, and 1, where it is A_d.
        """
        late = np.linspace(0, LATE_SHARES[-1], _STEPS + 1)
        exposures = np.array([availability.exposure(float(share)) for share in late])
        available, degraded = availability.available, availability.degraded
        if degraded is None:
            in_time = 1 - exposures
            low, high = in_time * available.low, in_time * available.high + exposures
            return cls(late=late, mean=in_time * available.mean, low=low, high=high, is_bound=True)
        kept = {availability.exposure(point.late): point.accuracy for point in availability.overall}
        known = {0.0: available, **kept, 1.0: degraded}
        return cls(
            late=late,
            mean=available.mean + exposures * (degraded.mean - available.mean),
            low=_between(exposures, {place: interval.low for place, interval in known.items()}),
            high=_between(exposures, {place: interval.high for place, interval in known.items()}),
            is_bound=False,
        )


def _between(places: _Line, known: dict[float, float]) -> _Line:
    line: _Line = np.interp(places, sorted(known), [known[place] for place in sorted(known)])
    return line
