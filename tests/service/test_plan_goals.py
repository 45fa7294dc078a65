"""Goals and conditions of a plan."""

from __future__ import annotations

from typing import Any

import pytest

from nercc_tune.service.plan_goals import Conditions, Goals


def test_shortfalls_are_shares_of_what_is_allowed() -> None:
    goals = Goals(p50_s=0.02, p99_s=0.05, agreement=0.99)
    found = goals.shortfalls({"p50": 0.03, "p99": 0.04, "p999": 9.0}, 0.97)
    assert found == pytest.approx({"p50": 0.5, "p99": -0.2, "agreement": 2.0})
    assert Goals(p99_s=1.0, agreement=1.0).shortfalls({"p99": 1.0}, 1.0) == {"p99": 0.0, "agreement": 0.0}


def test_the_tail_that_is_told_is_p99_or_the_rarest() -> None:
    assert Goals(p50_s=1.0, p99_s=2.0, p999_s=3.0).tail == "p99"
    assert Goals(p50_s=1.0, p999_s=3.0).tail == "p999"
    assert Goals(p50_s=1.0).tail == "p50"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"agreement": 0.9}, "without a limit one worker will do"),
        ({"p99_s": 0.0}, "`p99_s` must be positive and finite, but got 0.0"),
        ({"p99_s": float("nan")}, "`p99_s` must be positive and finite, but got nan"),
        ({"p99_s": 1.0, "agreement": 1.5}, "`agreement` must be above 0 and at most 1, but got 1.5"),
    ],
)
def test_goals_that_cannot_be_meant_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Goals(**values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 0.0}, "`rate` must be positive and finite"),
        ({"service_s": float("inf")}, "`service_s` must be positive and finite"),
        ({"most_workers": 0}, "`most_workers` must be at least 1"),
        ({"queries": 99}, "`queries` must be at least 100"),
        ({"trials": 0}, "`trials` must be at least 1"),
        ({"repeats": 1}, "`repeats` must be at least 2"),
        ({"seed": -1}, "`seed` must be at least 0"),
        ({"service_s": 0.05}, "`p99_s` must be longer than a task takes, 0.05 s, but got 0.05"),
    ],
)
def test_conditions_that_cannot_be_meant_are_refused(change: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"rate": 1.0, "service_s": 0.02, "slowness": "none", "goals": Goals(p99_s=0.05)}
    with pytest.raises(ValueError, match=message):
        Conditions(**{**usual, **change})
