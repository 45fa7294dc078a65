"""How far the estimates are from the uncoded outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from nercc_tune.records import DecodeSpace, OutputKind, Score

# Below the smallest normal float32 a probability has lost its digits, or was rounded to 0 by the softmax: the logarithm
# of that, -87, is the least that can be told of it. A larger floor would bend logits that are known exactly.
LEAST_PROBABILITY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What the estimates are compared with, in one decode space.

    Attributes:
        outputs: [G, K, c] the uncoded outputs where the MSE is measured: in logits for `logits`, else probabilities.
        probabilities: [G, K, c] the uncoded outputs as probabilities.
        labels: [G, K].
        decode_space: Where the decoder works.
        output_kind: What the model gives.
    """

    outputs: Tensor
    probabilities: Tensor
    labels: Tensor
    decode_space: DecodeSpace
    output_kind: OutputKind = "logits"

    @classmethod
    def of(
        cls, given: Tensor, labels: Tensor, *, decode_space: DecodeSpace, output_kind: OutputKind = "logits"
    ) -> Truth:
        """Build the truth from the model's uncoded outputs [G, K, c] and labels [G, K].

        The logits of a model that gives probabilities are their logarithms, of at least `LEAST_PROBABILITY`.
        """
        given = given.mT.contiguous().mT
        probabilities = _to_probabilities(given, output_kind)
        outputs = _to_logits(given, output_kind) if decode_space == "logits" else probabilities
        return cls(
            outputs=outputs,
            probabilities=probabilities,
            labels=labels,
            decode_space=decode_space,
            output_kind=output_kind,
        )

    def answers(self, given: Tensor) -> Tensor:
        """Take workers' outputs to what the decoder reads."""
        convert = _to_probabilities if self.decode_space == "probabilities" else _to_logits
        return convert(given, self.output_kind)

    def estimates(self, decoded: Tensor) -> Tensor:
        """Take what the decoder gives to where the MSE is measured."""
        return _softmax(decoded) if self.decode_space == "logits-softmax" else decoded

    def part(self, groups: slice | Tensor) -> Truth:
        """Return the truth of some of the groups."""
        return replace(
            self,
            outputs=self.outputs[groups],
            probabilities=self.probabilities[groups],
            labels=self.labels[groups],
        )

    @property
    def accuracy(self) -> Tensor:
        """[G] accuracy of the uncoded model, float64."""
        return _share(self.outputs.argmax(-1) == self.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskedMetrics:
    """Metrics of one code, [G, M] float64 each on the CPU: a mean over the K queries for every group and mask."""

    mse: Tensor
    prob_mse: Tensor
    accuracy: Tensor
    agreement: Tensor
    uncoded_accuracy: Tensor
    """[G]"""

    def score(self) -> Score:
        """Summarise over groups and masks.

        `rel_acc` is a ratio of means, so that a group on which the model is always wrong weighs like any other.
        """
        base = float(self.uncoded_accuracy.mean())
        by_mask = self.accuracy.mean(0)
        return Score(
            mse=float(self.mse.mean()),
            prob_mse=float(self.prob_mse.mean()),
            accuracy=float(by_mask.mean()),
            rel_acc=float(by_mask.mean()) / base if base > 0 else None,
            agreement=float(self.agreement.mean()),
            mse_p95=_quantile(self.mse, 0.95),
            prob_mse_p95=_quantile(self.prob_mse, 0.95),
            rel_acc_p5=_quantile(self.accuracy, 0.05) / base if base > 0 else None,
            agreement_p5=_quantile(self.agreement, 0.05),
        )


def measure(decoded: Iterable[Tensor], truth: Truth) -> MaskedMetrics:
    """Compare what a decoder gave with the truth.

    Args:
        decoded: Parts [m, G, K, c] of all masks in turn, in the decode space.
        truth: The uncoded outputs, in the order of the estimates.
    """
    parts = [_compare(truth.estimates(part), truth) for part in decoded]
    mse, prob_mse, accuracy, agreement = (torch.cat(part).mT.cpu() for part in zip(*parts, strict=True))
    return MaskedMetrics(
        mse=mse, prob_mse=prob_mse, accuracy=accuracy, agreement=agreement, uncoded_accuracy=truth.accuracy.cpu()
    )


def mean_error(decoded: Iterable[Tensor], truth: Truth, error: Literal["mse", "prob_mse"]) -> float:
    """Return the mean of one error over groups, masks and queries, which `measure` gives among all others.

    Args:
        decoded: As for `measure`.
        truth: The uncoded outputs, in the order of the estimates.
        error: Which one.
    """
    total, count = 0.0, 0
    for part in decoded:
        estimates = truth.estimates(part)
        is_other = error == "prob_mse" and truth.decode_space == "logits"
        difference = _softmax(estimates) - truth.probabilities if is_other else estimates - truth.outputs
        total += float(difference.square_().sum(dtype=torch.float64))
        count += part[..., 0].numel()
    return total / count


def _compare(estimates: Tensor, truth: Truth) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return mse, prob_mse, accuracy, agreement, [m, G] each, of estimates [m, G, K, c]."""
    mse = _distance(estimates, truth.outputs)
    in_logits = truth.decode_space == "logits"
    prob_mse = _distance(_softmax(estimates), truth.probabilities) if in_logits else mse
    chosen = estimates.argmax(-1)
    return mse, prob_mse, _share(chosen == truth.labels), _share(chosen == truth.outputs.argmax(-1))


def _to_probabilities(given: Tensor, kind: OutputKind) -> Tensor:
    return given if kind == "probabilities" else _softmax(given)


def _to_logits(given: Tensor, kind: OutputKind) -> Tensor:
    return given.clamp_min(LEAST_PROBABILITY).log() if kind == "probabilities" else given


def _softmax(logits: Tensor) -> Tensor:
    """Return the softmax over the last axis; ten times as fast as torch's own where the axis before it lies last."""
    return logits.mT.softmax(-2).mT


def _distance(estimates: Tensor, outputs: Tensor) -> Tensor:
    return (estimates - outputs).square().sum(-1).to(torch.float64).mean(-1)


def _share(hits: Tensor) -> Tensor:
    return hits.to(torch.float64).mean(-1)


def _quantile(by_group_and_mask: Tensor, level: float) -> float:
    return float(by_group_and_mask.mean(0).quantile(level))
