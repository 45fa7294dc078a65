"""A linear code in the caller's numbering, whatever node a query or a worker has."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from nercc_tune.coding.linear import LinearCode


class PlacedCode(LinearCode):
    """Another code, with queries and workers that sit at its nodes in an order of their own.

    What is encoded, sent, answered and estimated keeps the caller's numbering throughout.

    Args:
        inner: The code whose queries and workers stand in the order of their nodes.
        order: [K], the number of the query at each query node; as they come if None.
        position: [N], the worker node of each worker; as they come if None.

    Raises:
        ValueError: If `order` or `position` does not hold each number once.

    Example:
        >>> from nercc_tune.coding import BerrutCode, node_set
        >>> inner = BerrutCode(node_set("systematic", queries=2, workers=3))
        >>> code = PlacedCode(inner, order=torch.tensor([1, 0]))
        >>> queries = torch.tensor([10.0, 20.0])
        >>> code.encode(queries), code.decode(code.encode(queries)[[0, 2]], [0, 2])
        (tensor([20., 15., 10.]), tensor([10., 20.]))
    """

    def __init__(self, inner: LinearCode, *, order: Tensor | None = None, position: Tensor | None = None) -> None:
        super().__init__(queries=inner.queries, workers=inner.workers)
        self.inner = inner
        self.order = _permutation("order", order, inner.queries)
        self.position = _permutation("position", position, inner.workers)
        self._node_of = self.order.argsort()

    @property
    @override
    def networks(self) -> tuple[str, ...]:
        return tuple(self.inner.networks[node] for node in self.position)

    @property
    @override
    def is_distrusting(self) -> bool:
        return self.inner.is_distrusting

    @override
    def read(self, answers: Tensor, workers: Tensor, *, dim: int) -> tuple[Tensor, tuple[int, ...]]:
        if not self.is_distrusting:
            return super().read(answers, workers, dim=dim)
        estimates, suspects = self.inner.read(answers, self.position[workers], dim=dim)
        of = self.position.argsort()
        return estimates.index_select(dim, self._node_of.to(estimates.device)), tuple(of[list(suspects)].tolist())

    def _build_encoder(self) -> Tensor:
        return self.inner.encoder_matrix[self.position][:, self._node_of]

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        return self.inner.decoder_matrix(self.position[arrived])[..., self._node_of, :]


def _permutation(name: str, numbers: Tensor | None, count: int) -> Tensor:
    if numbers is None:
        return torch.arange(count)
    is_whole = not numbers.is_floating_point() and numbers.dtype != torch.bool
    if not is_whole or numbers.ndim != 1 or sorted(numbers.tolist()) != list(range(count)):
        raise ValueError(f"`{name}` must hold each number from 0 to {count - 1} once, but got {numbers.tolist()}.")
    return numbers.to(device="cpu", dtype=torch.int64)
