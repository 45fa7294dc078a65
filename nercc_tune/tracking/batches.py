"""Writes what a run says in as few calls as MLflow's limits allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nercc_tune.tracking.silent import Metric, MlflowClient, Param, RunTag

_PARAMS_A_CALL = 100
_METRICS_A_CALL = 900
"""MLflow accepts 100 parameters and 1000 metrics a call."""


def log_batches(
    client: MlflowClient,
    run_id: str,
    metrics: Sequence[Metric] = (),
    *,
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write metrics, parameters and tags to a run; nothing is sent where there is nothing to write."""
    entities = [Param(name, value) for name, value in (params or {}).items()]
    labels = [RunTag(name, value) for name, value in (tags or {}).items()]
    while metrics or entities or labels:
        client.log_batch(run_id, metrics[:_METRICS_A_CALL], entities[:_PARAMS_A_CALL], labels)
        metrics, entities, labels = metrics[_METRICS_A_CALL:], entities[_PARAMS_A_CALL:], []
