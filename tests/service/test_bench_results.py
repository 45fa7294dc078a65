"""Results are read back as they were, and say what the measurements said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nercc_tune.errors import ServiceError
from nercc_tune.records import Interval
from nercc_tune.service.bench_results import BenchRun, read_results
from nercc_tune.service.summary import summarise
from tests.service.results import bench_results, bench_run


def test_a_file_is_read_back_exactly(tmp_path: Path) -> None:
    results = bench_results(rates=(20.0, 40.0))
    path = tmp_path / "bench.json"
    path.write_text(results.to_json(), encoding="utf-8")
    assert read_results(path) == results


def test_a_run_keeps_a_measurement_to_the_microsecond() -> None:
    run = bench_run(has_refused=True)
    again = BenchRun.of(run.measured, code=run.code, repeat=0, seed=0, late_s=2e-4, refusals=run.refusals)
    assert again == run
    assert run.measured.latency_s == pytest.approx(np.array(run.latency_us) / 1e6, abs=5e-7)
    assert run.measured.tally.burned_s == 1.0
    assert (~run.measured.is_answered).nonzero()[0].tolist() == [7]


def test_figures_are_those_of_the_summary() -> None:
    (setting,) = bench_results().at_rates()
    expected = summarise([run.measured for run in setting.runs["coded"]])
    assert setting.summary("coded") == expected
    assert setting.figure("coded", "p50_s") == expected.p50_s


def test_one_repeat_has_figures_and_no_intervals() -> None:
    (setting,) = bench_results(repeats=1).at_rates()
    measured = setting.runs["coded"][0].measured
    assert setting.figure("coded", "p99_s") == measured.percentile_s(99)
    assert setting.figure("coded", "goodput") == pytest.approx(measured.goodput)
    assert isinstance(setting.change("coded", to="equal-resources", percent=99), float)


def test_changes_are_paired_by_repeat() -> None:
    (setting,) = bench_results().at_rates()  # the same draws, half as long again
    change = setting.change("equal-resources", to="coded", percent=95)
    assert isinstance(change, Interval)
    assert (change.mean, change.low, change.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-3)


def test_a_percentile_among_the_refused_is_not_known() -> None:
    (setting,) = bench_results(has_refused=True).at_rates()  # one of 400 is refused
    assert setting.figure("coded", "p999_s") is None
    assert setting.change("coded", to="equal-resources") is None


def test_what_was_interrupted_has_the_codes_that_are_finished() -> None:
    results = bench_results()
    (setting,) = replace(results, runs=results.runs[:3]).at_rates()
    assert {code: len(runs) for code, runs in setting.runs.items()} == {"coded": 2, "equal-resources": 1}
    assert setting.has_intervals("coded")
    assert not setting.has_intervals("equal-resources")


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    with pytest.raises(ServiceError, match="is no results file"):
        read_results(path)
    whole = json.loads(bench_results(repeats=1).to_json())
    for change, words in (
        ({"schema": 2}, "schema is 2"),
        ({"extra": 1}, "(?i)not permitted|unexpected"),
        ({"runs": [whole["runs"][0] | {"sources": "o"}]}, "as many queries"),
        ({"runs": [whole["runs"][0] | {"sources": "?" * 400}]}, "as many queries"),
    ):
        path.write_text(json.dumps(whole | change))
        with pytest.raises(ServiceError, match=words):
            read_results(path)
