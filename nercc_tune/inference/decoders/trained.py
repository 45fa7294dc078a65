"""Decoding by codes that were trained, which have no parameter left to search."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from typing_extensions import override

from nercc_tune.coding import TrainedCode
from nercc_tune.inference.decoders.decoder import Decoder, Decoding, ErrorCurve, answers_of_each
from nercc_tune.inference.metrics import Truth
from nercc_tune.records import Parameter

_AT_ONCE = 2**24  # estimates at once


@dataclass(frozen=True, eq=False)
class TrainedDecoder(Decoder):
    """A trained code's decoder under fixed masks; equal masks, of which few workers have many, are decoded once.

    Attributes:
        code: Whose.
        batches: The numbers of the workers that arrived, [M, F] ascending, a tensor for each number F.
    """

    code: TrainedCode
    batches: Sequence[Tensor]

    @override
    def prepare(self, answers: Tensor, *, groups: slice = slice(None)) -> Decoding:
        network = self.code.decoder
        if network is None or next(network.parameters()).device == answers.device:
            return _TrainedDecoding(self, answers)
        there = replace(self.code, decoder=copy.deepcopy(network).to(answers.device))
        return _TrainedDecoding(replace(self, code=there), answers)

    @override
    def df(self, parameter: Parameter) -> Tensor:
        """Return F: every answer can change the estimates."""
        return answers_of_each(self.batches)


@dataclass(frozen=True, eq=False)
class _TrainedDecoding(Decoding):
    decoder: TrainedDecoder
    answers: Tensor

    @override
    def estimates(self, parameter: Parameter) -> Iterator[Tensor]:
        code, answers = self.decoder.code, self.answers
        at_once = max(1, _AT_ONCE // answers[:, : code.queries].numel())
        for batch in self.decoder.batches:
            masks, of = batch.sort(-1).values.unique(dim=0, return_inverse=True)
            for part in of.split(at_once):
                used, within = part.unique(return_inverse=True)
                found = torch.stack([code.reconstruct(answers[:, masks[mask]], masks[mask]) for mask in used])
                yield found[within]

    @override
    def error_curve(self, truth: Truth) -> ErrorCurve | None:
        return None
