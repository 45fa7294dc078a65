"""What every linear code shares: two matrices, and how they are applied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Literal, overload

import torch
from numpy.typing import NDArray
from torch import Tensor

from nercc_tune.coding.arrived import Arrived, sound_answers, worker_numbers
from nercc_tune.coding.data import Data, like, to_tensor

BASE = "base"
"""The network that is served, among those that workers may run."""


class LinearCode(ABC):
    """A code whose coded queries mix the queries linearly and whose estimates mix the answers linearly.

    Sub-classes give the two matrices in float64. They are cast once, when they are applied: to the data's dtype, or
    for 16-bit data to float32, in which the product is then formed.
    """

    def __init__(self, *, queries: int, workers: int) -> None:
        if not (queries >= 1 and workers >= 1):
            raise ValueError(f"`queries` and `workers` must be at least 1, but got {queries} and {workers}.")
        self.queries = queries
        self.workers = workers

    @abstractmethod
    def _build_encoder(self) -> Tensor:
        """Build the encoder matrix [N, K] float64."""

    @abstractmethod
    def _build_decoder(self, arrived: Tensor) -> Tensor:
        """Build the decoder matrices [..., K, F] for the arrived workers [..., F], ascending."""

    @property
    def networks(self) -> tuple[str, ...]:
        """The name of the network that each of the N workers runs; here all run the one that is served, `BASE`."""
        return (BASE,) * self.workers

    @property
    def is_distrusting(self) -> bool:
        """Whether `decode` may leave finite answers out, by what all others say of them."""
        return False

    @cached_property
    def encoder_matrix(self) -> Tensor:
        """The matrix [N, K] float64 that takes the queries to the coded queries."""
        return self._build_encoder()

    def decoder_matrix(self, arrived: Arrived) -> Tensor:
        """Return the matrix [K, F] float64 that takes the answers of the arrived workers to the estimates.

        Args:
            arrived: Worker numbers in the order of their answers, or a mask [N] of booleans. A batch [..., F] of
                worker numbers gives a batch of matrices [..., K, F].

        Raises:
            ValueError: If no worker arrived, or a number repeats, is not whole or not one of 0 … N − 1.
        """
        ascending, order = worker_numbers(arrived, self.workers).sort(-1)
        return self._build_decoder(ascending).take_along_dim(order.argsort(-1)[..., None, :], dim=-1)

    def on(self, queries: Tensor | NDArray[Any]) -> LinearCode:  # noqa: ARG002 - a code that is fitted to a group looks at them
        """Return the code of one group of queries [K, ...], which is this one.

        A code that is not fitted to a group is the same for all, so that callers may always write `code.on(queries)`.
        """
        return self

    def encode(self, queries: Data, *, dim: int = 0) -> Data:
        """Mix K queries into N coded queries.

        Args:
            queries: Floating point, any shape, with the K queries of a group along `dim`; a tensor or a NumPy array.
            dim: The axis that holds the queries.

        Returns:
            The same kind, shape, dtype and device, with N in place of K along `dim`.

        Raises:
            ValueError: If the axis does not hold K queries or the data is not floating point.
        """
        data = to_tensor("queries", queries)
        if data.shape[dim] != self.queries:
            raise ValueError(f"`queries` must hold {self.queries} queries along axis {dim}, but got {data.shape[dim]}.")
        return like(queries, _apply(self.encoder_matrix, data, dim))

    @overload
    def decode(
        self, answers: Data, arrived: Arrived, *, dim: int = 0, return_suspects: Literal[False] = False
    ) -> Data: ...

    @overload
    def decode(
        self, answers: Data, arrived: Arrived, *, dim: int = 0, return_suspects: Literal[True]
    ) -> tuple[Data, tuple[int, ...]]: ...

    def decode(
        self, answers: Data, arrived: Arrived, *, dim: int = 0, return_suspects: bool = False
    ) -> Data | tuple[Data, tuple[int, ...]]:
        """Estimate the K outputs from the answers of the workers that arrived.

        An answer that holds a NaN or an infinity counts as not arrived, since it would spoil every estimate. Its worker
        is named by a `NonFiniteAnswers` warning, or returned.

        Args:
            answers: Floating point, any shape, with the F answers along `dim`; a tensor or a NumPy array.
            arrived: As for `decoder_matrix`: which worker gave which answer.
            dim: The axis that holds the answers.
            return_suspects: Also return the numbers of the workers whose answers were left out or distrusted,
                ascending, and do not warn.

        Returns:
            The same kind, shape, dtype and device, with K in place of F along `dim`.

        Raises:
            ValueError: If the counts differ, the data is not floating point, no answer is finite, or as for
                `decoder_matrix`.
        """
        given, workers = to_tensor("answers", answers), worker_numbers(arrived, self.workers)
        data, workers, unusable = sound_answers(given, workers, dim=dim, is_silent=return_suspects)
        read, distrusted = self.read(data, workers, dim=dim)
        estimates, suspects = like(answers, read), tuple(sorted(unusable + distrusted))
        return (estimates, suspects) if return_suspects else estimates

    def read(self, answers: Tensor, workers: Tensor, *, dim: int) -> tuple[Tensor, tuple[int, ...]]:
        """Return the estimates that finite answers give, and the workers that were distrusted; here all are believed.

        Args:
            answers: Floating point, with the F answers along `dim`.
            workers: [F] who gave them.
            dim: The axis that holds the answers.
        """
        return _apply(self.decoder_matrix(workers), answers, dim), ()


def _apply(matrix: Tensor, data: Tensor, dim: int) -> Tensor:
    if not data.is_floating_point():
        raise ValueError(f"the data must be floating point, but got {data.dtype}; convert and normalise it first.")
    dtype = torch.float32 if data.dtype in (torch.float16, torch.bfloat16) else data.dtype
    first = data.movedim(dim, 0)
    mixed = matrix.to(device=data.device, dtype=dtype) @ first.reshape(first.shape[0], -1).to(dtype)
    return mixed.reshape(len(matrix), *first.shape[1:]).movedim(0, dim).to(data.dtype)
