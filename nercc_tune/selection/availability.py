"""The accuracies of a code that is judged: where all answer, of degraded queries, and overall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nercc_tune.inference import MaskedAvailability
from nercc_tune.records import LATE_SHARES, Availability, Interval, OverallPoint
from nercc_tune.selection.bootstrap import Array, interval
from nercc_tune.selection.judged import Judged, as_array, expected

__all__ = ["expect_availability", "overall_accuracy"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Share:
    """A share, and the same in every resample, [B]; NaN where it is a share of nothing."""

    mean: float
    resampled: Array

    @property
    def interval(self) -> Interval | None:
        """The share with its interval, over the resamples that have it; None where there is none."""
        defined = self.resampled[~np.isnan(self.resampled)]
        return interval(self.mean, defined) if not np.isnan(self.mean) and len(defined) else None


def expect_availability(cells: Sequence[Judged]) -> Availability | None:
    """Summarise the accuracies of one code over several cells, weighted by their probabilities.

    Of degraded queries all cells' are counted together. The cells share their carriers, which masks do not change.

    Returns:
        None where they were not measured in every cell.
    """
    measured = _measured(cells)
    if not measured:
        return None
    available, degraded = _available(cells, measured), _degraded(cells, measured)
    summary = Availability(
        available=interval(available.mean, available.resampled),
        degraded=degraded.interval,
        carriers=measured[0].carriers,
        workers=measured[0].workers,
    )
    if summary.degraded is None:
        return summary
    points = ((late, _overall(available, degraded, summary.exposure(late)).interval) for late in LATE_SHARES)
    overall = tuple(OverallPoint(late=late, accuracy=point) for late, point in points if point is not None)
    return replace(summary, overall=overall)


def overall_accuracy(cells: Sequence[Judged], late: float) -> Interval | None:
    """Return `A_o(f) = (1 − φ(f)) A_a + φ(f) A_d` of a code; in each resample both accuracies are those of that one.

    Args:
        cells: What was measured of the code.
        late: f, the probability that a worker is late.

    Returns:
        None where availability was not measured, or it would need an A_d and no query is degraded.

    Raises:
        ValueError: If f is no probability.
    """
    summary, measured = expect_availability(cells), _measured(cells)
    if summary is None:
        return None
    return _overall(_available(cells, measured), _degraded(cells, measured), summary.exposure(late)).interval


def _measured(cells: Sequence[Judged]) -> list[MaskedAvailability]:
    """Return what was measured of each cell; nothing where one lacks it."""
    found = [cell.availability for cell in cells if cell.availability is not None]
    return found if len(found) == len(cells) else []


def _available(cells: Sequence[Judged], measured: Sequence[MaskedAvailability]) -> _Share:
    mean, resampled = expected([as_array(each.available) for each in measured], cells)
    return _Share(mean=mean, resampled=resampled)


def _degraded(cells: Sequence[Judged], measured: Sequence[MaskedAvailability]) -> _Share:
    """Return the ratio of the right ones' sum to that of all degraded queries."""
    right, rights = expected([as_array(each.right) for each in measured], cells)
    total, totals = expected([as_array(each.degraded) for each in measured], cells)
    return _Share(
        mean=right / total if total > 0 else np.nan,
        resampled=np.divide(rights, totals, out=np.full_like(rights, np.nan), where=totals > 0),
    )


def _overall(available: _Share, degraded: _Share, exposure: float) -> _Share:
    if exposure == 0:
        return available
    return _Share(
        mean=(1 - exposure) * available.mean + exposure * degraded.mean,
        resampled=(1 - exposure) * available.resampled + exposure * degraded.resampled,
    )
