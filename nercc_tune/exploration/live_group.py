"""One group of queries on its workers: whoever is made to straggle, the estimates follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.coding import PlacedCode
from nercc_tune.inference import Truth, measure
from nercc_tune.records import Score


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """What is read off the answers that arrived.

    Attributes:
        estimates: [K, c], in the space of `LiveGroup.outputs`.
        errors: [K], the squared L2 distance of each estimate to its output.
        score: Of this group and these workers alone; its quantiles are its means.
    """

    estimates: Tensor
    errors: Tensor
    score: Score


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveGroup:
    """One group of queries that a code sent to N workers, with the answer of each.

    Attributes:
        queries: [K, …], in the order of arrival.
        code: The code of this group.
        coded: [N, …], what each worker got.
        answers: [N, c], each worker's answer as the decoder reads it: probabilities or logits, which are the logarithms
            of its outputs for a model that gives probabilities.
        truth: The uncoded outputs, [1, K, c].
    """

    queries: Tensor
    code: PlacedCode
    coded: Tensor
    answers: Tensor
    truth: Truth

    @property
    def order(self) -> list[int]:
        """The number of the query at each query node α, ascending."""
        return [int(number) for number in self.code.order]

    @property
    def labels(self) -> Tensor:
        """[K]."""
        return self.truth.labels[0]

    @property
    def outputs(self) -> Tensor:
        """[K, c], the uncoded outputs in the space that the MSE is measured in."""
        return self.truth.outputs[0]

    def decode(self, arrived: Sequence[int]) -> Decoded:
        """Estimate the outputs from the answers of some workers.

        Args:
            arrived: Numbers of the workers whose answers are there, ascending.

        Raises:
            ValueError: If there is none, or as for `LinearCode.decode`.
        """
        decoded = self.code.decode(self.answers[torch.as_tensor(list(arrived), dtype=torch.int64)], list(arrived))
        estimates = self.truth.estimates(decoded)
        return Decoded(
            estimates=estimates,
            errors=(estimates - self.outputs).square().sum(-1),
            score=measure([decoded[None, None]], self.truth).score(),
        )
