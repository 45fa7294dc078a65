from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nercc_tune.records import LATE_SHARES
from nercc_tune.reporting.pictures.availability import AvailabilityCurve
from tests.variants import availability

_KINDS = {"one carrier each": (0, 50), "copies": (0, 0, 50), "no carriers": (50,)}


@pytest.mark.parametrize("carriers", _KINDS.values(), ids=_KINDS)
def test_the_line_is_the_overall_accuracy_from_nobody_late_to_a_third(carriers: tuple[int, ...]) -> None:
    made = availability(0.4, carriers=carriers)
    curve = AvailabilityCurve.of(made)
    assert (curve.late[0], curve.late[-1]) == (0.0, LATE_SHARES[-1])
    assert not curve.is_bound
    expected = [made.overall_accuracy(float(late)) for late in curve.late]
    assert curve.mean.tolist() == pytest.approx(expected, rel=1e-12)
    assert bool((curve.low < curve.mean).all())
    assert bool((curve.mean < curve.high).all())


@pytest.mark.parametrize("carriers", _KINDS.values(), ids=_KINDS)
def test_the_band_ends_where_the_intervals_do(carriers: tuple[int, ...]) -> None:
    made = availability(0.4, carriers=carriers)
    curve = AvailabilityCurve.of(made)
    known = {0.0: made.available} | {point.late: point.accuracy for point in made.overall}
    for late, interval in known.items():
        at = int(np.abs(curve.late - late).argmin())
        assert curve.late[at] == pytest.approx(late, abs=1e-12)
        assert (curve.low[at], curve.high[at]) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_without_degraded_queries_the_band_holds_whatever_their_accuracy_is() -> None:
    made = availability(None, carriers=(0, 0, 50))
    curve = AvailabilityCurve.of(made)
    assert curve.is_bound
    for degraded in (0.0, 0.3, 1.0):
        exact = replace(made.available, mean=degraded, low=degraded, high=degraded)
        known = AvailabilityCurve.of(replace(made, degraded=exact))
        assert bool((curve.low <= known.mean).all())
        assert bool((known.mean <= curve.high).all())
        assert bool((curve.mean <= known.mean + 1e-12).all())
    assert curve.mean[-1] == pytest.approx(0.98 * (1 - 0.33**2), rel=1e-12)
