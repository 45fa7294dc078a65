"""Where the queries of groups sit: their order and their nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.coding import NodeSet, Placement, place
from nercc_tune.splines import smoothing_matrix

Features = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The order of the queries of some groups, and the nodes they sit at.

    Attributes:
        order: [G, K], the index of the query at each α; None where all groups keep the order of arrival.
        nodes: β [N], and α [K] of all groups, or [G, K] where it is fitted to each.
    """

    order: Tensor | None
    nodes: NodeSet

    @classmethod
    def of(cls, queries: Tensor, placement: Placement, *, workers: int, features: Features | None = None) -> Layout:
        """Place the queries [G, K, …] of groups."""
        placed = [place(placement, group, workers=workers, features=features) for group in queries]
        first = placed[0][1]
        is_fitted = any(not torch.equal(nodes.alpha, first.alpha) for _, nodes in placed)
        alpha = torch.stack([nodes.alpha for _, nodes in placed]) if is_fitted else first.alpha
        order = torch.stack([order for order, _ in placed])
        arrival = torch.arange(queries.shape[1])
        return cls(
            order=None if bool((order == arrival).all()) else order,
            nodes=NodeSet(alpha=alpha, beta=first.beta),
        )

    def encoder(self, lambda_enc: float) -> Tensor:
        """Return the encoder [N, K], or [G, N, K] where groups differ, for queries in the order of arrival."""
        return self.unordered(smoothing_matrix(self.nodes.alpha, self.nodes.beta, lambda_enc))

    def unordered(self, encoder: Tensor) -> Tensor:
        """Return an encoder of queries in the order of the nodes as one of queries in the order of arrival."""
        if self.order is None:
            return encoder
        columns = self.order.argsort(-1)[:, None, :]
        return encoder.expand(len(self.order), *encoder.shape[-2:]).take_along_dim(columns, dim=-1)

    def ordered(self, values: Tensor) -> Tensor:
        """Return values [G, K, …] of the queries in the order of the nodes."""
        if self.order is None:
            return values
        order = self.order.to(values.device).reshape(*self.order.shape, *(1,) * (values.ndim - 2))
        return values.take_along_dim(order, dim=1)
