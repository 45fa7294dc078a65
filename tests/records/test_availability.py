from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from nercc_tune.records import LATE_SHARES, TOLD_SHARE, Availability, Heldout, OverallPoint, from_json, to_json
from tests.builders import heldout, interval

NONE_DEGRADED = Availability(available=interval(0.9), degraded=None, carriers=(0, 4), workers=6)
DEGRADED = replace(
    NONE_DEGRADED,
    degraded=interval(0.5),
    overall=tuple(OverallPoint(late=late, accuracy=interval(0.9 - 0.4 * late)) for late in LATE_SHARES),
)


def _with(*carriers: int, workers: int = 6) -> Availability:
    return replace(DEGRADED, carriers=carriers, workers=workers)


@pytest.mark.parametrize("late", [0.0, 0.01, 0.3, 1.0])
def test_with_one_carrier_each_the_exposure_is_the_share_of_late_workers(late: float) -> None:
    assert _with(0, 7).exposure(late) == late


def test_copies_must_all_be_late() -> None:
    assert _with(0, 0, 0, 4).exposure(0.2) == pytest.approx(0.2**3, rel=1e-12)


def test_without_carriers_a_single_late_worker_is_enough() -> None:
    assert _with(4).exposure(0.2) == pytest.approx(1 - math.prod([0.8] * 6), rel=1e-12)
    assert _with(4).exposure(0.0) == 0.0


def test_the_exposure_is_the_mean_over_the_queries() -> None:
    expected = (2 * (1 - 0.9**6) + 1 * 0.1 + 5 * 0.1**2) / 8
    assert _with(2, 1, 5).exposure(0.1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("late", [-0.1, 1.1, math.nan])
def test_a_share_that_is_no_probability_is_refused(late: float) -> None:
    with pytest.raises(ValueError, match=f"`late` must be from 0 to 1, but got {late}"):
        DEGRADED.exposure(late)


def test_the_overall_accuracy_goes_from_available_to_degraded() -> None:
    assert DEGRADED.overall_accuracy(0.0) == 0.9
    assert DEGRADED.overall_accuracy(0.25) == pytest.approx(0.75 * 0.9 + 0.25 * 0.5, rel=1e-12)
    assert DEGRADED.overall_accuracy(1.0) == pytest.approx(0.5, rel=1e-12)


def test_without_degraded_queries_it_is_known_only_where_nobody_is_late() -> None:
    assert NONE_DEGRADED.overall_accuracy(0.0) == 0.9
    assert NONE_DEGRADED.overall_accuracy(0.1) is None
    assert NONE_DEGRADED.figures() == {
        "available_accuracy": NONE_DEGRADED.available,
        "degraded_accuracy": None,
        "overall_accuracy": None,
    }


def test_intervals_are_there_for_the_shares_that_were_kept() -> None:
    assert [DEGRADED.overall_at(late) for late in LATE_SHARES] == [point.accuracy for point in DEGRADED.overall]
    assert DEGRADED.overall_at(0.07) is None
    assert DEGRADED.figures()["overall_accuracy"] == DEGRADED.overall_at(TOLD_SHARE)


@pytest.mark.parametrize("availability", [DEGRADED, NONE_DEGRADED])
def test_it_survives_text(availability: Availability) -> None:
    judged = replace(heldout(0.1), availability=availability)
    assert from_json(Heldout, json.loads(json.dumps(to_json(judged)))) == judged


def test_figures_of_older_versions_are_read_and_written_without_it() -> None:
    values = to_json(heldout(0.1))
    assert set(values) == {"mse", "prob_mse", "rel_acc", "agreement"}
    assert from_json(Heldout, values).availability is None
