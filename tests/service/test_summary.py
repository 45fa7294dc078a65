"""Repeats to one record: intervals that hold what they promise, and what stays unknown."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from nercc_tune.records import from_json, to_json
from nercc_tune.service.commands import Source, Tally
from nercc_tune.service.measured import SOURCES, Measured
from nercc_tune.service.summary import TailSummary, summarise

OWN, COPY, DECODED, REFUSED = (SOURCES.index(source) for source in (Source.OWN, Source.COPY, Source.DECODED, None))


def _measured(latency_s: list[float], sources: list[int] | None = None, *, burned_s: float = 1.0) -> Measured:
    sources = sources or [OWN] * len(latency_s)
    tally = Tally(busy_s=4.0, burned_s=burned_s)
    tally.replies[Source.OWN] = len(latency_s)
    return Measured(
        scheme="plain",
        rate=10.0,
        seconds=2.0,
        latency_s=np.array(latency_s),
        sources=np.array(sources, dtype=np.int8),
        tally=tally,
    )


def _repeats(seed: int, *, count: int) -> list[Measured]:
    rng = np.random.default_rng(seed)
    return [_measured(rng.normal(5.0, 1.0, 9).tolist()) for _ in range(count)]


def test_the_interval_is_that_of_a_t_test() -> None:
    repeats = _repeats(0, count=4)
    means = [float(measured.latency_s.mean()) for measured in repeats]
    mean = summarise(repeats).mean_s
    assert mean is not None
    expected = stats.ttest_1samp(means, 0.0).confidence_interval(0.95)
    assert (mean.mean, mean.low, mean.high) == pytest.approx((np.mean(means), expected.low, expected.high))


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    held = [summarise(_repeats(seed, count=3)).mean_s for seed in range(600)]
    share = np.mean([item is not None and item.low <= 5.0 <= item.high for item in held])
    assert share == pytest.approx(0.95, abs=0.03)  # 600 draws: a standard error of 0.009


def test_what_it_counts() -> None:
    measured = _measured([1.0, 2.0, 3.0, 9.0], [OWN, COPY, DECODED, DECODED])
    told = replace(measured, is_right=np.array([True, False, True, True]), agrees=np.array([True] * 4))
    summary = summarise([told, told])
    figures = ("p50_s", "p999_s", "mean_s", "goodput", "decoded", "copied", "refused", "accuracy", "agreement")
    assert [getattr(summary, name).mean for name in figures] == [3.0, 9.0, 3.75, 2.0, 0.5, 0.25, 0.0, 0.75, 1.0]
    assert (summary.worker_s.mean, summary.burned.mean) == (1.0, 0.25)
    assert (summary.repeats, summary.queries) == (2, 8)
    assert summary.mean_s is not None
    assert summary.mean_s.low == summary.mean_s.high == 3.75


def test_a_refused_query_took_forever_and_counts_in_no_accuracy() -> None:
    some = _measured([1.0, 2.0, 3.0, 0.1], [OWN, OWN, OWN, REFUSED])
    some = replace(some, is_right=np.array([True, True, True, False]))
    summary = summarise([some, some])
    assert summary.p50_s is not None
    assert summary.p99_s is None
    assert summary.mean_s is not None
    assert (summary.mean_s.mean, summary.refused.mean) == (2.0, 0.25)
    assert summary.accuracy is not None
    assert summary.accuracy.mean == 1.0


def test_shares_and_times_stay_where_they_can_be() -> None:
    slow, fast = _measured([9.0, 9.0], [DECODED, OWN], burned_s=4.0), _measured([0.1, 0.1], [OWN, OWN], burned_s=0.0)
    summary = summarise([slow, fast])
    assert summary.mean_s is not None
    assert (summary.mean_s.low, summary.decoded.low, summary.burned.high) == (0.0, 0.0, 1.0)


def test_json_keeps_it() -> None:
    refused = _measured([1.0, 2.0], [OWN, REFUSED])
    for repeats in (_repeats(1, count=3), [refused, refused]):
        summary = summarise(repeats)
        assert from_json(TailSummary, json.loads(json.dumps(to_json(summary)))) == summary


def test_repeats_that_do_not_belong_together_are_refused() -> None:
    one = _measured([1.0])
    with pytest.raises(ValueError, match="`repeats` must be at least 2 for an interval, but got 1"):
        summarise([one])
    with pytest.raises(ValueError, match=r"of one scheme at one rate, but got \[\('plain', 10.0\), \('plain', 20.0\)"):
        summarise([one, replace(one, rate=20.0)])
    with pytest.raises(ValueError, match="`repeats` must hold queries, but one is empty"):
        summarise([one, _measured([])])
