"""What a decoder is to those who score and search: prepared for masks, then for answers, then cheap at any value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from nercc_tune.inference.metrics import Truth
from nercc_tune.records import Parameter

ErrorCurve = Callable[[Tensor], Tensor]
"""The MSE of each mask, [M, L] float64, at the values [L] of the parameter."""


class Decoding(Protocol):
    """The answers of some groups as a decoder has prepared them."""

    def estimates(self, parameter: Parameter) -> Iterator[Tensor]:
        """Yield the estimates [m, G, K, c] of all masks in turn, a part at a time, in the decode space.

        Args:
            parameter: The decoder's: λ_dec of a spline, or a kernel.
        """

    def error_curve(self, truth: Truth) -> ErrorCurve | None:
        """Return the MSE against a truth where it is cheaper than decoding, else None.

        Args:
            truth: The uncoded outputs of the same groups, in the order of the estimates.
        """


class Decoder(Protocol):
    """A way of reading estimates off the answers that arrived, under fixed masks, for every value of its parameter.

    What depends on the masks alone is done once, for all answers: one spline decoder serves every λ_enc.
    """

    def prepare(self, answers: Tensor, *, groups: slice = slice(None)) -> Decoding:
        """Prepare answers [G, N, c] in the decode space.

        Args:
            answers: Of the workers in the order of β.
            groups: Which of the groups that the decoder was made for the answers are of.
        """

    def df(self, parameter: Parameter) -> Tensor:
        """Return the effective degrees of freedom at a value of the parameter, [M] of all masks in turn."""


def answers_of_each(batches: Sequence[Tensor]) -> Tensor:
    """Return F of each mask, [M] float64, of masks [M, F] that are held together by F."""
    return torch.cat([torch.full((len(batch),), batch.shape[1], dtype=torch.float64) for batch in batches])
