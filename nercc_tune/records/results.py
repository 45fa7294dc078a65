"""What is chosen, and what it is worth on held-out draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from nercc_tune.records.availability import Availability
from nercc_tune.records.choices import Decoded, Design, Kernel, said
from nercc_tune.records.intervals import Interval
from nercc_tune.records.strict_json import Strict
from nercc_tune.records.trials import Score
from nercc_tune.records.wrong_answers import Distrust, WrongAnswers

__all__ = [
    "BASELINES",
    "CODE_NAMES",
    "DEFAULT_PREDICTION",
    "ERROR_BASELINES",
    "RIVALS",
    "Candidate",
    "FrontPoint",
    "Heldout",
    "Policy",
    "PolicyEntry",
    "SinglePair",
    "TunedEntry",
]

DEFAULT_PREDICTION = "default"
"""The name of the baseline that gives a fixed output for a query that nobody answered."""

BASELINES = ("bacc", "nercc_ag", "replication", "uncoded", DEFAULT_PREDICTION)
"""Berrut coded computing, NeRCC at (0, 0), replication at the same N, each query sent once, and that without repair."""

ERROR_BASELINES = ("approxifer", "vote")
"""ApproxIFER, which is told how many answers are wrong, and replication with the median of the copies."""

RIVALS = (*(name for name in BASELINES if name != DEFAULT_PREDICTION), *ERROR_BASELINES, "bacc_same_design", "frozen")
"""All that a tuned code is compared with; the last two are BACC in the tuned design and a pair tuned at another S.

The default prediction is none of them: nobody would deploy it; it makes accuracies comparable with published ones.
"""

CODE_NAMES = {
    "tuned": "tuned NeRCC",
    "policy": "NeRCC, policy",
    "bacc": "BACC",
    "nercc_ag": "NeRCC at (0, 0)",
    "replication": "replication",
    "uncoded": "uncoded",
    DEFAULT_PREDICTION: "default prediction",
    "approxifer": "ApproxIFER",
    "vote": "replication, median",
    "bacc_same_design": "BACC in the same design",
    "frozen": "NeRCC, one pair frozen",
}
"""What the codes are called in every text, table and figure."""


@dataclass(frozen=True, kw_only=True)
class Heldout(Strict):
    """What a code does on held-out groups and fresh masks; `rel_acc` is None where the uncoded accuracy is 0.

    `availability` is None where it was not measured.
    """

    mse: Interval
    prob_mse: Interval
    rel_acc: Interval | None
    agreement: Interval
    availability: Annotated[Availability | None, said(None)] = None


@dataclass(frozen=True, kw_only=True)
class Candidate(Strict):
    """One of a cell's best trials, judged again on fresh draws before one is chosen.

    Attributes:
        proposal: Of the trial; None for replication, which is always among them.
        tuning: The goal's metric on the tuning draws, on which it was found.
        fresh: The same on the validation draws, by which the choice is made.
        is_feasible: Whether it keeps the goal's floors on the validation draws.
    """

    proposal: int | None
    tuning: float
    fresh: float
    is_feasible: bool


@dataclass(frozen=True, kw_only=True)
class FrontPoint(Strict):
    """A trial that no other beats in both error and RelAcc, on the tuning draws and held out."""

    proposal: int
    design: Design
    lambda_enc: float
    lambda_dec: float
    kernel: Annotated[Kernel | None, said(None)] = None
    distrust: Annotated[Distrust | None, said(None)] = None
    tuning: Score
    heldout: Heldout


@dataclass(frozen=True, kw_only=True)
class TunedEntry(Decoded):
    """The chosen code of a cell and what it is worth.

    Attributes:
        fewest: Least S of the cell; equal to `stragglers` where S is fixed.
        weight: Probability of the cell under the straggler model.
        waiting: Mean time until enough answers are there, in the unit of the latencies; None without a latency model.
        design: Ordering, nodes, assignment and decode space of the chosen code.
        domain: The interval that the nodes lie in; λ has the unit of its length cubed.
        kernel: What a kriging or calibrated decoder is set to; λ_dec is 0 then.
        distrust: How it finds out which answers to distrust; None where it trusts all.
        moments: Digest of the second moments that a calibrated decoder needs, which lie beside the table.
        networks: Digest of the networks of a trained code, which lie beside the table.
        typical: Digest of what answers look like, which lies beside the table; None where distrust does not look at it.
        df_enc: Effective degrees of freedom of the encoder, the trace of its smoother at the K query nodes.
        df_dec: The same of the decoder at its F worker nodes, averaged over the tuning masks.
        tuning: The chosen code's score on the tuning draws.
        is_feasible: Whether it keeps the goal's floors; where none of the candidates does, the nearest was chosen.
        candidates: The best trials with their worth on fresh draws, best on the tuning draws first.
        baselines: By name of `BASELINES`, on the same held-out draws, in the study's own design; `bacc_same_design` is
            BACC in the chosen design where that is another; `frozen` is the pair tuned at another count.
        mse_minus: Paired difference in held-out MSE to the baselines; negative where the tuned code is better. Only for
            those whose MSE is in the same space.
        prob_mse_minus: The same in probabilities, to every baseline.
        gains: Share of a baseline's held-out error (`Goal.error`) that the tuned code saves: 1 − their ratio, both
            resampled; only for those whose error is in the same space.
        wrong_answers: What the code does about wrong answers, where the study has some.
        front: For the goal `pareto`: the trials that no other beats in both metrics.
        trials: Completed trials of the cell.
        forwards: Forward passes of the study's tuning groups that the search made, shared by all its cells; a pruned
            one counts by its share.
    """

    model: str
    data: str
    queries: int
    workers: int
    stragglers: int
    fewest: int
    weight: float
    waiting: float | None
    design: Design
    domain: tuple[float, float]
    lambda_enc: float
    lambda_dec: float
    kernel: Annotated[Kernel | None, said(None)] = None
    distrust: Annotated[Distrust | None, said(None)] = None
    moments: Annotated[str | None, said(None)] = None
    networks: Annotated[str | None, said(None)] = None
    typical: Annotated[str | None, said(None)] = None
    df_enc: float
    df_dec: float
    tuning: Score
    is_feasible: bool
    candidates: tuple[Candidate, ...]
    heldout: Heldout
    baselines: dict[str, Heldout]
    mse_minus: dict[str, Interval]
    prob_mse_minus: dict[str, Interval]
    gains: dict[str, Interval]
    wrong_answers: Annotated[WrongAnswers | None, said(None)] = None
    front: tuple[FrontPoint, ...] = ()
    trials: int
    forwards: float

    def minus(self, error: str) -> dict[str, Interval]:
        """Return the paired differences to the baselines in `mse` or `prob_mse`."""
        return self.mse_minus if error == "mse" else self.prob_mse_minus


@dataclass(frozen=True, kw_only=True)
class PolicyEntry(Decoded):
    """The policy's λ_dec or kernel for the straggler counts of a cell, with its worth on the held-out draws."""

    stragglers: int
    lambda_dec: float
    kernel: Annotated[Kernel | None, said(None)] = None
    distrust: Annotated[Distrust | None, said(None)] = None
    df_dec: float
    heldout: Heldout


@dataclass(frozen=True, kw_only=True)
class SinglePair(Decoded):
    """The best (λ_enc, λ_dec), or kernel, for all counts at once, with its expected worth on the held-out draws."""

    design: Design
    lambda_enc: float
    lambda_dec: float
    kernel: Annotated[Kernel | None, said(None)] = None
    distrust: Annotated[Distrust | None, said(None)] = None
    heldout: Heldout


@dataclass(frozen=True, kw_only=True)
class Policy(Strict):
    """One encoder for all that may arrive with a λ_dec for each count: deployable when S is not known ahead.

    Attributes:
        design: Of all entries.
        moments: As of a `TunedEntry`; likewise `networks` and `typical`.
        heldout: Expected over the cells, weighted by their probabilities.
        single: The best single pair, chosen on the same draws in the same way.
        minus_single: Paired difference of the expected held-out error (`Goal.error`) to the single pair.
        is_feasible: Whether the policy keeps the goal's floors in every cell.
        baselines: Expected over the cells like the policy.
        prob_mse_minus: Paired difference of the expected MSE in probabilities to the baselines.
    """

    design: Design
    lambda_enc: float
    moments: Annotated[str | None, said(None)] = None
    networks: Annotated[str | None, said(None)] = None
    typical: Annotated[str | None, said(None)] = None
    df_enc: float
    entries: tuple[PolicyEntry, ...]
    heldout: Heldout
    single: SinglePair
    minus_single: Interval
    is_feasible: bool
    baselines: dict[str, Heldout] = field(default_factory=dict)
    prob_mse_minus: dict[str, Interval] = field(default_factory=dict)
