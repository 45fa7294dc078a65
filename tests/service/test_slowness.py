"""What makes workers slow: laws of each kind, the same in whatever order it is asked for."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from nercc_tune.errors import SpecError
from nercc_tune.service.disturbance import Disturbance, DisturbedPairs
from nercc_tune.service.factors import LawSlowness, TraceSlowness
from nercc_tune.service.slowness_settings import make_slowness
from nercc_tune.straggling import Pareto, Trace

_DISTURBANCE = Disturbance(pairs=3, factor=2.0, variation=0.5, shortest_s=1.0, longest_s=3.0)
_TRACE = Trace(latencies=np.array([[2.0, 3.0], [2.0, 8.0], [1.0, np.inf], [2.0, 4.0], [2.0, 4.0]]))


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "trace.csv"
    np.savetxt(path, [[1, 4], [1, 4], [1, 5]], delimiter=",", header="latency_worker_0,latency_worker_1", comments="")
    return str(path)


_SETTINGS = ["none", "disturbed:pairs=4,factor=2", "law:pareto,scale=0.5,shape=2", "PATH", "trace:PATH"]


@pytest.mark.parametrize("settings", _SETTINGS)
def test_the_order_of_asking_does_not_matter(settings: str, path: str) -> None:
    settings = settings.replace("PATH", path)
    asked = [(worker, number, 0.1 * number) for worker in range(9) for number in range(300)]
    one, other = (make_slowness(settings, workers=9, seed=5) for _ in range(2))
    expected = {item: one.extra_s(*item, 0.5) for item in asked}
    random.Random(0).shuffle(asked)  # noqa: S311 - an order
    assert {item: other.extra_s(*item, 0.5) for item in asked} == expected
    assert min(expected.values()) == 0.0
    assert (max(expected.values()) > 0.0) == (settings != "none")


@pytest.mark.parametrize("settings", _SETTINGS[1:])
def test_seeds_differ(settings: str, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    rows = np.random.default_rng(0).uniform(1, 2, (50, 2))
    np.savetxt(path, rows, delimiter=",", header="latency_worker_0,latency_worker_1", comments="")
    one, other = (make_slowness(settings.replace("PATH", str(path)), workers=9, seed=seed) for seed in (1, 2))
    asked = [(worker, number, 0.1 * number) for worker in range(9) for number in range(20)]
    assert [one.extra_s(*item, 0.5) for item in asked] != [other.extra_s(*item, 0.5) for item in asked]


def test_so_many_pairs_are_disturbed_at_any_time() -> None:
    pairs = DisturbedPairs(_DISTURBANCE, workers=10, seed=0)
    at = np.arange(0, 200, 0.05)
    disturbed = np.array([[pairs.is_disturbed(worker, now) for worker in range(10)] for now in at])
    assert np.all(disturbed.sum(axis=1) == 2 * _DISTURBANCE.pairs)
    assert disturbed.mean(axis=0) == pytest.approx(np.full(10, 0.6), abs=0.1)  # every worker has its turn


def test_a_disturbance_lasts_as_long_as_it_may() -> None:
    pairs = DisturbedPairs(Disturbance(pairs=1, factor=2.0, shortest_s=1.0, longest_s=3.0), workers=50, seed=0)
    at = np.arange(4.0, 200, 0.01)  # the first one began before
    disturbed = np.array([pairs.is_disturbed(7, now) for now in at])
    lengths_s = np.diff(np.flatnonzero(np.diff(disturbed)))[:: 1 if disturbed[0] else 2] * 0.01
    assert len(lengths_s) >= 1
    single = lengths_s[lengths_s < 3.05]
    assert np.all(single >= 0.95)


def test_a_disturbed_task_takes_the_factor_longer_on_average() -> None:
    pairs = DisturbedPairs(_DISTURBANCE, workers=6, seed=1)  # all of them at any time
    extra = np.array([pairs.extra_s(worker, number, 0.1, 3.0) for worker in range(6) for number in range(4000)])
    assert extra.mean() == pytest.approx(3.0, rel=0.02)
    assert extra.std() == pytest.approx(1.5, rel=0.03)
    constant = Disturbance(pairs=3, factor=2.0, variation=0.0)
    assert DisturbedPairs(constant, workers=6, seed=0).extra_s(0, 5, 0.1, 3.0) == 3.0


def test_a_law_says_how_many_times_as_long() -> None:
    law = LawSlowness(Pareto(workers=4, scale=0.5, shape=1.0), seed=3)
    factors = np.array([1 + law.extra_s(worker, number, 0.0, 1.0) for worker in range(4) for number in range(5000)])
    assert factors.min() == 1.0
    for factor in (1, 2, 5):
        assert (factors > factor).mean() == pytest.approx(0.5 / factor, rel=0.08)
    assert law.extra_s(1, 7, 0.0, 3.0) == pytest.approx(3 * law.extra_s(1, 7, 9.0, 1.0))


def test_a_trace_is_relative_to_its_fastest_worker_and_goes_round() -> None:
    trace = TraceSlowness(_TRACE, workers=4, seed=2)
    own = [trace.extra_s(1, number, 0.0, 1.0) for number in range(5)]
    assert sorted(own) == [0.5, 1.0, 1.0, 3.0, 3.0]  # 3, 4, 4, 8 and what never came, as the latest; of a median of 2
    assert [trace.extra_s(1, number, 0.0, 1.0) for number in range(5, 10)] == own
    assert [trace.extra_s(0, number, 0.0, 1.0) for number in range(9)] == [0.0] * 9  # never faster than undisturbed
    again = [trace.extra_s(3, number, 0.0, 1.0) for number in range(5)]
    assert sorted(again) == sorted(own)


def test_workers_of_a_trace_stay_together() -> None:
    together = Trace(latencies=np.repeat(np.random.default_rng(0).uniform(1, 5, (40, 1)), 3, axis=1))
    slowness = TraceSlowness(together, workers=6, seed=0)
    first, second, third, beyond = (
        [slowness.extra_s(worker, i, 0.0, 1.0) for i in range(40)] for worker in (0, 1, 2, 3)
    )
    assert first == second == third
    assert beyond != first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("", "write `none`, `disturbed:pairs=4,factor=2`, `law:NAME,…` or `trace:PATH`; there is no such file"),
        ("trace:nowhere.csv", "there is no such file"),
        ("disturbed:pairs=4", "it must say `factor=…`"),
        (
            "disturbed:pairs=4,factor=2,speed=3",
            "pairs, factor, variation, shortest_s, longest_s, each once, but got speed",
        ),
        ("disturbed:pairs=4,factor=2,factor=3", "each once, but got factor=3"),
        ("disturbed:pairs=1.5,factor=2", "`pairs` must be a number, but got 1.5"),
        ("disturbed:pairs=0,factor=2", "`pairs` must be at least 1, but got 0"),
        ("disturbed:pairs=5,factor=2", r"`2 \* pairs <= workers` must hold, but got 5 pairs of 9"),
        ("disturbed:pairs=1,factor=nan", "`factor` must be at least 1 and finite, but got nan"),
        ("disturbed:pairs=1,factor=2,variation=-1", "`variation` must be at least 0 and finite, but got -1"),
        ("disturbed:pairs=1,factor=2,shortest_s=9", "`0 < shortest_s <= longest_s` must hold, but got 9.0 and 4.3"),
        ("law:weibull", "`law` must be one of shifted-exponential, pareto, gamma, but got weibull"),
        ("law:pareto,scale=1", "it must say `shape=…`"),
        ("law:pareto,scale=-1,shape=1", "`scale` must be positive and finite, but got -1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make_slowness(settings, workers=9, seed=0)


def test_a_trace_needs_workers() -> None:
    with pytest.raises(ValueError, match="`workers` must be at least 1, but got 0"):
        TraceSlowness(_TRACE, workers=0, seed=0)
