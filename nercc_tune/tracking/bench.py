"""A bench in MLflow: a run for the whole, and below it one for each code at each rate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path

from nercc_tune.records import Interval
from nercc_tune.service.bench_results import BenchResults, Setting
from nercc_tune.service.summary import TailSummary
from nercc_tune.text.redaction import redact
from nercc_tune.tracking.content import KIND, NOTE, PARENT, clip
from nercc_tune.tracking.experiments import open_experiment
from nercc_tune.tracking.silent import Metric, MlflowClient, Param
from nercc_tune.tracking.store import fold_log, open_client, translated

__all__ = ["BENCH", "RIVAL", "bench_experiment", "summary_metrics", "track_bench"]

BENCH, RIVAL = "bench", "bench code"
"""What `nercc_tune.kind` says of the run of a bench, and of those below it."""

_NO_METRICS = ("scheme", "rate", "repeats", "queries")


def bench_experiment(target: str) -> str:
    """Return the name of the experiment that holds all benches of a study."""
    return f"{target} serving"


def track_bench(results: BenchResults, *, url: str, artifacts: Path | None, files: Sequence[Path]) -> str:
    """Write a bench into MLflow, and return the id of its run.

    Args:
        results: What was measured, with at least one run.
        url: The tracking store.
        artifacts: Folder of the files that belong to runs; a server keeps them where it likes.
        files: The results file and the figures.

    Raises:
        TrackingError: If the store cannot be reached or written.
    """
    client, settings = open_client(url, artifacts), results.settings
    started_ms = round(datetime.fromisoformat(results.created).timestamp() * 1e3)
    with translated(url):
        experiment, _ = open_experiment(client, bench_experiment(settings.target), url=url, artifacts=artifacts)
        slowness = settings.slowness or "none"
        parent = client.create_run(
            experiment,
            start_time=started_ms,
            run_name=clip(f"{settings.engine}, {settings.workers} workers, {slowness}"),
            tags=_tags(results) | {KIND: BENCH, NOTE: _note(results)},
        ).info.run_id
        client.log_batch(parent, params=_params(results), synchronous=True)
        for file in files:
            client.log_artifact(parent, str(file))
        for setting in results.at_rates():
            for code in setting.runs:
                _track_code(client, results, setting, code, experiment=experiment, parent=parent)
        is_whole = len(results.runs) == settings.repeats * len(settings.rates) * len(settings.codes)
        client.set_terminated(parent, "FINISHED" if is_whole else "KILLED")
    fold_log(url)
    return str(parent)


def _track_code(
    client: MlflowClient, results: BenchResults, setting: Setting, code: str, *, experiment: str, parent: str
) -> None:
    rate = f"{setting.rate:g}"
    own = {KIND: RIVAL, PARENT: parent, "code": clip(code), "rate": rate}
    run = client.create_run(experiment, run_name=clip(f"{code} at {rate}/s"), tags=_tags(results) | own)
    run_id, at_ms = run.info.run_id, run.info.start_time
    metrics = [Metric(name, value, at_ms, 0) for name, value in summary_metrics(setting, code).items()]
    for each in setting.runs[code]:
        repeat = {f"repeat_{name}_ms": each.measured.percentile_s(percent) * 1e3 for name, percent in _REPEATED.items()}
        finite = {name: value for name, value in repeat.items() if value < float("inf")}
        metrics += [Metric(name, value, at_ms, each.repeat) for name, value in finite.items()]
    params = [Param("code", clip(code)), Param("rate", rate), Param("workers", str(results.settings.workers))]
    client.log_batch(run_id, metrics, params, synchronous=True)
    client.set_terminated(run_id, "FINISHED")


_REPEATED = {"p50": 50.0, "p99": 99.0, "p999": 99.9}


def summary_metrics(setting: Setting, code: str) -> dict[str, float]:
    """Return the figures of a code, times in milliseconds; with intervals where there are several repeats."""
    metrics: dict[str, float] = {}
    names = [field.name for field in fields(TailSummary) if field.name not in _NO_METRICS]
    for name in names:
        figure = setting.figure(code, name)
        is_time = name.endswith("_s") and name != "worker_s"
        shown, unit = (f"{name.removesuffix('_s')}_ms", 1e3) if is_time else (name, 1.0)
        if isinstance(figure, Interval):
            ends = {shown: figure.mean, f"{shown}_low": figure.low, f"{shown}_high": figure.high}
            metrics |= {key: value * unit for key, value in ends.items()}
        elif figure is not None:
            metrics[shown] = figure * unit
    return metrics


def _tags(results: BenchResults) -> dict[str, str]:
    settings = results.settings
    tags = {
        "study": settings.target,
        "model": settings.model,
        "data": settings.data,
        "engine": settings.engine,
        "slowness": settings.slowness or "none",
        "mlflow.source.name": "nercc-tune",
    }
    if results.git_commit is not None:
        tags |= {"git_commit": results.git_commit, "mlflow.source.git.commit": results.git_commit}
    return {name: clip(redact(value)) for name, value in tags.items()}


def _params(results: BenchResults) -> list[Param]:
    values: Mapping[str, object] = {
        **asdict(results.settings),
        **{f"machine.{name}": value for name, value in results.machine.items()},
        **{f"version.{name}": value for name, value in results.versions.items()},
    }
    return [
        Param(name, clip(redact(value if isinstance(value, str) else json.dumps(value))))
        for name, value in values.items()
        if value is not None
    ]


def _note(results: BenchResults) -> str:
    """Write the medians and tails as a table in Markdown."""
    lines = ["| code | rate | p50 ms | p99.9 ms | agreement |", "| :-- | --: | --: | --: | --: |"]
    for setting in results.at_rates():
        for code in setting.runs:
            figures = summary_metrics(setting, code)
            shown = [f"{figures[name]:.4g}" if name in figures else "–" for name in ("p50_ms", "p999_ms", "agreement")]
            lines.append(f"| {code} | {setting.rate:g} | {' | '.join(shown)} |")
    return "\n".join(lines)
