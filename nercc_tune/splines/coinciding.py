"""Nodes that coincide: their values are averaged, and weigh as much as they are many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Distinct", "batches_of_distinct", "coincide", "ranks"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Distinct:
    """Some node sets of a batch that have equally many distinct nodes.

    With n nodes of which d are distinct, `Σ (y − g)²` over all nodes is `Σ m (ȳ − g)²` over the distinct ones and a
    constant: m is how many nodes coincide there, ȳ the mean of their values.

    Attributes:
        at: [b] which node sets of the batch these are.
        rank: [b, n] which distinct node each node is.
        nodes: [b, d] the distinct nodes, ascending strictly.
        count: [b, d] m.
    """

    at: Tensor
    rank: Tensor
    nodes: Tensor
    count: Tensor

    def spread(self, values: Tensor) -> Tensor:
        """Return values [b, r, d] of the distinct nodes at all nodes, [b, r, n]."""
        return values.gather(-1, self.rank[:, None, :].expand(-1, values.shape[1], -1))


def coincide(nodes: Tensor) -> bool:
    """Whether any of ascending nodes [..., n] coincide."""
    return nodes.ndim > 0 and bool((nodes.diff(dim=-1) == 0).any())


def ranks(nodes: Tensor) -> Tensor:
    """Return which distinct node each of ascending nodes [..., n] is: 0, 1 …, the same where they coincide."""
    is_next = (nodes.diff(dim=-1) > 0).to(torch.int64).cumsum(-1)
    return (
        torch.cat([torch.zeros_like(is_next[..., :1]), is_next], dim=-1)
        if nodes.shape[-1] > 1
        else is_next.new_zeros(nodes.shape)
    )


def batches_of_distinct(nodes: Tensor) -> Iterator[Distinct]:
    """Yield the node sets of a batch [B, n] by how many distinct nodes they have."""
    rank = ranks(nodes)
    counts = rank[:, -1] + 1
    for count in counts.unique().tolist():
        at = (counts == count).nonzero()[:, 0]
        own = rank[at]
        distinct = nodes.new_zeros(len(at), count).scatter_(-1, own, nodes[at])
        many = nodes.new_zeros(len(at), count).scatter_add_(-1, own, torch.ones_like(nodes[at]))
        yield Distinct(at=at, rank=own, nodes=distinct, count=many)
