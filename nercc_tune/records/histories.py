"""A study as a whole: what was served, what was tried, what was chosen, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from nercc_tune.records.choices import Design, OutputKind, said
from nercc_tune.records.goals import Goal
from nercc_tune.records.results import Policy, TunedEntry
from nercc_tune.records.strict_json import Strict
from nercc_tune.records.trials import Cell, Score, TrialRecord

__all__ = ["CellHistory", "Provenance", "StudyHistory", "WorkloadInfo"]


@dataclass(frozen=True, kw_only=True)
class WorkloadInfo(Strict):
    """What was served, as far as a reader needs it.

    Attributes:
        fingerprint: Covers weights, data and preprocessing.
        outputs: How many the model has.
        uncoded_accuracy: On the tuning queries.
        output_kind: What the model's outputs are.
        warning: What is implausible about the plain outputs and queries, if anything.
    """

    model: str
    data: str
    fingerprint: str
    weights_source: str
    query_shape: tuple[int, ...]
    outputs: int
    uncoded_accuracy: float
    output_kind: Annotated[OutputKind, said("logits")] = "logits"
    warning: Annotated[str | None, said(None)] = None


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
class SmoothedCode(Strict):
    """A code that a spline decodes, with its score on the tuning draws.

    Attributes:
        is_chosen: Whether it is what was chosen, or the best trial so far.
    """

    design: Design
    lambda_enc: float
    lambda_dec: float
    score: Score
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class CellHistory(Strict):
    """One cell: the baselines on the tuning draws, the trials in Optuna's order, and the choice once it is made."""

    cell: Cell
    goal: Goal = field(default_factory=Goal)
    baselines: dict[str, Score]
    trials: tuple[TrialRecord, ...]
    entry: TunedEntry | None = None

    @property
    def ranked(self) -> tuple[TrialRecord, ...]:
        """The completed trials, best first by the goal; of equals the earliest first."""
        scored = [(*self.goal.rank(trial.score), trial.number, trial) for trial in self.trials if trial.score]
        return tuple(item[-1] for item in sorted(scored, key=lambda item: item[:-1]))

    @property
    def profiles(self) -> dict[float, tuple[float, ...]]:
        """The profiles of all encoders with the design of `smoothed`, by λ_enc."""
        if self.smoothed is None:
            return {}
        design = self.smoothed.design
        return {
            trial.lambda_enc: option.profile
            for trial in self.trials
            if trial.encoding == design.encoding(trial.lambda_enc)
            for option in trial.options
            if option.reading == design.reading and option.profile
        }

    @property
    def smoothed(self) -> SmoothedCode | None:
        """The code whose place on a map of both λ is shown: what was chosen, or the best that a spline decodes."""
        chosen = self.chosen
        score = chosen.tuning if isinstance(chosen, TunedEntry) else chosen.score if chosen else None
        if chosen is not None and score is not None and chosen.design.decoder == "spline":
            return SmoothedCode(
                design=chosen.design,
                lambda_enc=chosen.lambda_enc,
                lambda_dec=chosen.lambda_dec,
                score=score,
                is_chosen=True,
            )
        splines = [
            SmoothedCode(
                design=trial.design.with_reading(option.reading),
                lambda_enc=trial.lambda_enc,
                lambda_dec=option.lambda_dec,
                score=option.score,
                is_chosen=False,
            )
            for trial in self.trials
            for option in trial.options
            if option.decoder == "spline"
        ]
        return min(splines, key=lambda code: self.goal.rank(code.score), default=None)

    @property
    def best(self) -> TrialRecord | None:
        """The first of `ranked`."""
        return next(iter(self.ranked), None)

    @property
    def chosen(self) -> TunedEntry | TrialRecord | None:
        """What was chosen, and until then the best trial so far."""
        return self.entry or self.best


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
    def goal(self) -> Goal:
        """What the study optimises."""
        return self.cells[0].goal if self.cells else Goal()

    @property
    def is_finished(self) -> bool:
        """Whether every cell has its tuned entry."""
        return bool(self.cells) and all(cell.entry is not None for cell in self.cells)

    @property
    def is_judged(self) -> bool:
        """Whether every cell has its tuned entry, and no trial came after it."""
        return self.is_finished and all(
            cell.entry is not None and cell.entry.trials == sum(trial.is_complete for trial in cell.trials)
            for cell in self.cells
        )
