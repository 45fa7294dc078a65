"""What a run says: names, tags, parameters, metrics and the note, as plain values computed from a `StudyHistory`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nercc_tune.records import Cell, CellHistory, Policy, StudyHistory, TrialRecord, WorkloadInfo
from nercc_tune.text.redaction import redact
from nercc_tune.tracking.judged import entry_metrics, policy_metrics

UID = "nercc_tune.uid"
"""Tag with the `TrialRecord.uid` of a trial's run, or the name of the cell's."""

KIND = "nercc_tune.kind"
"""Tag that tells the run of a `cell` from that of a `trial`, and from that of the `system` that a launch ran on."""

PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"

MAX_VALUE = 500
"""Characters that a tag or a parameter is clipped to, MLflow's limit for parameters before 2.8."""

LOG10_OF_ZERO = -20.0
"""Where λ = 0 stands on the logarithmic scale: below every λ that makes a difference to it in float64."""

MAX_DIGEST = 36
"""Characters of a data set's digest in MLflow."""


@dataclass(frozen=True, kw_only=True)
class BestPoint:
    """The best completed trial of a cell up to and including a proposal.

    Attributes:
        time_ms: When the proposal was finished.
        mse: The squared error that goes with the goal (`Goal.error`).
    """

    proposal: int
    time_ms: int
    mse: float
    lambda_enc: float
    lambda_dec: float

    def metrics(self) -> dict[str, float]:
        """Return the point's value on each of the curves."""
        return {"best_mse": self.mse, "best_lambda_enc": self.lambda_enc, "best_lambda_dec": self.lambda_dec}


def cell_title(cell: Cell) -> str:
    """Return the name of a cell's run."""
    return cell.title


def trial_title(cell: Cell, record: TrialRecord) -> str:
    """Return the name of a trial's run."""
    return f"{cell.title} #{record.proposal}"


def cell_tags(history: StudyHistory, cell: Cell) -> dict[str, str]:
    """Return the tags that a cell's run and those of its trials share; the commit is among them once it is known."""
    search: Any = history.spec.get("search", {})
    tags = {
        "study": history.name,
        "digest": history.digest,
        "model": cell.model,
        "data": cell.data,
        "K": str(cell.queries),
        "N": str(cell.workers),
        "S": str(cell.stragglers),
        "objective": str(search.get("objective", "")),
        "strategy": str(search.get("strategy", "")),
        "weights_source": history.workload.weights_source,
        "fingerprint": history.workload.fingerprint,
        "mlflow.source.name": "nercc-tune",
    }
    commit = history.provenance.git_commit if history.provenance else None
    if commit is not None:
        tags |= {"git_commit": commit, "mlflow.source.git.commit": commit}
    return {key: clip(redact(value)) for key, value in tags.items() if value}


def cell_params(history: StudyHistory, cell: Cell) -> dict[str, str]:
    """Return the parameters of a cell's run: the cell, the workload, and the study file with dotted keys."""
    info = history.workload
    params: dict[str, Any] = {
        "model": cell.model,
        "data": cell.data,
        "K": cell.queries,
        "N": cell.workers,
        "S": cell.stragglers,
        "S_fewest": cell.fewest,
        "weight": cell.weight,
        "weights_source": info.weights_source,
        "fingerprint": info.fingerprint,
        "uncoded_accuracy": info.uncoded_accuracy,
        **dict(_flatten(history.spec)),
    }
    return {key: clip(redact(_written(value))) for key, value in params.items() if value is not None}


def trial_params(record: TrialRecord) -> dict[str, str]:
    """Return the parameters of a trial's run; floats are written so that they are read back exactly."""
    training = record.design.training
    if training is not None:
        values = {name: str(value) for name, value in vars(training).items()}
        return {**values, "decoder": record.design.decoder, "decode_space": record.design.decode_space}
    decoding = {"lambda_dec": record.lambda_dec} if record.kernel is None else vars(record.kernel)
    distrust = record.distrust
    doubts = {"distrust_kind": distrust.kind, "distrust_level": repr(distrust.level)} if distrust else {}
    return {
        "lambda_enc": repr(record.lambda_enc),
        **{name: repr(value) for name, value in decoding.items()},
        **doubts,
        "ordering": record.design.ordering,
        "nodes": record.design.nodes,
        "assignment": record.design.assignment,
        "decode_space": record.design.decode_space,
        "decoder": record.design.decoder,
    }


def trial_metrics(record: TrialRecord) -> dict[str, float]:
    """Return the figures of a completed trial, and its λ on the logarithmic scale that MLflow's axes lack."""
    if record.score is None:
        return {}
    if record.design.training is not None:
        return record.score.metrics()
    metrics = record.score.metrics() | {"log10_lambda_enc": _log10(record.lambda_enc)}
    return metrics if record.kernel is not None else metrics | {"log10_lambda_dec": _log10(record.lambda_dec)}


def epoch_metrics(record: TrialRecord) -> tuple[dict[str, float], ...]:
    """Return the curves of a trial's training, the figures of each epoch."""
    return tuple(
        {"loss": epoch.loss, "validation_agreement": epoch.agreement, "validation_accuracy": epoch.accuracy}
        for epoch in record.epochs
    )


def trial_tags(record: TrialRecord) -> dict[str, str]:
    """Return the tags that only a trial's run has."""
    state = "failed" if is_failed(record) else "complete" if record.is_complete else "pruned"
    tags = {
        UID: record.uid,
        KIND: "trial",
        "state": state,
        "proposal": str(record.proposal),
        "proposed_for": str(record.proposed_for),
        "optuna_trial": str(record.number),
    }
    if record.pruned_after is not None:
        tags["pruned_after"] = str(record.pruned_after)
    return tags if record.reason is None else tags | {"reason": clip(redact(record.reason))}


def is_failed(record: TrialRecord) -> bool:
    """Whether a trial failed; one that was pruned did what was asked of it."""
    return not record.is_complete and record.pruned_after is None


def best_so_far(history: CellHistory) -> tuple[BestPoint, ...]:
    """Return the curve of the best trial over the proposals, a point for each completed trial."""
    points: list[BestPoint] = []
    best: TrialRecord | None = None
    for trial in sorted(history.trials, key=lambda trial: trial.proposal):
        if trial.score is None:
            continue
        if best is None or best.score is None or history.goal.rank(trial.score) < history.goal.rank(best.score):
            best = trial
        points.append(best_point(best, at=trial, error=history.goal.error))
    return tuple(points)


def best_point(best: TrialRecord, *, at: TrialRecord, error: str) -> BestPoint:
    """Return the point of the curve, in `error`, at which `at` was the latest proposal and `best` the best trial.

    Raises:
        ValueError: If `best` has no score.
    """
    if best.score is None:
        raise ValueError(f"`best` must be a completed trial, but got the failed {best.uid}.")
    return BestPoint(
        proposal=at.proposal,
        time_ms=at.finished_ms,
        mse=best.score.prob_mse if error == "prob_mse" else best.score.mse,
        lambda_enc=best.lambda_enc,
        lambda_dec=best.lambda_dec,
    )


def cell_metrics(history: CellHistory, policy: Policy | None) -> dict[str, float]:
    """Return the figures of a cell: the baselines, and what the choice is worth once it is made."""
    metrics = {
        f"baseline_{name}_{figure}": value
        for name, score in history.baselines.items()
        for figure, value in score.metrics().items()
    }
    metrics["failed_trials"] = float(sum(map(is_failed, history.trials)))
    metrics["pruned_trials"] = float(sum(trial.pruned_after is not None for trial in history.trials))
    if history.entry is not None:
        metrics |= entry_metrics(history.entry)
    if policy is not None:
        metrics |= policy_metrics(policy, history.cell.stragglers)
    return metrics


def dataset(info: WorkloadInfo) -> dict[str, str]:
    """Return the fields of MLflow's data set entity, whose digest is the start of the workload's fingerprint."""
    shape = [-1, *info.query_shape]
    features = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": shape}}]
    return {
        "name": clip(info.data),
        "digest": info.fingerprint[:MAX_DIGEST],
        "source_type": "nercc_tune",
        "source": json.dumps({"data": info.data, "fingerprint": info.fingerprint}),
        "schema": json.dumps({"mlflow_tensorspec": {"features": json.dumps(features), "targets": None}}),
        "profile": json.dumps(
            {"outputs": info.outputs, "uncoded_accuracy": info.uncoded_accuracy, "model": info.model}
        ),
    }


def clip(text: str) -> str:
    """Shorten a text to what a tag or a parameter may hold."""
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _log10(smoothing: float) -> float:
    return math.log10(smoothing) if smoothing > 10**LOG10_OF_ZERO else LOG10_OF_ZERO


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return json.dumps(list(value), ensure_ascii=False)
    return repr(value)
