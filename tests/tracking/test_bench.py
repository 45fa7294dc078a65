"""A bench in MLflow, read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nercc_tune.errors import TrackingError
from nercc_tune.tracking.bench import BENCH, RIVAL, bench_experiment, summary_metrics, track_bench
from nercc_tune.tracking.content import KIND, PARENT
from tests.service.results import bench_results
from tests.tracking.conftest import Store, curve


def test_a_bench_is_a_run_with_one_below_it_for_each_code(store: Store, tmp_path: Path) -> None:
    results, file = bench_results(), tmp_path / "bench.json"
    file.write_text(results.to_json())
    run_id = track_bench(results, url=store.url, artifacts=store.artifacts, files=[file])
    runs = store.runs(bench_experiment("lenet5-digits"))
    parent = runs.pop("local, 12 workers, disturbed")
    assert (parent.info.run_id, parent.info.status, parent.data.tags[KIND]) == (run_id, "FINISHED", BENCH)
    assert parent.data.params["queries"] == "500"
    assert parent.data.params["codes"] == '["coded", "equal-resources"]'
    assert parent.data.params["machine.cores"] == "2"
    assert [item.path for item in store.client().list_artifacts(run_id)] == ["bench.json"]
    assert sorted(runs) == ["coded at 20/s", "equal-resources at 20/s"]
    (setting,) = results.at_rates()
    for code in setting.runs:
        run = runs[f"{code} at 20/s"]
        assert (run.data.tags[KIND], run.data.tags[PARENT], run.info.status) == (RIVAL, run_id, "FINISHED")
        assert summary_metrics(setting, code).items() <= run.data.metrics.items()
        steps = curve(store, run, "repeat_p999_ms")
        expected = [(each.repeat, each.measured.percentile_s(99.9) * 1e3) for each in setting.runs[code]]
        assert np.array(steps) == pytest.approx(np.array(expected))


def test_metrics_are_in_milliseconds_and_have_intervals() -> None:
    (setting,) = bench_results().at_rates()
    metrics, summary = summary_metrics(setting, "coded"), setting.summary("coded")
    assert summary.p999_s is not None
    assert metrics["p999_ms_high"] == pytest.approx(1e3 * summary.p999_s.high)
    assert metrics["burned"] == pytest.approx(0.25)
    assert {"agreement_low", "accuracy", "goodput", "worker_s", "mean_ms"} <= metrics.keys()


def test_what_is_not_known_is_no_metric() -> None:
    (setting,) = bench_results(repeats=1, has_refused=True).at_rates()
    metrics = summary_metrics(setting, "coded")
    assert "p999_ms" not in metrics
    assert "p99_ms" in metrics
    assert "p99_ms_low" not in metrics


def test_an_interrupted_bench_is_marked(store: Store) -> None:
    results = bench_results()
    part = replace(results, runs=results.runs[:3])
    run_id = track_bench(part, url=store.url, artifacts=store.artifacts, files=[])
    assert store.client().get_run(run_id).info.status == "KILLED"


def test_a_store_that_cannot_be_reached_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database")
    with pytest.raises(TrackingError) as caught:
        track_bench(bench_results(), url=f"sqlite:///{tmp_path}/mlflow.db", artifacts=None, files=[])
    assert "\n" not in str(caught.value)
