"""Decoding by the matrices of codes, which have no parameter left to search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nercc_tune.coding import LinearCode
from nercc_tune.inference.wrong_answers import GivenAnswers

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


def decode_given(codes: Sequence[LinearCode], given: GivenAnswers) -> Iterator[Tensor]:
    """Yield the same of answers of which some may be wrong; those that are no numbers have not arrived.

    Args:
        codes: One for all groups, or one for each.
        given: The answers; what is no number under a mask is none in any group.
    """
    for batch in given.each():
        is_usable = ~batch.unusable.any(1)
        for answers, arrived, usable in zip(batch.answers, batch.arrived, is_usable, strict=True):
            left = arrived[usable.to(arrived.device)]
            matrices = torch.stack([code.decoder_matrix(left) for code in codes]).to(answers)
            yield (matrices @ answers[:, usable]).to(torch.float32)[None]
