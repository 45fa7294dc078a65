"""Decoding by the matrices of codes, which have no parameter left to search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from nercc_tune.coding import LinearCode
from nercc_tune.inference.decoders.decoder import Decoder, Decoding, ErrorCurve, answers_of_each
from nercc_tune.inference.metrics import Truth
from nercc_tune.records import Parameter

_AT_ONCE = 2**24  # answers picked at once: bounds the memory of masks × groups × workers × outputs


def decode_by_matrices(codes: Sequence[LinearCode], answers: Tensor, batches: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield the estimates [m, G, K, c] of all masks in turn, a part at a time.

    Args:
        codes: One for all groups, or one for each.
        answers: [G, N, c] in the decode space.
        batches: [M, F] the positions of those who arrived, ascending, a tensor for each number F.
    """
    code = codes[0]
    at_once = max(1, _AT_ONCE // (answers[0].numel() + len(codes) * code.queries * code.workers))
    for batch in batches:
        for arrived in batch.split(at_once):
            matrices = torch.stack([code.decoder_matrix(arrived) for code in codes]).to(answers)
            matrices = matrices.expand(len(answers), *matrices.shape[1:])
            yield torch.einsum("gmkf,gmfc->mgkc", matrices, answers[:, arrived])


@dataclass(frozen=True, eq=False)
class MatrixDecoder(Decoder):
    """A linear code's decoder under fixed masks, which has no parameter.

    Attributes:
        code: Of all groups.
        batches: [M, F] the positions of those who arrived, ascending, a tensor for each number F.
    """

    code: LinearCode
    batches: Sequence[Tensor]

    @override
    def prepare(self, answers: Tensor, *, groups: slice = slice(None)) -> Decoding:
        return _MatrixDecoding(self, answers)

    @override
    def df(self, parameter: Parameter) -> Tensor:
        """Return F: every answer can change the estimates."""
        return answers_of_each(self.batches)


@dataclass(frozen=True, eq=False)
class _MatrixDecoding(Decoding):
    decoder: MatrixDecoder
    answers: Tensor

    @override
    def estimates(self, parameter: Parameter) -> Iterator[Tensor]:
        return decode_by_matrices([self.decoder.code], self.answers, self.decoder.batches)

    @override
    def error_curve(self, truth: Truth) -> ErrorCurve | None:
        return None
