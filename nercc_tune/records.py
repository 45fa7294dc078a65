"""The frozen values that pass between the stages, each with an exact JSON round trip.

```
StudyHistory                 all that is known of a study, read from Optuna's storage
├── WorkloadInfo             what was served
├── CellHistory …            one straggler count
│   ├── Cell
│   ├── Score …              the baselines on the tuning draws
│   ├── TrialRecord …        the proposals, each with its Score
│   └── TunedEntry           the chosen pair, judged on held-out draws
└── Policy                   one λ_enc for all straggler counts
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from nercc_tune.strict_json import Strict, from_json, to_json

__all__ = [
    "BASELINES",
    "Cell",
    "CellHistory",
    "Heldout",
    "Interval",
    "Policy",
    "PolicyEntry",
    "Provenance",
    "Score",
    "Strict",
    "StudyHistory",
    "TrialRecord",
    "TunedEntry",
    "WorkloadInfo",
    "from_json",
    "to_json",
]

BASELINES = ("bacc", "nercc_ag", "replication", "uncoded")
"""Berrut coded computing, NeRCC at (0, 0), replication at the same N, and each query sent once."""


@dataclass(frozen=True, kw_only=True)
class Cell(Strict):
    """What one Optuna study tunes: a workload and a code at one straggler count.

    Attributes:
        study: Name of the study file the cell belongs to.
        queries: K.
        workers: N.
        stragglers: S.
    """

    study: str
    model: str
    data: str
    queries: int
    workers: int
    stragglers: int
    nodes: str
    decode_space: Literal["probabilities", "logits"]

    @property
    def name(self) -> str:
        """The name of the cell's Optuna study, for example `lenet5-mnist/K50-N200-S40`."""
        return f"{self.study}/K{self.queries}-N{self.workers}-S{self.stragglers}"


@dataclass(frozen=True, kw_only=True)
class Score(Strict):
    """How well a code did on the tuning draws: means over groups and masks, and quantiles over masks.

    Attributes:
        mse: Mean over queries of the squared L2 distance to the uncoded outputs, in the decode space.
        prob_mse: The same in probabilities, whatever the decode space.
        accuracy: Share of estimates whose argmax is the label.
        rel_acc: `accuracy` over the accuracy of the uncoded model; None where the latter is 0.
        agreement: Share of estimates whose argmax is that of the uncoded output.
        mse_p95: 95 % quantile of `mse` over masks (each averaged over groups); likewise `prob_mse_p95`.
        rel_acc_p5: 5 % quantile of `rel_acc` over masks; likewise `agreement_p5`.
    """

    mse: float
    prob_mse: float
    accuracy: float
    rel_acc: float | None
    agreement: float
    mse_p95: float
    prob_mse_p95: float
    rel_acc_p5: float | None
    agreement_p5: float

    def metrics(self) -> dict[str, float]:
        """Return the figures that are defined, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class TrialRecord(Strict):
    """One proposal evaluated in one cell.

    Attributes:
        uid: `<cell name>#<proposal>`, unique for ever within one storage.
        number: Optuna's trial number in the cell's study.
        proposal: Position of the proposal in the study; 0 is (0, 0).
        proposed_for: S of the cell whose sampler proposed it.
        lambda_enc: λ_enc, 0 included.
        lambda_dec: λ_dec, 0 included.
        score: None for a failed trial.
        profile: Mean MSE on the study's λ_dec grid (`StudySpec.decoder_grid`) at this λ_enc; empty for a failed trial.
        reason: Why the trial failed, else None.
        started_ms: Unix time in milliseconds; likewise `finished_ms`.
    """

    uid: str
    number: int
    proposal: int
    proposed_for: int
    lambda_enc: float
    lambda_dec: float
    score: Score | None
    profile: tuple[float, ...] = ()
    reason: str | None = None
    started_ms: int
    finished_ms: int

    @property
    def is_complete(self) -> bool:
        """Whether the trial has a score."""
        return self.score is not None


@dataclass(frozen=True, kw_only=True)
class Interval(Strict):
    """A mean with its 95 % confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Heldout(Strict):
    """What a code does on held-out groups and fresh masks; `rel_acc` is None where the uncoded accuracy is 0."""

    mse: Interval
    prob_mse: Interval
    rel_acc: Interval | None
    agreement: Interval


@dataclass(frozen=True, kw_only=True)
class TunedEntry(Strict):
    """The chosen pair of a cell and what it is worth.

    Attributes:
        domain: The interval that the nodes lie in; λ has the unit of its length cubed.
        df_enc: Effective degrees of freedom of the encoder, the trace of its smoother at the K query nodes.
        df_dec: The same of the decoder at its F worker nodes, averaged over the tuning masks.
        tuning: The pair's score on the tuning draws, on which it was chosen.
        baselines: By name of `BASELINES`, on the same held-out draws.
        mse_minus: Paired difference in held-out MSE to `bacc` and `nercc_ag`; negative where the tuned pair is better.
        trials: Completed trials of the cell.
        forwards: Forward passes of the study's tuning groups that the search made, shared by all its cells.
    """

    model: str
    data: str
    queries: int
    workers: int
    stragglers: int
    nodes: str
    decode_space: Literal["probabilities", "logits"]
    domain: tuple[float, float]
    lambda_enc: float
    lambda_dec: float
    df_enc: float
    df_dec: float
    tuning: Score
    heldout: Heldout
    baselines: dict[str, Heldout]
    mse_minus: dict[str, Interval]
    trials: int
    forwards: int


@dataclass(frozen=True, kw_only=True)
class PolicyEntry(Strict):
    """The policy's λ_dec at one straggler count, with what it is worth on the held-out draws."""

    stragglers: int
    lambda_dec: float
    df_dec: float
    heldout: Heldout


@dataclass(frozen=True, kw_only=True)
class Policy(Strict):
    """One λ_enc for all listed straggler counts with a λ_dec for each: deployable when S is not known ahead."""

    lambda_enc: float
    df_enc: float
    entries: tuple[PolicyEntry, ...]


@dataclass(frozen=True, kw_only=True)
class WorkloadInfo(Strict):
    """What was served, as far as a reader needs it: `fingerprint` covers weights, data and preprocessing."""

    model: str
    data: str
    fingerprint: str
    weights_source: str
    query_shape: tuple[int, ...]
    outputs: int
    uncoded_accuracy: float


@dataclass(frozen=True, kw_only=True)
class Provenance(Strict):
    """Where a result comes from; `times` is the only part that differs between two runs of the same study.

    Attributes:
        versions: Of nercc_tune, python, torch, optuna …
        git_commit: Of the directory the study was launched in, if any.
        device: For example `cpu` or `cuda: NVIDIA H200`.
        times: `created` (ISO 8601) and the seconds of each stage.
    """

    versions: dict[str, str]
    git_commit: str | None
    device: str
    precision: str
    times: dict[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CellHistory(Strict):
    """One cell: the baselines on the tuning draws, the trials in Optuna's order, and the choice once it is made."""

    cell: Cell
    baselines: dict[str, Score]
    trials: tuple[TrialRecord, ...]
    entry: TunedEntry | None = None

    @property
    def best(self) -> TrialRecord | None:
        """The completed trial with the least MSE, the earliest of equals."""
        scored = [(trial.score.mse, trial.number, trial) for trial in self.trials if trial.score is not None]
        return min(scored, key=lambda item: item[:2])[2] if scored else None


@dataclass(frozen=True, kw_only=True)
class StudyHistory(Strict):
    """All that is known of a study.

    Attributes:
        digest: Of the study file, as `StudySpec.digest`.
        spec: The study file as a JSON object.
        decoder_grid: The λ_dec values of `TrialRecord.profile`, ascending from 0.
    """

    name: str
    digest: str
    spec: dict[str, Any]
    decoder_grid: tuple[float, ...]
    workload: WorkloadInfo
    cells: tuple[CellHistory, ...]
    policy: Policy | None = None
    provenance: Provenance | None = None

    @property
    def is_finished(self) -> bool:
        """Whether every cell has its tuned entry."""
        return bool(self.cells) and all(cell.entry is not None for cell in self.cells)
