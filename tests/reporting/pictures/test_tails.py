"""What the figures of a bench show is what its results say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nercc_tune.reporting.pictures.tails import Tail, panels_of, rate_series
from tests.service.results import bench_results, bench_run


def test_a_tail_is_the_share_of_queries_that_take_longer() -> None:
    run = bench_run()
    tail = Tail.of([run])
    times = np.array(run.latency_us) / 1e3
    for share, time in zip(tail.share[:-1], tail.mean_ms[:-1], strict=True):
        longer = (times > time * (1 + 1e-9)).mean()
        assert longer == pytest.approx(share, abs=3.01 / len(times))  # some times are equal
    assert (tail.mean_ms[0], tail.mean_ms[-1]) == pytest.approx((times.min(), times.max()), rel=0.05)


def test_a_band_goes_from_the_best_to_the_worst_repeat() -> None:
    runs = [bench_run(repeat=repeat) for repeat in range(3)]
    tail, alone = Tail.of(runs), [Tail.of([run]).mean_ms for run in runs]
    assert tail.low_ms.tolist() == np.min(alone, axis=0).tolist()
    assert tail.high_ms.tolist() == np.max(alone, axis=0).tolist()
    assert tail.mean_ms == pytest.approx(np.mean(alone, axis=0))


def test_a_tail_ends_where_refused_queries_begin() -> None:
    whole, cut = Tail.of([bench_run()]), Tail.of([bench_run(has_refused=True)])
    assert whole.share[-1] == pytest.approx(1 / 400)
    assert 1 / 400 < cut.share[-1] < 2.1 / 400


def test_points_are_those_of_the_summary() -> None:
    results = bench_results()
    (setting,), (panel,) = results.at_rates(), panels_of({"bench": results})
    for code, point in panel.points.items():
        summary = setting.summary(code)
        assert summary.agreement is not None
        assert summary.p999_s is not None
        assert point.error.mean == pytest.approx(1 - summary.agreement.mean)
        assert point.error.low <= point.error.mean <= point.error.high
        assert point.p999_ms.high == pytest.approx(1e3 * summary.p999_s.high)
    assert panel.title == "20 queries/s, disturbed"


def test_a_code_whose_answers_are_not_known_has_no_point() -> None:
    results = bench_results(repeats=2)
    runs = tuple(replace(run, agrees=None) if run.code == "coded" else run for run in results.runs)
    (panel,) = panels_of({"bench": replace(results, runs=runs)})
    assert list(panel.points) == ["equal-resources"]
    assert list(panel.tails) == ["coded", "equal-resources"]


def test_files_are_named_where_there_are_several() -> None:
    calm = bench_results()
    calm = replace(calm, settings=replace(calm.settings, slowness=""))
    titles = [panel.title for panel in panels_of({"calm": calm, "wild": bench_results(rates=(20.0, 40.0))})]
    assert titles == [
        "calm, 20 queries/s, undisturbed", "wild, 20 queries/s, disturbed", "wild, 40 queries/s, disturbed"
    ]  # fmt: skip


def test_series_go_over_the_rates() -> None:
    results = bench_results(rates=(40.0, 20.0))
    series = rate_series(results, "p50_s")
    assert [point.rate for point in series["coded"]] == [20.0, 40.0]
    summary = results.at_rates()[0].summary("coded")
    assert summary.p50_s is not None
    assert series["coded"][0].latency_ms.mean == pytest.approx(1e3 * summary.p50_s.mean)
