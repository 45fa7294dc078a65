"""The codec of a code: tuned, a baseline, or trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nercc_tune.coding import GroupCode, LinearCode, TrainedCode
from nercc_tune.errors import ServiceError
from nercc_tune.records import DecodeSpace, OutputKind
from nercc_tune.service.codec import Estimates
from nercc_tune.service.probabilities import from_decode_space, to_decode_space, to_probabilities

__all__ = ["CodeCodec", "bears_of"]

_EXACT = 1e-9  # what else a copy may hold: below the rounding of the queries, which are float32


def bears_of(code: LinearCode | TrainedCode) -> tuple[int | None, ...]:
    """Return of each of N workers the query that a group's code sends it an exact copy of, or None for a mix."""
    if isinstance(code, TrainedCode):
        return (*range(code.queries), *(None,) * code.parities)
    matrix = code.encoder_matrix
    largest, place = matrix.max(1)
    others = matrix.abs().sum(1) - largest
    is_copy = ((largest - 1).abs() <= _EXACT) & (others <= _EXACT)
    return tuple(query if is_one else None for query, is_one in zip(place.tolist(), is_copy.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class CodeCodec:
    """Encodes each group when it is there, and decodes in the space that the code was tuned for.

    Attributes:
        code: A linear code, one that is made for each group, or a trained one.
        decode_space: Where it decodes.
        output_kind: What the model gives.
        expected: What an estimate from the answers to some tasks is expected to err, [K]; None if that is not known.
    """

    code: LinearCode | GroupCode | TrainedCode
    decode_space: DecodeSpace
    output_kind: OutputKind = "logits"
    expected: Callable[[AbstractSet[int]], NDArray[np.float64]] | None = None

    def on(self, queries: Tensor) -> CodedGroup:
        """Return the code of a group of queries [K, …]."""
        code = self.code.on(queries)
        with torch.no_grad():
            return CodedGroup(codec=self, code=code, bears=bears_of(code), sent=code.encode(queries))


@dataclass(frozen=True, kw_only=True, eq=False)
class CodedGroup:
    """A group that was encoded.

    Attributes:
        codec: Whose it is.
        code: Of the group.
        bears: As of `GroupCodec`.
        sent: [N, …] what the workers are sent.
    """

    codec: CodeCodec
    code: LinearCode | TrainedCode
    bears: tuple[int | None, ...]
    sent: Tensor

    def coded(self, task: int) -> Tensor:
        return self.sent[task]

    def own(self, answer: Tensor) -> Tensor:
        return to_probabilities(answer, self.codec.output_kind)

    def read(self, answers: Tensor, tasks: Sequence[int]) -> Estimates:
        """Return what the answers [F, c] to the tasks say; estimates in probabilities are made such by the nearest.

        Raises:
            ServiceError: If an estimate is not finite.
            TableError: If there are fewer answers than the code was tuned for.
            ValueError: If none is finite.
        """
        space, kind, expected = self.codec.decode_space, self.codec.output_kind, self.codec.expected
        with torch.no_grad():
            given = to_decode_space(answers, space, kind)
            estimates, suspects = self.code.decode(given, tasks, return_suspects=True)
            if not math.isfinite(float(estimates.sum())):
                raise ServiceError("an estimate is not finite: the answers are too large")
            probabilities = from_decode_space(estimates, space)
        errors = None if expected is None else expected(frozenset(tasks))
        is_known = errors is not None and bool(np.isfinite(errors).all())
        known = tuple(errors.tolist()) if errors is not None and is_known else None
        return Estimates(probabilities=probabilities, suspects=suspects, expected_errors=known)
