"""How far the estimates are from the uncoded outputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.records import Score

# Estimates decoded at once, in numbers: bounds the memory of large masks × groups × outputs.
_DECODED_NUMBERS = 2**25


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What the estimates are compared with, in one decode space.

    Attributes:
        outputs: [G, K, c] the uncoded outputs in the decode space.
        probabilities: [G, K, c] the uncoded outputs as probabilities.
        labels: [G, K].
        is_probabilities: Whether the decode space is `probabilities`.
    """

    outputs: Tensor
    probabilities: Tensor
    labels: Tensor
    is_probabilities: bool

    @classmethod
    def of(cls, logits: Tensor, labels: Tensor, *, decode_space: str) -> Truth:
        """Build the truth from uncoded logits [G, K, c] and labels [G, K]."""
        probabilities = logits.softmax(-1)
        is_probabilities = decode_space == "probabilities"
        outputs = probabilities if is_probabilities else logits
        return cls(outputs=outputs, probabilities=probabilities, labels=labels, is_probabilities=is_probabilities)

    def answers(self, logits: Tensor) -> Tensor:
        """Take workers' logits to the decode space."""
        return logits.softmax(-1) if self.is_probabilities else logits

    @property
    def accuracy(self) -> Tensor:
        """[G] accuracy of the uncoded model, float64."""
        return _share(self.outputs.argmax(-1) == self.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskedMetrics:
    """Metrics of one code, [G, M] float64 each: a mean over the K queries for every group and mask."""

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


def measure(logits: Tensor, decoders: Tensor, arrived: Tensor, truth: Truth) -> MaskedMetrics:
    """Decode every group under every mask and compare.

    Args:
        logits: [G, N, c] the workers' answers.
        decoders: [M, K, F] float64.
        arrived: [M, F] the workers that arrived.
        truth: The uncoded outputs.
    """
    answers = truth.answers(logits)
    groups, _, outputs = answers.shape
    flat = answers.transpose(0, 1).reshape(answers.shape[1], -1)
    masks_at_once = max(1, _DECODED_NUMBERS // (groups * decoders.shape[1] * outputs))
    parts = [
        _compare((matrices.to(flat.dtype) @ flat[workers]).unflatten(-1, (groups, outputs)), truth)
        for matrices, workers in zip(decoders.split(masks_at_once), arrived.split(masks_at_once), strict=True)
    ]
    mse, prob_mse, accuracy, agreement = (torch.cat(part).mT for part in zip(*parts, strict=True))
    return MaskedMetrics(
        mse=mse, prob_mse=prob_mse, accuracy=accuracy, agreement=agreement, uncoded_accuracy=truth.accuracy
    )


def _compare(estimates: Tensor, truth: Truth) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return mse, prob_mse, accuracy, agreement, [m, G] each, of estimates [m, K, G, c]."""
    estimates = estimates.transpose(1, 2)
    mse = _distance(estimates, truth.outputs)
    prob_mse = mse if truth.is_probabilities else _distance(estimates.softmax(-1), truth.probabilities)
    chosen = estimates.argmax(-1)
    return mse, prob_mse, _share(chosen == truth.labels), _share(chosen == truth.outputs.argmax(-1))


def _distance(estimates: Tensor, outputs: Tensor) -> Tensor:
    return (estimates - outputs).square().sum(-1).to(torch.float64).mean(-1)


def _share(hits: Tensor) -> Tensor:
    return hits.to(torch.float64).mean(-1)


def _quantile(by_group_and_mask: Tensor, level: float) -> float:
    return float(by_group_and_mask.mean(0).quantile(level))
