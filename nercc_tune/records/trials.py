"""What a search measures: cells, scores and trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from nercc_tune.records.choices import (
    Decoded,
    DecoderKind,
    DecodeSpace,
    Design,
    Encoding,
    Kernel,
    Parameter,
    Reading,
    decoded_fields,
    said,
)
from nercc_tune.records.strict_json import Strict
from nercc_tune.records.trainings import Epoch
from nercc_tune.records.wrong_answers import Distrust

__all__ = ["Cell", "Option", "Score", "TrialRecord"]


@dataclass(frozen=True, kw_only=True)
class Cell(Strict):
    """What one Optuna study tunes: a workload and a code at one straggler count.

    Attributes:
        study: Name of the study file the cell belongs to.
        queries: K.
        workers: N.
        stragglers: S, or the largest S of a range where the straggler model makes the number random.
        fewest: The least S of the range; equal to `stragglers` where S is fixed.
        weight: Probability of the cell under the straggler model; counts that are listed are equally likely.
    """

    study: str
    model: str
    data: str
    queries: int
    workers: int
    stragglers: int
    fewest: int
    weight: float

    @property
    def name(self) -> str:
        """The name of the cell's Optuna study, for example `lenet5-mnist/K50-N200-S40`."""
        return f"{self.study}/K{self.queries}-N{self.workers}-S{self.stragglers}"

    @property
    def title(self) -> str:
        """The straggler count for a reader: `S=40`, or `S=33–40` for a range."""
        span = f"{self.fewest}–{self.stragglers}" if self.fewest < self.stragglers else f"{self.stragglers}"
        return f"S={span}"


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
class Option(Decoded):
    """What another reading gives on the outputs of a trial's encoder, with its best λ_dec or kernel."""

    assignment: str
    decode_space: DecodeSpace
    decoder: Annotated[DecoderKind, said("spline")] = "spline"
    lambda_dec: float
    kernel: Annotated[Kernel | None, said(None)] = None
    distrust: Annotated[Distrust | None, said(None)] = None
    score: Score
    profile: tuple[float, ...]

    @classmethod
    def of(cls, reading: Reading, parameter: Parameter, score: Score, *, profile: tuple[float, ...] = ()) -> Option:
        """Return what a reading gives whose decoder is set to a parameter."""
        assignment, space, kind = reading
        return cls(
            assignment=assignment,
            decode_space=space,
            decoder=kind,
            **decoded_fields(parameter),
            score=score,
            profile=profile,
        )

    @property
    def reading(self) -> Reading:
        """What is chosen once the answers are there."""
        return self.assignment, self.decode_space, self.decoder


@dataclass(frozen=True, kw_only=True)
class TrialRecord(Decoded):
    """One proposal evaluated in one cell.

    Attributes:
        uid: `<cell name>#<proposal>`, unique for ever within one storage.
        number: Optuna's trial number in the cell's study.
        proposal: Position of the proposal in the study; 0 is (0, 0).
        proposed_for: S of the cell whose sampler proposed it.
        design: Ordering, nodes, assignment and decode space.
        lambda_enc: λ_enc, 0 included.
        lambda_dec: λ_dec, 0 included; 0 too where the decoder is no spline.
        kernel: What a kriging or calibrated decoder is set to, else None.
        distrust: How it finds out which answers to distrust; None where it trusts all.
        score: None for a trial that failed or was pruned.
        profile: Mean error (`Goal.error`) on the study's λ_dec grid (`StudySpec.decoder_grid`) at this encoder; empty
            where there is no score, or some answers are wrong.
        others: The same encoder under the study's other readings (strategy `profile`).
        reason: Why the trial failed, else None.
        pruned_after: Blocks of groups, or epochs of a training, after which a hopeless trial was stopped, else None.
        epochs: Of the training, where one was made.
        started_ms: Unix time in milliseconds; likewise `finished_ms`.
    """

    uid: str
    number: int
    proposal: int
    proposed_for: int
    design: Design = field(default_factory=Design)
    lambda_enc: float
    lambda_dec: float
    kernel: Annotated[Kernel | None, said(None)] = None
    distrust: Annotated[Distrust | None, said(None)] = None
    score: Score | None
    profile: tuple[float, ...] = ()
    others: tuple[Option, ...] = ()
    reason: str | None = None
    pruned_after: int | None = None
    epochs: Annotated[tuple[Epoch, ...], said(())] = ()
    started_ms: int
    finished_ms: int

    @property
    def encoding(self) -> Encoding:
        """What decides the workers' outputs."""
        return self.design.encoding(self.lambda_enc)

    @property
    def options(self) -> tuple[Option, ...]:
        """The trial and the same encoder under other decode spaces and assignments; none without a score."""
        if self.score is None:
            return ()
        own = Option(
            assignment=self.design.assignment,
            decode_space=self.design.decode_space,
            decoder=self.design.decoder,
            lambda_dec=self.lambda_dec,
            kernel=self.kernel,
            distrust=self.distrust,
            score=self.score,
            profile=self.profile,
        )
        return (own, *self.others)

    @property
    def is_complete(self) -> bool:
        """Whether the trial has a score."""
        return self.score is not None
